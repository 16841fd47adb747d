#!/usr/bin/env python3
"""What it takes to verify stored passwords by Argon2, with one lane and with four: one at a time, and sixteen at once.

    python3 bench/passwords.py [--rounds 3]

ms of the clock and of CPU for one of 64 MiB and three passes, on four threads of the pool. Both kinds are interleaved.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

from harness import environment
from harness.table import number, table

TIMEOUT_S = 600.0
AT_ONCE = 16
ENCODED = "$argon2id$v=19$m=65536,t=3,p={lanes}$c29tZXNhbHRzb21lc2FsdA$BjyJHmW7oc3bO8a7Qm8xIRJJZ4MXqUxMtUNk8lPhQqA"


def measure(rounds: int) -> None:
    """Print one line of JSON: [what, ms of the clock, ms of CPU], of each."""
    import treadle
    from treadle import crypto

    spent: dict[str, list[tuple[float, float]]] = {}

    async def main() -> None:
        for _ in range(rounds):
            for count in (1, AT_ONCE):
                for lanes in (1, 4):
                    encoded = ENCODED.format(lanes=lanes)
                    begun = time.perf_counter(), time.process_time()
                    await asyncio.gather(*(crypto.verify_password(encoded, "secret") for _ in range(count)))
                    ended = time.perf_counter(), time.process_time()
                    each = tuple((end - begin) * 1000 / count for begin, end in zip(begun, ended, strict=True))
                    spent.setdefault(f"{count} at once, p={lanes}", []).append(each)

    treadle.run(main)
    print(json.dumps([[what, *map(statistics.median, zip(*values, strict=True))] for what, values in spent.items()]))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure in the bench's environment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.inside:
        measure(args.rounds)
        return 0
    env = environment.prepare(peers=False)
    command = [str(env.venv / "bin" / "python"), __file__, "--inside", "--rounds", str(args.rounds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=TIMEOUT_S, check=True)
    rows = [(what, number(clock_ms), number(cpu_ms)) for what, clock_ms, cpu_ms in json.loads(done.stdout)]
    print(table(("ms each", "clock", "CPU"), rows, texts=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
