"""Keeps what the loop tells it: one Record for each callback that ran.

The core calls begin() and end() (Microtasks.observe), the loop's scheduling functions call scheduled() or wrapped().
Invariants: it keeps at most records_max records, the last ones, and counts the others; begin and end come in pairs, nested; it
never raises. Not here: where the calls come from (traced_loop.py).
"""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import Any

from treadle._native.timers import Timeout
from treadle.trace.names import Callee, Scheduled, describe, describe_handle, describe_request, user_place
from treadle.trace.records import Kind, Origin, Phase, Record

__all__ = ["ORIGINS_MAX", "RECORDS_MAX", "Recorder"]

RECORDS_MAX = 100_000  # some 20 MiB
ORIGINS_MAX = 100_000  # handles that wait; past that the oldest forget where they come from
NS_PER_MS = 1_000_000

LABELS = {
    Kind.TICK: "tick",
    Kind.MICROTASK: "microtask",
    Kind.SOON: "call_soon",
    Kind.IMMEDIATE: "immediate",
    Kind.ALARM: "call_later",
    Kind.READY: "watcher",
    Kind.COMPLETION: "completion",
    Kind.TIMER: "deadline",
    Kind.EVENT: "event",
    Kind.REQUEST: "request",
    Kind.DEFERRED: "deferred",
    Kind.FLUSH: "flush",
    Kind.CLOSING: "closing",
}
HOUSEKEEPING = (Kind.TICK, Kind.MICROTASK, Kind.SOON)


