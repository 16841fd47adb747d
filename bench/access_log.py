#!/usr/bin/env python3
"""What an access log costs: CPU microseconds per request with it and without, beside uvicorn and granian with theirs.

    python3 bench/access_log.py [--rounds 3] [--seconds 4]

The hello world of bench/http_hello.py in ASGI. Every log goes to the server's stdout, which is a file. The CPU is that of the
whole process, the thread that writes included. Exit status: 0 measured; 1 a server is missing or a run of it was invalid.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from dataclasses import replace

from harness import cases
from harness.environment import need_system_tool, say
from harness.load import LoadError
from harness.measure import Plan, Sample, sample
from harness.peers import GRANIAN, TREADLE, UVICORN, Peer
from harness.results import Results
from harness.rounds import taking_turns
from harness.server import ServerError
from harness.table import number, table

APP = " asgi_hello:app"
LOUD_UVICORN = UVICORN.replace("--no-access-log --log-level error", "--access-log --log-level info")
LOUD_GRANIAN = GRANIAN.replace("--no-access-log --log-level error", "--access-log --log-level info")

SERVERS = (
    Peer("treadle", "off", TREADLE + APP, ("treadle",)),
    Peer("treadle-common", "log", TREADLE + " --access-log -" + APP, ("treadle",)),
    Peer("treadle-combined", "log", TREADLE + " --access-log - --access-log-format combined" + APP, ("treadle",)),
    Peer("treadle-json", "log", TREADLE + " --access-log - --access-log-format json" + APP, ("treadle",)),
    Peer("treadle-json-ids", "log", TREADLE + " --access-log - --access-log-format json --request-id echo" + APP, ("treadle",)),
    Peer("uvicorn", "off", UVICORN + APP, ("uvicorn",)),
    Peer("uvicorn-log", "log", LOUD_UVICORN + APP, ("uvicorn",)),
    Peer("granian", "off", GRANIAN + " --interface asginl" + APP, ("granian",)),
    Peer("granian-log", "log", LOUD_GRANIAN + " --interface asginl" + APP, ("granian",)),
)
QUIET = {"treadle": "treadle", "uvicorn": "uvicorn", "granian": "granian"}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure in the bench's environment, round-robin."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4, help="of load per server and round")
    args = parser.parse_args(argv)
    env = cases.prepare()
    need_system_tool(env, "wrk", "wrk")
    if why := env.missing.get("wrk"):
        raise SystemExit(why)
    names = cases.available([peer.name for peer in SERVERS], lambda name: _named(name).why_not(env) or "")
    chosen = [_named(name) for name in names]
    plan = replace(Plan(), seconds=args.seconds, warm_seconds=1)
    samples: list[Sample] = []
    for index in range(args.rounds):
        for peer in taking_turns(chosen, index, args.rounds):
            try:
                one = sample(peer, env, plan, index)
            except (ServerError, LoadError, OSError) as error:
                say(f"  {peer.name}: INVALID: {error}")
                continue
            doubt = f", INVALID: {one.problem}" if one.problem else ""
            say(f"  {one.server}: {one.total_us:.2f} us, {one.rps:,.0f} rps{doubt}")
            samples.append(one)
    results = Results(samples, [])
    rows = []
    for peer in chosen:
        valid = [one.total_us for one in results.of(peer.name)]
        if not valid:
            continue
        quiet = QUIET[peer.name.partition("-")[0]]
        base = {one.round: one.total_us for one in results.of(quiet)}
        more = [one.total_us - base[one.round] for one in results.of(peer.name) if one.round in base]
        cost = "-" if peer.case == "off" or not more else number(statistics.median(more))
        rows.append((peer.name, peer.case, number(statistics.median(valid)), cost))
    print(table(("server", "log", "CPU us", "the log's"), rows, texts=2))
    return 0 if len(rows) == len(SERVERS) else 1


def _named(name: str) -> Peer:
    return next(peer for peer in SERVERS if peer.name == name)


if __name__ == "__main__":
    sys.exit(main())
