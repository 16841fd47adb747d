#!/usr/bin/env python3
"""Every case of the bench, one after the other: HTTP hello world beside the peers, then the stages of one request.

    python3 bench/run.py [options of http_hello.py]

Exit status: the first one that is not 0.
"""

from __future__ import annotations

import statistics
import sys

import http_hello
import stages


def main() -> int:
    """Run the cases; the stages are shown in microseconds of the user time just measured."""
    status, results = http_hello.run(http_hello.options(sys.argv[1:]))
    user = [s.user_us for s in results.of("treadle-node")] if results else []
    arguments = [f"--user-us={statistics.median(user):.3f}"] if user else []
    return status or stages.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
