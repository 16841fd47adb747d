"""treadle.run: what a main may be, what holds a program and what does not, and how failures come out.

Not here: exit codes and the events of `process` (tests/unit/process)."""

import asyncio
import contextvars
import functools
import gc
import inspect
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import treadle
from tests.unit.loop.support import DEADLINE_S, Pipe, Trace, boom, open_fds
from treadle import process
from treadle._base.errors import TreadleError
from treadle.loop import get_loop, hooks
from treadle.timers import set_immediate, set_interval, set_timeout


@pytest.fixture(autouse=True)
def nothing_is_left() -> Any:
    """Every program closes its loop, its descriptors and the threads of its executor."""
    fds, threads = open_fds(), threading.active_count()
    yield
    gc.collect()
    assert open_fds() == fds
    assert threading.active_count() == threads


@pytest.fixture
def pipe() -> Any:
    pipe = Pipe()
    yield pipe
    pipe.close()


# -- what a main may be


async def _answer() -> int:
    await asyncio.sleep(0)
    return 42


MAINS: dict[str, Callable[[], Any]] = {
    "function": lambda: lambda: 42,
    "coroutine function": lambda: _answer,
    "coroutine": _answer,
    "function that returns a coroutine": lambda: lambda: _answer(),
    "function that returns a task": lambda: lambda: asyncio.get_running_loop().create_task(_answer()),
    "function that returns a future": lambda: lambda: _resolved(42),
}


def _resolved(value: int) -> "asyncio.Future[int]":
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    set_immediate(future.set_result, value)
    return future


@pytest.mark.parametrize("make", MAINS.values(), ids=MAINS)
def test_the_result_of_main_is_returned(make: Callable[[], Any]) -> None:
    assert treadle.run(make()) == 42


def test_programs_run_one_after_another_each_in_a_loop_of_its_own() -> None:
    loops = [treadle.run(get_loop) for _ in range(3)]
    assert len({id(loop) for loop in loops}) == 3
    assert all(loop.is_closed() and isinstance(loop, treadle.EventLoop) for loop in loops)


def test_main_runs_in_the_context_of_the_caller() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")

    async def main() -> str:
        seen = variable.get()
        variable.set("of main")
        return seen

    token = variable.set("of the caller")
    assert treadle.run(main) == "of the caller"
    assert variable.get() == "of the caller"
    variable.reset(token)


@pytest.mark.parametrize("debug", [True, False])
def test_debug_reaches_the_loop(debug: bool) -> None:
    assert treadle.run(lambda: get_loop().get_debug(), debug=debug) is debug


def test_the_running_loop_is_the_programs() -> None:
    async def main() -> None:
        assert asyncio.get_running_loop() is get_loop()
        assert get_loop().is_running()

    treadle.run(main)
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


def test_there_is_no_loop_outside_a_program() -> None:
    for call in (get_loop, lambda: treadle.queue_microtask(int)):
        with pytest.raises(TreadleError) as raised:
            call()
        assert raised.value.code == "ERR_NO_LOOP"


@pytest.mark.parametrize("wrong", [5, None, "main"])
def test_a_main_that_is_none_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError) as raised:
        treadle.run(wrong)
    assert isinstance(raised.value, TreadleError)
    assert (raised.value.code, raised.value.data["name"]) == ("ERR_INVALID_ARG_TYPE", "main")


async def _generates() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize("wrong", [_generates, functools.partial(_generates), _generates()], ids=["function", "partial", "it"])
def test_an_async_generator_is_no_main(wrong: Any) -> None:
    with pytest.raises(TreadleError) as raised:
        treadle.run(wrong)
    assert (raised.value.code, raised.value.data["name"]) == ("ERR_INVALID_ARG_TYPE", "main")
    assert "async" in str(raised.value.data["received"])


# -- one loop at a time


async def _never_run() -> None:
    raise AssertionError("ran")


