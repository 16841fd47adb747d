"""One turn of the wheel: which phase follows which, what runs in between, and who gets the exception of a callback.

Not here: timers among themselves (tests/unit/timers), the recorded programs of Node (tests/conformance), floods."""

import asyncio
import contextvars
import itertools
import os
import socket
from collections.abc import Callable, Generator
from typing import Any

import pytest

import treadle
from tests.unit.loop.support import Pipe, Trace, boom, contexts_of, in_io, run, run_for_ever, spin

Loop = treadle.EventLoop


class Bare:
    """`await Bare()` is a bare yield, what asyncio.sleep(0) does."""

    def __await__(self) -> Generator[None, None, None]:
        yield


YIELDS: dict[str, Callable[[], Any]] = {"sleep0": lambda: asyncio.sleep(0), "bare": Bare}
TASKS = {"c": asyncio.Task, "python": asyncio.tasks._PyTask}  # type: ignore[attr-defined]


# -- phases


def test_an_io_callback_is_followed_by_check_and_only_then_by_timers(idle_loop: Loop, pipe: Pipe) -> None:
    trace: Trace = []
    loop = idle_loop

    def io() -> None:
        trace.append("io")
        loop.set_timeout(trace.append, 0, "timer")
        loop.call_later(0, trace.append, "alarm")
        loop.set_immediate(trace.append, "immediate")
        loop.call_soon(trace.append, "soon")
        loop.next_tick(trace.append, "tick")
        spin(2)  # both timers are due by now

    in_io(loop, pipe, io)
    run(loop)
    assert trace == ["io", "tick", "soon", "immediate", "alarm", "timer"]


def test_a_timer_is_followed_by_io_and_then_by_check(idle_loop: Loop, pipe: Pipe) -> None:
    trace: Trace = []
    loop = idle_loop

    def timer() -> None:
        trace.append("timer")
        loop.set_immediate(trace.append, "immediate")
        loop.set_timeout(trace.append, 1, "next timer")
        in_io(loop, pipe, lambda: trace.append("io"))
        spin(2)

    loop.set_timeout(timer, 1)
    run(loop)
    assert trace == ["timer", "io", "immediate", "next timer"]


def test_an_immediate_is_followed_by_timers_then_io_then_check(idle_loop: Loop, pipe: Pipe) -> None:
    trace: Trace = []
    loop = idle_loop

    def immediate() -> None:
        trace.append("immediate")
        loop.set_immediate(trace.append, "next immediate")
        in_io(loop, pipe, lambda: trace.append("io"))
        loop.set_timeout(trace.append, 1, "timer")
        spin(2)

    loop.set_immediate(immediate)
    run(loop)
    assert trace == ["immediate", "timer", "io", "next immediate"]


def test_each_phase_drains_before_the_next_callback_of_the_phase(idle_loop: Loop) -> None:
    trace: Trace = []
    loop = idle_loop
    pipes = [Pipe(), Pipe()]

    def callback(name: str) -> None:
        trace.append(name)
        loop.call_soon(trace.append, "soon")
        loop.queue_microtask(lambda: trace.append("microtask"))
        loop.next_tick(trace.append, "tick")

    drained = ["tick", "soon", "microtask"]
    for pipe in pipes:
        in_io(loop, pipe, lambda: callback("io"))
    for _ in range(2):
        loop.set_timeout(callback, 1, "timer")
        loop.set_immediate(callback, "immediate")
    spin(2)
    run(loop)
    for pipe in pipes:
        pipe.close()
    assert trace == [step for name in ("timer", "io", "immediate") for step in [name, *drained] * 2]


def test_reader_and_writer_of_one_descriptor_are_two_callbacks(idle_loop: Loop) -> None:
    """What the reader queued runs before the writer, although one poll reported both."""
    trace: Trace = []
    loop = idle_loop
    left, right = socket.socketpair()
    left.setblocking(False)

    def on_readable() -> None:
        loop.remove_reader(left.fileno())
        trace.append("reader")
        loop.call_soon(trace.append, "soon")
        loop.next_tick(trace.append, "tick")

    def on_writable() -> None:
        loop.remove_writer(left.fileno())
        trace.append("writer")

    with left, right:
        right.send(b"x")
        loop.add_reader(left.fileno(), on_readable)
        loop.add_writer(left.fileno(), on_writable)
        run(loop)
    assert trace == ["reader", "tick", "soon", "writer"]


