"""Eight keys made of a password at once, and whether the loop goes on meanwhile. The twin of hashes.js.

    hashes.py PEER KEYS ITERATIONS PASSES     one JSON line a pass: {"wall_ns", "lag_ns", "passed"}

lag_ns: how much later than it was due the latest timer of 1 ms ran meanwhile. passed: the last byte of each key, added up.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import treadle
from treadle import crypto


class Watch:
    """How late timers of 1 ms are, until it is told to end."""

    def __init__(self) -> None:
        self.latest_ns = 0
        self.is_over = False

    async def look(self) -> None:
        """Until then."""
        while not self.is_over:
            due_ns = time.monotonic_ns() + 1_000_000
            await asyncio.sleep(0.001)
            self.latest_ns = max(self.latest_ns, time.monotonic_ns() - due_ns)


async def main() -> None:
    """Measure."""
    keys, iterations, passes = map(int, sys.argv[2:])
    for _ in range(passes):
        watch = Watch()
        looking = asyncio.ensure_future(watch.look())
        begun = time.monotonic_ns()
        made = await asyncio.gather(*(crypto.pbkdf2("password", f"salt {n}", iterations, 32, "sha256") for n in range(keys)))
        wall_ns = time.monotonic_ns() - begun
        watch.is_over = True
        await looking
        told = {"wall_ns": wall_ns, "lag_ns": watch.latest_ns, "passed": sum(key[-1] for key in made)}
        print(json.dumps(told), flush=True)


treadle.run(main)
