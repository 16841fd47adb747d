"""create_task, asked of asyncio's loop and of treadle's: what it takes, what it refuses, and what it leaves."""

import asyncio
import contextvars
import gc
import inspect
from typing import Any

import pytest

from tests.unit.loop.support import Trace, contexts_of, run
from treadle import EventLoop

Loop = asyncio.AbstractEventLoop

HAS_EAGER_START = "kwargs" in inspect.signature(asyncio.BaseEventLoop.create_task).parameters


async def _nothing() -> None: ...


def test_it_is_an_asyncio_task_of_the_loop(either_loop: Loop) -> None:
    task = either_loop.create_task(_nothing())
    assert type(task) is asyncio.Task
    assert task.get_loop() is either_loop
    assert task in asyncio.all_tasks(either_loop)
    assert not task.done()
    assert either_loop.run_until_complete(task) is None


@pytest.mark.parametrize("name", ["its name", "", 5])
def test_a_name_is_a_str(either_loop: Loop, name: Any) -> None:
    task = either_loop.create_task(_nothing(), name=name)
    assert task.get_name() == str(name)
    assert either_loop.create_task(_nothing()).get_name().startswith("Task-")
    either_loop.run_until_complete(asyncio.wait(asyncio.all_tasks(either_loop)))


def test_it_runs_in_a_copy_of_the_context_or_in_the_one_given(either_loop: Loop) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")

    async def change() -> str:
        before = variable.get()
        variable.set("changed")
        return before

    given = contextvars.copy_context()
    given.run(variable.set, "given")
    token = variable.set("current")
    tasks = [either_loop.create_task(change()), either_loop.create_task(change(), context=given)]
    variable.reset(token)
    assert either_loop.run_until_complete(asyncio.gather(*tasks)) == ["current", "given"]
    assert (variable.get(), given[variable]) == ("none", "changed")


def test_what_is_no_coroutine_is_refused_and_changes_nothing(idle_loop: EventLoop) -> None:
    """A task's yield after that is still told from the first step of a new task."""
    trace: Trace = []

    async def main() -> None:
        for wrong in (5, None, _nothing):
            with pytest.raises(TypeError):
                idle_loop.create_task(wrong)  # type: ignore[arg-type]
        idle_loop.set_immediate(trace.append, "immediate")
        await asyncio.sleep(0)
        trace.append("after the yield")

    task = idle_loop.create_task(main())
    run(idle_loop)
    assert task.done()
    assert trace == ["immediate", "after the yield"]


def test_a_task_made_by_a_task_begins_before_the_maker_goes_on(idle_loop: EventLoop) -> None:
    trace: Trace = []

    async def child() -> None:
        trace.append("child")
        await asyncio.sleep(0)
        trace.append("child goes on")

    async def main() -> None:
        idle_loop.create_task(child())
        await asyncio.sleep(0)
        trace.append("main goes on")

    idle_loop.create_task(main())
    run(idle_loop)
    assert trace == ["child", "main goes on", "child goes on"]


def test_a_closed_loop_takes_none(either_loop: Loop) -> None:
    either_loop.close()
    coroutine = _nothing()
    with pytest.raises(RuntimeError, match="closed"):
        either_loop.create_task(coroutine)
    with pytest.warns(RuntimeWarning, match="never awaited"):
        del coroutine


@pytest.mark.parametrize("is_debug", [True, False])
def test_arguments_that_nobody_knows_are_refused(either_loop: Loop, is_debug: bool) -> None:
    either_loop.set_debug(is_debug)
    coroutine = _nothing()
    with pytest.raises(TypeError):
        either_loop.create_task(coroutine, other=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        either_loop.create_task(coroutine, "a name")  # type: ignore[call-arg]
    coroutine.close()


@pytest.mark.skipif(not HAS_EAGER_START, reason="create_task hands further arguments on from CPython 3.13.3 on")
def test_a_task_may_start_at_once(either_loop: Loop) -> None:
    async def main() -> tuple[bool, bool]:
        done = either_loop.create_task(_nothing(), eager_start=True)  # type: ignore[call-arg]
        waiting = either_loop.create_task(asyncio.sleep(0), eager_start=True)  # type: ignore[call-arg]
        found = done.done(), waiting.done()
        await waiting
        return found

    assert either_loop.run_until_complete(main()) == (True, False)


def test_debug_mode_tells_where_it_was_made(either_loop: Loop) -> None:
    either_loop.set_debug(True)
    task: Any = either_loop.create_task(_nothing())
    assert task._source_traceback[-1].name == "test_debug_mode_tells_where_it_was_made"
    either_loop.run_until_complete(task)


def test_without_debug_mode_nothing_is_remembered(either_loop: Loop) -> None:
    task: Any = either_loop.create_task(_nothing())
    assert task._source_traceback is None
    either_loop.run_until_complete(task)


def test_a_factory_is_heeded_and_let_go_of(either_loop: Loop) -> None:
    made: list[str] = []

    def factory(loop: Loop, coroutine: Any, **kwargs: Any) -> asyncio.Task[Any]:
        made.append(coroutine.__name__)
        return asyncio.Task(coroutine, loop=loop, **kwargs)

    either_loop.set_task_factory(factory)
    assert either_loop.get_task_factory() is factory
    task = either_loop.create_task(_nothing(), name="its name")
    either_loop.set_task_factory(None)
    assert task.get_name() == "its name"
    either_loop.run_until_complete(task)
    either_loop.run_until_complete(_nothing())
    assert made == ["_nothing"]


def test_a_failure_is_reported_once_nobody_can_ask(either_loop: Loop) -> None:
    contexts = contexts_of(either_loop)

    async def fail() -> None:
        raise ValueError("boom")

    either_loop.create_task(fail())
    either_loop.run_until_complete(asyncio.sleep(0.001))
    gc.collect()
    assert [str(context["exception"]) for context in contexts] == ["boom"]


def test_a_future_can_be_made_of_a_closed_loop(either_loop: Loop) -> None:
    either_loop.close()
    assert either_loop.create_future().get_loop() is either_loop