def test_alarms_due_in_one_pass_are_one_batch(idle_loop: Loop) -> None:
    """COMPAT(asyncio): nested timeouts with one deadline depend on it. set_timeout drains in between, as Node does."""
    trace: Trace = []
    loop = idle_loop

    def callback(name: str) -> None:
        trace.append(name)
        loop.call_soon(trace.append, f"soon of {name}")

    when_s = loop.time() + 0.001
    for name in ("a", "b", "c"):
        loop.call_at(when_s, callback, name)
    spin(2)
    run(loop)
    assert trace == ["a", "b", "c", "soon of a", "soon of b", "soon of c"]


def test_alarms_run_by_time_and_then_by_creation(idle_loop: Loop) -> None:
    trace: Trace = []
    loop = idle_loop
    now_s = loop.time()
    for after_ms, name in ((3, "d"), (1, "a"), (3, "e"), (2, "c"), (1, "b")):
        loop.call_at(now_s + after_ms / 1000, trace.append, name)
    spin(4)
    run(loop)
    assert trace == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize("delay_s", [0, -1])
def test_an_alarm_made_by_an_alarm_waits_for_the_next_pass(idle_loop: Loop, delay_s: float) -> None:
    """COMPAT(asyncio): the batch is what was due when it began, whatever its callbacks add."""
    trace: Trace = []
    loop = idle_loop

    def again() -> None:
        trace.append("first")
        loop.call_later(delay_s, trace.append, "second")
        loop.call_soon(trace.append, "soon")

    loop.call_later(0, again)
    loop.call_later(0, trace.append, "sibling")
    run(loop)
    assert trace == ["first", "sibling", "soon", "second"]


def test_a_cancelled_alarm_never_runs_also_out_of_the_same_batch(idle_loop: Loop) -> None:
    trace: Trace = []
    loop = idle_loop
    second = None

    def first() -> None:
        trace.append("first")
        assert second is not None
        second.cancel()

    when_s = loop.time()
    loop.call_at(when_s, first)
    second = loop.call_at(when_s, trace.append, "second")
    run(loop)
    assert trace == ["first"]
    assert second.cancelled()


# -- between two callbacks


def test_call_soon_is_first_in_first_out(idle_loop: Loop) -> None:
    trace: Trace = []
    loop = idle_loop
    for n in range(200):  # more than a ring's first size
        loop.call_soon(trace.append, n)
    run(loop)
    assert trace == list(range(200))


def test_call_soon_and_queue_microtask_share_a_queue(idle_loop: Loop) -> None:
    trace: Trace = []
    loop = idle_loop
    loop.call_soon(trace.append, "soon 1")
    loop.queue_microtask(lambda: trace.append("microtask 1"))
    loop.call_soon_threadsafe(trace.append, "threadsafe")
    loop.queue_microtask(lambda: trace.append("microtask 2"))
    loop.call_soon(trace.append, "soon 2")
    run(loop)
    assert trace == ["soon 1", "microtask 1", "threadsafe", "microtask 2", "soon 2"]


def test_a_callback_never_runs_inside_another(idle_loop: Loop) -> None:
    trace: Trace = []
    loop = idle_loop

    def outer() -> None:
        trace.append("begin")
        loop.call_soon(trace.append, "soon")
        loop.next_tick(trace.append, "tick")
        trace.append("end")

    loop.call_soon(outer)
    run(loop)
    assert trace == ["begin", "end", "soon", "tick"]


def test_ticks_go_first_each_time_the_microtasks_are_through(idle_loop: Loop) -> None:
    trace: Trace = []
    loop = idle_loop

    def soon() -> None:
        trace.append("soon")
        loop.next_tick(trace.append, "tick of soon")
        loop.call_soon(trace.append, "soon of soon")

    loop.call_soon(soon)
    loop.call_soon(trace.append, "sibling")
    loop.next_tick(trace.append, "tick")
    run(loop)
    assert trace == ["tick", "soon", "sibling", "soon of soon", "tick of soon"]


def test_a_cancelled_handle_never_runs(idle_loop: Loop) -> None:
    trace: Trace = []
    loop = idle_loop
    handles = [loop.call_soon(trace.append, n) for n in range(3)]

    def cancel() -> None:
        last.cancel()

    handles[1].cancel()
    loop.call_soon(cancel)
    last = loop.call_soon(trace.append, "last")
    run(loop)
    assert trace == [0, 2]
    assert [handle.cancelled() for handle in handles] == [False, True, False]


