"""ASGI 2 applications, which are called twice, as ASGI 3. Source: ASGI, "Legacy Applications"."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from treadle.asgi.application import Application, Message

__all__ = ["from_asgi2"]

Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def from_asgi2(app: Callable[[dict[str, Any]], Callable[[Receive, Send], Awaitable[Any]]]) -> Application:
    """An ASGI 3 application that calls app with the scope, and what that returns with receive and send."""

    async def asgi3(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        scope["asgi"]["version"] = "2.0"  # what it is spoken to in; the versions are each scope's own
        await app(scope)(receive, send)

    return asgi3
