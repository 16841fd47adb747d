"""A trace as text: turn by turn, phase by phase. Not here: where it is written, colours of a terminal (treadle.cli.trace)."""

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

from treadle.trace.reasons import moment, origin_words, why
from treadle.trace.records import Phase, Place, Record

__all__ = ["Paint", "plain", "render"]

NS_PER_MS = 1_000_000
LABEL_WIDTH = 12  # "call_later" and two spaces
WAIT_NS_MIN = 10_000  # shorter ones are none

Paint = Callable[[str, str], str]  # (text, role) -> text; roles: turn, phase, label, name, slow, detail


def plain(text: str, _: str) -> str:
    """No colours."""
    return text


def render(
    records: Iterable[Record], *, folder: str, with_times: bool = True, slow_ms: float | None = None, paint: Paint = plain
) -> Iterator[str]:
    """Lines without their ends. Files below `folder` are named relative to it. slow_ms: callbacks that took so long stand out."""
    shown = visible(list(records))
    for turn, of_turn in groupby(shown, key=_turn_key):
        callbacks = list(of_turn)
        yield paint(_turn_line(turn, callbacks, with_times), "turn")
        for phase, of_phase in groupby(callbacks, key=lambda record: record.phase):
            in_phase = list(of_phase)
            if phase is not Phase.OUTSIDE:
                yield "  " + paint(phase.name.lower(), "phase") + _wait_words(in_phase[0], with_times)
            for record in in_phase:
                yield from _callback_lines(record, folder, with_times, slow_ms, paint)


def visible(records: list[Record]) -> list[Record]:
    """Without what only serves the program, unless something of the user's ran inside."""
    parents = set()
    for record in reversed(records):  # children stand behind their parents
        if record.parent is not None and (not record.is_internal or record.number in parents):
            parents.add(record.parent)
    return [record for record in records if not record.is_internal or record.number in parents]


def place_words(place: Place | None, folder: str) -> str:
    """`file:line`; of a library's file what follows site-packages."""
    if place is None:
        return ""
    file = place.file
    if file.startswith(folder + os.sep):
        file = file[len(folder) + 1 :]
    else:
        file = file.rpartition(f"site-packages{os.sep}")[2]
    return f"{file}:{place.line}"


def _turn_key(record: Record) -> tuple[int, bool]:
    return record.turn, record.phase is Phase.OUTSIDE


def _turn_line(turn: tuple[int, bool], records: list[Record], with_times: bool) -> str:
    number, is_outside = turn
    title = f"turn {number}" if not is_outside else "before turn 1" if number == 0 else f"after turn {number}"
    if not with_times:
        return title
    busy = sum(record.duration_ns for record in records if record.depth == 0)
    return f"{title}   at {records[0].start_ns / NS_PER_MS:.2f} ms, busy {busy / NS_PER_MS:.2f} ms"


def _wait_words(first: Record, with_times: bool) -> str:
    return f"   after a wait of {first.waited_ns / NS_PER_MS:.2f} ms" if with_times and first.waited_ns >= WAIT_NS_MIN else ""


def _callback_lines(record: Record, folder: str, with_times: bool, slow_ms: float | None, paint: Paint) -> Iterator[str]:
    indent = "    " + "  " * min(record.depth, 8)
    place = place_words(record.place, folder)
    line = f"{indent}{paint(record.label.ljust(LABEL_WIDTH), 'label')}{paint(record.name, 'name')}"
    if place:
        line += f"  {paint(place, 'detail')}"
    if with_times:
        is_slow = slow_ms is not None and record.duration_ns >= slow_ms * NS_PER_MS
        took = f"{record.duration_ns / NS_PER_MS:.2f} ms"
        line += "  " + (paint(f"{took}  SLOW", "slow") if is_slow else paint(took, "detail"))
    yield line
    words = [why(record, with_times=with_times)]
    if record.origin is not None and record.origin.by is not None:
        place = place_words(record.origin.place, folder)
        words.insert(0, f"{origin_words(record)}{' at ' + place if place else ''} ({moment(record.origin)})")
    yield f"{indent}{' ' * LABEL_WIDTH}{paint(': '.join(words), 'detail')}"
