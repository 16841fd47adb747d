"""Answers that are compressed as they are made: a long report, and events that a client sees when they happen.

    treadle run examples/compressed.py
    curl --compressed localhost:8000/report          100,000 lines, which are in memory nowhere
    curl --compressed -N localhost:8000/events       ten events, one every second

The loop is free meanwhile: a thread of the pool compresses. From the environment: PORT, EVERY_MS.
"""

import os
from collections.abc import AsyncIterator, Iterator

from treadle import http, timers, zlib
from treadle.streams import PassThrough, Readable, Transform, pipeline

EVERY_MS = int(os.environ.get("EVERY_MS", "1000"))
GETS_OUT = zlib.constants.Z_SYNC_FLUSH  # behind each write, so that the client has it at once


def encoder_for(req: http.IncomingMessage, res: http.ServerResponse, flush: int = zlib.constants.Z_NO_FLUSH) -> Transform:
    """gzip for who takes it; else what is written passes as it is."""
    res.set_header("Vary", "Accept-Encoding")
    if "gzip" not in req.headers.get("accept-encoding", ""):
        return PassThrough()
    res.set_header("Content-Encoding", "gzip")
    return zlib.create_gzip(flush=flush)


def report() -> Iterator[bytes]:
    for number in range(100_000):
        yield f"{number}: nothing to report\n".encode()


async def events() -> AsyncIterator[bytes]:
    for number in range(10):
        yield f"data: {number}\n\n".encode()
        await timers.promises.sleep(EVERY_MS)


async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
    if req.url == "/events":
        res.set_header("Content-Type", "text/event-stream")
        await pipeline(events(), encoder_for(req, res, GETS_OUT), res)
    else:
        await pipeline(Readable.from_(report(), object_mode=False), encoder_for(req, res), res)


server = http.create_server(handler).listen(int(os.environ.get("PORT", "8000")))
print("LISTENING", *(server.address() or ()), flush=True)
