"""Streams over files and fs.watch, beside Node 24's, aiofiles, anyio and watchfiles: CPU of the whole process; goals beside what
was measured.

read      a file of 64 MiB, in chunks of 64 KiB
write     as much, in chunks of 64 KiB; write_1k: in chunks of 1 KiB, which wait for each other and are written together
copy      one to the other, by a pipeline
held      200 read streams whose consumers are slow: what the process grows by, beside their marks
watch     10,000 changes of as many files, to be heard of in one go; watch_each: one after the other, each wakes the loop

    python3 bench/run.py files [--quick] [--only read,write,copy,held,watch] [--peers treadle,node24] [--rounds N] [--check]

Nothing is pinned: threads may use every CPU, as they may for Node. Peers take turns, and a ratio is taken within a round. How to
read it: bench/README.md. Exit status: 0 measured; 1 a figure of treadle's is missing; 2 (with --check) a goal is missed.
"""

from __future__ import annotations

import argparse
import filecmp
import os
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import cases, environment, paths, pinned
from harness.environment import Environment, say
from harness.figures import GOAL_COLUMNS, Figures, Goal
from harness.rounds import chosen_of, taking_turns
from harness.table import number, table

ROUNDS = 3
TIMEOUT_S = 300.0
PASSES = 6
PASSES_OF_LIBRARIES_1K = 2  # a thread for each KiB: some 4 s a pass
PROGRAMS = paths.BENCH / "files" / "programs"

BIG_BYTES = 64 << 20
CHUNKS = {"read": 64 * 1024, "write": 64 * 1024, "write_1k": 1024, "copy": 64 * 1024}
STREAMS, HELD_PASSES = 200, 2
CHANGES, CHANGE_PASSES = 10_000, 4
PAUSES_US = {"watch": 0, "watch_each": 50}

FIGURES = (*CHUNKS, "held", *PAUSES_US)
LIBRARIES = {"aiofiles": "aiofiles", "anyio": "anyio", "watchfiles": "watchfiles"}
PEERS = ("treadle", "treadle-await", "node24", "node24-await", *LIBRARIES, "bare")
OF_FIGURE = {
    **dict.fromkeys(CHUNKS, ("treadle", "treadle-await", "node24", "node24-await", "aiofiles", "anyio", "bare")),
    "held": ("treadle", "node24"),
    **dict.fromkeys(PAUSES_US, ("treadle", "treadle-await", "node24", "node24-await", "watchfiles")),
}
CPU, WALL, GROWN = "CPU", "clock", "grown"
ALLOWED = "allowed"  # the peer's place: what the marks come to

GOALS = (
    *(Goal(f"{figure} {CPU}", ("node24",), 1.00) for figure in (*CHUNKS, *PAUSES_US)),
    *(Goal(f"{figure} {CPU}", ("node24-await",), 1.00, "treadle-await") for figure in (*CHUNKS, *PAUSES_US)),
    Goal(f"held {GROWN}", (ALLOWED,), 1.10),
    Goal(f"held {GROWN}", ("node24",), 1.00),
)


