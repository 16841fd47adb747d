"""The pool beside Node 24's and beside Python's executors: files, keys, and a loop that is busy; goals beside what was measured.

read      20,000 reads of files of 4 KiB, 256 in flight: CPU time of the whole process for each, and time on the clock
stat      the same, asking for their sizes
hashes    eight PBKDF2 of 100,000 iterations at once on four threads: time on the clock, and how late timers are meanwhile
busy      256 reads for the threads, then half a second of Python: what they wait in the pool, and what comes after it

    python3 bench/run.py pool [--quick] [--only read,stat,hashes,busy] [--peers treadle,node24] [--rounds N] [--check]

Nothing is pinned: threads may use every CPU, as they may for Node. Peers take turns, and a ratio is taken within a round. How to
read it: bench/README.md. Exit status: 0 measured; 1 a figure of treadle's is missing; 2 (with --check) a goal is missed.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import cases, environment, paths, pinned
from harness.environment import Environment, say
from harness.figures import GOAL_COLUMNS, Figures, Goal
from harness.rounds import chosen_of, taking_turns
from harness.table import number, table

ROUNDS = 3
TIMEOUT_S = 300.0
PROGRAMS = paths.BENCH / "pool" / "programs"

FILES, FILE_BYTES = 2_000, 4096
OPERATIONS = 20_000
PASSES = 5
KEYS, ITERATIONS = 8, 100_000
BUSY_READS, BUSY_MS = 64 + 256, 500

FIGURES = ("read", "stat", "hashes", "busy")
PEERS = ("treadle", "treadle-await", "node24", "node24-promises", "to_thread", "executor", "aiofiles", "anyio")
OF_FIGURE = {"read": PEERS, "stat": PEERS, "hashes": ("treadle", "node24"), "busy": ("treadle",)}
CPU, WALL, LAG = "CPU", "clock", "lag"

GOALS = (
    Goal(f"read {CPU}", ("node24",), 0.40),
    Goal(f"read {CPU}", ("node24-promises",), 0.40, "treadle-await"),
    Goal(f"read {WALL}", ("node24",), 0.50),
    Goal(f"read {WALL}", ("node24-promises",), 0.50, "treadle-await"),
    Goal(f"stat {CPU}", ("node24",), 1.00),
    Goal(f"hashes {WALL}", ("node24",), 1.10),
)


@dataclass(frozen=True)
class Bound:
    """A figure of treadle's that must stay under so many ns, whatever others take."""

    figure: str
    bound_ns: int

    def row(self, found: Figures) -> tuple[str, ...]:
        """As of a Goal."""
        value = found.median(self.figure, "treadle")
        verdict = "met" if self.is_met(found) else "NOT MET" if value == value else "not measured"
        return (self.figure, "treadle", "-", f"{self.bound_ns / 1e6:.0f} ms", f"{value / 1e6:.2f} ms", verdict)

    def is_met(self, found: Figures) -> bool:
        """Whether it was measured, and the bound kept."""
        return found.median(self.figure, "treadle") <= self.bound_ns


BOUNDS = (Bound(f"hashes {LAG}", 5_000_000), Bound("busy in the pool", 2_000_000), Bound("busy, then free", 5_000_000))