@pytest.mark.parametrize("name", ["call_soon", "call_soon_threadsafe", "call_later", "call_at"])
def test_a_callback_runs_in_the_context_that_was_current_or_given(idle_loop: Loop, name: str) -> None:
    loop = idle_loop
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")
    seen: list[str] = []
    time_s = {"call_later": [0], "call_at": [loop.time()]}.get(name, [])
    schedule = getattr(loop, name)

    def look() -> None:
        seen.append(variable.get())
        variable.set("changed by the callback")

    token = variable.set("current")
    schedule(*time_s, look)
    given = contextvars.copy_context()
    given.run(variable.set, "given")
    schedule(*time_s, look, context=given)
    variable.reset(token)
    run(loop)
    assert seen == ["current", "given"]
    assert variable.get() == "none"
    assert given[variable] == "changed by the callback"


@pytest.mark.parametrize("name", ["next_tick", "queue_microtask", "set_immediate", "set_timeout"])
def test_nodes_callbacks_run_in_the_context_that_was_current(idle_loop: Loop, name: str) -> None:
    loop = idle_loop
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")
    seen: list[str] = []
    token = variable.set("current")
    getattr(loop, name)(lambda: seen.append(variable.get()), *([1] if name == "set_timeout" else []))
    variable.reset(token)
    run(loop)
    assert seen == ["current"]


# -- tasks that yield


@pytest.mark.parametrize("task_type", TASKS.values(), ids=TASKS)
@pytest.mark.parametrize("how", YIELDS.values(), ids=YIELDS)
def test_a_yield_goes_on_in_the_check_phase(idle_loop: Loop, pipe: Pipe, how: Callable[[], Any], task_type: Any) -> None:
    """It lets timers and I/O run first, and keeps its place among the immediates."""
    trace: Trace = []
    loop = idle_loop
    loop.set_task_factory(lambda loop, coro, **kwargs: task_type(coro, loop=loop, **kwargs))

    async def main() -> None:
        trace.append("before")
        loop.set_timeout(trace.append, 1, "timer")
        loop.set_immediate(trace.append, "immediate 1")
        loop.call_soon(trace.append, "soon")
        in_io(loop, pipe, lambda: trace.append("io"))
        spin(2)
        await how()
        trace.append("after")

    task = loop.create_task(main())
    loop.call_soon(loop.set_immediate, trace.append, "immediate 2")
    run(loop)
    assert trace == ["before", "soon", "timer", "io", "immediate 1", "after", "immediate 2"]
    assert task.done()


@pytest.mark.parametrize("task_type", TASKS.values(), ids=TASKS)
def test_a_task_that_yields_again_waits_for_the_next_turn(idle_loop: Loop, task_type: Any) -> None:
    trace: Trace = []
    loop = idle_loop
    loop.set_task_factory(lambda loop, coro, **kwargs: task_type(coro, loop=loop, **kwargs))

    async def worker(name: str) -> None:
        for n in range(3):
            trace.append(f"{name}{n}")
            await asyncio.sleep(0)

    tasks = [loop.create_task(worker(name)) for name in "ab"]
    turns = loop.turns
    run(loop)
    assert trace == ["a0", "b0", "a1", "b1", "a2", "b2"]
    assert loop.turns - turns >= 3
    assert all(task.done() for task in tasks)


def test_what_a_future_wakes_is_a_microtask(idle_loop: Loop) -> None:
    """Before the next immediate of the same check phase."""
    trace: Trace = []
    loop = idle_loop
    future = loop.create_future()

    async def waiter() -> None:
        trace.append(await future)

    loop.create_task(waiter())
    loop.set_immediate(future.set_result, "woken")
    loop.set_immediate(trace.append, "immediate")
    run(loop)
    assert trace == ["woken", "immediate"]


def test_a_new_task_starts_as_a_microtask(idle_loop: Loop) -> None:
    trace: Trace = []
    loop = idle_loop

    async def child() -> None:
        trace.append("child")

    async def main() -> None:
        task = loop.create_task(child())
        loop.set_immediate(trace.append, "immediate")
        trace.append("main")
        await task
        trace.append("main again")

    loop.create_task(main())
    run(loop)
    assert trace == ["main", "child", "main again", "immediate"]


def test_a_task_that_was_cancelled_while_it_yields(idle_loop: Loop) -> None:
    trace: Trace = []
    loop = idle_loop

    async def main() -> None:
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            trace.append("cancelled")
            raise

    task = loop.create_task(main())
    loop.call_soon(task.cancel)
    loop.set_immediate(trace.append, "immediate")
    run(loop)
    assert trace == ["immediate", "cancelled"]  # it keeps the place among the immediates that its yield gave it
    assert task.cancelled()


# -- stop


