"""A Readable piped to a Writable: the source pushes one and the same chunk, the sink counts bytes. The twin of pipe.js."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import passes
from treadle.streams import Readable, Writable


async def pipe(chunks: int, chunk_bytes: int) -> int:
    """The bytes that arrived."""
    chunk = bytes(chunk_bytes)
    left = chunks
    arrived = 0
    finished = asyncio.get_running_loop().create_future()

    def read(_size: int) -> None:
        nonlocal left
        if left:
            left -= 1
            source.push(chunk)
        else:
            source.push(None)

    def write(chunk: bytes, _encoding: str, callback: Callable[[], object]) -> None:
        nonlocal arrived
        arrived += len(chunk)
        callback()

    source = Readable(read=read)
    sink = Writable(write=write)
    sink.on("finish", lambda: finished.set_result(None))
    source.pipe(sink)
    await finished
    return arrived


if __name__ == "__main__":
    passes.main({"treadle": pipe})
