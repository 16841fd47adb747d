"""treadle.zlib beside Node 24's zlib: gzip and gunzip as streams, what each level costs and gains, and bombs behind slow readers.

gzip      64 MiB of text through create_gzip at level 6: time on the clock, CPU time, and the length of what comes out
gunzip    the same back
levels    the text, JSON and source code at each level, whole: CPU time and length
bomb      100 streams that decompress 1 to 1,000 and are read slowly: what the process grows by, beside their marks

    python3 bench/run.py compression [--quick] [--only gzip,gunzip,levels,bomb] [--peers treadle,node24] [--rounds N] [--check]

Nothing is pinned: treadle compresses on a thread, as Node does. Peers take turns, and a ratio is taken within a round. How to
read it: bench/README.md. Exit status: 0 measured; 1 a figure of treadle's is missing; 2 (with --check) a goal is missed.
"""

from __future__ import annotations

import argparse
import gzip
import statistics
from collections.abc import Sequence
from pathlib import Path

from harness import cases, environment, paths, pinned
from harness.environment import Environment, say
from harness.figures import GOAL_COLUMNS, Figures, Goal
from harness.rounds import chosen_of, taking_turns
from harness.table import number, table

from .data import TEXT_BYTES, file_of

ROUNDS = 3
TIMEOUT_S = 300.0
PASSES = 4
LEVEL = 6
LEVEL_PASSES = 2
STREAMS = 100
PROGRAMS = paths.BENCH / "compression" / "programs"

FIGURES = ("gzip", "gunzip", "levels", "bomb")
PEERS = ("treadle", "node24", "bare")
OF_FIGURE = {"gzip": PEERS, "gunzip": PEERS, "bomb": ("treadle", "node24")}
CPU, WALL, LENGTH, GROWN = "CPU", "clock", "length", "grown"
CORPORA = ("cut", "json", "source")
LEVELS = range(1, 10)
INFLATE_BYTES = 124 * 1024  # a stream's state of zlib-ng, as tracemalloc counts it

GOALS = (
    Goal(f"gzip {WALL}", ("node24",), 0.25),
    Goal(f"gzip {LENGTH}", ("node24",), 1.05),
    Goal(f"gunzip {WALL}", ("node24",), 1.00),
    Goal(f"bomb {GROWN}", ("allowed",), 1.50),
    Goal(f"bomb {GROWN}", ("node24",), 0.60),
)