def test_stop_lets_run_what_is_queued_and_keeps_what_comes_later(loop: Loop) -> None:
    trace: Trace = []

    def first() -> None:
        loop.stop()
        loop.call_soon(trace.append, "later")
        trace.append("first")

    loop.call_soon(first)
    loop.call_soon(trace.append, "second")
    run_for_ever(loop)
    assert trace == ["first", "second"]
    loop.call_soon(loop.stop)
    run_for_ever(loop)
    assert trace == ["first", "second", "later"]


def test_stop_before_the_run_polls_once(loop: Loop, pipe: Pipe) -> None:
    trace: Trace = []
    in_io(loop, pipe, lambda: trace.append("io"))
    loop.call_soon(trace.append, "soon")
    loop.stop()
    run_for_ever(loop)
    assert trace == ["soon", "io"]


def test_what_is_scheduled_between_stop_and_the_run_is_run(loop: Loop) -> None:
    """CPython, loop.run_forever(): a stopped loop runs 'those that were already scheduled' when it is entered."""
    trace: Trace = []
    loop.stop()
    loop.call_soon(trace.append, "soon")
    run_for_ever(loop)
    assert trace == ["soon"]


# -- exceptions: of Node's kind


def schedule_in(phase: str, loop: Loop, pipe: Pipe, callback: Callable[[], object]) -> None:
    """Have the callback run once, in that phase of the loop."""
    match phase:
        case "tick":
            loop.next_tick(callback)
        case "microtask":
            loop.queue_microtask(callback)
        case "timeout":
            loop.set_timeout(callback, 1)
        case "immediate":
            loop.set_immediate(callback)
        case "soon":
            loop.call_soon(callback)
        case "threadsafe":
            loop.call_soon_threadsafe(callback)
        case "alarm":
            loop.call_later(0, callback)
        case "reader":
            loop.add_reader(pipe.reader, lambda: (loop.remove_reader(pipe.reader), callback()))
            pipe.fill()
        case "writer":
            loop.add_writer(pipe.writer, lambda: (loop.remove_writer(pipe.writer), callback()))
        case "future":
            future = loop.create_future()
            future.add_done_callback(lambda _: callback())
            future.set_result(None)
        case _:
            raise AssertionError(phase)


NODES = ["tick", "microtask", "timeout", "immediate"]
ASYNCIOS = ["soon", "threadsafe", "alarm", "reader", "writer", "future"]


@pytest.mark.parametrize("phase", NODES)
def test_an_exception_that_a_listener_takes_does_not_end_the_run(idle_loop: Loop, pipe: Pipe, phase: str) -> None:
    taken: list[BaseException] = []
    trace: Trace = []
    loop = idle_loop

    def take(error: BaseException) -> bool:
        taken.append(error)
        return True

    loop.uncaught_hook = take
    schedule_in(phase, loop, pipe, boom)
    schedule_in(phase, loop, pipe, lambda: trace.append("next"))
    run(loop)
    assert [str(error) for error in taken] == ["boom"]
    assert trace == ["next"]


@pytest.mark.parametrize("hook", [None, lambda error: False], ids=["no hook", "hook declines"])
@pytest.mark.parametrize("phase", NODES)
def test_an_exception_that_nobody_takes_ends_the_run_and_nothing_is_lost(
    idle_loop: Loop, pipe: Pipe, phase: str, hook: Callable[[BaseException], bool] | None
) -> None:
    trace: Trace = []
    loop = idle_loop
    loop.uncaught_hook = hook
    for other in [*NODES, *ASYNCIOS[:3]]:
        schedule_in(other, loop, pipe, lambda other=other: trace.append(other))  # type: ignore[misc]
    schedule_in(phase, loop, pipe, boom)
    schedule_in(phase, loop, pipe, lambda: trace.append(f"next {phase}"))
    with pytest.raises(ValueError, match="boom"):
        run(loop)
    assert f"next {phase}" not in trace
    run(loop)
    assert sorted(map(str, trace)) == sorted([*NODES, *ASYNCIOS[:3], f"next {phase}"])


@pytest.mark.parametrize("phase", ASYNCIOS)
def test_an_exception_of_asyncios_kind_goes_to_the_exception_handler(idle_loop: Loop, pipe: Pipe, phase: str) -> None:
    loop = idle_loop
    contexts = contexts_of(loop)
    trace: Trace = []
    loop.uncaught_hook = lambda error: pytest.fail(f"treadle's hook got {error!r}")
    schedule_in(phase, loop, pipe, boom)
    loop.set_immediate(trace.append, "goes on")
    run(loop)
    assert [str(context["exception"]) for context in contexts] == ["boom"]
    assert {"message", "exception", "handle"} <= contexts[0].keys()
    assert trace == ["goes on"]