class Recorder:
    """Of one loop, on whose thread it is made.

    records_max: kept at most. turns_max: then it stops, and calls on_over. slow_ms: a turn is kept only if its callbacks took so
    long together, or if those of the turn before it did: what had to wait meanwhile runs there.
    """

    def __init__(
        self, *, records_max: int = RECORDS_MAX, turns_max: int | None = None, slow_ms: float | None = None,
        on_over: Callable[[], object] | None = None,
    ) -> None:  # fmt: skip
        self.dropped = 0  # records that made room for later ones
        self.is_over = False
        self.on_over = on_over
        self.records_max = records_max
        self._turns_max = turns_max
        self._slow_ns = slow_ms * NS_PER_MS if slow_ms is not None else None
        self._kept: deque[Record] = deque()
        self._turn: deque[Record] = deque()  # of the turn that runs
        self._behind_slow = -1  # the number of the turn behind the last slow one
        self._stack: list[Record | None] = []  # what is under way, the innermost last; None: not recorded
        self._origins: OrderedDict[int, tuple[type, Origin]] = OrderedDict()  # by id of a handle that waits
        self._count = 0
        self._idle_ns = 0
        self._thread = threading.get_ident()
        self._began_ns = 0  # by the first thing that is scheduled

    @property
    def records(self) -> Iterator[Record]:
        """What was kept, in the order it began."""
        yield from self._kept
        yield from self._turn

    # ---- scheduling

    def scheduled(self, handle: Any, how: str, delay_ms: float | None = None) -> None:
        """A handle waits from now on."""
        if handle is None or self.is_over:
            return
        if len(self._origins) >= ORIGINS_MAX:
            self._origins.popitem(last=False)
        self._origins[id(handle)] = type(handle), self._origin(how, delay_ms)

    def wrapped(self, callback: Any, how: str, args: tuple[Any, ...] = ()) -> Any:
        """A callback that waits without a handle, with its origin. What is no callback stays what it is, to be refused."""
        return Scheduled(callback, self._origin(how, None), args) if callable(callback) and not self.is_over else callback

    def _origin(self, how: str, delay_ms: float | None) -> Origin:
        is_other_thread = threading.get_ident() != self._thread
        current = None if is_other_thread else next((record for record in reversed(self._stack) if record is not None), None)
        return Origin(
            how=how,
            place=user_place(),
            at_ns=self._now_ns(),
            delay_ms=delay_ms,
            turn=current.turn if current else 0,
            phase=current.phase if current else Phase.OUTSIDE,
            by=current.number if current else None,
            is_other_thread=is_other_thread,
        )

    def _origin_of(self, kind: Kind, subject: Any, callback: Any) -> Origin | None:
        if isinstance(callback, Scheduled):
            return callback.origin
        known = self._origins.get(id(subject))
        if known is None or known[0] is not type(subject):  # its id was another's
            return None
        is_kept = kind is Kind.READY or (kind is Kind.TIMER and known[1].how == "set_interval")
        if not is_kept:
            del self._origins[id(subject)]
        return known[1]

    # ---- running

    def begin(self, kind: int, subject: Any, callback: Any, detail: int, turn: int, phase: int, idle_ns: int) -> None:
        """The core runs something now. See Microtasks.observe."""
        if self._turns_max is not None and turn > self._turns_max and not self.is_over:
            self.is_over = True
            if self.on_over is not None:
                self.on_over()
        if self.is_over:
            self._stack.append(None)
            return
        parent = self._stack[-1] if self._stack else None
        record = self._record(Kind(kind), subject, callback, detail, Phase(phase), turn, parent)
        record.waited_ns, self._idle_ns = idle_ns - self._idle_ns, idle_ns
        self._keep(record)
        self._stack.append(record)
        record.start_ns = self._now_ns()

    def end(self) -> None:
        """What began last is through."""
        now_ns = self._now_ns()
        record = self._stack.pop()
        if record is not None:
            record.duration_ns = now_ns - record.start_ns

    def _now_ns(self) -> int:
        now_ns = time.monotonic_ns()
        if not self._began_ns:
            self._began_ns = now_ns
        return now_ns - self._began_ns

    def _record(
        self, kind: Kind, subject: Any, callback: Any, detail: int, phase: Phase, turn: int, parent: Record | None
    ) -> Record:
        origin = self._origin_of(kind, subject, callback)
        label = LABELS[kind]
        if kind in (Kind.EVENT, Kind.DEFERRED, Kind.FLUSH, Kind.CLOSING):
            who = Callee(describe_handle(subject, detail), None, False)
        elif kind is Kind.REQUEST:
            who = describe_request(subject, callback)
        elif callback is None:  # a deadline of treadle's own
            who = Callee(f"{type(subject).__name__} of a connection", None, False)
        else:
            who = describe(callback)
        if kind is Kind.SOON and type(subject).__name__ == "Immediate":
            label = "yield" if who.is_task else LABELS[Kind.IMMEDIATE]
        elif kind is Kind.SOON and who.is_task:
            label = "task on" if who.is_started else "task"
        elif kind is Kind.TIMER and isinstance(subject, Timeout):
            label = "interval" if origin is not None and origin.how == "set_interval" else "timeout"
        elif kind is Kind.ALARM and origin is not None:
            label = origin.how
        self._count += 1
        return Record(
            number=self._count,
            parent=parent.number if parent else None,
            depth=parent.depth + 1 if parent else 0,
            turn=turn,
            phase=phase,
            kind=kind,
            label=label,
            name=who.name,
            place=who.place,
            is_internal=who.is_internal and kind in HOUSEKEEPING,
            origin=origin,
            due_ns=detail - self._began_ns if kind in (Kind.TIMER, Kind.ALARM) else None,
            waited_ns=0,
            start_ns=0,
            duration_ns=0,
            is_cancelled=who.is_cancelled,
        )

    # ---- keeping

    def _keep(self, record: Record) -> None:
        if self._turn and self._turn[0].turn != record.turn:
            self._end_turn()
        if len(self._kept) + len(self._turn) >= self.records_max:
            (self._kept or self._turn).popleft()
            self.dropped += 1
        self._turn.append(record)

    def _end_turn(self) -> None:
        is_slow = self._slow_ns is None or busy_ns(self._turn) >= self._slow_ns
        if is_slow or self._turn[0].turn == self._behind_slow:
            self._kept.extend(self._turn)
        if is_slow:
            self._behind_slow = self._turn[0].turn + 1
        self._turn.clear()

    def close(self) -> None:
        """The run is over: what its last turn did is judged as well."""
        if self._turn:
            self._end_turn()
        self._origins.clear()
        self.on_over = None  # which is the loop's


def busy_ns(turn: deque[Record]) -> int:
    """How long the callbacks of a turn took."""
    return sum(record.duration_ns for record in turn if record.depth == 0)
