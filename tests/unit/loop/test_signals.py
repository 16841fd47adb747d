"""Signals: they end a blocked poll, and what they do runs in the loop."""

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import treadle
from tests.unit.loop.support import DEADLINE_S, Trace, boom, contexts_of, run, run_for_ever

Loop = treadle.EventLoop


@pytest.fixture(autouse=True)
def dispositions_are_restored() -> Iterator[None]:
    """No handler, no itimer and no wake-up descriptor outlives a test."""
    numbers = (signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    after = {number: signal.getsignal(number) for number in numbers}
    for number, handler in before.items():
        signal.signal(number, handler)
    assert after == before
    assert signal.set_wakeup_fd(-1) == -1


def send(number: int) -> None:
    os.kill(os.getpid(), number)


def test_a_handler_runs_although_the_poll_blocks(loop: Loop) -> None:
    trace: Trace = []

    def on_alarm(*args: object) -> None:
        trace.append(args)
        loop.stop()

    loop.add_signal_handler(signal.SIGALRM, on_alarm, 1, 2)
    signal.setitimer(signal.ITIMER_REAL, 0.01)  # nothing else would end the poll before the deadline
    run_for_ever(loop)
    assert trace == [(1, 2)]
    assert loop.remove_signal_handler(signal.SIGALRM)


def test_a_handler_of_the_signal_module_runs_although_the_poll_blocks(loop: Loop) -> None:
    trace: Trace = []

    def on_alarm(number: int, _frame: object) -> None:
        trace.append(number)
        loop.call_soon_threadsafe(loop.stop)

    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    run_for_ever(loop)
    signal.signal(signal.SIGALRM, before)
    assert trace == [signal.SIGALRM]


def test_a_handler_is_a_callback_of_the_loop(loop: Loop) -> None:
    """Never inside another one, and with the exception handler of asyncio."""
    trace: Trace = []
    contexts = contexts_of(loop)

    def on_signal() -> None:
        trace.append("signal")
        boom()

    def callback() -> None:
        trace.append("begin")
        send(signal.SIGUSR1)
        trace.append("end")
        loop.call_later(0.05, loop.stop)

    loop.add_signal_handler(signal.SIGUSR1, on_signal)
    loop.call_soon(callback)
    run_for_ever(loop)
    assert trace == ["begin", "end", "signal"]
    assert [str(context["exception"]) for context in contexts] == ["boom"]
    loop.remove_signal_handler(signal.SIGUSR1)


def test_two_signals_have_a_handler_each(loop: Loop) -> None:
    trace: Trace = []

    def note(name: str) -> None:
        trace.append(name)
        if len(trace) == 2:
            loop.stop()

    loop.add_signal_handler(signal.SIGUSR1, note, "usr1")
    loop.add_signal_handler(signal.SIGUSR2, note, "usr2")
    loop.call_soon(send, signal.SIGUSR1)
    loop.call_soon(send, signal.SIGUSR2)
    run_for_ever(loop)
    assert sorted(map(str, trace)) == ["usr1", "usr2"]
    loop.remove_signal_handler(signal.SIGUSR1)
    loop.remove_signal_handler(signal.SIGUSR2)


def test_the_last_handler_counts(loop: Loop) -> None:
    trace: Trace = []
    loop.add_signal_handler(signal.SIGUSR1, trace.append, "first")
    loop.add_signal_handler(signal.SIGUSR1, lambda: (trace.append("second"), loop.stop()))
    loop.call_soon(send, signal.SIGUSR1)
    run_for_ever(loop)
    assert trace == ["second"]
    loop.remove_signal_handler(signal.SIGUSR1)


def test_removing_restores_the_default(loop: Loop) -> None:
    assert not loop.remove_signal_handler(signal.SIGUSR1)
    loop.add_signal_handler(signal.SIGUSR1, int)
    assert signal.getsignal(signal.SIGUSR1) is not signal.SIG_DFL
    assert loop.remove_signal_handler(signal.SIGUSR1)
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
    assert not loop.remove_signal_handler(signal.SIGUSR1)
    loop.add_signal_handler(signal.SIGINT, int)
    loop.remove_signal_handler(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_that_was_removed_before_its_turn_does_not_run(loop: Loop) -> None:
    trace: Trace = []

    def callback() -> None:
        send(signal.SIGUSR1)
        loop.remove_signal_handler(signal.SIGUSR1)
        loop.call_later(0.02, loop.stop)

    loop.add_signal_handler(signal.SIGUSR1, trace.append, "signal")
    loop.call_soon(callback)
    run_for_ever(loop)
    assert trace == []


def test_handlers_do_not_hold_the_program(loop: Loop) -> None:
    loop.add_signal_handler(signal.SIGUSR1, int)
    run(loop)
    assert not loop.is_alive()
    loop.remove_signal_handler(signal.SIGUSR1)


def test_closing_removes_them() -> None:
    loop = treadle.new_event_loop()
    loop.add_signal_handler(signal.SIGUSR1, int)
    loop.add_signal_handler(signal.SIGINT, int)
    loop.close()
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_cannot_be_handled(loop: Loop) -> None:
    async def coroutine_function() -> None: ...

    with pytest.raises(RuntimeError, match="cannot be caught"):
        loop.add_signal_handler(signal.SIGKILL, int)
    with pytest.raises(ValueError, match="invalid signal"):
        loop.add_signal_handler(10_000, int)
    with pytest.raises(TypeError):
        loop.add_signal_handler("SIGINT", int)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        loop.add_signal_handler(signal.SIGUSR1, coroutine_function)
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        loop.add_signal_handler(signal.SIGUSR1, int)


def test_another_thread_cannot_have_one(loop: Loop) -> None:
    errors: list[BaseException] = []

    def add() -> None:
        try:
            loop.add_signal_handler(signal.SIGUSR1, int)
        except (ValueError, RuntimeError) as error:
            errors.append(error)

    thread = threading.Thread(target=add)
    thread.start()
    thread.join(DEADLINE_S)
    assert len(errors) == 1


def test_a_loop_of_another_thread_runs_without_signals() -> None:
    trace: Trace = []

    def program() -> None:
        loop = treadle.new_event_loop()
        trace.append(loop.run_until_complete(asyncio.sleep(0.001, "slept")))
        loop.close()

    thread = threading.Thread(target=program)
    thread.start()
    thread.join(DEADLINE_S)
    assert trace == ["slept"]


# -- the wake-up descriptor


def test_a_run_restores_the_wake_up_descriptor(loop: Loop) -> None:
    during: list[int] = []

    def look() -> None:
        fd = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(fd, warn_on_full_buffer=False)
        during.append(fd)

    loop.call_soon(look)
    run(loop)
    assert during[0] != -1
    assert signal.set_wakeup_fd(-1) == -1


def test_a_descriptor_of_somebody_else_stays(loop: Loop) -> None:
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.fileno())
    try:
        run(loop)
        loop.call_soon(int)
        run(loop)
    finally:
        after = signal.set_wakeup_fd(-1)
        fd = writer.fileno()
        reader.close()
        writer.close()
    assert after == fd


def test_a_loop_inside_anothers_thread_of_control_leaves_its_handlers_alone(loop: Loop) -> None:
    """One loop runs and ends while another one that has a handler rests; the handler still works."""
    trace: Trace = []
    loop.add_signal_handler(signal.SIGUSR1, lambda: (trace.append("signal"), loop.stop()))
    treadle.run(lambda: trace.append("program"))
    loop.call_soon(send, signal.SIGUSR1)
    run_for_ever(loop)
    assert trace == ["program", "signal"]
    loop.remove_signal_handler(signal.SIGUSR1)


# -- Ctrl-C


def _interrupt_after_10_ms() -> None:
    signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    signal.setitimer(signal.ITIMER_REAL, 0.01)


def _interrupt_now() -> None:
    send(signal.SIGINT)


@pytest.mark.parametrize("interrupt", [_interrupt_now, _interrupt_after_10_ms], ids=["in main", "in the poll"])
def test_an_interrupt_ends_a_program_and_main_cleans_up(interrupt: Callable[[], Any]) -> None:
    trace: Trace = []

    async def main() -> None:
        try:
            interrupt()
            await asyncio.sleep(DEADLINE_S)
        finally:
            trace.append("cleaned up")

    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(KeyboardInterrupt):
        treadle.run(main)
    signal.signal(signal.SIGALRM, before)
    assert trace == ["cleaned up"]


def test_an_interrupt_cancels_main_under_a_runner() -> None:
    """asyncio.Runner's own handling of Ctrl-C."""
    trace: Trace = []

    async def main() -> None:
        try:
            send(signal.SIGINT)
            await asyncio.sleep(DEADLINE_S)
        except asyncio.CancelledError:
            trace.append("cancelled")
            raise

    with pytest.raises(KeyboardInterrupt), asyncio.Runner(loop_factory=treadle.new_event_loop) as runner:
        runner.run(main())
    assert trace == ["cancelled"]
