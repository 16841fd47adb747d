"""An ASGI application that says what it does while it is ended."""

import asyncio


def say(*words):
    print(*words, flush=True)


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        say("lifespan shutdown")
        await send({"type": "lifespan.shutdown.complete"})
        return
    path = scope["path"]
    if path == "/exit":
        raise SystemExit(7)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if path == "/background":
        await send({"type": "http.response.body", "body": b"done"})
        say("answered")
        await asyncio.sleep(0.3)
        say("background done")
        return
    await send({"type": "http.response.body", "body": b"begun", "more_body": True})
    say("begun")
    try:
        await asyncio.sleep(3600)
    finally:
        if path == "/stubborn":
            await asyncio.sleep(0.05)
        say("unwound")
