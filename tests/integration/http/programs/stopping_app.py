"""An ASGI application with every kind of request that a stop may find under way."""

import asyncio
import os

PIECES = 20
PIECE = b"x" * 10_000


def say(*words):
    print(*words, flush=True)


async def lifespan(receive, send):
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    if os.environ.get("LIFESPAN") == "hangs":
        await asyncio.Event().wait()
    say("lifespan shutdown")
    await send({"type": "lifespan.shutdown.complete"})


async def begin(send, content_type):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", content_type)]})


async def piece(send, body, more_body=True):
    await send({"type": "http.response.body", "body": body, "more_body": more_body})


async def download(scope, receive, send):
    await begin(send, b"application/octet-stream")
    for _ in range(PIECES):
        await piece(send, PIECE)
        await asyncio.sleep(0.02)
    await piece(send, b"", False)


async def events(scope, receive, send):
    """Endless, and of a stop it knows nothing."""
    await begin(send, b"text/event-stream; charset=utf-8")
    try:
        while True:
            await piece(send, b"data: tick\n\n")
            await asyncio.sleep(0.05)
    except OSError:
        say("events: the peer has left")
        raise


async def told(scope, receive, send):
    """Endless, until the server says that it stops."""
    await begin(send, b"text/event-stream")
    await piece(send, b"data: begun\n\n")
    await scope["extensions"]["treadle.stopping"].event.wait()
    await piece(send, b"data: bye\n\n", False)


async def endless(scope, receive, send):
    await begin(send, b"text/plain")
    await piece(send, b"begun")
    while (await receive())["type"] != "http.disconnect":
        pass
    say("endless: disconnect")


async def upload(scope, receive, send):
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            say("upload: disconnect")
            return
        size += len(message["body"])
        if not message["more_body"]:
            break
    await begin(send, b"text/plain")
    await piece(send, str(size).encode(), False)


async def silent(scope, receive, send):
    say("silent begins")
    await asyncio.sleep(3600)


async def block(scope, receive, send):
    """The loop stands still until somebody opens the FIFO to write."""
    say("blocked")
    with open(os.environ["FIFO"], "rb"):
        pass
    await begin(send, b"text/plain")
    await piece(send, b"unblocked", False)


async def block_behind(scope, receive, send):
    """As block(), but its client has its answer."""
    await hello(scope, receive, send)
    await block(scope, receive, send)


async def hello(scope, receive, send):
    await begin(send, b"text/plain")
    await piece(send, b"hello", False)


ROUTES = {
    "/download": download,
    "/events": events,
    "/told": told,
    "/endless": endless,
    "/upload": upload,
    "/silent": silent,
    "/block": block,
    "/block-behind": block_behind,
    "/": hello,
}


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    else:
        await ROUTES[scope["path"]](scope, receive, send)