def options(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    return cases.parser("compression", __doc__, ROUNDS, FIGURES, PEERS).parse_args(argv)


def program(env: Environment, peer: str, name: str) -> list[str]:
    """How it starts."""
    if peer == "node24":
        return [env.tools["node24"], str(PROGRAMS / f"{name}.js")]
    return [str(env.venv / "bin" / "python"), str(PROGRAMS / f"{name}.py")]


def argv_of(env: Environment, figure: str, peer: str) -> list[str]:
    """The command line that measures it."""
    if figure == "bomb":
        return [*program(env, peer, "bomb"), peer, str(STREAMS), str(PASSES)]
    file = file_of("text") if figure == "gzip" else packed_text()
    return [*program(env, peer, "stream"), peer, figure, str(file), str(LEVEL), str(PASSES)]


def packed_text() -> Path:
    """The text as zlib packs it, so that all peers unpack the same."""
    path = file_of("text").with_name("text.gz")
    if not path.exists():
        path.write_bytes(gzip.compress(file_of("text").read_bytes(), LEVEL))
    return path


def measure(found: Figures, env: Environment, figure: str, peer: str, round_index: int) -> None:
    """One process; every pass is shown. The first one warms it up."""
    printed = pinned.run(argv_of(env, figure, peer), None, TIMEOUT_S)
    lines = printed.lines[1:]
    problem = printed.problem or ("" if lines else "printed nothing")
    if figure == "gunzip" and any(one["passed"] != TEXT_BYTES for one in lines):
        problem = "another text came out"
    if problem:
        say(f"  {figure}/{peer}: INVALID: {problem}")
        return
    if figure == "bomb":
        found.add(f"bomb {GROWN}", peer, round_index, max(one["grown_bytes"] for one in lines))
        if peer == "treadle":
            found.add(f"bomb {GROWN}", "allowed", round_index, lines[0]["marks_bytes"] + STREAMS * INFLATE_BYTES)
        say(f"  bomb/{peer}: MiB grown {' '.join(number(one['grown_bytes'] / 2**20) for one in lines)}")
        return
    for name, field in ((WALL, "wall_ns"), (CPU, "cpu_ns")):
        values = [one[field] for one in lines]
        found.add(f"{figure} {name}", peer, round_index, statistics.median(values))
        say(f"  {figure} {name}/{peer}: {' '.join(map(number, values))}")
    if figure == "gzip":
        found.add(f"gzip {LENGTH}", peer, round_index, lines[0]["passed"])


def levels(env: Environment, peers: Sequence[str]) -> list[tuple[str, ...]]:
    """A row a level: MB of input for a second of CPU time, and the length relative to the input, on each kind of data."""
    rows = []
    for level in LEVELS:
        cells = [str(level)]
        for corpus in CORPORA:
            size = file_of(corpus).stat().st_size
            for peer in ("treadle", "node24"):
                if peer not in peers:
                    cells += ["-", "-"]
                    continue
                command = [*program(env, peer, "whole"), str(file_of(corpus)), str(level), str(LEVEL_PASSES)]
                printed = pinned.run(command, None, TIMEOUT_S)
                if printed.problem or not printed.lines:
                    say(f"  level {level}/{corpus}/{peer}: INVALID: {printed.problem}")
                    cells += ["-", "-"]
                    continue
                one = printed.lines[0]
                cells += [f"{1024 / one['cpu_ns'] * 1000:.0f}", f"{size / one['passed']:.3f}"]
        say(f"  level {' '.join(cells)}")
        rows.append(tuple(cells))
    return rows


def report(found: Figures, peers: Sequence[str], rounds: int, rows: Sequence[tuple[str, ...]], goals: Sequence[Goal]) -> None:
    """A row a figure, a column a peer; the levels; the goals."""
    names = list(found.as_json())
    if names:
        shown = [*peers, *(["allowed"] if found.of(f"bomb {GROWN}", "allowed") else [])]
        print(f"\nNanoseconds for a KiB of text; bytes. Median of {rounds} round(s), ± spread in %\n")
        print(table(("figure", *shown), [(name, *(found.cell(name, peer) for peer in shown)) for name in names]))
    if rows:
        print("\nEach level, whole: MB for a second of CPU time, and how many times shorter it gets\n")
        heads = [f"{corpus} {peer}{what}" for corpus in CORPORA for peer in ("treadle", "node24") for what in ("", " ratio")]
        print(table(("level", *heads), rows))
    if goals:
        print("\nGoals\n")
        print(table(GOAL_COLUMNS, [goal.row(found) for goal in goals], texts=3))


def run(args: argparse.Namespace) -> int:
    """Measure and report: the exit status."""
    chosen = chosen_of(args.only, FIGURES, "figure")
    wanted = chosen_of(args.peers, PEERS, "peer")
    env = cases.prepare()
    reasons = {peer: environment.why_not_importable(env, ["treadle.zlib"]) for peer in ("treadle", "bare")}
    reasons["node24"] = env.missing.get("node24", "")
    peers = cases.available(wanted, reasons.__getitem__)
    rounds = cases.rounds_of(args, ROUNDS)
    found = Figures()
    runs = [(figure, peer) for figure in chosen if figure != "levels" for peer in OF_FIGURE[figure] if peer in peers]
    for index in range(rounds if runs else 0):
        say(f"round {index + 1}/{rounds}; ns, pass by pass")
        for figure, peer in taking_turns(runs, index, rounds):
            measure(found, env, figure, peer, index)
    goals = [goal for goal in GOALS if goal.figure.startswith(tuple(f"{figure} " for figure in chosen))]
    report(found, peers, rounds, levels(env, peers) if "levels" in chosen else (), goals)
    if "treadle" in wanted and not all(found.of(goal.figure, "treadle") for goal in goals):
        say("a figure of treadle's is missing")
        return 1
    return 2 if args.check and not all(goal.is_met(found) for goal in goals) else 0