def test_a_reader_that_fails_stays(idle_loop: Loop, pipe: Pipe) -> None:
    loop = idle_loop
    contexts = contexts_of(loop)

    def on_readable() -> None:
        if len(contexts) < 2:
            boom()
        loop.remove_reader(pipe.reader)

    loop.add_reader(pipe.reader, on_readable)
    pipe.fill()
    run(loop)
    assert len(contexts) == 2


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("phase", [*NODES, *ASYNCIOS])
def test_exits_and_interrupts_come_out_of_every_phase(
    idle_loop: Loop, pipe: Pipe, phase: str, error: type[BaseException]
) -> None:
    trace: Trace = []
    loop = idle_loop
    loop.uncaught_hook = lambda error: True
    contexts = contexts_of(loop)

    def leave() -> None:
        raise error(3)

    schedule_in(phase, loop, pipe, leave)
    loop.set_immediate(lambda: loop.set_immediate(trace.append, "goes on"))
    spin(2)  # the timer is due in the first turn
    with pytest.raises(error) as raised:
        run(loop)
    assert raised.value.args == (3,)
    assert not loop.is_running()
    loop.set_immediate(trace.append, "last")
    run(loop)
    assert trace == ["last", "goes on"]
    assert contexts == []


def test_a_failing_exception_handler_does_not_stop_the_loop(idle_loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    trace: Trace = []
    loop = idle_loop
    loop.set_exception_handler(boom)
    loop.call_soon(boom)
    loop.call_soon(trace.append, "next")
    run(loop)
    assert trace == ["next"]
    assert [record.name for record in caplog.records] == ["asyncio"]


def test_without_an_exception_handler_it_is_logged(idle_loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    loop = idle_loop
    loop.call_soon(boom)
    run(loop)
    (record,) = caplog.records
    assert record.name == "asyncio"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)


# -- what is counted


def test_statistics_count_what_waits_and_what_ran(loop: Loop, pipe: Pipe) -> None:
    before = loop.statistics()
    loop.next_tick(int)
    loop.call_soon(int)
    loop.queue_microtask(int)
    loop.set_immediate(int)
    loop.set_timeout(int, 1)
    loop.call_later(0, int)
    in_io(loop, pipe, int)
    waiting = loop.statistics()
    assert {name: waiting[name] - before[name] for name in waiting if waiting[name] != before[name]} == {
        "ticks_queued": 1,
        "microtasks_queued": 2,
        "immediates_queued": 1,
        "immediates_refed": 1,
        "timer_lists": 1,
        "alarms_waiting": 1,
        "timers_refed": 2,
        "handles_refed": 1,
    }
    run(loop)
    after = loop.statistics()
    changed = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    assert changed.pop("turns") >= 1
    for name in ("waits", "idle_ns", "started_ns", "ran_ns"):
        changed.pop(name, None)
    assert changed == {"ticks": 1, "microtasks": 1, "soon": 1, "immediates": 1, "timers": 2, "events": 1}


def test_a_turn_is_counted_once(idle_loop: Loop) -> None:
    loop = idle_loop
    turns: list[int] = []
    counter = itertools.count()

    def immediate() -> None:
        turns.append(loop.turns)
        if next(counter) < 3:
            loop.set_immediate(immediate)

    loop.set_immediate(immediate)
    run(loop)
    assert turns == list(range(turns[0], turns[0] + 4))


def test_the_poll_does_not_wait_while_an_immediate_waits(idle_loop: Loop, pipe: Pipe) -> None:
    """A descriptor that never gets ready does not hold up the check phase."""
    trace: Trace = []
    loop = idle_loop

    def immediate() -> None:
        trace.append("immediate")
        os.close(pipe.writer)
        pipe.writer = -1  # the end of the pipe makes it readable

    def on_readable() -> None:
        trace.append("io")
        loop.remove_reader(pipe.reader)

    loop.add_reader(pipe.reader, on_readable)
    loop.set_immediate(immediate)
    run(loop)
    assert trace == ["immediate", "io"]


def test_what_stands_in_the_queue_when_the_loop_is_stopped_runs_past_the_guard(loop: Loop) -> None:
    """COMPAT(asyncio): a run ends after what was queued when it was stopped, however much that is."""
    ran = 0

    def one() -> None:
        nonlocal ran
        ran += 1

    loop.call_soon(loop.stop)
    for _ in range(2_000):
        loop.call_soon(one)
    loop.run_forever()
    assert ran == 2_000