@pytest.mark.parametrize("outer", [treadle.run, asyncio.run], ids=["treadle.run", "asyncio.run"])
@pytest.mark.parametrize("make", [lambda: _never_run, _never_run], ids=["function", "coroutine"])
def test_a_program_inside_a_loop_is_refused(outer: Callable[[Any], Any], make: Callable[[], Any]) -> None:
    inner = make()

    async def main() -> None:
        with pytest.raises(TreadleError) as raised:
            treadle.run(inner)
        assert raised.value.code == "ERR_LOOP_RUNNING"

    outer(main())
    if asyncio.iscoroutine(inner):  # closed, so that nobody is warned about a coroutine that was never awaited
        assert inspect.getcoroutinestate(inner) == inspect.CORO_CLOSED


def test_asyncio_run_inside_a_program_is_refused() -> None:
    inner = _never_run()

    def main() -> None:
        with pytest.raises(RuntimeError):
            asyncio.run(inner)
        inner.close()

    treadle.run(main)


def test_a_program_in_another_thread_has_its_own_loop() -> None:
    results: list[Any] = []

    async def main() -> treadle.EventLoop:
        await asyncio.sleep(0)
        return get_loop()

    def outer() -> treadle.EventLoop:
        thread = threading.Thread(target=lambda: results.append(treadle.run(main)))
        thread.start()
        thread.join(DEADLINE_S)
        return get_loop()

    results.append(treadle.run(outer))
    assert len(results) == 2
    assert results[0] is not results[1]


# -- what holds a program


def test_it_ends_at_once_when_nothing_is_left() -> None:
    assert treadle.run(lambda: None) is None


def test_a_pending_task_does_not_hold_it_and_is_cancelled() -> None:
    trace: Trace = []

    async def pending() -> None:
        try:
            await get_loop().create_future()
        except asyncio.CancelledError:
            await asyncio.sleep(0)  # it may still wait
            trace.append("cleaned up")
            raise

    async def main() -> str:
        asyncio.create_task(pending())
        await asyncio.sleep(0)
        return "done"

    assert treadle.run(main) == "done"
    assert trace == ["cleaned up"]


def test_what_waits_holds_it_after_main_is_done() -> None:
    trace: Trace = []

    async def later() -> None:
        await asyncio.sleep(0.001)
        trace.append("sleeping task")

    async def main() -> str:
        set_timeout(trace.append, 1, "timeout")
        get_loop().call_later(0.001, trace.append, "alarm")
        set_immediate(trace.append, "immediate")
        asyncio.create_task(later())
        return "result"

    assert treadle.run(main) == "result"
    assert sorted(map(str, trace)) == ["alarm", "immediate", "sleeping task", "timeout"]


def test_an_interval_holds_it_until_it_is_closed() -> None:
    trace: Trace = []

    def beat() -> None:
        trace.append("beat")
        if len(trace) == 3:
            interval.close()

    interval: Any = None

    def main() -> None:
        nonlocal interval
        interval = set_interval(beat, 1)

    treadle.run(main)
    assert trace == ["beat"] * 3


def test_a_reader_holds_it_until_it_is_removed(pipe: Pipe) -> None:
    trace: Trace = []

    def on_readable() -> None:
        trace.append("read")
        get_loop().remove_reader(pipe.reader)

    def main() -> None:
        get_loop().add_reader(pipe.reader, on_readable)
        set_timeout(pipe.fill, 1).unref()

    treadle.run(main)
    assert trace == ["read"]


def test_a_listening_server_holds_it_until_it_is_closed() -> None:
    trace: Trace = []

    async def main() -> str:
        server = await get_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)

        def close() -> None:
            trace.append("close")
            server.close()

        set_timeout(close, 1).unref()
        return "main is done"

    assert treadle.run(main) == "main is done"
    assert trace == ["close"]


