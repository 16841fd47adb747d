"""An ASGI application that does not look at its client: `/work/<name>` works until it is cancelled, `/done` answers and works on.

Lines on stdout: `<name> begun`, what it receives, how it ends.
"""

import asyncio


def say(*words):
    print(*words, flush=True)


async def answer(send, body=b""):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("http only")
    _, kind, *rest = scope["path"].split("/")
    name = rest[-1] if rest else kind
    if kind == "hello":
        return await answer(send, b"hello")
    if kind == "done":
        await answer(send, b"done")
    if kind == "listen":
        await receive()
    say(name, "begun")
    try:
        if kind == "listen":
            say(name, (await receive())["type"])
        await asyncio.sleep(0.5 if kind == "done" else 60)
    except asyncio.CancelledError:
        say(name, "cancelled")
        raise
    say(name, "through")
    return None
