from asyncio import sslproto
from typing import Any

from treadle._native.transport import Receiver

class TlsCore(Receiver): ...

class TlsProtocol(TlsCore, sslproto.SSLProtocol):
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

class SSLTransport(sslproto._SSLProtocolTransport):
    def write(self, data: bytes | bytearray | memoryview) -> None: ...
