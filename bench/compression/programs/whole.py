"""A file in one call, at a level. The twin of whole.js.

whole.py FILE LEVEL PASSES     one JSON line: {"cpu_ns", "passed"}, of each KiB the lowest of the passes
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import treadle
from treadle import zlib


async def main() -> None:
    """Measure."""
    data = Path(sys.argv[1]).read_bytes()
    times, passed = [], 0
    for _ in range(int(sys.argv[3])):
        begun_ns = time.process_time_ns()
        passed = len(await zlib.gzip(data, level=int(sys.argv[2])))
        times.append(time.process_time_ns() - begun_ns)
    print(json.dumps({"cpu_ns": min(times) / (len(data) / 1024), "passed": passed}))


if __name__ == "__main__":
    treadle.run(main)
