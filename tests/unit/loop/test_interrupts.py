"""Ctrl-C, sent by the program itself: what asyncio.Runner does, by asyncio.Runner and by treadle.run."""

import asyncio
import gc
import os
import signal
import threading
import traceback
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

import treadle
from tests.unit.loop.support import DEADLINE_S, Pipe, Trace, boom
from treadle import process, timers
from treadle.loop import get_loop

Main = Callable[[], Coroutine[Any, Any, Any]]


def _run_by_asyncio(main: Main) -> Any:
    with asyncio.Runner() as runner:
        return runner.run(main())


@pytest.fixture(autouse=True)
def the_handler_is_put_back() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    yield
    assert signal.getsignal(signal.SIGINT) is before is signal.default_int_handler


@pytest.fixture(params=[_run_by_asyncio, treadle.run], ids=["asyncio", "treadle"])
def run(request: pytest.FixtureRequest) -> Callable[[Main], Any]:
    how: Callable[[Main], Any] = request.param
    return how


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


async def _busy(trace: Trace) -> None:
    """It never waits, so that a signal comes amid its steps."""
    try:
        while True:
            sum(range(100))
            interrupt()
            await asyncio.sleep(0)
    except asyncio.CancelledError:
        trace.append("saved")
        raise


async def _waiting(trace: Trace) -> None:
    try:
        asyncio.get_running_loop().call_later(0.001, interrupt)
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        trace.append("saved")
        raise


@pytest.mark.parametrize("body", [_busy, _waiting])
def test_the_first_one_cancels_main(run: Callable[[Main], Any], body: Callable[[Trace], Coroutine[Any, Any, None]]) -> None:
    trace: Trace = []

    async def main() -> None:
        side = asyncio.ensure_future(_side(trace))
        await asyncio.sleep(0)
        await body(trace)
        side.cancel()

    with pytest.raises(KeyboardInterrupt) as caught:
        run(main)
    assert trace == ["saved", "side saved"]
    cancelled = caught.value.__context__  # as on asyncio: it shows where main waited
    assert isinstance(cancelled, asyncio.CancelledError)
    assert body.__name__ in {frame.name for frame in traceback.extract_tb(cancelled.__traceback__)}


async def _side(trace: Trace) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)
        trace.append("side saved")


def test_a_main_that_goes_on_has_its_result(run: Callable[[Main], Any]) -> None:
    async def main() -> str:
        try:
            await _waiting([])
        except asyncio.CancelledError:
            return "enough"
        return "never"

    assert run(main) == "enough"


def test_a_main_that_somebody_else_cancelled_too_is_cancelled(run: Callable[[Main], Any]) -> None:
    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        interrupt()
        task.cancel()
        await asyncio.Event().wait()

    with pytest.raises(asyncio.CancelledError):
        run(main)


def test_the_second_one_interrupts_what_runs(run: Callable[[Main], Any]) -> None:
    trace: Trace = []

    async def main() -> None:
        try:
            interrupt()
            trace.append("first")
            interrupt()
            trace.append("never")
        except KeyboardInterrupt:
            trace.append("second")
            raise

    with pytest.raises(KeyboardInterrupt):
        run(main)
    assert trace == ["first", "second"]


