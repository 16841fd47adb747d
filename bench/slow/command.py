"""Clients that are slow in five ways, 1,000 of each at once: which of them a server ends, when, and what others feel of it.

header   a head that never ends, a byte a second        body    a body of 1 MB, a byte a second
reader   a download of 64 MiB, 100 bytes a second       never   the same, of which nothing is read
idle     a connection that had its answer

    python3 bench/run.py slow [--peers treadle,nginx] [--deadlines short|default] [--each 1000] [--rate 500] [--check]

Beside them a load at a fixed rate, whose p99 is taken before they come, while they come, while they are there and end, and
when they are gone. treadle has shortened deadlines unless told otherwise, others have their own. The server runs on one CPU,
everything else on another. How to read it: bench/README.md.
Exit status: 0 measured; 1 treadle is missing; 2 (with --check) a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
from collections.abc import Sequence

from harness import cases, environment
from harness.environment import say
from harness.peers import Peer
from harness.results import FOREIGN_TOLERANCE_PCT
from harness.rounds import chosen_of, two_cpus
from harness.server import ServerError
from harness.table import number, table

from .one_run import KINDS, PRIORITY, Run, measure

EACH, QUICK_EACH = 1_000, 100
RATE = 500.0
GAP_MS = 1_000.0
MIB = 1 << 20

# Seconds, by the names of treadle.http.Timeouts; and which of them is due for each kind.
DEADLINES = {
    "short": {"headers_s": 10.0, "body_grace_s": 5.0, "send_progress_s": 8.0, "keep_alive_s": 12.0, "linger_s": 5.0},
    "default": {"headers_s": 20.0, "body_grace_s": 5.0, "send_progress_s": 60.0, "keep_alive_s": 75.0, "linger_s": 5.0},
}
DUE = {
    "header": "headers_s",
    "body": "body_grace_s",
    "reader": "send_progress_s",
    "never": "send_progress_s",
    "idle": "keep_alive_s",
}
SECONDS = {"short": 40.0, "default": 120.0}  # that slow clients are given; of rivals those of "default"

# Goals. A deadline is kept if nobody is ended before it, and the last one so long after it at most.
LATE_S = 2.0
GROWN_MIB = 16.0  # between the moment at which all are there and the end: what is flat
P99_TIMES, P99_MS = 2.0, 5.0  # the p99 beside them is at most so many times that without them, or below so much

PEERS = {
    peer.name: peer
    for peer in (
        Peer("treadle", "slow", "{python} {slow}/treadle_serve.py", ("treadle",)),
        Peer(
            "uvicorn",
            "slow",
            "{uvicorn} --host 127.0.0.1 --port {port} --app-dir {slow} --loop uvloop --http httptools --ws none --lifespan off "
            "--no-access-log --log-level error --backlog 4096 raw_asgi:app",
            ("uvicorn",),
        ),
        Peer(
            "granian",
            "slow",
            "{granian} --host 127.0.0.1 --port {port} --working-dir {slow} --workers 1 --runtime-threads 1 --loop uvloop "
            "--http 1 --no-ws --no-access-log --log-level error --backlog 4096 --backpressure 20000 --interface asginl "
            "raw_asgi:app",
            ("granian",),
        ),
        Peer("node24", "slow", "{node24} {slow}/node.js", ("node24",)),
        Peer("nginx", "slow", "{python} {slow}/nginx_slow.py {nginx} {run}-slow", ("nginx",)),
    )
}

KIND_COLUMNS = ("server", "kind", "there", "ended", "by", "due s", "first s", "median s", "last s", "held", "kernel's")
LATENCY_COLUMNS = (
    "server", "p50 before", "p99 before", "p99 connecting", "p50 during", "p99 during", "longest", "p99 after", "errors",
)  # fmt: skip
MEMORY_COLUMNS = (
    "server", "before", "all there", "peak", "gone", "as many again", "kernel before", "kernel peak", "kernel gone",
    "server busy", "clients busy",
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report: the exit status."""
    args = options(argv)
    wanted = chosen_of(args.peers, tuple(PEERS), "peer")
    env = cases.prepare()
    environment.need_system_tool(env, "nginx", "nginx")
    peers = cases.available(wanted, lambda name: PEERS[name].why_not(env) or "")
    if "treadle" in wanted and "treadle" not in peers:
        return 1
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # everything that is started inherits it
    each = args.each or (QUICK_EACH if args.quick else EACH)
    if len(KINDS) * each + 200 > most:
        raise SystemExit(f"{len(KINDS) * each:,} connections need more descriptors than the {most:,} allowed")
    deadlines, cpus = DEADLINES[args.deadlines], two_cpus()
    settings = {"DEADLINES": json.dumps(deadlines if args.deadlines == "short" else {})}
    os.sched_setaffinity(0, {cpus[1]})
    if args.fifo:  # everything that is started inherits this, too
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    found: list[Run] = []
    for peer in peers:
        seconds = args.seconds or SECONDS[args.deadlines if peer == "treadle" else "default"]
        say(f"{peer}: {each:,} of each; {seconds:.0f} s at most")
        try:
            one = measure(PEERS[peer], env, cpus, each=each, gap_ms=GAP_MS, rate=args.rate, seconds=seconds, settings=settings)
        except (ServerError, OSError) as error:
            say(f"  {peer}: INVALID: {error}")
            continue
        found.append(one)
    report(found, deadlines)
    ours = [one for one in found if one.peer == "treadle"]
    if "treadle" in wanted and not ours:
        return 1
    return 2 if args.check and any(missed(one, deadlines) for one in ours) else 0


