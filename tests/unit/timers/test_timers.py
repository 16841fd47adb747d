"""Timers as Node has them: order as traces, time by busy waiting, since a late loop is the point."""

import gc
import itertools
import math
import time
import weakref
from collections.abc import Callable

import pytest

import treadle
from tests.unit.timers.support import Trace, boom, spin
from treadle import process
from treadle._base.errors import TreadleError
from treadle._base.warning import TreadleWarning
from treadle.timers import (
    Timeout,
    clear_immediate,
    clear_interval,
    clear_timeout,
    set_immediate,
    set_interval,
    set_timeout,
)


@pytest.mark.parametrize("delay_ms", [0, 10])
def test_a_nested_timer_waits_for_the_tick_of_its_maker(delay_ms: float) -> None:
    trace: Trace = []

    def outer() -> None:
        trace.append("outer")
        process.next_tick(trace.append, "tick")
        set_timeout(trace.append, delay_ms, "inner")
        spin(max(delay_ms, 2))

    treadle.run(lambda: set_timeout(outer, delay_ms))
    assert trace == ["outer", "tick", "inner"]


def test_chained_timers_run_in_order_and_at_least_1_ms_apart() -> None:
    times_ms: list[int] = []

    def link(left: int) -> None:
        times_ms.append(time.monotonic_ns() // 1_000_000)
        if left:
            set_timeout(link, 1, left - 1)

    treadle.run(lambda: set_timeout(link, 1, 29))
    assert len(times_ms) == 30
    assert all(later - sooner >= 1 for sooner, later in itertools.pairwise(times_ms))


def test_late_timers_run_list_by_list() -> None:
    trace: Trace = []

    def main() -> None:
        set_timeout(trace.append, 5, "A")
        spin(10)
        set_timeout(trace.append, 1, "C")
        set_timeout(trace.append, 5, "B")
        spin(10)

    treadle.run(main)
    assert trace == ["A", "B", "C"]


def test_what_gets_due_while_timers_run_waits_for_what_was_made_after_it() -> None:
    """In Node, 1 ms after the clock was last read for a timer: by then the one made last is due, too."""
    trace: Trace = []

    def late() -> None:
        trace.append("late")
        set_immediate(trace.append, "immediate of late")

    def first() -> None:
        set_timeout(late, 5)
        spin(6)
        set_timeout(trace.append, 1, "last")
        set_immediate(trace.append, "immediate")

    treadle.run(lambda: set_timeout(first, 1))
    assert trace == ["immediate", "late", "last", "immediate of late"]


def test_what_gets_due_while_timers_run_is_not_held_up_once_that_ms_is_over() -> None:
    trace: Trace = []

    def immediate() -> None:
        trace.append("immediate")
        set_immediate(trace.append, "its immediate")

    def first() -> None:
        set_timeout(trace.append, 5, "late")
        set_immediate(immediate)
        spin(6)

    treadle.run(lambda: set_timeout(first, 1))
    assert trace == ["immediate", "late", "its immediate"]


def test_refresh_puts_a_timer_behind_its_equals() -> None:
    trace: Trace = []

    def main() -> None:
        first = set_timeout(trace.append, 1, "first")
        set_timeout(trace.append, 1, "second")
        assert first.refresh() is first

    treadle.run(main)
    assert trace == ["second", "first"]


def test_refresh_in_its_own_callback_runs_it_once_more() -> None:
    trace: Trace = []

    def again() -> None:
        trace.append(len(trace))
        if len(trace) == 1:
            timer.refresh()
            assert timer.has_ref()

    def main() -> None:
        nonlocal timer
        timer = set_timeout(again, 1)

    timer: Timeout
    timer = None  # type: ignore[assignment]
    treadle.run(main)
    assert trace == [0, 1]


def test_refresh_after_it_fired_runs_it_again() -> None:
    trace: Trace = []

    def main() -> None:
        timer = set_timeout(trace.append, 1, "fired")
        set_timeout(timer.refresh, 3)

    treadle.run(main)
    assert trace == ["fired", "fired"]


def test_refresh_after_clear_does_nothing() -> None:
    trace: Trace = []

    def main() -> None:
        timer = set_timeout(trace.append, 1, "fired")
        clear_timeout(timer)
        timer.refresh()

    treadle.run(main)
    assert trace == []


def test_refresh_of_an_unrefed_timer_does_not_hold_the_program() -> None:
    trace: Trace = []
    treadle.run(lambda: set_timeout(trace.append, 1, "fired").unref().refresh())
    assert trace == []


def test_a_timer_cleared_in_its_callback_leaves_the_new_list_of_its_duration() -> None:
    trace: Trace = []

    def clearing() -> None:
        clear_timeout(outer)
        trace.append("outer")
        inner = set_timeout(trace.append, 1, "inner")
        set_timeout(trace.append, 1, "beside")
        set_immediate(clear_timeout, inner)

    def main() -> None:
        nonlocal outer
        outer = set_timeout(clearing, 1)

    outer: Timeout
    outer = None  # type: ignore[assignment]
    treadle.run(main)
    assert trace == ["outer", "beside"]


def test_a_timer_that_throws_loses_none_of_its_list(uncaught: Trace) -> None:
    trace: Trace = []

    def main() -> None:
        set_timeout(boom, 1)
        set_timeout(trace.append, 1, "second")
        set_timeout(boom, 1)
        set_timeout(trace.append, 1, "fourth")
        spin(2)

    treadle.run(main)
    assert trace == ["second", "fourth"]
    assert len(uncaught) == 2


def test_a_failed_timers_ticks_come_after_the_next_timer(uncaught: Trace) -> None:
    trace: Trace = []

    def failing() -> None:
        process.next_tick(trace.append, "tick")
        treadle.queue_microtask(lambda: trace.append("microtask"))
        boom()

    def main() -> None:
        set_timeout(failing, 1)
        set_timeout(trace.append, 1, "next")
        spin(2)

    treadle.run(main)
    assert trace == ["next", "tick", "microtask"]


@pytest.mark.parametrize("schedule", [set_timeout, set_interval])
def test_a_failed_timers_ticks_come_before_the_next_list(uncaught: Trace, schedule: Callable[..., Timeout]) -> None:
    trace: Trace = []

    def failing() -> None:
        process.next_tick(trace.append, "tick")
        process.next_tick(clear_interval, failing_timer)
        boom()

    def main() -> None:
        nonlocal failing_timer
        failing_timer = schedule(failing, 1)
        set_timeout(trace.append, 2, "other list")
        spin(3)

    failing_timer: Timeout | None = None
    treadle.run(main)
    assert trace == ["tick", "other list"]


def test_an_interval_that_throws_goes_on(uncaught: Trace) -> None:
    calls = 0

    def failing() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            clear_interval(interval)
        boom()

    def main() -> None:
        nonlocal interval
        interval = set_interval(failing, 1)

    interval: Timeout
    interval = None  # type: ignore[assignment]
    treadle.run(main)
    assert (calls, len(uncaught)) == (3, 3)


def test_an_immediate_whose_exception_nobody_took_does_not_hold_a_program_any_more() -> None:
    loop = treadle.new_event_loop()
    immediate = loop.set_immediate(boom)
    with pytest.raises(ValueError, match="boom"):
        loop.run_while_alive()
    immediate.ref()
    assert not immediate.has_ref()
    assert not loop.is_alive()
    loop.close()


def test_a_timer_that_refs_itself_and_throws_leaves_the_count_right(uncaught: Trace) -> None:
    trace: Trace = []

    def failing() -> None:
        timer.ref()
        boom()

    def main() -> None:
        nonlocal timer
        timer = set_timeout(failing, 1).unref()
        set_timeout(trace.append, 1, "other")

    timer: Timeout
    timer = None  # type: ignore[assignment]
    treadle.run(main)
    assert trace == ["other"]
    assert len(uncaught) == 1


def test_an_unrefed_interval_fires_while_something_else_holds_the_program() -> None:
    trace: Trace = []

    def count() -> None:
        trace.append(len(trace))
        if len(trace) == 3:
            holder.close()

    def main() -> None:
        nonlocal holder
        set_interval(count, 1).unref()
        holder = set_interval(lambda: None, 1_000)

    holder: Timeout
    holder = None  # type: ignore[assignment]
    treadle.run(main)
    assert trace == [0, 1, 2]


def test_unref_in_its_callback_does_not_stop_an_interval() -> None:
    trace: Trace = []

    def count() -> None:
        trace.append(len(trace))
        interval.unref()
        if len(trace) == 3:
            holder.close()

    def main() -> None:
        nonlocal interval, holder
        interval = set_interval(count, 1)
        holder = set_interval(lambda: None, 1_000)

    interval: Timeout
    holder: Timeout
    interval = holder = None  # type: ignore[assignment]
    treadle.run(main)
    assert trace == [0, 1, 2]


def test_an_unrefed_timer_made_before_exit_neither_fires_nor_repeats_it() -> None:
    trace: Trace = []

    def before_exit(code: int) -> None:
        trace.append(("before_exit", code))
        set_timeout(trace.append, 1, "fired").unref()

    process.on("before_exit", before_exit)
    try:
        treadle.run(lambda: None)
    finally:
        process.off("before_exit", before_exit)
    assert trace == [("before_exit", 0)]


def test_an_interval_counts_from_its_start() -> None:
    trace: Trace = []

    def late() -> None:
        trace.append("interval")
        if len(trace) > 1:
            clear_interval(interval)
            return
        set_immediate(trace.append, "immediate")
        spin(20)
        set_timeout(trace.append, 10, "rival")  # sooner than an interval that counted from its end

    def main() -> None:
        nonlocal interval
        interval = set_interval(late, 20)

    interval: Timeout
    interval = None  # type: ignore[assignment]
    treadle.run(main)
    assert trace == ["interval", "immediate", "interval", "rival"]


def test_intervals_that_are_always_late_do_not_starve_immediates() -> None:
    trace: Trace = []

    def first() -> None:
        trace.append("first")
        if trace.count("first") == 2:
            first_interval.close()
            second_interval.close()
            return
        set_immediate(trace.append, "immediate")

    def main() -> None:
        nonlocal first_interval, second_interval
        first_interval = set_interval(first, 5)
        second_interval = set_interval(spin, 5, 10)

    first_interval: Timeout
    second_interval: Timeout
    first_interval = second_interval = None  # type: ignore[assignment]
    treadle.run(main)
    assert trace == ["first", "immediate", "first"]


def test_a_timeout_made_in_an_interval_of_the_same_delay_comes_before_its_next_call() -> None:
    trace: Trace = []

    def tick() -> None:
        trace.append("interval")
        if len(trace) == 1:
            set_timeout(trace.append, 2, "timeout")
        else:
            clear_interval(interval)

    def main() -> None:
        nonlocal interval
        interval = set_interval(tick, 2)

    interval: Timeout
    interval = None  # type: ignore[assignment]
    treadle.run(main)
    assert trace == ["interval", "timeout", "interval"]


# -- arguments and handles


@pytest.mark.parametrize("delay_ms", [0, -5, math.nan, 0.3, 1.9, -math.inf])
def test_odd_delays_are_1_ms(delay_ms: float) -> None:
    trace: Trace = []

    def main() -> None:
        set_timeout(trace.append, 1, "before")
        set_timeout(trace.append, delay_ms, "odd")
        set_timeout(trace.append, 1, "after")

    treadle.run(main)
    assert trace == ["before", "odd", "after"]


@pytest.mark.parametrize("delay_ms", [2**31, 2**40, math.inf, 1e300])
def test_huge_delays_are_1_ms_and_warned_of(delay_ms: float) -> None:
    trace: Trace = []

    def main() -> None:
        for schedule in (set_timeout, set_interval):
            with pytest.warns(TreadleWarning) as caught:
                trace.append(schedule(trace.append, delay_ms, "fired").close())
            assert isinstance(caught[0].message, TreadleWarning)
            assert caught[0].message.name == "TimeoutOverflowWarning"
        trace.clear()
        with pytest.warns(TreadleWarning):
            set_timeout(trace.append, delay_ms, "fired")

    treadle.run(main)
    assert trace == ["fired"]


def test_the_longest_delay_is_taken() -> None:
    treadle.run(lambda: clear_timeout(set_timeout(boom, 2**31 - 1)))


def test_the_delay_may_be_left_out() -> None:
    trace: Trace = []
    treadle.run(lambda: set_timeout(lambda: trace.append("fired")))
    assert trace == ["fired"]


def test_callbacks_get_their_arguments() -> None:
    trace: Trace = []

    def note(*args: object) -> None:
        trace.append(args)

    def note_and_stop(*args: object) -> None:
        note(*args)
        interval.close()

    def main() -> None:
        nonlocal interval
        set_immediate(note, 1, 2)
        set_timeout(note, 1, 3)
        interval = set_interval(note_and_stop, 1, 4, 5)
        process.next_tick(note)

    interval: Timeout
    interval = None  # type: ignore[assignment]
    treadle.run(main)
    assert sorted(trace, key=str) == [(), (1, 2), (3,), (4, 5)]


@pytest.mark.parametrize("callback", [None, "print", 5])
@pytest.mark.parametrize("schedule", [set_timeout, set_interval, set_immediate, process.next_tick])
def test_a_callback_must_be_callable(schedule: Callable[..., object], callback: object) -> None:
    def main() -> None:
        with pytest.raises(TypeError) as caught:
            schedule(callback)
        assert isinstance(caught.value, TreadleError)
        assert caught.value.code == "ERR_INVALID_ARG_TYPE"

    treadle.run(main)


@pytest.mark.parametrize("schedule", [set_timeout, set_interval])
@pytest.mark.parametrize("delay_ms", [None, "5"])
def test_a_delay_must_be_a_number(schedule: Callable[..., object], delay_ms: object) -> None:
    def main() -> None:
        with pytest.raises(TypeError) as caught:
            schedule(print, delay_ms)
        assert isinstance(caught.value, TreadleError)
        assert caught.value.data == {"name": "delay_ms", "expected": "a number", "received": type(delay_ms).__name__}

    treadle.run(main)


@pytest.mark.parametrize("schedule", [set_timeout, set_interval, set_immediate, process.next_tick])
def test_without_a_loop_there_is_an_error_that_says_so(schedule: Callable[..., object]) -> None:
    with pytest.raises(TreadleError) as caught:
        schedule(print)
    assert caught.value.code == "ERR_NO_LOOP"


@pytest.mark.parametrize("clear", [clear_timeout, clear_interval, clear_immediate])
def test_clearing_what_is_no_handle_is_silent(clear: Callable[[object], None]) -> None:
    for stranger in (None, "x", 5, object(), math.nan):
        clear(stranger)


def test_clearing_a_handle_of_the_other_kind_is_ignored() -> None:
    trace: Trace = []

    def main() -> None:
        clear_immediate(set_timeout(trace.append, 1, "timeout"))
        clear_timeout(set_immediate(trace.append, "immediate"))

    treadle.run(main)
    assert sorted(trace, key=str) == ["immediate", "timeout"]


def test_clearing_twice_and_after_the_end_is_silent() -> None:
    handles: list[object] = []

    def main() -> None:
        handles.extend([set_timeout(boom, 1), set_interval(boom, 1), set_immediate(boom)])
        for _ in range(2):
            for handle in handles:
                clear_timeout(handle)
                clear_immediate(handle)

    treadle.run(main)
    for handle in handles:
        clear_timeout(handle)
        clear_immediate(handle)


def test_handles_say_whether_they_hold_the_program() -> None:
    def main() -> None:
        for handle in (set_timeout(print, 1), set_interval(print, 1), set_immediate(print)):
            assert handle.has_ref()
            assert handle.unref() is handle
            assert not handle.has_ref()
            assert handle.ref() is handle
            assert handle.has_ref()
            assert handle.close() is handle

    treadle.run(main)


def test_ref_after_close_does_not_hold_the_program() -> None:
    def main() -> None:
        for handle in (set_timeout(boom, 1), set_interval(boom, 1), set_immediate(boom)):
            handle.close()
            handle.ref()

    treadle.run(main)


def test_an_interval_of_a_closed_handle_does_not_return() -> None:
    trace: Trace = []

    def once() -> None:
        trace.append("ran")
        interval.close()
        interval.refresh()
        interval.ref()

    def main() -> None:
        nonlocal interval
        interval = set_interval(once, 1)

    interval: Timeout
    interval = None  # type: ignore[assignment]
    treadle.run(main)
    assert trace == ["ran"]


@pytest.mark.parametrize("schedule", [lambda f: set_timeout(f, 1), set_immediate, process.next_tick])
def test_a_callback_is_let_go_of_once_it_ran(schedule: Callable[..., object]) -> None:
    class Payload:
        def __call__(self) -> None:
            pass

    kept: list[object] = []
    gone: list[weakref.ref[Payload]] = []

    def main() -> None:
        payload = Payload()
        gone.append(weakref.ref(payload))
        kept.append(schedule(payload))

    treadle.run(main)
    kept.clear()  # a fired Timeout keeps its callback for refresh()
    gc.collect()
    assert gone[0]() is None
