"""The server that the streams are thrown at. Every handler that completes answers 200; how it gets there depends on the
target, so that parsing meets handlers that read at once, late, piece by piece, or not at all. `/facts` tells counters.
"""

import asyncio
import json
import os

from treadle import http
from treadle.streams import pipeline


def at_once(req, res):
    res.end("ok")


async def whole(req, res):
    body = await req.read()
    res.end(body[:100] or b"ok")


async def late(req, res):
    await asyncio.sleep(0)
    await asyncio.sleep(0.001)
    res.end(b"%d" % len(await req.read()))


async def streamed(req, res):
    """Cut off where its request turns out to be malformed behind its head, as that of `pieces`: no other answer may be."""
    res.set_header("x-may-be-cut", "yes")
    async for chunk in req:
        res.write(chunk)
    res.end()


async def pieces(req, res):
    if any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in req.raw_headers):
        res.set_header("x-may-be-cut", "yes")
    for index in range(3):
        res.write(f"piece {index};")
        await asyncio.sleep(0)
    res.end()


async def piped(req, res):
    res.set_header("x-may-be-cut", "yes")
    await pipeline(req, res)


def heard(req, res):
    """By listeners alone."""
    res.set_header("x-may-be-cut", "yes")
    req.on("data", res.write)
    req.on("end", res.end)
    res.on("finish", lambda: None)


def facts(req, res):
    res.end(json.dumps({"connections": server.connections}))


WAYS = [at_once, whole, late, streamed, pieces, piped, heard]


def handler(req, res):
    res.set_header("x-method", req.method)
    if req.url == "/facts":
        return facts(req, res)
    return WAYS[sum(req.url.encode("utf-8", "surrogateescape")) % len(WAYS)](req, res)


# With all of its edge: what reads more of a request than its framing meets the streams as well.
log = http.access_log(os.devnull, "json")
server = http.create_server(handler, origin=http.Origin("*"), request_ids="echo", access_log=log).listen(0)
print("LISTENING", *server.address(), flush=True)
