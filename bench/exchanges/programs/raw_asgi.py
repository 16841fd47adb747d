"""Raw ASGI with the three exchanges: `/` says hello, `/json` sends back what it was sent, `/fields` has ten fields each way."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

HELLO_HEAD: Message = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/plain"), (b"content-length", b"13")],
}
HELLO_BODY: Message = {"type": "http.response.body", "body": b"Hello, World!"}


async def app(scope: Message, receive: Receive, send: Send) -> None:
    """Answer by the path."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    path = scope["path"]
    if path == "/":
        await send(HELLO_HEAD)
        await send(HELLO_BODY)
    elif path == "/json":
        await echo_json(receive, send)
    else:
        await count_fields(scope, send)


async def echo_json(receive: Receive, send: Send) -> None:
    """Parse the body, and send it as it is made of what was parsed."""
    body = b""
    has_more = True
    while has_more:
        message = await receive()
        body += message.get("body", b"")
        has_more = message.get("more_body", False)
    answer = json.dumps(json.loads(body)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


async def count_fields(scope: Message, send: Send) -> None:
    """Look at each field of the request, and send ten."""
    fields = dict(scope["headers"])
    answer = b"%d" % (len(fields) >= 10 and fields[b"x-request-id"] == b"b7a1c0de")
    headers = [
        (b"content-type", b"text/plain"),
        (b"content-length", b"%d" % len(answer)),
        (b"cache-control", b"no-store"),
        (b"etag", b'"33a64df551425fcc"'),
        (b"vary", b"accept-encoding"),
        (b"x-frame-options", b"DENY"),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"x-request-id", fields[b"x-request-id"]),
        (b"server-timing", b"app;dur=1"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