def test_an_open_connection_holds_it_until_it_is_lost() -> None:
    trace: Trace = []

    class Peer(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            set_timeout(transport.close, 1).unref()

    class Client(asyncio.Protocol):
        def connection_lost(self, exc: Exception | None) -> None:
            trace.append("lost")

    async def main() -> None:
        loop = get_loop()
        server = await loop.create_server(Peer, "127.0.0.1", 0)
        await loop.create_connection(Client, *server.sockets[0].getsockname())
        server.close()
        trace.append("main is done")

    treadle.run(main)
    assert trace == ["main is done", "lost"]


def test_a_call_of_an_executor_holds_it() -> None:
    trace: Trace = []
    gate = threading.Event()

    def main() -> None:
        future = get_loop().run_in_executor(None, lambda: gate.wait(DEADLINE_S))
        future.add_done_callback(lambda future: trace.append(future.result()))
        set_immediate(gate.set)

    treadle.run(main)
    assert trace == [True]


def test_what_is_unrefed_does_not_hold_it(pipe: Pipe) -> None:
    trace: Trace = []

    async def main() -> str:
        loop = get_loop()
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        loop.set_fd_ref(server.sockets[0].fileno(), False)
        loop.add_reader(pipe.reader, trace.append, "readable")
        loop.set_fd_ref(pipe.reader, False)
        timer = set_timeout(trace.append, 60_000, "timer").unref()
        assert not timer.has_ref()
        loop.call_soon(lambda: None)
        asyncio.create_task(_end_server(server))
        return "ended"

    async def _end_server(server: asyncio.Server) -> None:
        try:
            await get_loop().create_future()
        finally:
            server.close()

    assert treadle.run(main) == "ended"
    assert trace == []


def test_what_is_refed_again_holds_it() -> None:
    trace: Trace = []
    treadle.run(lambda: set_timeout(trace.append, 1, "timer").unref().ref() and None)
    assert trace == ["timer"]


def test_main_itself_holds_it() -> None:
    """It waits for something that nothing alive will bring, but for an unref'd timer."""

    async def main() -> str:
        future: asyncio.Future[str] = get_loop().create_future()
        set_timeout(future.set_result, 1, "woken").unref()
        return await future

    assert treadle.run(main) == "woken"


# -- failures


def test_an_exception_of_main_comes_out() -> None:
    with pytest.raises(ValueError, match="boom"):
        treadle.run(boom)


def test_an_exception_of_an_async_main_comes_out_with_its_traceback() -> None:
    async def main() -> None:
        await asyncio.sleep(0)
        boom()

    with pytest.raises(ValueError, match="boom") as raised:
        treadle.run(main)
    assert [entry.name for entry in raised.traceback][-2:] == ["main", "boom"]


@pytest.mark.parametrize("is_async", [True, False])
def test_a_failed_main_ends_the_program_although_something_waits(is_async: bool) -> None:
    trace: Trace = []

    def fail() -> None:
        set_timeout(trace.append, 1, "timer")
        set_immediate(trace.append, "immediate")
        get_loop().next_tick(lambda: None)
        boom()

    async def fail_async() -> None:
        await asyncio.sleep(0)
        fail()

    with pytest.raises(ValueError, match="boom"):
        treadle.run(fail_async if is_async else fail)
    assert trace == []


def test_a_failed_main_ends_the_program_although_a_server_listens() -> None:
    async def main() -> None:
        server = await get_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
        try:
            boom()
        finally:
            server.close()

    with pytest.raises(ValueError, match="boom"):
        treadle.run(main)


@pytest.mark.parametrize("schedule", [set_immediate, lambda callback: set_timeout(callback, 1)], ids=["immediate", "timeout"])
def test_an_exception_of_treadles_callbacks_ends_the_program(schedule: Callable[..., Any]) -> None:
    trace: Trace = []

    async def main() -> None:
        try:
            schedule(boom)
            await get_loop().create_future()
        finally:
            trace.append("main is cleaned up")

    with pytest.raises(ValueError, match="boom"):
        treadle.run(main)
    assert trace == ["main is cleaned up"]


def test_an_exception_of_asyncios_callbacks_does_not_end_it() -> None:
    contexts: list[dict[str, Any]] = []

    async def main() -> str:
        get_loop().set_exception_handler(lambda _, context: contexts.append(context))
        get_loop().call_soon(boom)
        await asyncio.sleep(0)
        return "done"

    assert treadle.run(main) == "done"
    assert [str(context["exception"]) for context in contexts] == ["boom"]


def test_a_failed_task_does_not_end_it() -> None:
    async def fail() -> None:
        boom()

    async def main() -> BaseException | None:
        task = asyncio.create_task(fail())
        await asyncio.wait([task])
        return task.exception()

    assert isinstance(treadle.run(main), ValueError)


def test_a_main_that_is_cancelled_comes_out_as_cancelled_error() -> None:
    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    with pytest.raises(asyncio.CancelledError):
        treadle.run(main)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_an_exit_out_of_a_task_comes_out(error: type[BaseException]) -> None:
    async def leave() -> None:
        raise error(3)

    async def main() -> None:
        asyncio.create_task(leave())
        await get_loop().create_future()

    with pytest.raises(error) as raised:
        treadle.run(main)
    assert raised.value.args == (3,)


def test_a_task_that_fails_while_it_is_cancelled_is_reported() -> None:
    contexts: list[dict[str, Any]] = []

    async def stubborn() -> None:
        try:
            await get_loop().create_future()
        finally:
            boom()

    async def main() -> None:
        get_loop().set_exception_handler(lambda _, context: contexts.append(context))
        asyncio.create_task(stubborn())
        await asyncio.sleep(0)

    treadle.run(main)
    assert [str(context["exception"]) for context in contexts] == ["boom"]


# -- stop()


@pytest.fixture(params=[False, True], ids=["alone", "with treadle.process"])
def process_too(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What a program meets once treadle.process is imported, and what it meets before. The calls of before_exit."""
    calls: list[int] = []
    for name in ("begin", "before_exit", "exit", "uncaught"):
        monkeypatch.setattr(hooks, name, None)
    if request.param:
        monkeypatch.setattr(hooks, "before_exit", calls.append)
    return calls


def test_stopped_before_main_is_done(process_too: list[int]) -> None:
    """As asyncio's run_until_complete."""
    trace: Trace = []

    async def main() -> str:
        get_loop().call_later(0.001, get_loop().stop)
        try:
            await get_loop().create_future()
        finally:
            trace.append("cleaned up")
        return "result"

    with pytest.raises(RuntimeError, match="Event loop stopped before Future completed"):
        treadle.run(main)
    assert trace == ["cleaned up"]
    assert process_too == []


def test_stopped_behind_main_it_ends(process_too: list[int]) -> None:
    trace: Trace = []

    async def main() -> str:
        set_timeout(get_loop().stop, 1)
        set_timeout(trace.append, 60_000, "never")
        return "result"

    assert treadle.run(main) == "result"
    assert trace == process_too == []


def test_stopped_by_before_exit_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def before_exit(code: int) -> None:
        calls.append(code)
        set_timeout(get_loop().stop, 1)
        set_timeout(calls.append, 60_000, 1)

    monkeypatch.setattr(hooks, "before_exit", before_exit)
    treadle.run(lambda: None)
    assert calls == [0]


# -- winding up


def test_async_generators_are_closed() -> None:
    trace: Trace = []
    kept: list[Any] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            trace.append("closed")

    async def main() -> None:
        kept.append(numbers())
        trace.append(await anext(kept[0]))

    treadle.run(main)
    assert trace == [1, "closed"]


def test_what_cleaning_up_schedules_of_nodes_kind_may_still_run_once() -> None:
    """But it does not hold the program: only the tasks that are cancelled are waited for."""
    trace: Trace = []

    async def pending() -> None:
        try:
            await get_loop().create_future()
        finally:
            set_timeout(trace.append, 60_000, "never")

    async def main() -> None:
        asyncio.create_task(pending())
        await asyncio.sleep(0)

    treadle.run(main)
    assert trace == []


def test_what_main_failed_with_is_shown_beside_what_follows_at_once() -> None:
    async def main() -> None:
        process.next_tick(lambda: 1 / 0)
        raise LookupError

    with pytest.raises(ZeroDivisionError) as caught:
        treadle.run(main)
    assert isinstance(caught.value.__context__, LookupError)
