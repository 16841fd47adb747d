"""Immediates as Node has them: their order as traces."""

from collections.abc import Callable

import pytest

import treadle
from tests.unit.timers.support import Trace, boom, spin
from treadle import process
from treadle.timers import (
    Immediate,
    Timeout,
    clear_immediate,
    clear_timeout,
    set_immediate,
    set_timeout,
)


def test_nested_immediates_wait_for_the_next_check_phase() -> None:
    ran = 0
    waiting: list[Immediate] = []

    def nested() -> None:
        raise AssertionError("a nested immediate ran in the same check phase")

    def first() -> None:
        nonlocal ran
        ran += 1
        waiting.append(set_immediate(nested))

    def stop() -> None:
        for immediate in waiting:
            clear_immediate(immediate)

    def start() -> None:
        set_timeout(stop, 1)  # due once this check phase is through
        spin(3)

    def main() -> None:
        set_immediate(start)
        for _ in range(10):
            set_immediate(first)

    treadle.run(main)
    assert ran == len(waiting) == 10


def test_an_immediate_that_throws_loses_none_of_its_queue(uncaught: Trace) -> None:
    trace: Trace = []

    def failing(n: int) -> None:
        trace.append(n)
        set_immediate(trace.append, f"nested {n}")
        if n % 2:
            boom()

    def main() -> None:
        for n in range(6):
            set_immediate(failing, n)

    treadle.run(main)
    assert trace == [*range(6), *(f"nested {n}" for n in range(6))]
    assert len(uncaught) == 3


def test_a_cleared_immediate_gives_no_room_to_what_a_failed_tick_left_behind(uncaught: Trace) -> None:
    trace: Trace = []

    def first() -> None:
        clear_immediate(cleared)
        process.next_tick(boom)
        process.next_tick(trace.append, "tick")

    def main() -> None:
        nonlocal cleared
        set_immediate(first)
        cleared = set_immediate(trace.append, "cleared")
        set_immediate(trace.append, "next")

    cleared: Immediate | None = None
    treadle.run(main)
    assert trace == ["next", "tick"]


def test_an_immediate_clears_others_of_its_queue() -> None:
    trace: Trace = []

    def first() -> None:
        trace.append(1)
        clear_immediate(second)
        clear_immediate(third)
        set_immediate(trace.append, "next phase")

    def main() -> None:
        nonlocal second, third
        set_immediate(first)
        second = set_immediate(trace.append, 2)
        third = set_immediate(trace.append, 3)

    second = third = None
    treadle.run(main)
    assert trace == [1, "next phase"]


@pytest.mark.parametrize(
    ("schedule", "clear"),
    [(set_immediate, clear_immediate), (lambda f, *args: set_timeout(f, 1, *args), clear_timeout)],
    ids=["immediate", "timeout"],
)
def test_a_tick_clears_later_ones_of_the_same_queue(schedule: Callable[..., object], clear: Callable[[object], None]) -> None:
    trace: Trace = []
    handles: list[object] = []

    def first() -> None:
        process.next_tick(lambda: [clear(handle) for handle in handles[1:3]])
        trace.append(0)

    def main() -> None:
        handles.append(schedule(first))
        handles.extend(schedule(trace.append, n) for n in (1, 2, 3))
        spin(2)

    treadle.run(main)
    assert trace == [0, 3]


def test_a_lone_unrefed_immediate_never_runs() -> None:
    trace: Trace = []

    def first() -> None:
        trace.append("first")
        set_immediate(trace.append, "nested").unref()

    treadle.run(lambda: set_immediate(first))
    assert trace == ["first"]


@pytest.mark.parametrize("schedule", [set_immediate, set_timeout])
def test_what_is_unrefed_does_not_run_when_nothing_else_is_left(schedule: Callable[..., Immediate | Timeout]) -> None:
    trace: Trace = []

    def main() -> None:
        schedule(lambda: trace.append("ran")).unref()
        spin(3)

    treadle.run(main)
    assert trace == []


def test_an_unrefed_immediate_of_the_last_timer_never_runs() -> None:
    trace: Trace = []

    def last() -> None:
        trace.append("timer")
        set_immediate(trace.append, "immediate").unref()

    treadle.run(lambda: set_timeout(last, 5))
    assert trace == ["timer"]


def test_an_unrefed_immediate_runs_where_a_timer_of_the_first_turn_was_the_last_to_hold_the_program() -> None:
    """libuv asks before its first turn, which is a whole one, and then behind the timers of each."""
    trace: Trace = []

    def main() -> None:
        set_immediate(trace.append, "immediate").unref()
        set_timeout(trace.append, 1, "timer")
        spin(2)

    treadle.run(main)
    assert trace == ["timer", "immediate"]


def test_a_lone_unrefed_immediate_runs_after_an_exception_that_was_taken(uncaught: Trace) -> None:
    """Node queues an immediate of its own behind each of them."""
    trace: Trace = []

    def main() -> None:
        set_immediate(trace.append, "immediate").unref()
        process.next_tick(boom)

    treadle.run(main)
    assert trace == ["immediate"]


def test_an_unrefed_timer_that_is_due_runs_in_the_turn_of_the_last_immediate() -> None:
    trace: Trace = []

    def main() -> None:
        set_timeout(trace.append, 1, "timer").unref()
        set_immediate(spin, 3)

    treadle.run(main)
    assert trace == ["timer"]


def test_an_unrefed_immediate_runs_beside_another() -> None:
    trace: Trace = []

    def main() -> None:
        set_immediate(trace.append, "unrefed").unref()
        set_immediate(trace.append, "refed")

    treadle.run(main)
    assert trace == ["unrefed", "refed"]


def test_an_unrefed_immediate_can_be_refed_again() -> None:
    trace: Trace = []

    def main() -> None:
        immediate = set_immediate(trace.append, "ran").unref()
        assert not immediate.has_ref()
        assert immediate.ref() is immediate
        assert immediate.has_ref()

    treadle.run(main)
    assert trace == ["ran"]
