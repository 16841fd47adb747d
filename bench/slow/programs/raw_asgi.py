"""Raw ASGI for clients that are slow: `/` says hello, `/upload` reads the body, `/download` sends 64 MiB as it is taken."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

CHUNK = b"x" * 65_536
CHUNKS = 1024


def head(size: int) -> Message:
    """Of an answer of so many bytes."""
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % size)]
    return {"type": "http.response.start", "status": 200, "headers": headers}


async def app(scope: Message, receive: Receive, send: Send) -> None:
    """Answer by the path."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    if scope["path"] == "/upload":
        has_more = True
        while has_more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            has_more = message.get("more_body", False)
    elif scope["path"] == "/download":
        await send(head(len(CHUNK) * CHUNKS))
        for _ in range(CHUNKS):
            await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return
    await send(head(13))
    await send({"type": "http.response.body", "body": b"Hello, World!"})
