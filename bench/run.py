#!/usr/bin/env python3
"""The cases of the bench: HTTP hello world beside the peers and then the stages of one request, or the loop or streams alone.

    python3 bench/run.py [options of http_hello.py]
    python3 bench/run.py loop [options of loop/command.py]
    python3 bench/run.py streams [options of streams/command.py]
    python3 bench/run.py memory [options of streams/memory.py]
    python3 bench/run.py pool [options of pool/command.py]
    python3 bench/run.py compression [options of compression/command.py]
    python3 bench/run.py files [options of files/command.py]
    python3 bench/run.py http-files [options of http_files.py]
    python3 bench/run.py exchanges [options of exchanges/command.py]
    python3 bench/run.py starvation [options of starvation.py]
    python3 bench/run.py idle [options of idle.py]

Exit status: 0 when the cases end with 0; a missed goal (--check) does not keep the stages from being shown.
"""

from __future__ import annotations

import statistics
import sys

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
from streams import command as streams
from streams import memory


def main() -> int:
    """Run the cases; the stages are shown in microseconds of the user time just measured."""
    if sys.argv[1:2] == ["loop"]:
        return loop.run(loop.options(sys.argv[2:]))
    if sys.argv[1:2] == ["streams"]:
        return streams.run(streams.options(sys.argv[2:]))
    if sys.argv[1:2] == ["memory"]:
        return memory.main(sys.argv[2:])
    if sys.argv[1:2] == ["pool"]:
        return pool.run(pool.options(sys.argv[2:]))
    if sys.argv[1:2] == ["compression"]:
        return compression.run(compression.options(sys.argv[2:]))
    if sys.argv[1:2] == ["files"]:
        return files.run(files.options(sys.argv[2:]))
    if sys.argv[1:2] == ["http-files"]:
        return http_files.main(sys.argv[2:])
    if sys.argv[1:2] == ["exchanges"]:
        return exchanges.run(exchanges.options(sys.argv[2:]))
    if sys.argv[1:2] == ["starvation"]:
        return starvation.main(sys.argv[2:])
    if sys.argv[1:2] == ["idle"]:
        return idle.main(sys.argv[2:])
    status, results = http_hello.run(http_hello.options(sys.argv[1:]))
    user = [s.user_us for s in results.of("treadle-node")] if results else []
    if not user:
        return status
    return stages.main([f"--user-us={statistics.median(user):.3f}"]) or status


if __name__ == "__main__":
    sys.exit(main())
