"""Timers, immediates and ticks as Node has them: order as traces, time by busy waiting, since a late loop is the point."""

import gc
import itertools
import math
import time
import weakref
from collections.abc import Callable

import pytest

import treadle
from treadle import process
from treadle._base.errors import TreadleError
from treadle._base.warning import TreadleWarning
from treadle.loop.current import get_loop
from treadle.timers import (
    Immediate,
    Timeout,
    clear_immediate,
    clear_interval,
    clear_timeout,
    set_immediate,
    set_interval,
    set_timeout,
)

Trace = list[object]


def spin(ms: float) -> None:
    """Hold the loop up: a callback that computes."""
    end_s = time.perf_counter() + ms / 1000
    while time.perf_counter() < end_s:
        pass


def boom() -> None:
    raise ValueError("boom")


@pytest.fixture
def uncaught() -> Trace:
    """The exceptions that reached 'uncaught_exception' during the test, which handles them."""
    seen: Trace = []
    process.on("uncaught_exception", seen.append)
    yield seen  # type: ignore[misc]
    process.off("uncaught_exception", seen.append)


# -- immediates


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


# -- timers


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


# -- ticks and microtasks


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
