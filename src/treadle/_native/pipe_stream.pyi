"""What Python sees of pipe_stream.pyx."""

from typing_extensions import disjoint_base

from treadle._native.socket_stream import SocketStream

@disjoint_base
class PipeStream(SocketStream): ...
