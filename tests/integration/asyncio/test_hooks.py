"""What a program may hang into asyncio's loop: task factories (eager tasks among them), exception handlers, asynchronous
generators, executors. Asked of both loops."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import sys
import threading
from typing import Any

import pytest

from tests.integration.loop.support import run, test_of_both

needs_eager = pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")


# -- tasks


@test_of_both
async def test_a_task_factory_makes_every_task(loop) -> None:
    made: list[str] = []

    class Special(asyncio.Task): ...

    def factory(loop, coro, **kwargs: Any) -> Special:
        made.append(coro.__name__)
        return Special(coro, loop=loop, **kwargs)

    async def work() -> int:
        return 7

    loop.set_task_factory(factory)
    try:
        assert loop.get_task_factory() is factory
        task = loop.create_task(work(), name="worker")
        assert type(task) is Special
        assert task.get_name() == "worker"
        assert await asyncio.gather(task, work()) == [7, 7]
    finally:
        loop.set_task_factory(None)
    assert made == ["work", "work"]
    assert loop.get_task_factory() is None
    with pytest.raises(TypeError, match="callable"):
        loop.set_task_factory(1)


@needs_eager
@test_of_both
async def test_eager_tasks_run_before_create_task_returns(loop) -> None:
    trace: list[str] = []

    async def quick() -> str:
        trace.append("quick")
        assert asyncio.current_task() is not main
        return "done"

    async def slow() -> None:
        trace.append("begins")
        await asyncio.sleep(0)
        trace.append("ends")

    main = asyncio.current_task()
    loop.set_task_factory(asyncio.eager_task_factory)
    try:
        task = asyncio.create_task(quick())
        assert task.done()
        assert task.result() == "done"
        other = asyncio.create_task(slow())
        assert asyncio.current_task() is main
        trace.append("made")
        assert task not in asyncio.all_tasks()
        assert other in asyncio.all_tasks()
        await other
    finally:
        loop.set_task_factory(None)
    assert trace == ["quick", "begins", "made", "ends"]


@needs_eager
@test_of_both
async def test_eager_tasks_fail_and_are_cancelled_as_others(loop) -> None:
    async def fails() -> None:
        raise ValueError("boom")

    async def waits() -> None:
        await loop.create_future()

    loop.set_task_factory(asyncio.eager_task_factory)
    try:
        failed, waiting = asyncio.create_task(fails()), asyncio.create_task(waits())
        with pytest.raises(ValueError, match="boom"):
            await failed
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(0))
    finally:
        loop.set_task_factory(None)


# -- exceptions


@test_of_both
async def test_the_exception_handler_is_told_of_what_nobody_reads(loop, errors) -> None:
    loop.create_future().set_exception(ValueError("boom"))
    gc.collect()
    (context,) = errors
    assert context["message"] == "Future exception was never retrieved"
    assert str(context["exception"]) == "boom"


def test_an_exception_handler_may_fail_and_may_be_taken_away(loop, caplog: pytest.LogCaptureFixture) -> None:
    def worse(_: Any, context: Any) -> None:
        raise KeyError("worse")

    handler = loop.get_exception_handler()
    loop.set_exception_handler(worse)
    assert loop.get_exception_handler() is worse
    loop.call_exception_handler({"message": "bad"})
    assert "Unhandled error in exception handler" in caplog.text
    loop.set_exception_handler(None)
    loop.call_exception_handler({"message": "bad again", "future": "f"})
    assert "bad again\nfuture: 'f'" in caplog.text
    with pytest.raises(TypeError, match="callable"):
        loop.set_exception_handler(1)
    loop.set_exception_handler(handler)


# -- asynchronous generators


@test_of_both
async def test_a_generator_that_is_dropped_is_closed(loop) -> None:
    trace: list[str] = []

    async def numbers() -> Any:
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            trace.append("closed")

    async for _ in numbers():
        break
    gc.collect()
    while not trace:
        await asyncio.sleep(0)
    assert trace == ["closed"]


def test_shutdown_asyncgens_closes_those_under_way(loop, errors) -> None:
    trace: list[str] = []

    async def numbers(name: str) -> Any:
        try:
            yield 1
        finally:
            trace.append(name)
            if name == "bad":
                raise ValueError("boom")

    async def main() -> list[Any]:
        generators = [numbers("good"), numbers("bad")]
        for generator in generators:
            await anext(generator)
        return generators

    generators = run(loop, main())
    run(loop, loop.shutdown_asyncgens())
    assert sorted(trace) == ["bad", "good"]
    (context,) = errors
    assert context["asyncgen"] is generators[1]


# -- executors


@test_of_both
async def test_another_default_executor(loop) -> None:
    executor = concurrent.futures.ThreadPoolExecutor(1, "mine")
    loop.set_default_executor(executor)
    name = await loop.run_in_executor(None, lambda: threading.current_thread().name)
    assert name.startswith("mine")
    with pytest.raises(TypeError):
        loop.set_default_executor(object())


@pytest.mark.filterwarnings("ignore:The executor did not finishing joining:RuntimeWarning")
@pytest.mark.skipif(sys.version_info < (3, 12), reason="the timeout came with 3.12")
@test_of_both
async def test_shutting_down_an_executor_that_hangs(loop) -> None:
    gate = threading.Event()
    call = loop.run_in_executor(None, gate.wait)
    await loop.shutdown_default_executor(timeout=0.01)
    gate.set()
    await call
    with pytest.raises(RuntimeError, match="shutdown"):
        loop.run_in_executor(None, print)
