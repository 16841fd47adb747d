"""Ticks and microtasks as Node has them, beside timers and immediates: their order as traces."""

import time
from collections.abc import Callable

import pytest

import treadle
from tests.unit.timers.support import Trace, boom, spin
from treadle import process
from treadle.loop.current import get_loop
from treadle.timers import (
    set_immediate,
    set_timeout,
)


@pytest.mark.parametrize("has_guard", [True, False])
@pytest.mark.parametrize("schedule", [process.next_tick, treadle.queue_microtask])
def test_what_renews_itself_delays_a_timer_for_ever_unless_the_guard_is_on(
    schedule: Callable[..., object], has_guard: bool
) -> None:
    """Node has no guard: there the timer waits until the ticks end."""
    trace: Trace = []
    end_s = time.perf_counter() + (10 if has_guard else 0.1)

    def renew() -> None:
        if "timer" in trace or time.perf_counter() > end_s:
            trace.append("the flood ends")
        else:
            schedule(renew)

    def main() -> None:
        get_loop().starvation_guard = has_guard
        set_timeout(trace.append, 1, "timer")
        schedule(renew)

    treadle.run(main)
    assert trace == (["timer", "the flood ends"] if has_guard else ["the flood ends", "timer"])


def test_ticks_go_on_after_one_that_throws(uncaught: Trace) -> None:
    trace: Trace = []

    def failing() -> None:
        trace.append("A")
        boom()

    def queue_one(_: object) -> None:
        process.next_tick(trace.append, "B")

    def main() -> None:
        process.next_tick(failing)
        process.next_tick(trace.append, "C")

    process.on("uncaught_exception", queue_one)
    try:
        treadle.run(main)
    finally:
        process.off("uncaught_exception", queue_one)
    assert trace == ["A", "C", "B"]


def test_what_a_failed_tick_leaves_behind_runs_after_the_next_timer(uncaught: Trace) -> None:
    trace: Trace = []

    def main() -> None:
        set_timeout(trace.append, 1, "timer 1")
        set_timeout(trace.append, 1, "timer 2")
        process.next_tick(boom)
        process.next_tick(trace.append, "tick")
        treadle.queue_microtask(lambda: trace.append("microtask"))
        spin(2)

    treadle.run(main)
    assert trace == ["timer 1", "tick", "microtask", "timer 2"]


def test_what_a_failed_tick_leaves_behind_runs_before_the_immediates(uncaught: Trace) -> None:
    """Also an immediate that it queues belongs to that check phase."""
    trace: Trace = []

    def main() -> None:
        set_immediate(trace.append, "immediate")
        process.next_tick(boom)
        process.next_tick(set_immediate, trace.append, "nested")
        process.next_tick(trace.append, "tick")
        set_immediate(make_due_timer)

    def make_due_timer() -> None:
        set_timeout(trace.append, 1, "timer")
        spin(2)

    treadle.run(main)
    assert trace == ["tick", "immediate", "nested", "timer"]


def test_what_a_failed_main_leaves_behind_does_not_wait(uncaught: Trace) -> None:
    trace: Trace = []

    def main() -> None:
        set_timeout(trace.append, 1, "timer")
        set_immediate(trace.append, "immediate").unref()
        process.next_tick(trace.append, "tick")
        spin(2)
        boom()

    treadle.run(main)
    assert trace == ["tick", "timer", "immediate"]
    assert [str(error) for error in uncaught] == ["boom"]


def test_a_failed_microtask_is_followed_by_the_next_one(uncaught: Trace) -> None:
    trace: Trace = []

    def main() -> None:
        set_timeout(trace.append, 1, "timer")
        treadle.queue_microtask(boom)
        treadle.queue_microtask(lambda: trace.append("microtask"))
        spin(2)

    treadle.run(main)
    assert trace == ["microtask", "timer"]


def test_a_microtask_and_its_tick_run_before_the_next_immediate() -> None:
    trace: Trace = []

    def microtask() -> None:
        trace.append("microtask")
        process.next_tick(trace.append, "tick")

    def first() -> None:
        trace.append("first")
        treadle.queue_microtask(microtask)
        set_immediate(trace.append, "third")

    def main() -> None:
        set_immediate(first)
        set_immediate(trace.append, "second")

    treadle.run(main)
    assert trace == ["first", "microtask", "tick", "second", "third"]


@pytest.mark.parametrize("origin", ["main", "tick", "timer"])
def test_a_tick_queued_in_a_microtask_runs_before_a_timer_queued_there(origin: str) -> None:
    trace: Trace = []

    def microtask() -> None:
        set_timeout(trace.append, 0, "timer")
        process.next_tick(trace.append, "tick")

    def start() -> None:
        treadle.queue_microtask(microtask)

    starts = {"main": start, "tick": lambda: process.next_tick(start), "timer": lambda: set_timeout(start, 1)}
    treadle.run(starts[origin])
    assert trace == ["tick", "timer"]


def test_ticks_run_before_microtasks_until_both_are_empty() -> None:
    trace: Trace = []

    def first_tick() -> None:
        trace.append("tick 1")
        treadle.queue_microtask(lambda: trace.append("microtask of tick 1"))
        process.next_tick(trace.append, "tick of tick 1")

    def microtask() -> None:
        trace.append("microtask")
        process.next_tick(trace.append, "tick of microtask")
        treadle.queue_microtask(lambda: trace.append("microtask of microtask"))

    def main() -> None:
        treadle.queue_microtask(microtask)
        process.next_tick(first_tick)
        process.next_tick(trace.append, "tick 2")

    treadle.run(main)
    assert trace == [
        "tick 1",
        "tick 2",
        "tick of tick 1",
        "microtask",
        "microtask of tick 1",
        "microtask of microtask",
        "tick of microtask",
    ]
