"""A Readable piped to a Writable, through byte Transforms that hand each chunk on by their callback: the twin of pipe.js.

The source pushes one and the same chunk, the sink counts bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import passes


def hand_on(chunk: bytes, _encoding: str, callback: Callable[..., object]) -> None:
    """What every Transform does."""
    callback(None, chunk)


async def treadle(chunks: int, chunk_bytes: int, stages: int) -> int:
    """The bytes that arrived."""
    from treadle.streams import Readable, Transform, Writable

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
    end = source
    for _ in range(stages):
        end = end.pipe(Transform(transform=hand_on))
    end.pipe(sink)
    await finished
    return arrived


async def bare(chunks: int, chunk_bytes: int, stages: int) -> int:
    """The same functions called in turn, with no stream below them."""
    from bare import callback, push, run

    chunk = bytes(chunk_bytes)
    left = chunks
    arrived = 0

    def read(_size: int) -> None:
        nonlocal left
        if left:
            left -= 1
            push(chunk)
        else:
            push(None)

    def write(chunk: bytes, _encoding: str, callback: Callable[[], object]) -> None:
        nonlocal arrived
        arrived += len(chunk)
        callback()

    run(read, hand_on, stages, write, callback)
    return arrived


if __name__ == "__main__":
    passes.main({"treadle": treadle, "bare": bare})
