"""The loop beside asyncio, uvloop, rloop and Node 24: CPU per operation, goals beside what was measured.

Peers take turns: each round starts every one of them afresh, so that a ratio compares neighbours in time. A figure is
the median over the rounds. How to read it: bench/README.md.

    python3 bench/run.py loop [--quick] [--rounds N] [--only callback,turn] [--peers treadle,uvloop] [--json FILE] [--check]

Exit status: 0 measured; 1 treadle is missing, or a figure of its; 2 (with --check) a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from harness import environment, peers
from harness.environment import Environment, say
from harness.interpreter import NoInterpreterError
from harness.load import hidden_steal_pct
from harness.table import number, table

from . import micro
from .figures import GOAL_COLUMNS, Figures

ROUNDS = 3


def options(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="run.py loop", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, help=f"default {ROUNDS}")
    parser.add_argument("--quick", action="store_true", help="one round: whether it works, not a figure to quote")
    parser.add_argument("--only", help=f"figures, separated by commas, of {', '.join(micro.FIGURES)}")
    parser.add_argument("--peers", help=f"of {', '.join(micro.PEERS)}")
    parser.add_argument("--json", type=Path, help="write every value there")
    parser.add_argument("--check", action="store_true", help="exit status 2 when a goal is missed")
    return parser.parse_args(argv)


def chosen_of(asked: str | None, known: Sequence[str], what: str) -> tuple[str, ...]:
    """The names asked for, in the order known; all of them when nothing is asked."""
    names = asked.split(",") if asked else list(known)
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise SystemExit(f"no such {what}: {', '.join(unknown)}; known: {', '.join(known)}")
    return tuple(name for name in known if name in names)


def available(env: Environment, wanted: Sequence[str]) -> list[str]:
    """The peers that can run, and a line for each that cannot."""
    for peer in wanted:
        if not env.has(micro.tool_of(peer)):
            say(f"SKIPPED {peer}: {env.missing.get(micro.tool_of(peer), 'unknown')}")
    return [peer for peer in wanted if env.has(micro.tool_of(peer))]


def print_report(figures: Figures, chosen: Sequence[str], runners: Sequence[str], rounds: int) -> None:
    """A row a figure, a column a peer; then the goals."""
    print(f"\nCPU nanoseconds per operation, median of {rounds} round(s), spread in % behind it\n")
    print(table(("figure", *runners), [(f, *(_cell(figures, f, p) for p in runners)) for f in chosen]))
    print("\nGoals\n")
    goals = [goal for goal in micro.GOALS if goal.figure in chosen]
    print(table(GOAL_COLUMNS, [goal.row(figures) for goal in goals], texts=3))
    print()


def _cell(figures: Figures, figure: str, peer: str) -> str:
    values = figures.of(figure, peer)
    return f"{number(figures.median(figure, peer))} ±{figures.spread_pct(figure, peer):.0f}" if values else ""


def run(args: argparse.Namespace) -> int:
    """Measure and report: the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwind, so that what runs is stopped
    chosen = chosen_of(args.only, micro.FIGURES, "figure")
    wanted = chosen_of(args.peers, tuple(micro.PEERS), "peer")
    try:
        env = environment.prepare()
    except NoInterpreterError as error:
        raise SystemExit(str(error)) from None
    runners = available(env, wanted)
    cpu = min(os.sched_getaffinity(0))
    rounds = args.rounds or (1 if args.quick else ROUNDS)
    say(", ".join(f"{name} {version}" for name, version in peers.versions(env).items()))

    figures = Figures()
    for index in range(rounds):
        steal = hidden_steal_pct(env.tools["hidden_steal"], (cpu,))
        say(f"round {index + 1}/{rounds}: hidden steal on CPU {cpu}: {steal[0]:.1f} %")
        shift = index * len(runners) // rounds
        for peer in (*runners[shift:], *runners[:shift]):
            micro.measure(figures, env, peer, chosen, cpu, index)
    print_report(figures, chosen, runners, rounds)
    if args.json:
        args.json.write_text(json.dumps({"versions": peers.versions(env), "figures": figures.as_json()}, indent=1) + "\n")
    if "treadle" in wanted and any(len(figures.of(figure, "treadle")) < rounds for figure in chosen):
        say("treadle is missing, or a figure of its")
        return 1
    return 2 if args.check and not all(goal.is_met(figures) for goal in micro.GOALS if goal.figure in chosen) else 0
