#!/usr/bin/env python3
"""Bodies that are compressed whole, as answers of a server are: us of CPU for each, a hundred at a time, beside Node 24.

    python3 bench/small_bodies.py [--rounds 5]

Level 6, whole functions with futures, or promises; threads of the pool included.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

from harness import environment
from harness.environment import say
from harness.table import number, table

AT_ONCE, BATCHES = 100, 20
SIZES = (300, 4096, 60_000)
TIMEOUT_S = 120.0
LINE = '{{"id": {n}, "name": "somebody", "tags": ["a", "b"], "at": {at}}}\n'
NODE = """
const zlib = require('zlib'), { promisify } = require('util');
const text = Array.from({ length: 2000 }, (_, n) => LINE(n)).join('');
const ways = { gzip: promisify(zlib.gzip), gunzip: promisify(zlib.gunzip) };
(async () => {
  const found = {};
  for (const size of SIZES) {
    const plain = Buffer.from(text.slice(0, size)), given = { gzip: plain, gunzip: zlib.gzipSync(plain) };
    for (const [name, way] of Object.entries(ways)) {
      const batch = () => Promise.all(Array.from({ length: AT_ONCE }, () => way(given[name])));
      const spent = [];
      for (let round = 0; round <= ROUNDS; round++) {
        const before = process.cpuUsage();
        for (let n = 0; n < BATCHES; n++) await batch();
        const { user, system } = process.cpuUsage(before);
        if (round > 0) spent.push((user + system) / AT_ONCE / BATCHES);
      }
      found[`${name}, ${size} bytes`] = spent.sort((a, b) => a - b)[ROUNDS >> 1];
    }
  }
  console.log(JSON.stringify(found));
})();
""".replace("LINE(n)", '`{"id": ${n}, "name": "somebody", "tags": ["a", "b"], "at": ${n * n}}\\n`')


def measure(rounds: int) -> None:
    """Print one line of JSON: what -> us."""
    import asyncio
    import gzip

    import treadle
    from treadle import zlib

    text = "".join(LINE.format(n=n, at=n * n) for n in range(2000)).encode()
    found: dict[str, float] = {}

    async def main() -> None:
        for size in SIZES:
            plain = text[:size]
            for way, given in ((zlib.gzip, plain), (zlib.gunzip, gzip.compress(plain))):
                spent = []
                for _ in range(rounds + 1):
                    begun = time.process_time_ns()
                    for _ in range(BATCHES):
                        await asyncio.gather(*(way(given) for _ in range(AT_ONCE)))
                    spent.append((time.process_time_ns() - begun) / 1000 / AT_ONCE / BATCHES)
                found[f"{way.__name__}, {size} bytes"] = statistics.median(spent[1:])

    treadle.run(main)
    print(json.dumps(found))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure in the bench's environment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.inside:
        measure(args.rounds)
        return 0
    env = environment.prepare(peers=False)
    commands = {"treadle": [str(env.venv / "bin" / "python"), __file__, "--inside", "--rounds", str(args.rounds)]}
    if env.has("node24"):
        script = NODE.replace("ROUNDS", str(args.rounds)).replace("AT_ONCE", str(AT_ONCE)).replace("BATCHES", str(BATCHES))
        commands["node24"] = [env.tools["node24"], "-e", script.replace("SIZES", json.dumps(SIZES))]
    else:
        say(f"node24: {env.missing['node24']}")
    found = {}
    for peer, command in commands.items():
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
        found[peer] = json.loads(done.stdout)
    whats = list(found["treadle"])
    rows = [(what, *(number(found[peer][what]) if what in found[peer] else "" for peer in found)) for what in whats]
    print(table(("us of CPU", *found), rows, texts=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
