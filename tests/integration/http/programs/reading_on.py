"""Handlers that answer before they have read their request, and then read on, or do not; and answers begun before a read.

`/facts` tells what they noted, `/release` lets those go on that wait, `/clear` forgets.
"""

import asyncio
import hashlib
import json

from treadle import http

facts = {"answered": 0, "read": [], "left": 0}
released = asyncio.Event()


def answer_early(req, res):
    res.end("early")
    facts["answered"] += 1


async def read_on(req, res):
    """Reads a first piece, answers, waits, and reads the rest."""
    digest, size = hashlib.sha256(), 0
    async for chunk in req:
        digest.update(chunk)
        size += len(chunk)
        if not facts["answered"]:
            answer_early(req, res)
            await released.wait()
    facts["read"].append([size, digest.hexdigest()])


async def leave(req, res):
    """Reads a first piece, answers, waits, and returns."""
    async for _ in req:
        answer_early(req, res)
        await released.wait()
        break
    facts["left"] += 1


async def leave_at_once(req, res):
    """Reads a first piece, answers and returns."""
    async for _ in req:
        answer_early(req, res)
        break


async def fail(req, res):
    """Reads a first piece, answers, and raises."""
    async for _ in req:
        answer_early(req, res)
        raise RuntimeError("marker-behind-the-answer")


async def write_then_read(req, res):
    res.write_head(200, {"X-Kind": "write"})
    res.write("begun;")
    res.end(await req.read())


async def flush_then_read(req, res):
    res.flush_headers()
    res.end(b"begun;" + await req.read())


async def head_then_read(req, res):
    """The head is made but not sent: 100 Continue may still come first."""
    res.write_head(200, {"X-Kind": "head"})
    res.end(b"begun;" + await req.read())


def release(req, res):
    released.set()
    res.end()


def clear(req, res):
    released.clear()
    facts.update(answered=0, read=[], left=0)
    res.end()


ROUTES = {
    "/": lambda req, res: res.end("Hello, World!"),
    "/read-on": read_on,
    "/leave": leave,
    "/leave-at-once": leave_at_once,
    "/fail": fail,
    "/write-then-read": write_then_read,
    "/flush-then-read": flush_then_read,
    "/head-then-read": head_then_read,
    "/release": release,
    "/clear": clear,
    "/facts": lambda req, res: res.end(json.dumps(facts)),
}

server = http.create_server(lambda req, res: ROUTES[req.url](req, res)).listen(0)
print("LISTENING", *server.address(), flush=True)