def options(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    return cases.parser("pool", __doc__, ROUNDS, FIGURES, PEERS).parse_args(argv)


def why_not(env: Environment, peer: str) -> str:
    """Why the peer cannot be measured here; '' when it can."""
    if peer.startswith("node24"):
        return env.missing.get("node24", "")
    modules = {"aiofiles": ["aiofiles"], "anyio": ["anyio"]}
    return environment.why_not_importable(env, ["treadle.pool"] if peer.startswith("treadle") else modules.get(peer, []))


def make_files() -> Path:
    """A folder of files that only this bench writes."""
    folder = paths.WORK / "files"
    folder.mkdir(parents=True, exist_ok=True)
    for name in range(FILES):
        path = folder / str(name)
        if not path.exists() or path.stat().st_size != FILE_BYTES:
            path.write_bytes(bytes([name % 251]) * FILE_BYTES)
    return folder


def argv_of(env: Environment, figure: str, peer: str, folder: Path) -> list[str]:
    """The command line that measures it."""
    program = {"read": "files", "stat": "files"}.get(figure, figure)
    start = [env.tools["node24"], str(PROGRAMS / f"{program}.js")]
    if not peer.startswith("node24"):
        start = [str(env.venv / "bin" / "python"), str(PROGRAMS / f"{program}.py")]
    words: dict[str, list[object]] = {
        "files": [peer, figure, folder, FILES, OPERATIONS, PASSES],
        "hashes": [peer, KEYS, ITERATIONS, PASSES],
        "busy": [folder, BUSY_READS, BUSY_MS],
    }
    return [*start, *map(str, words[program])]


def problem_of(figure: str, lines: list[dict[str, Any]]) -> str:
    """Whether something else was done than what is measured; '' if not."""
    wanted = {"read": OPERATIONS * FILE_BYTES, "stat": OPERATIONS * FILE_BYTES, "busy": BUSY_READS * FILE_BYTES}
    if not lines:
        return "printed nothing"
    for one in lines:
        if one["passed"] != wanted.get(figure, lines[0]["passed"]):
            return f"passed {one['passed']}"
        if one.get("by_threads", 256) < 256:
            return f"threads have read {one['by_threads']} files only"
    return ""


def measure(found: Figures, env: Environment, figure: str, peer: str, folder: Path, round_index: int) -> None:
    """One process; every pass is shown. The first one warms it up, where there are several."""
    printed = pinned.run(argv_of(env, figure, peer, folder), None, TIMEOUT_S)
    problem = printed.problem or problem_of(figure, printed.lines)
    if problem:
        say(f"  {figure}/{peer}: INVALID: {problem}")
        return
    lines = printed.lines[1:] or printed.lines
    named = {"cpu_ns": CPU, "wall_ns": WALL, "lag_ns": LAG}
    for field, values in ((field, [one[field] for one in lines]) for field in lines[0] if field.endswith("_ns")):
        name = {"pool_p99_ns": "busy in the pool", "behind_ns": "busy, then free"}.get(field) or f"{figure} {named[field]}"
        worst_counts = field in ("lag_ns", "pool_p99_ns", "behind_ns")
        found.add(name, peer, round_index, max(values) if worst_counts else statistics.median(values))
        say(f"  {name}/{peer}: {' '.join(map(number, values))}")


def report(found: Figures, chosen: Sequence[str], peers: Sequence[str], rounds: int) -> None:
    """A row a figure, a column a peer; the goals."""
    names = [name for figure in chosen for name in found.as_json() if name.startswith(figure)]
    shown = [peer for peer in peers if any(found.of(name, peer) for name in names)]
    print(f"\nNanoseconds per operation; of hashes and busy in all. Median of {rounds} round(s), ± spread in %\n")
    print(table(("figure", *shown), [(name, *(found.cell(name, peer) for peer in shown)) for name in names]))
    print("\nGoals\n")
    print(table(GOAL_COLUMNS, [goal.row(found) for goal in goals_of(chosen)], texts=3))


def goals_of(chosen: Sequence[str]) -> list[Goal | Bound]:
    """Those of the chosen figures."""
    return [goal for goal in (*GOALS, *BOUNDS) if goal.figure.startswith(tuple(chosen))]


def run(args: argparse.Namespace) -> int:
    """Measure and report: the exit status."""
    chosen = chosen_of(args.only, FIGURES, "figure")
    wanted = chosen_of(args.peers, PEERS, "peer")
    env = cases.prepare()
    peers = cases.available(wanted, lambda peer: why_not(env, peer))
    folder = make_files()
    rounds = cases.rounds_of(args, ROUNDS)
    found = Figures()
    runs = [(figure, peer) for figure in chosen for peer in OF_FIGURE[figure] if peer in peers]
    for index in range(rounds):
        say(f"round {index + 1}/{rounds}; ns, pass by pass")
        for figure, peer in taking_turns(runs, index, rounds):
            measure(found, env, figure, peer, folder, index)
    report(found, chosen, peers, rounds)
    measured = [name for name in found.as_json() if found.of(name, "treadle")]
    if "treadle" in wanted and not all(any(name.startswith(figure) for name in measured) for figure in chosen):
        say("a figure of treadle's is missing")
        return 1
    return 2 if args.check and not all(goal.is_met(found) for goal in goals_of(chosen)) else 0
