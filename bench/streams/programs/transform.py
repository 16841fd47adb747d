"""Byte Transforms between a Readable and a Writable: each hands its chunk on by the callback. The twin of transform.js."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import passes
from treadle.streams import Readable, Transform, Writable


def hand_on(chunk: bytes, _encoding: str, callback: Callable[..., object]) -> None:
    """What every stage does."""
    callback(None, chunk)


async def transform(chunks: int, chunk_bytes: int, stages: int) -> int:
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
    end = source
    for _ in range(stages):
        end = end.pipe(Transform(transform=hand_on))
    end.pipe(sink)
    await finished
    return arrived


if __name__ == "__main__":
    passes.main({"treadle": transform})
