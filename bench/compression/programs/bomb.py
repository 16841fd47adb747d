"""Streams that decompress 1 to 1,000, whose readers are slow: how much the process grows. The twin of bomb.js.

    bomb.py PEER STREAMS PASSES     one JSON line a pass: {"grown_bytes", "marks_bytes", "passed"}

Each stream gets 64 MiB of zeros, gzipped. Its reader takes 64 KiB every 20 ms, for a second; then all are destroyed.
grown_bytes: the highest RSS of that time over the RSS behind a pass of one stream. marks_bytes: both marks and a chunk of each
stream. passed: what was read.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
import time
from pathlib import Path

import treadle
from treadle import zlib

PLAIN_BYTES = 64 << 20
EVERY_S, FOR_S = 0.02, 1.0
READ_BYTES = 64 * 1024


def rss_bytes() -> int:
    """Now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def one_pass(bomb: bytes, count: int) -> tuple[int, int, int]:
    """The highest RSS, the sum of the marks, what was read."""
    streams = [zlib.create_gunzip() for _ in range(count)]
    for stream in streams:
        stream.end(bomb)
    highest = passed = 0
    end_s = time.monotonic() + FOR_S
    while time.monotonic() < end_s:
        await asyncio.sleep(EVERY_S)
        for stream in streams:
            passed += len(stream.read(READ_BYTES) or b"")
        highest = max(highest, rss_bytes())
    marks = sum(s.readable_high_water_mark + s.writable_high_water_mark + zlib.constants.Z_DEFAULT_CHUNK for s in streams)
    for stream in streams:
        stream.destroy()
    return highest, marks, passed


async def main() -> None:
    """Measure."""
    bomb = gzip.compress(bytes(PLAIN_BYTES), 9)
    await one_pass(bomb, 1)
    before = rss_bytes()
    for _ in range(int(sys.argv[3])):
        highest, marks, passed = await one_pass(bomb, int(sys.argv[2]))
        print(json.dumps({"grown_bytes": highest - before, "marks_bytes": marks, "passed": passed}), flush=True)


if __name__ == "__main__":
    treadle.run(main)
