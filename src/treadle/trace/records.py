"""What is known of one callback that ran. Not here: how that is found out (recorder.py, names.py), how it is put (reasons.py)."""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

__all__ = ["Kind", "Origin", "Phase", "Place", "Record"]


class Kind(IntEnum):
    """What runs. The numbers are those of _native.queues.Kind."""

    TICK = 0
    MICROTASK = 1
    SOON = 2
    IMMEDIATE = 3
    ALARM = 4
    READY = 5
    COMPLETION = 6
    TIMER = 7
    EVENT = 8
    REQUEST = 9
    DEFERRED = 10
    FLUSH = 11
    CLOSING = 12


class Phase(IntEnum):
    """A phase of a turn. The numbers are those of _native.counters.Phase."""

    OUTSIDE = 0
    TIMERS = 1
    PENDING = 2
    POLL = 3
    CHECK = 4
    CLOSE = 5


class Place(NamedTuple):
    """A line of a file."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a callback was scheduled."""

    how: str  # the function that did it: "set_timeout"
    place: Place | None  # the innermost line of the user's; None: it was treadle or asyncio, in `by`
    at_ns: int
    delay_ms: float | None  # as asked for
    turn: int
    phase: Phase
    by: int | None  # the number of the record that was under way
    is_other_thread: bool


@dataclass(slots=True)
class Record:
    """One callback. Times are ns since the recording began."""

    number: int
    parent: int | None  # the record inside which it ran
    depth: int
    turn: int
    phase: Phase
    kind: Kind
    label: str  # what it is, in a word
    name: str  # who it is
    place: Place | None  # where its code stands; of a task, where it goes on
    is_internal: bool  # code of treadle's or asyncio's that serves the program, not the user
    origin: Origin | None
    due_ns: int | None  # of a timer
    waited_ns: int  # how long the poll had waited since the record before
    start_ns: int
    duration_ns: int
    is_cancelled: bool = False  # of a task: what it awaited was cancelled, or it is itself
