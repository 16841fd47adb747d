import ssl
from collections.abc import Callable
from typing import Any, NoReturn

from treadle._native.loop import LoopCore
from treadle._native.socket_stream import SocketStream
from treadle._native.tcp import Stream

class Site:
    request_type: type[Any]  # of RequestCore
    response_type: type[Any]  # of ResponseCore
    head_bytes_max: int
    line_bytes_max: int
    fields_max: int
    body_mark: int
    headers_ms: int
    request_ms: int
    keep_alive_ms: int
    send_ms: int
    send_bytes_min: int
    linger_ms: int
    tls_context: ssl.SSLContext | None
    body_rate: int
    body_grace_ms: int
    answer_ms: int
    cancels: bool
    routes: Callable[[bytes], tuple[int, bool]] | None
    is_planned: bool
    takes_upgrades: bool
    takes_tunnels: bool
    takes_faults: bool
    tells_connections: bool
    connections_max: int
    requests_max: int
    socket_count: int
    takes_expectations: bool
    is_closing: bool
    access_log: ExchangeLog | None
    intake: Intake | None
    preface: Any
    def __init__(self, loop: LoopCore) -> None: ...
    @property
    def loop(self) -> LoopCore: ...
    def fault(self, code: str, data: dict[str, Any]) -> NoReturn: ...
    def refusal(self, reason: str, detail: str | None) -> bytes: ...
    def answer_failed(self, exception: BaseException, method: str, target: bytes) -> None: ...
    def handshake_failed(self, error: Exception, is_plain: bool, peer: tuple[Any, ...] | str | None) -> None: ...
    def wants_upgrade(self, request: Any) -> bool: ...
    def switched(self, request: Any, handle: SocketStream, head: bytes, observer: Callable[[], object] | None) -> None: ...
    def refused(self, reason: str, detail: str | None, handle: SocketStream, observer: Callable[[], object] | None) -> None: ...
    def connected(self, connection: Any) -> None: ...
    def dropped(self, local: Any, remote: Any) -> None: ...
    def timed_out(self, request: Any, response: Any) -> None: ...
    def drained(self) -> None: ...
    def abandon(self) -> None: ...

class Wire(Stream): ...
class Intake: ...
class ExchangeLog: ...
