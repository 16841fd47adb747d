from treadle._native.emitter import NativeListener
from treadle._native.stream_core import StreamCore

class Pipe(NativeListener):
    source: StreamCore
    destination: object
