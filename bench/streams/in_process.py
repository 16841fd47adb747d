"""Streams inside one process: which case is asked of which peer, and the processes that measure it. Texts: programs/*.py, *.js

A process makes several passes. The first is what a program pays that does this once; the median of all is what a long-lived one
pays: V8 takes until the third or fourth pass to compile what runs hot.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness import environment, pinned
from harness.environment import Environment, say
from harness.figures import Figures, Goal
from harness.paths import STREAM_PROGRAMS
from harness.table import number

TIMEOUT_S = 300.0  # of one process; the slowest peer takes some 10 s
GIB = 1 << 30
FIRST = "first"  # what is added to the name of a figure: its first pass


@dataclass(frozen=True)
class Case:
    """One figure: a program, how much of what it does, and who does it."""

    figure: str
    program: str
    chunks: int
    passes: int
    parameters: dict[str, int]
    passed: int  # what the end of the chain counts
    peers: tuple[str, ...] = ("treadle", "node24")
    fewer: dict[str, int] = field(default_factory=dict)  # passes of a peer that is slow, and the same in each

    def argv(self, env: Environment, peer: str, chunks: int | None = None) -> list[str]:
        """The command line that measures it, or another number of chunks."""
        start = [str(env.venv / "bin" / "python"), str(STREAM_PROGRAMS / f"{self.program}.py")]
        if peer == "node24":
            start = [env.tools["node24"], str(STREAM_PROGRAMS / f"{self.program}.js")]
        passes = self.fewer.get(peer, self.passes)
        words = (f"{name}={value}" for name, value in self.parameters.items())
        return [*start, peer, str(chunks or self.chunks), str(passes), *words]


def _pipe(figure: str, passes: int, chunk_bytes: int, stages: int) -> Case:
    """1 GiB in chunks of one size."""
    return Case(
        figure,
        "pipe",
        GIB // chunk_bytes,
        passes,
        {"chunk_bytes": chunk_bytes, "stages": stages},
        GIB,
        ("treadle", "node24", "bare"),
    )


def _iterate(figure: str, chunk_bytes: int, awaited: int) -> Case:
    """Chunks of so many bytes, or objects."""
    parameters = {"chunk_bytes": chunk_bytes, "awaited": awaited}
    peers = ("treadle", "node24", "bare", "generator")
    return Case(figure, "iterate", OBJECTS, 7, parameters, OBJECTS * (chunk_bytes or 1), peers)


OBJECTS = 1_000_000
STAGES = 3
CASES = (
    _pipe("pipe", 15, 65_536, 0),
    _pipe("pipe_1k", 5, 1024, 0),
    _pipe("transform_1", 15, 65_536, 1),
    _pipe("transform_3", 15, 65_536, 3),
    _iterate("iterate_objects", 0, awaited=0),
    _iterate("iterate_awaited", 0, awaited=1),
    _iterate("iterate_bytes", 16, awaited=0),
    Case(
        "objects_3",
        "objects",
        OBJECTS,
        7,
        {"stages": STAGES},
        OBJECTS * (OBJECTS - 1) // 2 + STAGES * OBJECTS,
        ("treadle", "node24", "bare", "generators", "queues", "treadle-queues"),
        {"queues": 2, "treadle-queues": 2},
    ),
)
FIGURES = tuple(case.figure for case in CASES)
PEERS = ("treadle", "node24", "bare", "generator", "generators", "queues", "treadle-queues")

OBJECTS_TO_NODE = 1 / 0.3
OBJECTS_TO_GENERATORS = 1 / 1.5
AS_FAST_AS_NODE = ("pipe", "transform_1", "transform_3", "iterate_objects", "iterate_awaited", "iterate_bytes")
GOALS = (
    *(Goal(figure, ("node24",), 1.00) for figure in AS_FAST_AS_NODE),
    Goal("objects_3", ("node24",), OBJECTS_TO_NODE),
    *(Goal(f"{figure} {FIRST}", ("node24",), 1.00) for figure in AS_FAST_AS_NODE),
    Goal(f"objects_3 {FIRST}", ("node24",), OBJECTS_TO_NODE),
    Goal("objects_3", ("generators",), OBJECTS_TO_GENERATORS),
    Goal("objects_3", ("queues",), OBJECTS_TO_GENERATORS),
)


def why_not(env: Environment, peer: str) -> str:
    """Why the peer cannot be measured here; '' when it can."""
    if peer in ("node24", "bare"):
        return env.missing.get(peer, "")
    if peer.startswith("treadle"):
        return environment.why_not_importable(env, ["treadle.streams"] if peer == "treadle" else ["treadle"])
    return ""


def runs_of(figures: Sequence[str], runners: Sequence[str]) -> list[tuple[Case, str]]:
    """What is measured in a round, case by case, so that those which are compared follow each other."""
    return [(case, peer) for case in CASES if case.figure in figures for peer in case.peers if peer in runners]


def measure(found: Figures, env: Environment, case: Case, peer: str, cpu_index: int, round_index: int) -> None:
    """One process, pinned; every pass is shown, and must have passed on what it was to pass on."""
    printed = pinned.run(case.argv(env, peer), cpu_index, TIMEOUT_S)
    problem = printed.problem or next((f"passed {one['passed']}" for one in printed.lines if one["passed"] != case.passed), "")
    if problem or not printed.lines:
        say(f"  {case.figure}/{peer}: INVALID: {problem or 'printed nothing'}")
        return
    passes = [one["ns"] for one in printed.lines]
    say(f"  {case.figure}/{peer}: {' '.join(map(number, passes))}")
    found.add(case.figure, peer, round_index, statistics.median(passes))
    found.add(f"{case.figure} {FIRST}", peer, round_index, passes[0])
    found.note_foreign(f"{case.figure}/{peer}", printed.foreign_pct)
