"""AsyncLocalStorage where Python differs from Node, or has more: coroutines, asyncio's callbacks, threads, context variables."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import treadle
from treadle import AsyncLocalStorage, TreadleError
from treadle.context import AsyncResource
from treadle.loop import get_loop


class Store:
    """Something that can be watched vanishing."""


@pytest.fixture
def storage() -> AsyncLocalStorage[Any]:
    return AsyncLocalStorage(name="test")


async def read(storage: AsyncLocalStorage[Any]) -> object:
    await asyncio.sleep(0)
    return storage.get_store()


def test_what_asyncio_schedules_keeps_it(storage: AsyncLocalStorage[Any]) -> None:
    seen: list[object] = []

    async def main() -> None:
        loop = get_loop()
        future = loop.create_future()
        with storage.scope("a"):
            loop.call_soon(lambda: seen.append(storage.get_store()))
            loop.call_later(0, lambda: seen.append(storage.get_store()))
            future.add_done_callback(lambda _: seen.append(storage.get_store()))
            task = asyncio.create_task(read(storage))
            thread = asyncio.create_task(asyncio.to_thread(storage.get_store))
        assert storage.get_store() is None
        future.set_result(None)
        seen.extend([await task, await thread])
        await asyncio.sleep(0.001)

    treadle.run(main)
    assert seen == ["a"] * 5


def test_an_executor_needs_bind(storage: AsyncLocalStorage[Any]) -> None:
    async def main() -> list[object]:
        loop = get_loop()
        with storage.scope("a"):
            plain = loop.run_in_executor(None, storage.get_store)
            bound = loop.run_in_executor(None, AsyncLocalStorage.bind(storage.get_store))
        return [await plain, await bound]

    assert treadle.run(main) == [None, "a"]


def test_a_coroutine_keeps_it_wherever_it_is_awaited(storage: AsyncLocalStorage[Any]) -> None:
    async def main() -> list[object]:
        made = storage.run("made here", read, storage)
        task = asyncio.create_task(storage.run("of the task", read, storage))
        with storage.scope("awaited here"):
            return [await made, await task, await read(storage)]

    assert treadle.run(main) == ["made here", "of the task", "awaited here"]


def test_its_tasks_keep_it(storage: AsyncLocalStorage[Any]) -> None:
    async def work() -> list[object]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(read(storage)) for _ in range(2)]
        return [task.result() for task in tasks]

    assert treadle.run(lambda: storage.run("a", work)) == ["a", "a"]


@pytest.mark.parametrize("call", ["run", "bind", "snapshot", "resource"])
def test_a_coroutine_fails_is_cancelled_and_timed_out_as_any_other(storage: AsyncLocalStorage[Any], call: str) -> None:
    trace: list[object] = []

    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("boom")

    async def wait() -> None:
        try:
            await get_loop().create_future()
        except asyncio.CancelledError:
            trace.append(storage.get_store())
            raise

    def inside(function: Callable[[], Coroutine[Any, Any, None]]) -> Coroutine[Any, Any, None]:
        with storage.scope("a"):
            return {
                "run": lambda: storage.run("a", function),
                "bind": AsyncLocalStorage.bind(function),
                "snapshot": lambda: snapshot(function),
                "resource": lambda: resource.run_in_async_scope(function),
            }[call]()

    with storage.scope("a"):
        snapshot, resource = AsyncLocalStorage.snapshot(), AsyncResource("test")

    async def main() -> None:
        with pytest.raises(ValueError, match="boom"):
            await inside(fail)
        task = asyncio.create_task(inside(wait))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await inside(wait)

    treadle.run(main)
    assert trace == ["a", "a"]


def test_a_coroutine_may_catch_what_is_thrown_into_it(storage: AsyncLocalStorage[Any]) -> None:
    async def stubborn() -> object:
        try:
            await get_loop().create_future()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return storage.get_store()

    async def main() -> object:
        task = asyncio.create_task(storage.run("a", stubborn))
        await asyncio.sleep(0)
        task.cancel()
        return await task

    assert treadle.run(main) == "a"


def test_a_coroutine_that_is_closed_cleans_up_in_its_context(storage: AsyncLocalStorage[Any]) -> None:
    trace: list[object] = []

    class Never:
        def __await__(self) -> Any:
            yield

    async def work() -> None:
        try:
            await Never()
        finally:
            trace.append(storage.get_store())

    coroutine = storage.run("a", work)
    coroutine.send(None)
    coroutine.close()
    assert trace == ["a"]


def test_a_coroutine_knows_its_task(storage: AsyncLocalStorage[Any]) -> None:
    async def mine() -> object:
        await asyncio.sleep(0)
        return asyncio.current_task()

    async def main() -> bool:
        return await storage.run("a", mine) is asyncio.current_task()

    assert treadle.run(main) is True


def test_a_scope_holds_across_awaits_and_ends_with_the_block(storage: AsyncLocalStorage[Any]) -> None:
    async def main() -> list[object]:
        seen = []
        with storage.scope("a"):
            seen.append(await read(storage))
            with storage.scope("b"):
                seen.append(await read(storage))
            seen.append(await read(storage))
        seen.append(await read(storage))
        with pytest.raises(ValueError), storage.scope("c"):
            raise ValueError
        return [*seen, await read(storage)]

    assert treadle.run(main) == ["a", "b", "a", None, None]


def test_run_keeps_other_context_variables_to_itself(storage: AsyncLocalStorage[Any]) -> None:
    variable = contextvars.ContextVar("variable", default=0)

    def inside() -> int:
        before = variable.get()
        variable.set(before + 1)
        return before

    variable.set(7)
    assert storage.run("a", inside) == 7
    assert variable.get() == 7


def test_disable_reaches_contexts_that_were_made_before(storage: AsyncLocalStorage[Any]) -> None:
    bound = storage.run("a", AsyncLocalStorage.bind, storage.get_store)
    assert bound() == "a"
    storage.disable()
    assert bound() is None
    assert storage.run("b", storage.get_store) == "b"


def test_disable_within_a_scope_ends_it(storage: AsyncLocalStorage[Any]) -> None:
    with storage.scope("a"):
        storage.disable()
        assert storage.get_store() is None
    assert storage.get_store() is None


def test_a_store_is_freed_when_nothing_of_its_run_is_left(storage: AsyncLocalStorage[Any]) -> None:
    stores: list[weakref.ref[Store]] = []

    async def request() -> None:
        await asyncio.sleep(0)

    async def main() -> None:
        for _ in range(10):
            store = Store()
            stores.append(weakref.ref(store))
            await storage.run(store, request)
            storage.run(store, AsyncLocalStorage.bind(int))
            with storage.scope(store):
                get_loop().call_soon(int)
                await asyncio.create_task(request())
            del store
        await asyncio.sleep(0)

    treadle.run(main)
    gc.collect()
    assert [ref() for ref in stores] == [None] * 10


def test_bind_keeps_what_a_function_is() -> None:
    async def handler(x: int) -> int:
        """Its text."""
        return x

    bound = AsyncLocalStorage.bind(handler)
    assert inspect.iscoroutinefunction(bound)
    assert (bound.__name__, bound.__doc__) == ("handler", "Its text.")
    assert treadle.run(bound(3)) == 3


def test_what_cannot_be_called(storage: AsyncLocalStorage[Any]) -> None:
    for call in (
        lambda: storage.run("a", 5),  # type: ignore[arg-type]
        lambda: storage.exit(5),  # type: ignore[arg-type]
        lambda: AsyncLocalStorage.snapshot()(5),
        lambda: AsyncResource("x").run_in_async_scope(5),  # type: ignore[arg-type]
        lambda: AsyncResource("x").bind(5),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError) as caught:
            call()
        assert isinstance(caught.value, TreadleError)
        assert caught.value.data["name"] == "callback"


def test_a_name_is_a_str() -> None:
    with pytest.raises(TypeError, match="name"):
        AsyncLocalStorage(name=5)  # type: ignore[arg-type]


def test_it_shows_itself(storage: AsyncLocalStorage[Any]) -> None:
    assert storage.run("a", repr, storage) == "<AsyncLocalStorage 'test' store='a'>"
    assert repr(AsyncResource("Query")) == "<AsyncResource 'Query'>"


@pytest.mark.parametrize(
    "leave",
    [lambda storage, callback: storage.run(2, callback), lambda storage, callback: storage.exit(callback)],
    ids=["run", "exit"],
)
def test_what_is_set_of_another_storage_stays_inside(leave: Any) -> None:
    """Other than in Node, where it would be 9 behind it: docs/reference/context.md."""
    a: AsyncLocalStorage[int] = AsyncLocalStorage()
    b: AsyncLocalStorage[int] = AsyncLocalStorage()

    def outer() -> int | None:
        leave(b, lambda: a.enter_with(9))
        return a.get_store()

    assert a.run(1, outer) == 1
