"""Small files, so many in flight: what one costs. The twin of files.js.

    files.py PEER FIGURE FOLDER FILES OPERATIONS PASSES     one JSON line a pass: {"cpu_ns", "wall_ns", "passed"}

FIGURE is read or stat. cpu_ns is the CPU time of the whole process, its threads included, per operation; passed: the bytes that
were read, or the sum of the sizes that were told.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

IN_FLIGHT = 256
THREADS = 4  # as treadle's and Node's pools


def main() -> None:
    """Measure one peer."""
    peer, figure, folder, files, operations, passes = sys.argv[1:]
    paths = [f"{folder}/{number}" for number in range(int(files))]
    wanted = [paths[number % len(paths)] for number in range(int(operations))]

    async def all_passes() -> None:
        one_pass = PEERS[peer](figure)
        for _ in range(int(passes)):
            cpu_ns, wall_ns = time.process_time_ns(), time.monotonic_ns()
            passed = await one_pass(wanted)
            cpu_ns, wall_ns = time.process_time_ns() - cpu_ns, time.monotonic_ns() - wall_ns
            print(json.dumps({"cpu_ns": cpu_ns / len(wanted), "wall_ns": wall_ns / len(wanted), "passed": passed}), flush=True)

    if peer.startswith("treadle"):
        import treadle

        treadle.run(all_passes)
    else:
        asyncio.run(all_passes())


Pass = Callable[[list[str]], Awaitable[int]]


def awaiting(operation: Callable[[str], Awaitable[int]]) -> Pass:
    """So many tasks, each of which takes the next path when it is through with the last."""

    async def one_pass(paths: list[str]) -> int:
        passed = 0
        left = iter(paths)

        async def work() -> None:
            nonlocal passed
            for path in left:
                one = await operation(path)
                passed += one  # ORDER: behind the await, since others add meanwhile

        await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
        return passed

    return one_pass


def treadle_callback(figure: str) -> Pass:
    """Callbacks, each of which asks for the next one."""
    from treadle import fs

    async def one_pass(paths: list[str]) -> int:
        passed = done = 0
        left = iter(paths)
        is_done = asyncio.get_running_loop().create_future()

        def begin() -> None:
            path = next(left, None)
            if path is not None:
                operation(path, heard)

        def heard(error: OSError | None, result: Any) -> None:
            nonlocal passed, done
            if error is not None:
                raise error
            passed += len(result) if figure == "read" else result.size
            done += 1
            if done == len(paths):
                is_done.set_result(None)
            else:
                begin()

        operation = fs.read_file if figure == "read" else fs.stat
        for _ in range(IN_FLIGHT):
            begin()
        await is_done
        return passed

    return one_pass


def treadle_await(figure: str) -> Pass:
    """The same, awaited."""
    from treadle import fs

    async def read(path: str) -> int:
        return len(await fs.read_file(path))

    async def stat(path: str) -> int:
        return (await fs.stat(path)).size

    return awaiting(read if figure == "read" else stat)


def read_whole(path: str) -> bytes:
    """What a thread of an executor does."""
    with open(path, "rb") as file:
        return file.read()


def in_thread(figure: str) -> Pass:
    """asyncio.to_thread: the default executor."""

    async def operation(path: str) -> int:
        if figure == "read":
            return len(await asyncio.to_thread(read_whole, path))
        return (await asyncio.to_thread(os.stat, path)).st_size

    return awaiting(operation)


def in_executor(figure: str) -> Pass:
    """run_in_executor with as many threads as the others have."""
    executor = ThreadPoolExecutor(THREADS)
    loop = asyncio.get_running_loop()

    async def operation(path: str) -> int:
        if figure == "read":
            return len(await loop.run_in_executor(executor, read_whole, path))
        return (await loop.run_in_executor(executor, os.stat, path)).st_size

    return awaiting(operation)


def in_aiofiles(figure: str) -> Pass:
    """aiofiles."""
    import aiofiles
    import aiofiles.os

    async def operation(path: str) -> int:
        if figure == "stat":
            return (await aiofiles.os.stat(path)).st_size
        async with aiofiles.open(path, "rb") as file:
            return len(await file.read())

    return awaiting(operation)


def in_anyio(figure: str) -> Pass:
    """anyio."""
    import anyio

    async def operation(path: str) -> int:
        if figure == "stat":
            return (await anyio.Path(path).stat()).st_size
        async with await anyio.open_file(path, "rb") as file:
            return len(await file.read())

    return awaiting(operation)


PEERS: dict[str, Callable[[str], Pass]] = {
    "treadle": treadle_callback,
    "treadle-await": treadle_await,
    "to_thread": in_thread,
    "executor": in_executor,
    "aiofiles": in_aiofiles,
    "anyio": in_anyio,
}

if __name__ == "__main__":
    main()