def options(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    made = argparse.ArgumentParser(prog="run.py slow", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--deadlines", choices=tuple(DEADLINES), default="short", help="of treadle")
    made.add_argument("--each", type=int, help=f"clients of each kind, default {EACH}")
    made.add_argument("--quick", action="store_true", help=f"{QUICK_EACH} of each: whether it works, not a figure to quote")
    made.add_argument("--rate", type=float, default=RATE, help="requests a second of the others, default %(default)s")
    made.add_argument(
        "--fifo", action="store_true", help="in the real-time class, as root: what else runs disturbs caches, and no more"
    )
    made.add_argument("--seconds", type=float, help="that slow clients are given")
    made.add_argument("--peers", help=f"by commas, of {', '.join(PEERS)}")
    made.add_argument("--check", action="store_true", help="exit status 2 when a goal is missed")
    return made.parse_args(argv)


def report(found: Sequence[Run], deadlines: dict[str, float]) -> None:
    """The three tables, the doubts, the goals."""
    print("\nThe slow ones\n")
    print(table(KIND_COLUMNS, [row for one in found for row in rows_of(one, deadlines)], texts=2))
    print("\nThe others: requests at a fixed rate, ms from when each was due to its answer\n")
    print(table(LATENCY_COLUMNS, [latency_row(one) for one in found]))
    print("\nMemory in MiB: of the server, and of the kernel for TCP, both ends; CPU in %\n")
    print(table(MEMORY_COLUMNS, [memory_row(one) for one in found]))
    print()
    for one in found:
        if one.refused:
            say(f"{one.peer}: {one.refused} were not let in")
        disturbed = {name: share for name, share in one.foreign_pct.items() if share > FOREIGN_TOLERANCE_PCT}
        if disturbed:
            told = ", ".join(f"{name} {share:.0f} %" for name, share in disturbed.items())
            say(f"DISTURBED: {one.peer}: other processes took of its CPU: {told}")
        if one.peer == "treadle":
            for goal in missed(one, deadlines):
                say(f"NOT MET: {goal}")


def rows_of(one: Run, deadlines: dict[str, float]) -> list[tuple[str, ...]]:
    """A row for each kind."""
    rows = []
    for kind, told in one.kinds.items():
        due = f"{deadlines[DUE[kind]]:.0f}" if one.peer == "treadle" else "-"
        times = [f"{told[name]:.1f}" if name in told else "-" for name in ("first_s", "median_s", "last_s")]
        owned, orphaned = one.left.get(kind, (0, 0))
        rows.append(
            (one.peer, kind, str(told["connected"]), str(told["ended"]), how(told), due, *times, str(owned), str(orphaned))
        )
    return rows


def how(told: dict[str, object]) -> str:
    """By what they were ended."""
    parts = []
    answers = told["answers"]
    assert isinstance(answers, dict)
    parts += [f"{count} x {status}" for status, count in answers.items()]
    parts += [f"{told[name]} {name}" for name in ("closed", "reset") if told[name]]
    return ", ".join(parts) or "-"


def latency_row(one: Run) -> tuple[str, ...]:
    """How long the others waited."""
    section = one.sections
    errors = sum(part["errors"] for part in section.values())
    cells = (
        section["before"]["p50_ms"], section["before"]["p99_ms"], section["connecting"]["p99_ms"], section["during"]["p50_ms"],
        section["during"]["p99_ms"], section["during"]["longest_ms"], section["after"]["p99_ms"],
    )  # fmt: skip
    return (one.peer, *(number(cell) for cell in cells), str(errors))


def memory_row(one: Run) -> tuple[str, ...]:
    """What it held."""
    rss = (one.rss[name] / MIB for name in ("before", "connected", "peak", "after", "again"))
    kernel = (one.kernel[name] / MIB for name in ("before", "peak", "after"))
    return (one.peer, *map(number, rss), *map(number, kernel), f"{one.busy_pct['during']:.1f}", f"{one.clients_busy_pct:.1f}")


def missed(one: Run, deadlines: dict[str, float]) -> list[str]:
    """What was not as it should be."""
    found = []
    for kind, told in one.kinds.items():
        due_s = deadlines[DUE[kind]]
        if told["ended"] < told["connected"]:
            found.append(f"{kind}: {told['connected'] - told['ended']} were not ended")
        elif told["first_s"] < due_s - 0.1 or told["last_s"] > due_s + LATE_S:
            found.append(f"{kind}: ended from {told['first_s']:.1f} to {told['last_s']:.1f} s, due at {due_s:.0f} s")
    grown = (one.rss["peak"] - one.rss["connected"]) / MIB
    if grown > GROWN_MIB:
        found.append(f"memory: {grown:.1f} MiB more while they were there")
    again = (one.rss["again"] - one.rss["peak"]) / MIB
    if again > GROWN_MIB:
        found.append(f"memory: {again:.1f} MiB more when as many come again")
    before, during = one.sections["before"]["p99_ms"], one.sections["during"]["p99_ms"]
    if during > max(P99_TIMES * before, P99_MS):
        found.append(f"p99 of others: {during:.2f} ms beside them, {before:.2f} ms without them")
    return found