def test_one_more_during_the_clean_up_leaves_without_waiting(
    run: Callable[[Main], Any], caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> None:
    """And quietly: whoever presses it knows that something was left. asyncio logs "Task was destroyed but it is pending!"."""
    ids = request.node.callspec.id
    trace: Trace = []

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            asyncio.get_running_loop().call_later(0.001, interrupt)
            await asyncio.Event().wait()
            trace.append("never")

    async def main() -> None:
        kept = asyncio.ensure_future(stubborn())
        await asyncio.sleep(0)
        assert not kept.done()
        interrupt()
        await asyncio.Event().wait()

    with pytest.raises(KeyboardInterrupt):
        run(main)
    gc.collect()
    assert trace == []
    assert ids == "asyncio" or caplog.messages == []


def test_a_program_whose_main_is_done_ends() -> None:
    trace: Trace = []

    async def main() -> None:
        timers.set_timeout(trace.append, DEADLINE_S * 1000, "never")
        timers.set_immediate(interrupt)
        asyncio.ensure_future(_side(trace))

    with pytest.raises(KeyboardInterrupt):
        treadle.run(main)
    assert trace == ["side saved"]


def test_a_function_that_is_main_is_interrupted_at_once() -> None:
    """As a file of Python is."""
    trace: Trace = []

    def main() -> None:
        interrupt()
        trace.append("never")

    with pytest.raises(KeyboardInterrupt):
        treadle.run(main)
    assert trace == []


def test_neither_before_exit_nor_exit_is_emitted() -> None:
    trace: Trace = []
    process.on("before_exit", trace.append)
    process.on("exit", trace.append)
    try:
        with pytest.raises(KeyboardInterrupt):
            treadle.run(lambda: timers.set_immediate(interrupt))
    finally:
        process.remove_all_listeners("before_exit")
        process.remove_all_listeners("exit")
    assert trace == []


@pytest.mark.parametrize("has_task", [False, True])
def test_a_listener_of_exit_is_interrupted_at_once(has_task: bool) -> None:
    """No turn comes behind it that could end the program."""
    trace: Trace = []

    def leave(code: int) -> None:
        trace.append(code)
        interrupt()
        trace.append("never")

    async def main() -> None:
        if has_task:
            asyncio.ensure_future(_side(trace))
            await asyncio.sleep(0)

    process.on("exit", leave)
    try:
        with pytest.raises(KeyboardInterrupt):
            treadle.run(main)
    finally:
        process.off("exit", leave)
    assert trace == ([0, "side saved"] if has_task else [0])


def test_a_listener_has_it_while_it_listens() -> None:
    trace: Trace = []

    async def main() -> None:
        heard = asyncio.Event()

        def listener(*args: object) -> None:
            trace.append(args)
            heard.set()

        process.on("SIGINT", listener)
        interrupt()
        await heard.wait()
        process.off("SIGINT", listener)
        await _waiting(trace)

    with pytest.raises(KeyboardInterrupt):
        treadle.run(main)
    assert trace == [("SIGINT", 2), "saved"]


def test_a_listener_may_outlive_the_program() -> None:
    """What holds behind it then is Python's, and the next program has its own again."""
    treadle.run(lambda: process.on("SIGINT", print) and None)
    process.off("SIGINT", print)
    with pytest.raises(KeyboardInterrupt):
        interrupt()
    trace: Trace = []
    with pytest.raises(KeyboardInterrupt):
        treadle.run(lambda: _waiting(trace))
    assert trace == ["saved"]
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_a_handler_of_the_loop_has_it(run: Callable[[Main], Any]) -> None:
    async def main() -> str:
        heard = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, heard.set)
        interrupt()
        await heard.wait()
        loop.remove_signal_handler(signal.SIGINT)
        return "heard"

    assert run(main) == "heard"


def test_a_handler_that_stands_is_left_alone(run: Callable[[Main], Any]) -> None:
    trace: Trace = []
    before = signal.signal(signal.SIGINT, lambda *_: trace.append("mine"))

    async def main() -> str:
        interrupt()
        await asyncio.sleep(0)
        return "done"

    try:
        assert run(main) == "done"
    finally:
        signal.signal(signal.SIGINT, before)
    assert trace == ["mine"]


def test_a_program_of_another_thread_takes_none(run: Callable[[Main], Any]) -> None:
    handlers: list[object] = []

    async def main() -> None:
        handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run, args=(main,))
    thread.start()
    thread.join(DEADLINE_S)
    assert handlers == [signal.default_int_handler]


def test_what_held_a_program_whose_main_was_done_is_said() -> None:
    def main() -> None:
        timers.set_timeout(print, DEADLINE_S * 1000)
        timers.set_interval(print, DEADLINE_S * 1000)
        process.next_tick(timers.set_immediate, interrupt)

    with pytest.raises(KeyboardInterrupt) as raised:
        treadle.run(main)
    assert raised.value.__notes__ == ["main was done; the program was held by: 2 Timeout"]


def test_a_descriptor_that_was_closed_behind_the_loops_back_holds_nobody_up() -> None:
    pipe = Pipe()

    def main() -> None:
        get_loop().add_reader(pipe.reader, print)
        os.close(pipe.reader)
        timers.set_immediate(interrupt)
        timers.set_timeout(boom, DEADLINE_S * 1000).unref()

    try:
        with pytest.raises(KeyboardInterrupt) as raised:
            treadle.run(main)
    finally:
        os.close(pipe.writer)
    assert raised.value.__notes__ == ["main was done; the program was held by: Watch"]
