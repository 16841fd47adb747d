#!/usr/bin/env python3
"""What a digest of three bytes costs by each way to make one, beside hashlib and hmac in the same process, and Node 24.

    python3 bench/digests.py [--rounds 9]

us of CPU for one: made, updated once, asked for as hex; "stream": ended with the bytes, and read. Python's are interleaved.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from harness import environment
from harness.environment import say
from harness.table import number, table

CALLS = 20_000
STREAMS = 5_000
TIMEOUT_S = 60.0
DATA = b"abc"
NODE = """
const crypto = require('crypto'), data = Buffer.from('abc');
const ways = {
  'create_hash': () => crypto.createHash('sha256').update(data).digest('hex'),
  'create_hmac': () => crypto.createHmac('sha256', 'key').update(data).digest('hex'),
  'hash': () => crypto.hash('sha256', data),
};
const found = {};
for (const [name, way] of Object.entries(ways)) {
  const spent = [];
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage();
    for (let n = 0; n < CALLS; n++) way();
    const { user, system } = process.cpuUsage(before);
    spent.push((user + system) / CALLS);
  }
  found[name] = spent.sort((a, b) => a - b)[ROUNDS >> 1];
}
console.log(JSON.stringify(found));
"""


def measure(rounds: int) -> None:
    """Print one line of JSON: way -> us."""
    import hashlib
    import hmac

    import treadle
    from treadle import crypto

    ways: dict[str, Callable[[], object]] = {
        "create_hash": lambda: crypto.create_hash("sha256").update(DATA).digest("hex"),
        "create_hmac": lambda: crypto.create_hmac("sha256", "key").update(DATA).digest("hex"),
        "hash": lambda: crypto.hash("sha256", DATA),
        "hashlib.sha256": lambda: hashlib.sha256(DATA).hexdigest(),
        "hmac.new": lambda: hmac.new(b"key", DATA, "sha256").hexdigest(),
    }
    spent: dict[str, list[float]] = {name: [] for name in [*ways, "create_hash, stream"]}

    async def main() -> None:
        for _ in range(rounds):
            for name, way in ways.items():
                begun = time.process_time_ns()
                for _ in range(CALLS):
                    way()
                spent[name].append((time.process_time_ns() - begun) / 1000 / CALLS)
            begun = time.process_time_ns()
            for _ in range(STREAMS):
                stream = crypto.create_hash("sha256")
                stream.end(DATA)
                async for _ in stream:
                    pass
            spent["create_hash, stream"].append((time.process_time_ns() - begun) / 1000 / STREAMS)

    treadle.run(main)
    print(json.dumps({name: statistics.median(values) for name, values in spent.items()}))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure in the bench's environment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.inside:
        measure(args.rounds)
        return 0
    env = environment.prepare(peers=False)
    commands = {"treadle": [str(env.venv / "bin" / "python"), __file__, "--inside", "--rounds", str(args.rounds)]}
    if env.has("node24"):
        script = NODE.replace("ROUNDS", str(args.rounds)).replace("CALLS", str(CALLS))
        commands["node24"] = [env.tools["node24"], "-e", script]
    else:
        say(f"node24: {env.missing['node24']}")
    found = {}
    for peer, command in commands.items():
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
        found[peer] = json.loads(done.stdout)
    ways = list(found["treadle"])
    rows = [(way, *(number(found[peer][way]) if way in found[peer] else "" for peer in found)) for way in ways]
    print(table(("us of CPU", *found), rows, texts=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
