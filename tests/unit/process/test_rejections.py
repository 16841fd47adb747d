"""'unhandled_rejection': tasks and futures that failed and that nobody asked. Beside Node: test_signal_facts.py."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

import treadle
from treadle import process
from treadle.loop import get_loop
from treadle.timers import promises

Trace = list[Any]


@pytest.fixture(autouse=True)
def nobody_listens() -> Iterator[None]:
    yield
    process.remove_all_listeners()


@pytest.fixture
def heard() -> Trace:
    trace: Trace = []
    process.on("unhandled_rejection", lambda reason, future: trace.append((str(reason), type(future).__name__)))
    return trace


async def fail(text: str = "boom") -> None:
    raise ValueError(text)


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage().splitlines()[0] for record in caplog.records if record.name == "asyncio"]


def test_a_listener_hears_of_tasks_and_futures_and_the_log_is_spared(heard: Trace, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        asyncio.create_task(fail())
        get_loop().create_future().set_exception(KeyError("future"))
        await promises.sleep(1)

    treadle.run(main)
    assert sorted(heard) == [("'future'", "Future"), ("boom", "Task")]
    assert logged(caplog) == []


def test_it_is_heard_before_the_program_ends(heard: Trace) -> None:
    process.on("exit", lambda code: heard.append(("exit", code)))
    treadle.run(lambda: asyncio.get_running_loop().create_task(fail()) and None)
    assert heard == [("boom", "Task"), ("exit", 0)]


def test_without_a_listener_asyncio_logs_it(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> str:
        asyncio.create_task(fail())
        await promises.sleep(1)
        return "the program goes on"

    assert treadle.run(main) == "the program goes on"
    assert logged(caplog) == ["Task exception was never retrieved"]


def test_what_somebody_asks_for_is_handled(heard: Trace) -> None:
    async def main() -> None:
        await asyncio.gather(fail(), return_exceptions=True)
        task = asyncio.create_task(fail())
        await asyncio.wait([task])
        task.exception()
        asyncio.create_task(asyncio.sleep(60)).cancel()
        await promises.sleep(1)

    treadle.run(main)
    gc.collect()
    assert heard == []


def test_an_exception_handler_of_the_loop_hears_it_too(heard: Trace, caplog: pytest.LogCaptureFixture) -> None:
    contexts: list[dict[str, Any]] = []

    async def main() -> None:
        get_loop().set_exception_handler(lambda _, context: contexts.append(context))
        asyncio.create_task(fail())
        await promises.sleep(1)

    treadle.run(main)
    assert heard == [("boom", "Task")]
    assert [context["message"] for context in contexts] == ["Task exception was never retrieved"]
    assert logged(caplog) == []


def test_other_errors_of_asyncio_are_logged_as_ever(heard: Trace, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        get_loop().call_soon(int, "x")
        await promises.sleep(1)

    treadle.run(main)
    assert heard == []
    assert len(logged(caplog)) == 1


def test_under_asyncios_runner(heard: Trace) -> None:
    async def main() -> None:
        asyncio.create_task(fail())
        await asyncio.sleep(0.001)

    with asyncio.Runner(loop_factory=treadle.new_event_loop) as runner:
        runner.run(main())
    assert heard == [("boom", "Task")]


def test_a_task_of_ones_own_kind(heard: Trace) -> None:
    class Mine(asyncio.tasks._PyTask):  # type: ignore[name-defined,misc]
        pass

    async def main() -> None:
        Mine(fail(), loop=get_loop())
        await promises.sleep(1)
        gc.collect()  # a pure-Python task ends in a cycle
        await promises.sleep(1)

    treadle.run(main)
    assert heard == [("boom", "Mine")]


def test_one_that_is_dropped_on_another_thread_is_heard_on_the_loops(heard: Trace) -> None:
    process.on("unhandled_rejection", lambda *_: heard.append(threading.current_thread() is threading.main_thread()))

    async def main() -> None:
        kept = [asyncio.create_task(fail())]
        await promises.sleep(1)
        await asyncio.to_thread(kept.clear)
        await promises.sleep(1)

    treadle.run(main)
    assert heard == [("boom", "Task"), True]


def test_one_that_outlives_its_loop_is_logged(heard: Trace, caplog: pytest.LogCaptureFixture) -> None:
    kept: list[Any] = []

    async def main() -> None:
        kept.append(asyncio.create_task(fail()))
        await promises.sleep(1)

    treadle.run(main)
    kept.clear()
    gc.collect()
    assert heard == []
    assert logged(caplog) == ["Task exception was never retrieved"]


def test_each_of_many_is_heard_once_and_kept_by_nobody(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "treadle.loop")
    seen: list[weakref.ref[Any]] = []
    process.on("unhandled_rejection", lambda _, task: seen.append(weakref.ref(task)))

    async def main() -> None:
        for _ in range(1000):
            asyncio.create_task(fail())
        await promises.sleep(1)

    treadle.run(main)
    gc.collect()
    assert len(seen) == 1000
    assert {ref() for ref in seen} == {None}


def test_what_a_listener_raises_is_uncaught() -> None:
    def worse(reason: BaseException, _: object) -> None:
        raise KeyError("worse") from reason

    process.on("unhandled_rejection", worse)
    with pytest.raises(KeyError, match="worse"):
        treadle.run(lambda: asyncio.get_running_loop().create_task(fail()) and None)
