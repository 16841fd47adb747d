"""An ASGI application that says what it does while it is ended."""

import asyncio
import os

from treadle import timers


def say(*words):
    print(*words, flush=True)


async def tick():
    while True:
        await asyncio.sleep(0.01)


async def stay():
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            say("stays")


def leave_behind(what):
    if what == "task":
        asyncio.create_task(tick())
    elif what == "interval":
        timers.set_interval(lambda: None, 10)
    elif what == "alarm":
        asyncio.get_running_loop().call_later(3600, say, "never")
    elif what == "stubborn task":
        asyncio.create_task(stay())


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        leave_behind(os.environ.get("LEAVE", ""))
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
