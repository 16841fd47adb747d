"""Async iteration over a Readable that pushes one chunk each time it is asked. The twin of iterate.js.

The first few bytes arrive joined, as in Node: the iterator takes all that is there, and then is faster than the source.
`generator` is what Python itself takes for as many values.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import passes


async def treadle(chunks: int, chunk_bytes: int) -> int:
    """The objects, or the bytes, that arrived. chunk_bytes=0: objects."""
    from treadle.streams import Readable

    chunk = bytes(chunk_bytes)
    left = chunks

    def read(_size: int) -> None:
        nonlocal left
        if left:
            left -= 1
            source.push(chunk)
        else:
            source.push(None)

    source = Readable(object_mode=not chunk_bytes, read=read)
    arrived = 0
    if chunk_bytes:
        async for some in source:
            arrived += len(some)
    else:
        async for _ in source:
            arrived += 1
    return arrived


async def bare(chunks: int, chunk_bytes: int) -> int:
    """The same function called again and again, with no stream below it and nobody who iterates."""
    from bare import push, run

    chunk = bytes(chunk_bytes)
    left = chunks

    def read(_size: int) -> None:
        nonlocal left
        if left:
            left -= 1
            push(chunk)
        else:
            push(None)

    run(read, None, 0, None, None)
    return chunks * (chunk_bytes or 1)


async def generator(chunks: int, chunk_bytes: int) -> int:
    """The same from an async generator."""
    chunk = bytes(chunk_bytes)

    async def source() -> AsyncIterator[bytes]:
        for _ in range(chunks):
            yield chunk

    arrived = 0
    if chunk_bytes:
        async for some in source():
            arrived += len(some)
    else:
        async for _ in source():
            arrived += 1
    return arrived


if __name__ == "__main__":
    passes.main({"treadle": treadle, "bare": bare, "generator": generator})
