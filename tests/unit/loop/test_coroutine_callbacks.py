"""A coroutine function where Node's functions want a callback: it runs, as in Node, as a task."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any, NoReturn

import pytest

import treadle
from tests.unit.loop.support import Trace
from treadle import AsyncLocalStorage, process, timers

Callback = Callable[[], object]
Ask = Callable[[Callback], object]

ASK: dict[str, Ask] = {
    "tick": process.next_tick,
    "microtask": treadle.queue_microtask,
    "immediate": timers.set_immediate,
    "timeout": lambda callback: timers.set_timeout(callback, 1),
}


def _abort(callback: Callback) -> None:
    controller = treadle.AbortController()
    controller.signal.add_event_listener("abort", lambda _: callback())
    controller.abort()


def _on_abort(callback: Callback) -> None:
    controller = treadle.AbortController()
    controller.signal.on_abort = lambda _: callback()
    controller.abort()


@pytest.fixture(params=[*ASK.values(), _abort, _on_abort], ids=[*ASK, "listener", "on_abort"])
def ask(request: pytest.FixtureRequest) -> Ask:
    how: Ask = request.param
    return how


@pytest.mark.parametrize("debug", [False, True], ids=["", "debug"])
def test_it_runs_as_a_task(ask: Ask, debug: bool) -> None:
    trace: Trace = []

    async def callback() -> None:
        task = asyncio.current_task()
        await timers.promises.sleep(1)
        trace.append(task is not None and task.get_coro().__qualname__.endswith("callback"))  # type: ignore[union-attr]

    treadle.run(lambda: ask(callback) and None, debug=debug)
    assert trace == [True]


@pytest.mark.parametrize("name", ASK)
def test_it_has_the_context_of_the_call(name: str) -> None:
    trace: Trace = []
    storage: AsyncLocalStorage[str] = AsyncLocalStorage()

    async def callback() -> None:
        trace.append(storage.get_store())

    treadle.run(lambda: storage.run("store", ASK[name], callback) and None)
    assert trace == ["store"]


CLOSED: dict[str, Callable[[Callback], Any]] = {
    "immediate": timers.set_immediate,
    "timeout": lambda callback: timers.set_timeout(callback, 1),
    "interval": lambda callback: timers.set_interval(callback, 1),
}


@pytest.mark.parametrize("debug", [False, True], ids=["", "debug"])
@pytest.mark.parametrize("schedule", CLOSED.values(), ids=CLOSED)
def test_it_has_the_context_of_a_callback_that_closes_itself(schedule: Callable[[Callback], Any], debug: bool) -> None:
    trace: Trace = []
    storage: AsyncLocalStorage[str] = AsyncLocalStorage()
    made: list[Any] = []

    async def work() -> None:
        trace.append(storage.get_store())

    def callback() -> Coroutine[Any, Any, None]:
        made.pop().close()
        return work()

    def main() -> None:
        storage.run("store", lambda: made.append(schedule(callback)))

    treadle.run(main, debug=debug)
    assert trace == ["store"]


@pytest.mark.parametrize("schedule", CLOSED.values(), ids=CLOSED)
def test_it_has_what_its_callback_has_set(schedule: Callable[[Callback], Any]) -> None:
    trace: Trace = []
    variable: ContextVar[str] = ContextVar("variable", default="unset")
    made: list[Any] = []

    async def work() -> None:
        trace.append(variable.get())

    def callback() -> Coroutine[Any, Any, None]:
        variable.set("by the callback")
        made.pop().close()
        return work()

    treadle.run(lambda: made.append(schedule(callback)))
    assert trace == ["by the callback"]


class _Stubborn(Coroutine[Any, Any, None]):
    def __await__(self) -> NoReturn:
        raise NotImplementedError

    def send(self, value: object) -> None: ...

    def throw(self, *error: Any) -> None: ...

    def close(self) -> None:
        raise RuntimeError("close failed")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", ASK)
def test_one_that_neither_begins_nor_closes_is_told_once(name: str) -> None:
    heard: Trace = []

    def refuse(*_: object, **__: object) -> NoReturn:
        asyncio.get_running_loop().set_task_factory(None)
        raise ValueError("no task")

    def main() -> None:
        asyncio.get_running_loop().set_task_factory(refuse)
        ASK[name](_Stubborn)

    process.on("uncaught_exception", lambda error: heard.append(str(error)))
    try:
        treadle.run(main)
    finally:
        process.remove_all_listeners("uncaught_exception")
    assert heard == ["no task"]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="asyncio has eager tasks from CPython 3.12 on")
def test_it_runs_to_its_first_suspension_at_once(ask: Ask) -> None:
    trace: Trace = []

    async def callback() -> None:
        process.next_tick(trace.append, "tick")
        trace.append("begun")
        await timers.promises.immediate()
        trace.append("done")

    def both() -> None:
        ask(callback)
        ask(lambda: trace.append("next"))

    treadle.run(both)
    assert trace[0] == "begun" and trace[-1] == "done" and sorted(trace[1:3]) == ["next", "tick"]


@pytest.mark.parametrize("debug", [False, True], ids=["", "debug"])
def test_where_no_task_can_be_made_the_callback_failed(ask: Ask, debug: bool) -> None:
    heard: Trace = []

    def refuse(*_: object, **__: object) -> NoReturn:
        asyncio.get_running_loop().set_task_factory(None)
        raise ValueError("no task")

    async def callback() -> None:
        trace.append("never")

    def main() -> None:
        asyncio.get_running_loop().set_task_factory(refuse)
        ask(callback)

    trace: Trace = []
    process.on("uncaught_exception", lambda error: heard.append(str(error)))
    try:
        treadle.run(main, debug=debug)
    finally:
        process.remove_all_listeners("uncaught_exception")
    assert heard == ["no task"] and not trace


def test_one_that_fails_is_a_failed_task(ask: Ask) -> None:
    heard: Trace = []

    async def callback() -> None:
        raise ValueError("boom")

    process.on("unhandled_rejection", lambda reason, task: heard.append(str(reason)))
    try:
        treadle.run(lambda: ask(callback) and None)
    finally:
        process.remove_all_listeners("unhandled_rejection")
    assert heard == ["boom"]


def test_each_beat_of_an_interval_is_a_task() -> None:
    trace: Trace = []

    async def beat() -> None:
        trace.append("beat")
        if len(trace) == 3:
            timers.clear_interval(interval)

    async def main() -> None:
        nonlocal interval
        interval = timers.set_interval(beat, 1)

    interval: timers.Timeout | None = None
    treadle.run(main)
    assert trace == ["beat"] * 3


def test_a_callback_that_closes_its_own_timer_may_return_one() -> None:
    trace: Trace = []

    async def step() -> None:
        trace.append("step")

    def callback() -> Coroutine[Any, Any, None]:
        timeout.close()
        return step()

    async def main() -> None:
        nonlocal timeout
        timeout = timers.set_timeout(callback, 1)

    timeout: Any = None
    treadle.run(main)
    assert trace == ["step"]


def test_what_else_a_callback_returns_is_dropped(ask: Ask) -> None:
    treadle.run(lambda: ask(lambda: 5) and None)


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
def test_a_callback_of_asyncio_is_none() -> None:
    """As in asyncio, whose debug mode refuses a coroutine function."""
    trace: Trace = []

    async def callback() -> None:
        trace.append("never")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(callback)  # type: ignore[arg-type, unused-ignore]
        loop.call_later(0, callback)  # type: ignore[arg-type, unused-ignore]
        await asyncio.sleep(0.001)

    treadle.run(main)
    assert trace == []


def test_a_listener_where_no_loop_runs_has_nobody_to_run_it() -> None:
    async def listener(_: object) -> None: ...

    controller = treadle.AbortController()
    controller.signal.add_event_listener("abort", listener)
    with pytest.raises(treadle.TreadleError) as raised:
        controller.abort()
    assert raised.value.code == "ERR_NO_LOOP"
