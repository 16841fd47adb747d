"""A chain of stages, each of which applies add_one to each object: numbers in, their sum out. The twin of objects.js.

treadle     a Readable, object-mode Transforms, a Writable, joined by pipe: each holds 16 objects at most
generators  a chain of async generators: one object is under way, nothing is held, nothing runs beside anything else
bare        no streams: the same functions called in turn, from C
queues      a task for each stage and an asyncio.Queue of 16 between two: bounded as the streams are
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import passes

MARK = 16  # objects: the high-water mark of streams in object mode


def add_one(number: int) -> int:
    """What every stage of every peer does with every object."""
    return number + 1


async def treadle(chunks: int, stages: int) -> int:
    """The sum of what arrived."""
    from treadle.streams import Readable, Transform, Writable

    following = 0
    total = 0
    finished = asyncio.get_running_loop().create_future()

    def read(_size: int) -> None:
        nonlocal following
        if following < chunks:
            source.push(following)
            following += 1
        else:
            source.push(None)

    def transform(number: int, _encoding: str, callback: Callable[..., object]) -> None:
        callback(None, add_one(number))

    def write(number: int, _encoding: str, callback: Callable[[], object]) -> None:
        nonlocal total
        total += number
        callback()

    source = Readable(object_mode=True, high_water_mark=MARK, read=read)
    sink = Writable(object_mode=True, high_water_mark=MARK, write=write)
    sink.on("finish", lambda: finished.set_result(None))
    end = source
    for _ in range(stages):
        end = end.pipe(Transform(object_mode=True, high_water_mark=MARK, transform=transform))
    end.pipe(sink)
    await finished
    return total


async def bare(chunks: int, stages: int) -> int:
    """The same functions called in turn, with no stream below them."""
    from bare import callback, push, run

    following = 0
    total = 0

    def read(_size: int) -> None:
        nonlocal following
        if following < chunks:
            push(following)
            following += 1
        else:
            push(None)

    def transform(number: int, _encoding: str, callback: Callable[..., object]) -> None:
        callback(None, add_one(number))

    def write(number: int, _encoding: str, callback: Callable[[], object]) -> None:
        nonlocal total
        total += number
        callback()

    run(read, transform, stages, write, callback)
    return total


async def generators(chunks: int, stages: int) -> int:
    """The same by async generators."""

    async def source() -> AsyncIterator[int]:
        for number in range(chunks):
            yield number

    async def stage(numbers: AsyncIterator[int]) -> AsyncIterator[int]:
        async for number in numbers:
            yield add_one(number)

    end = source()
    for _ in range(stages):
        end = stage(end)
    total = 0
    async for number in end:
        total += number
    return total


async def queues(chunks: int, stages: int) -> int:
    """The same by tasks and queues; None is the end."""

    async def source(out: asyncio.Queue[Any]) -> None:
        for number in range(chunks):
            await out.put(number)
        await out.put(None)

    async def stage(numbers: asyncio.Queue[Any], out: asyncio.Queue[Any]) -> None:
        while (number := await numbers.get()) is not None:
            await out.put(add_one(number))
        await out.put(None)

    loop = asyncio.get_running_loop()
    end: asyncio.Queue[Any] = asyncio.Queue(MARK)
    tasks = [loop.create_task(source(end))]
    for _ in range(stages):
        before, end = end, asyncio.Queue(MARK)
        tasks.append(loop.create_task(stage(before, end)))
    total = 0
    while (number := await end.get()) is not None:
        total += number
    await asyncio.gather(*tasks)
    return total


if __name__ == "__main__":
    passes.main({"treadle": treadle, "bare": bare, "generators": generators, "queues": queues, "treadle-queues": queues})
