"""Many read streams over a big file, whose consumers are slow: by how much the process grows. The twin of held.js.

    held.py PEER SOURCE STREAMS PASSES     one JSON line a pass: {"grown_bytes", "marks_bytes", "passed"}

Each stream is piped to a Writable that takes 20 ms for a chunk; after a second all are destroyed. grown_bytes: the peak RSS of
that time over the RSS behind a pass of one stream. marks_bytes: the marks of both, and the chunk that is being written, of all of
them. passed: what was written.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from stream import forget_peak, rss_bytes

import treadle
from treadle import fs, timers
from treadle.streams import Writable

EVERY_MS, FOR_S = 20, 1.0


async def one_pass(source: str, count: int) -> tuple[int, int]:
    """The sum of the marks, what was written."""
    passed = 0

    def write(chunk: bytes, encoding: str, callback: Any) -> None:
        nonlocal passed
        passed += len(chunk)
        timers.set_timeout(callback, EVERY_MS)

    streams = [(fs.create_read_stream(source), Writable(write=write)) for _ in range(count)]
    for readable, writable in streams:
        readable.pipe(writable)
    await asyncio.sleep(FOR_S)
    marks = sum(2 * readable.readable_high_water_mark + writable.writable_high_water_mark for readable, writable in streams)
    for readable, writable in streams:
        readable.destroy()
        writable.destroy()
    await asyncio.sleep(FOR_S / 4)
    return marks, passed


async def main() -> None:
    """Measure."""
    _, source, count, passes = sys.argv[1:]
    await one_pass(source, 1)
    before = rss_bytes("VmRSS")
    for _ in range(int(passes)):
        forget_peak()
        marks, passed = await one_pass(source, int(count))
        print(json.dumps({"grown_bytes": rss_bytes("VmHWM") - before, "marks_bytes": marks, "passed": passed}), flush=True)


if __name__ == "__main__":
    treadle.run(main)
