"""Reads that were asked for before the loop is busy, in Python, for half a second: what threads do meanwhile.

    busy.py FOLDER FILES BUSY_MS     one JSON line: {"pool_p99_ns", "behind_ns", "passed", "by_threads"}

pool_p99_ns: the 99th percentile of waiting for a thread, and that of running on it, added up, as the pool has measured them.
behind_ns: from the end of the busy callback to the last callback of a read. by_threads: the reads that threads have done; the
loop's thread itself does 64 at most before it is busy.
"""

from __future__ import annotations

import json
import sys
import time

import treadle
from treadle import fs, pool


def main() -> None:
    """One pass: a program of its own, whose pool has measured nothing before."""
    folder, files, busy_ms = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    paths = [f"{folder}/{number}" for number in range(files)]
    read = passed = free_ns = 0

    def heard(error: OSError | None, data: bytes | None) -> None:
        nonlocal read, passed
        if error is not None:
            raise error
        read += 1
        passed += len(data or b"")
        if read == files:
            tell(time.monotonic_ns() - free_ns)

    def begin() -> None:
        nonlocal free_ns
        for path in paths:
            fs.read_file(path, heard)
        end_ns = time.monotonic_ns() + busy_ms * 1_000_000
        while time.monotonic_ns() < end_ns:
            pass
        free_ns = time.monotonic_ns()

    def tell(behind_ns: int) -> None:
        kind = pool.statistics().kinds["fs.read_file"]
        p99_ns = kind.wait.percentile(99) + kind.run.percentile(99)
        told = {"pool_p99_ns": p99_ns, "behind_ns": behind_ns, "passed": passed, "by_threads": kind.run.count}
        print(json.dumps(told), flush=True)

    begin()


if __name__ == "__main__":
    treadle.run(main)
