"""A big file, chunk by chunk: read, written, copied. The twin of stream.js.

    stream.py PEER FIGURE SOURCE TARGET CHUNK_BYTES PASSES     one JSON line a pass

FIGURE: read (SOURCE, to its end), write (as many bytes as SOURCE has, to TARGET), copy (one to the other). A line has "cpu_ns"
and "wall_ns" for each KiB, of the whole process with its threads; "passed": the bytes that were read, or that TARGET has;
"grown_bytes": the peak RSS of the pass over the RSS before it. PEER bare: read(2) and write(2) in a loop, on one thread.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

WRITTEN = b"w"  # what the written file consists of


def rss_bytes(name: str) -> int:
    """VmRSS, or VmHWM: its peak since forget_peak()."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{name}:")[2].split()[0]) * 1024


def forget_peak() -> None:
    """The peak is what it is now. Source: proc(5), clear_refs."""
    Path("/proc/self/clear_refs").write_text("5")


def main() -> None:
    """Measure one peer."""
    peer, figure, source, target, chunk_bytes, passes = sys.argv[1:]
    total = os.stat(source).st_size
    one_pass = PEERS[peer](figure, source, target, int(chunk_bytes), total)

    async def all_passes() -> None:
        for _ in range(int(passes)):
            forget_peak()
            rss = rss_bytes("VmRSS")
            cpu_ns, wall_ns = time.process_time_ns(), time.monotonic_ns()
            passed = await one_pass()
            cpu_ns, wall_ns = time.process_time_ns() - cpu_ns, time.monotonic_ns() - wall_ns
            grown = rss_bytes("VmHWM") - rss
            if figure != "read":
                passed = os.stat(target).st_size
            kib = total / 1024
            figures = {"cpu_ns": cpu_ns / kib, "wall_ns": wall_ns / kib, "passed": passed, "grown_bytes": grown}
            print(json.dumps(figures), flush=True)

    if peer.startswith("treadle"):
        import treadle

        treadle.run(all_passes)
    else:
        asyncio.run(all_passes())


Pass = Callable[[], Awaitable[int]]


def by_streams(figure: str, source: str, target: str, chunk_bytes: int, total: int) -> Pass:
    """'data', write() until it says no, 'drain'; a pipeline."""
    from treadle import fs
    from treadle.streams import pipeline

    chunk = WRITTEN * chunk_bytes

    async def read() -> int:
        passed = 0
        done = asyncio.get_running_loop().create_future()

        def heard(data: bytes) -> None:
            nonlocal passed
            passed += len(data)

        stream = fs.create_read_stream(source, high_water_mark=chunk_bytes)
        stream.on("data", heard)
        stream.on("end", lambda: done.set_result(None))
        await done
        return passed

    async def write() -> int:
        done = asyncio.get_running_loop().create_future()
        left = total // chunk_bytes

        def feed() -> None:
            nonlocal left
            while left:
                left -= 1
                if not stream.write(chunk) and left:
                    stream.once("drain", feed)
                    return
            stream.end()

        stream = fs.create_write_stream(target)
        stream.on("close", lambda: done.set_result(None))
        feed()
        await done
        return 0

    async def copy() -> int:
        stream = fs.create_write_stream(target, high_water_mark=chunk_bytes)
        await pipeline(fs.create_read_stream(source, high_water_mark=chunk_bytes), stream)
        return 0

    return {"read": read, "write": write, "copy": copy}[figure]


def by_awaiting(figure: str, source: str, target: str, chunk_bytes: int, total: int) -> Pass:
    """The same with `async for` and ready()."""
    from treadle import fs
    from treadle.streams import finished

    chunk = WRITTEN * chunk_bytes

    async def read() -> int:
        passed = 0
        async for data in fs.create_read_stream(source, high_water_mark=chunk_bytes):
            passed += len(data)
        return passed

    async def write() -> int:
        stream = fs.create_write_stream(target)
        for _ in range(total // chunk_bytes):
            await stream.ready()
            stream.write(chunk)
        await finished(stream.end())
        return 0

    async def copy() -> int:
        stream = fs.create_write_stream(target, high_water_mark=chunk_bytes)
        async for data in fs.create_read_stream(source, high_water_mark=chunk_bytes):
            await stream.ready()
            stream.write(data)
        await finished(stream.end())
        return 0

    return {"read": read, "write": write, "copy": copy}[figure]


def by_files(open_file: Callable[[str, str], Any]) -> Callable[..., Pass]:
    """Of a library whose files have read() and write() to await."""

    def passes(figure: str, source: str, target: str, chunk_bytes: int, total: int) -> Pass:
        chunk = WRITTEN * chunk_bytes

        async def read() -> int:
            passed = 0
            async with open_file(source, "rb") as file:
                while data := await file.read(chunk_bytes):
                    passed += len(data)
            return passed

        async def write() -> int:
            async with open_file(target, "wb") as file:
                for _ in range(total // chunk_bytes):
                    await file.write(chunk)
            return 0

        async def copy() -> int:
            async with open_file(source, "rb") as file, open_file(target, "wb") as to:
                while data := await file.read(chunk_bytes):
                    await to.write(data)
            return 0

        return {"read": read, "write": write, "copy": copy}[figure]

    return passes


def in_aiofiles(*arguments: Any) -> Pass:
    """aiofiles."""
    import aiofiles

    return by_files(aiofiles.open)(*arguments)


def in_anyio(*arguments: Any) -> Pass:
    """anyio."""
    import contextlib

    import anyio

    @contextlib.asynccontextmanager
    async def opened(path: str, mode: str) -> Any:
        async with await anyio.open_file(path, mode) as file:
            yield file

    return by_files(opened)(*arguments)


def bare(figure: str, source: str, target: str, chunk_bytes: int, total: int) -> Pass:
    """The system calls, one after the other."""
    chunk = WRITTEN * chunk_bytes

    async def one_pass() -> int:
        passed = 0
        reading = -1 if figure == "write" else os.open(source, os.O_RDONLY)
        writing = -1 if figure == "read" else os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        while passed < total:
            data = chunk if figure == "write" else os.read(reading, chunk_bytes)
            if figure != "read":
                os.write(writing, data)
            passed += len(data)
        for fd in (reading, writing):
            if fd >= 0:
                os.close(fd)
        return passed

    return one_pass


PEERS: dict[str, Callable[..., Pass]] = {
    "treadle": by_streams,
    "treadle-await": by_awaiting,
    "aiofiles": in_aiofiles,
    "anyio": in_anyio,
    "bare": bare,
}

if __name__ == "__main__":
    main()