def options(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    return cases.parser("files", __doc__, ROUNDS, FIGURES, PEERS).parse_args(argv)


def why_not(env: Environment, peer: str) -> str:
    """Why the peer cannot be measured here; '' when it can."""
    if peer.startswith("node24"):
        return env.missing.get("node24", "")
    modules = [LIBRARIES[peer]] if peer in LIBRARIES else ["treadle.fs"] if peer.startswith("treadle") else []
    return environment.why_not_importable(env, modules)


def make_big() -> Path:
    """A big file that only this bench writes, in the page cache."""
    path = paths.WORK / "files" / "big"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.stat().st_size != BIG_BYTES:
        path.write_bytes(os.urandom(BIG_BYTES))
    path.read_bytes()
    return path


def make_watched() -> Path:
    """A folder of files that are changed, and beside it the FIFO of the program that changes them."""
    folder = paths.WORK / "watched"
    folder.mkdir(parents=True, exist_ok=True)
    for name in range(CHANGES):
        (folder / str(name)).touch()
    if not fifo_of(folder).exists():
        os.mkfifo(fifo_of(folder))
    return folder


def fifo_of(folder: Path) -> Path:
    """See changes.py."""
    return folder.with_suffix(".fifo")


def argv_of(env: Environment, figure: str, peer: str, big: Path, watched: Path) -> list[str]:
    """The command line that measures it."""
    name = "stream" if figure in CHUNKS else "watch" if figure in PAUSES_US else figure
    start = [env.tools["node24"], str(PROGRAMS / f"{name}.js")]
    if not peer.startswith("node24"):
        start = [str(env.venv / "bin" / "python"), str(PROGRAMS / f"{name}.py")]
    if figure in CHUNKS:
        passes = PASSES_OF_LIBRARIES_1K if figure == "write_1k" and peer in LIBRARIES else PASSES
        words: list[object] = [figure.partition("_")[0], big, big.with_name("written"), CHUNKS[figure], passes]
    elif figure == "held":
        words = [big, STREAMS, HELD_PASSES]
    else:
        changes = [env.venv / "bin" / "python", PROGRAMS / "changes.py", watched, CHANGES, PAUSES_US[figure], fifo_of(watched)]
        words = [watched, CHANGES, PAUSES_US[figure], fifo_of(watched), CHANGE_PASSES, *changes]
    return [*start, peer, *map(str, words)]


def problem_of(figure: str, lines: list[dict[str, Any]], big: Path) -> str:
    """Whether something else was done than what is measured; '' if not."""
    if not lines:
        return "printed nothing"
    wanted = BIG_BYTES if figure in CHUNKS else CHANGES if figure in PAUSES_US else None
    if wanted is not None and any(one["passed"] != wanted for one in lines):
        return f"passed {', '.join(str(one['passed']) for one in lines)}, not {wanted}"
    if figure == "copy" and not filecmp.cmp(big, big.with_name("written"), shallow=False):
        return "the copy is another file"
    return ""


def measure(found: Figures, env: Environment, figure: str, peer: str, big: Path, watched: Path, round_index: int) -> None:
    """One process; every pass is shown. The first one warms it up, but for memory, of which the most counts."""
    printed = pinned.run(argv_of(env, figure, peer, big, watched), None, TIMEOUT_S)
    problem = printed.problem or problem_of(figure, printed.lines, big)
    if problem:
        say(f"  {figure}/{peer}: INVALID: {problem}")
        return
    for name, field in ((CPU, "cpu_ns"), (WALL, "wall_ns")):
        if field in printed.lines[0]:
            values = [one[field] for one in printed.lines[1:]]
            found.add(f"{figure} {name}", peer, round_index, statistics.median(values))
            say(f"  {figure} {name}/{peer}: {' '.join(map(number, values))}")
    if "grown_bytes" in printed.lines[0]:
        grown = [one["grown_bytes"] for one in printed.lines[0 if figure == "held" else 1 :]]
        found.add(f"{figure} {GROWN}", peer, round_index, max(grown))
        say(f"  {figure} {GROWN}/{peer}: MiB {' '.join(number(one / 2**20) for one in grown)}")
    if figure == "held" and peer == "treadle":
        found.add(f"held {GROWN}", ALLOWED, round_index, printed.lines[0]["marks_bytes"])


def report(found: Figures, chosen: Sequence[str], peers: Sequence[str], rounds: int, goals: Sequence[Goal]) -> None:
    """A row a figure, a column a peer; the goals."""
    names = [name for figure in chosen for name in found.as_json() if name.partition(" ")[0] == figure]
    shown = [peer for peer in (*peers, ALLOWED) if any(found.of(name, peer) for name in names)]
    print(f"\nNanoseconds for each KiB, or each change; grown: bytes. Median of {rounds} round(s), ± spread in %\n")
    print(table(("figure", *shown), [(name, *(found.cell(name, peer) for peer in shown)) for name in names]))
    print("\nGoals\n")
    print(table(GOAL_COLUMNS, [goal.row(found) for goal in goals], texts=3))


def run(args: argparse.Namespace) -> int:
    """Measure and report: the exit status."""
    chosen = chosen_of(args.only, FIGURES, "figure")
    wanted = chosen_of(args.peers, PEERS, "peer")
    env = cases.prepare()
    peers = cases.available(wanted, lambda peer: why_not(env, peer))
    big, watched = make_big(), make_watched()
    rounds = cases.rounds_of(args, ROUNDS)
    found = Figures()
    runs = [(figure, peer) for figure in chosen for peer in OF_FIGURE[figure] if peer in peers]
    for index in range(rounds):
        say(f"round {index + 1}/{rounds}; ns, pass by pass")
        for figure, peer in taking_turns(runs, index, rounds):
            measure(found, env, figure, peer, big, watched, index)
    big.with_name("written").unlink(missing_ok=True)
    goals = [goal for goal in GOALS if goal.figure.partition(" ")[0] in chosen]
    report(found, chosen, peers, rounds, goals)
    if "treadle" in wanted and not all(found.of(goal.figure, "treadle") for goal in goals):
        say("a figure of treadle's is missing")
        return 1
    return 2 if args.check and not all(goal.is_met(found) for goal in goals) else 0
