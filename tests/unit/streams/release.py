"""Which streams reference counting alone has not freed, and which the cyclic collector has not either.

Invariant: the collector is off while a case runs, and on again afterwards, however it ends. Not here: the cases."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.unit.streams.support import turns
from treadle.streams import Stream

TURNS = 3  # the last event, a tick behind it, a task that was awaited


@dataclass(frozen=True)
class Left:
    """The streams that a case has made, or had made, and that are there when it is through."""

    by_counting: list[str]  # as they show themselves
    by_collector: list[str]


def alive() -> dict[int, Stream]:
    """The streams that the collector tracks, by identity."""
    return {id(thing): thing for thing in gc.get_objects() if issubclass(type(thing), Stream)}


def shown(before: set[int]) -> list[str]:
    return sorted(repr(stream) for key, stream in alive().items() if key not in before)


async def left_by(case: Callable[[], Awaitable[None]]) -> Left:
    """Run a case, and look."""
    gc.collect()
    gc.disable()
    try:
        before = set(alive())
        await case()
        await turns(TURNS)
        by_counting = shown(before)
        gc.collect()
        return Left(by_counting, shown(before))
    finally:
        gc.enable()
