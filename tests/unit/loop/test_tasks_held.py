"""Tasks are held by the loop until they are done: fire-and-forget never vanishes, and nothing is held for longer."""

import asyncio
import contextvars
import gc
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import treadle
from tests.unit.loop.support import Trace, contexts_of, run

Loop = treadle.EventLoop

FACTORIES: dict[str, Any] = {
    "none": None,
    "c": lambda loop, coro, **kwargs: asyncio.Task(coro, loop=loop, **kwargs),
    "python": lambda loop, coro, **kwargs: asyncio.tasks._PyTask(coro, loop=loop, **kwargs),  # type: ignore[attr-defined]
}
if sys.version_info >= (3, 12):
    FACTORIES["eager"] = asyncio.eager_task_factory


@pytest.fixture(params=FACTORIES.values(), ids=FACTORIES)
def held_loop(idle_loop: Loop, request: pytest.FixtureRequest) -> Loop:
    """A loop for each way of making tasks."""
    idle_loop.set_task_factory(request.param)
    return idle_loop


def test_a_task_that_nobody_refers_to_goes_on(held_loop: Loop) -> None:
    """It waits for a future that only itself refers to: a cycle that the collector would take."""
    trace: Trace = []
    loop = held_loop
    futures: list[weakref.ref[asyncio.Future[str]]] = []

    async def forgotten() -> None:
        future: asyncio.Future[str] = loop.create_future()
        futures.append(weakref.ref(future))
        trace.append("waits")
        trace.append(await future)

    async def main() -> None:
        loop.create_task(forgotten())

    def collect_and_wake() -> None:
        gc.collect()
        future = futures[0]()
        assert future is not None, "the task has vanished"
        assert loop.statistics()["tasks"] == 1
        future.set_result("woken")

    loop.create_task(main())
    loop.set_immediate(collect_and_wake)
    run(loop)
    assert trace == ["waits", "woken"]


async def _succeeds() -> str:
    await asyncio.sleep(0)
    return "result"


async def _fails() -> str:
    await asyncio.sleep(0)
    raise ValueError("boom")


async def _never_ends() -> str:
    return await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("coroutine", [_succeeds, _fails, _never_ends])
def test_a_task_is_let_go_of_once_it_is_done(held_loop: Loop, coroutine: Callable[[], Any]) -> None:
    loop = held_loop
    contexts = contexts_of(loop)
    tasks: list[weakref.ref[asyncio.Task[str]]] = []

    async def main() -> None:
        task = loop.create_task(coroutine())
        tasks.append(weakref.ref(task))
        if coroutine is _never_ends:
            loop.set_immediate(task.cancel)

    loop.create_task(main())
    run(loop)
    gc.collect()
    # A failed task that is finalised unread is reported, which refers to it once more.
    assert [str(context["exception"]) for context in contexts] == (["boom"] if coroutine is _fails else [])
    contexts.clear()
    gc.collect()
    assert tasks[0]() is None
    assert loop.statistics()["tasks"] == 0


def test_it_is_let_go_of_before_its_own_callbacks(idle_loop: Loop) -> None:
    loop = idle_loop
    held: list[int] = []
    task = loop.create_task(_succeeds())
    task.add_done_callback(lambda _: held.append(loop.statistics()["tasks"]))
    assert loop.statistics()["tasks"] == 1
    run(loop)
    assert held == [0]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks need CPython 3.12")
def test_an_eager_task_that_is_done_at_once_is_not_held(idle_loop: Loop) -> None:
    loop = idle_loop
    loop.set_task_factory(asyncio.eager_task_factory)
    held: list[int] = []

    async def nothing() -> None: ...

    async def main() -> None:
        task = loop.create_task(nothing())
        held.append(loop.statistics()["tasks"])
        assert task.done()

    run_main = loop.create_task(main())  # outside a running loop even an eager task starts later
    run(loop)
    assert run_main.done()
    assert held == [1]


def test_a_thousand_forgotten_tasks_all_end(held_loop: Loop) -> None:
    ended: list[int] = []
    loop = held_loop

    async def worker(n: int) -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        ended.append(n)

    async def main() -> None:
        for n in range(1_000):
            asyncio.ensure_future(worker(n))

    loop.create_task(main())
    run(loop)
    assert ended == list(range(1_000))


def test_a_name_and_a_context_reach_the_task(held_loop: Loop) -> None:
    loop = held_loop
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    context = contextvars.copy_context()
    context.run(variable.set, "given")

    async def look() -> str:
        return variable.get()

    async def main() -> tuple[str, str]:
        task = loop.create_task(look(), name="its name", context=context)
        return task.get_name(), await task

    task = loop.create_task(main())
    run(loop)
    assert task.result() == ("its name", "given")
