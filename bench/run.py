#!/usr/bin/env python3
"""The cases of the bench: HTTP hello world beside the peers and then the stages of one request, or the loop or streams alone.

    python3 bench/run.py [options of http_hello.py]
    python3 bench/run.py loop [options of loop/command.py]
    python3 bench/run.py streams [options of streams/command.py]
    python3 bench/run.py memory [options of streams/memory.py]
    python3 bench/run.py pool [options of pool/command.py]
    python3 bench/run.py compression [options of compression/command.py]
    python3 bench/run.py files [options of files/command.py]
    python3 bench/run.py exchanges [options of exchanges/command.py]
    python3 bench/run.py http-files [options of http_files.py]
    python3 bench/run.py starvation [options of starvation.py]
    python3 bench/run.py idle [options of idle.py]
    python3 bench/run.py slow [options of slow/command.py]

Exit status: 0 when the cases end with 0; a missed goal (--check) does not keep the stages from being shown.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable

import http_files
import http_hello
import idle
import stages
import starvation
from compression import command as compression
from exchanges import command as exchanges
from files import command as files
from loop import command as loop
from pool import command as pool
from slow import command as slow
from streams import command as streams
from streams import memory

CASES: dict[str, Callable[[list[str]], int]] = {
    "loop": lambda argv: loop.run(loop.options(argv)),
    "streams": lambda argv: streams.run(streams.options(argv)),
    "memory": memory.main,
    "pool": lambda argv: pool.run(pool.options(argv)),
    "compression": lambda argv: compression.run(compression.options(argv)),
    "files": lambda argv: files.run(files.options(argv)),
    "exchanges": lambda argv: exchanges.run(exchanges.options(argv)),
    "http-files": http_files.main,
    "starvation": starvation.main,
    "idle": idle.main,
    "slow": slow.main,
}


def main() -> int:
    """Run the cases; the stages are shown in microseconds of the user time just measured."""
    case = CASES.get(sys.argv[1]) if len(sys.argv) > 1 else None
    if case is not None:
        return case(sys.argv[2:])
    status, results = http_hello.run(http_hello.options(sys.argv[1:]))
    user = [s.user_us for s in results.of("treadle-node")] if results else []
    if not user:
        return status
    return stages.main([f"--user-us={statistics.median(user):.3f}"]) or status


if __name__ == "__main__":
    sys.exit(main())
