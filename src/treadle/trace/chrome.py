"""A trace in the event format of Chrome, which Perfetto's viewer (https://ui.perfetto.dev) opens.

Slices nest: turn, phase, callback, what ran inside it; waits of the poll stand beside them. An arrow leads from where a callback
was scheduled to where it ran. Source: "Trace Event Format" of the Chromium project: complete events (ph X), metadata (M), flow
events (s, f); times in us.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from treadle.trace.reasons import moment, origin_words, why
from treadle.trace.records import Phase, Place, Record

__all__ = ["trace_events"]

NS_PER_US = 1e3

Event = dict[str, Any]


def trace_events(records: Iterable[Record], *, program: str, pid: int) -> Event:
    """The whole trace, to be written as JSON."""
    kept = list(records)
    return {"traceEvents": [*_names(program, pid), *_slices(kept, pid), *_arrows(kept, pid)], "displayTimeUnit": "ms"}


def _names(program: str, pid: int) -> Iterator[Event]:
    yield {"ph": "M", "name": "process_name", "pid": pid, "tid": pid, "ts": 0, "args": {"name": program}}
    yield {"ph": "M", "name": "thread_name", "pid": pid, "tid": pid, "ts": 0, "args": {"name": "event loop"}}


def _slices(records: list[Record], pid: int) -> Iterator[Event]:
    # A parent comes before its children: those that begin at one time nest in this order.
    for (turn, is_outside), of_turn in groupby(records, key=lambda record: (record.turn, record.phase is Phase.OUTSIDE)):
        in_turn = list(of_turn)
        if not is_outside:
            yield _slice(f"turn {turn}", "turn", pid, *_span(in_turn))
        for phase, of_phase in groupby(in_turn, key=lambda record: record.phase):
            in_phase = list(of_phase)
            waited_ns = in_phase[0].waited_ns
            if waited_ns:
                yield _slice("wait", "wait", pid, in_phase[0].start_ns - waited_ns, in_phase[0].start_ns)
            if not is_outside:
                yield _slice(phase.name.lower(), "phase", pid, *_span(in_phase))
            for record in in_phase:
                yield _slice(
                    f"{record.label}: {record.name}", record.label, pid, record.start_ns, record.start_ns + record.duration_ns,
                    turn=record.turn, phase=record.phase.name.lower(), why=why(record), **_origin_args(record),
                )  # fmt: skip


def _span(records: list[Record]) -> tuple[int, int]:
    return records[0].start_ns, max(record.start_ns + record.duration_ns for record in records)


def _slice(name: str, category: str, pid: int, start_ns: int, end_ns: int, **args: Any) -> Event:
    return {
        "ph": "X", "name": name, "cat": category, "pid": pid, "tid": pid,
        "ts": start_ns / NS_PER_US, "dur": (end_ns - start_ns) / NS_PER_US, "args": args,
    }  # fmt: skip


def _origin_args(record: Record) -> Event:
    args: Event = {"code": _place(record.place)}
    if record.origin is not None:
        args["scheduled by"] = origin_words(record)
        args["scheduled at"] = _place(record.origin.place)
        args["scheduled"] = moment(record.origin)
    return {name: value for name, value in args.items() if value}


def _place(place: Place | None) -> str:
    return f"{place.file}:{place.line}" if place is not None else ""


def _arrows(records: list[Record], pid: int) -> Iterator[Event]:
    known = {record.number for record in records}
    for record in records:
        origin = record.origin
        if origin is None or origin.by not in known or record.label == "interval":
            continue
        begin: Event = {}
        end: Event = {"bp": "e"}  # it belongs to the slice around it, not to the next one
        for phase, at_ns, more in (("s", origin.at_ns, begin), ("f", record.start_ns, end)):
            yield {
                "ph": phase, "id": record.number, "name": origin.how, "cat": "scheduled", "pid": pid, "tid": pid,
                "ts": at_ns / NS_PER_US, **more,
            }  # fmt: skip
