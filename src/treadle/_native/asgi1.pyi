import asyncio
import ssl
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from treadle._native.http1_request import RequestCore
from treadle._native.http1_response import ResponseCore
from treadle._native.http1_server import ServerCore
from treadle._native.loop import LoopCore

class ASGICore(ServerCore):
    state: dict[str, Any] | None
    def __init__(
        self,
        loop: LoopCore,
        task_type: type[asyncio.Task[Any]],
        app: Callable[..., Any],
        root_path: str = "",
        scheme: str = "http",
        extensions: dict[str, dict[str, Any]] | None = None,
    ) -> None: ...
    def tls_facts(self, tls: ssl.SSLObject) -> dict[str, Any]: ...
    @property
    def app(self) -> Callable[..., Any]: ...
    @property
    def root_path(self) -> str: ...
    def send_path(self, response: ResponseCore, path: str) -> Awaitable[None]: ...
    def upgrade_ignored(self, request: RequestCore) -> None: ...
    def asgi_fault(
        self, exception: BaseException | None, request: RequestCore, response: ResponseCore
    ) -> None: ...

class ASGIRequest(RequestCore):
    def __call__(self) -> Awaitable[MutableMapping[str, Any]]: ...
    async def wait_and_receive(self) -> MutableMapping[str, Any]: ...

class ASGIResponse(ResponseCore):
    def __call__(self, message: MutableMapping[str, Any]) -> Awaitable[None]: ...
    def asgi_state(self) -> str: ...
