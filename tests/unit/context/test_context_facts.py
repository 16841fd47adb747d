"""The same programs as in record_context_facts.js, under the same names; their traces must be those that Node left in
context_facts.json. What only treadle has is in test_storage.py."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import treadle
from treadle import AsyncLocalStorage, TreadleError, process, queue_microtask
from treadle.context import AsyncResource
from treadle.events import EventEmitter
from treadle.timers import promises, set_immediate, set_interval, set_timeout

RECORDED = json.loads(Path(__file__).with_name("context_facts.json").read_text())["traces"]

Log = Callable[..., None]
Storage = AsyncLocalStorage[Any]


def run_and_nesting(log: Log) -> None:
    s: Storage = AsyncLocalStorage()

    def outer(x: int, y: int) -> object:
        log(s.get_store(), x, y)
        log(s.run("b", s.get_store))
        log(s.exit(s.get_store))
        return s.get_store()

    log(s.get_store())
    log(s.run("a", outer, 1, 2))
    log(s.get_store())


def run_that_raises(log: Log) -> None:
    s: Storage = AsyncLocalStorage()

    def boom() -> None:
        raise ValueError("boom")

    try:
        s.run("a", boom)
    except ValueError as error:
        log(str(error), s.get_store())


def name_and_default(log: Log) -> None:
    s = AsyncLocalStorage(default_value="default", name="requests")
    log(s.name, AsyncLocalStorage().name, s.get_store())
    log(s.run("a", s.get_store), s.run(None, s.get_store), s.exit(s.get_store))


def two_storages_know_nothing_of_each_other(log: Log) -> None:
    s: Storage = AsyncLocalStorage()
    t: Storage = AsyncLocalStorage()

    def inside() -> None:
        log(s.get_store(), t.get_store())
        t.exit(lambda: log(s.get_store(), t.get_store()))

    s.run("s", lambda: t.run("t", inside))


async def callbacks_keep_it(log: Log) -> None:
    s: Storage = AsyncLocalStorage()
    end = asyncio.Event()

    def timer() -> None:
        log("timer", s.get_store())
        end.set()

    def immediate() -> None:
        log("immediate", s.get_store())
        set_timeout(timer, 1)

    def inside() -> None:
        process.next_tick(lambda: log("tick", s.get_store()))
        queue_microtask(lambda: log("microtask", s.get_store()))
        set_immediate(immediate)
        log("sync", s.get_store())

    s.run("a", inside)
    log("outside", s.get_store())
    await end.wait()
    log("at the end", s.get_store())


async def an_async_function_keeps_it(log: Log) -> None:
    s: Storage = AsyncLocalStorage()

    async def work(name: str) -> object:
        await asyncio.sleep(0)
        await promises.sleep(1)
        log(name, s.get_store())
        return s.get_store()

    log(list(await asyncio.gather(s.run(1, work, "one"), s.run(2, work, "two"))))
    log(s.get_store())


async def enter_with_inside_stays_inside(log: Log) -> None:
    s: Storage = AsyncLocalStorage()

    def inside() -> None:
        s.enter_with("b")
        log(s.get_store())

    async def inside_async() -> None:
        await asyncio.sleep(0)
        s.enter_with("b")
        await asyncio.sleep(0)
        log(s.get_store())

    s.run("a", inside)
    log(s.get_store())
    await s.run("a", inside_async)
    log(s.get_store())


async def enter_with_holds_for_what_follows(log: Log) -> None:
    s: Storage = AsyncLocalStorage()
    end = asyncio.Event()

    def timer() -> None:
        log("timer", s.get_store())
        end.set()

    def immediate() -> None:
        s.enter_with("entered")
        log(s.get_store())
        set_timeout(timer, 5)

    set_immediate(immediate)
    set_immediate(lambda: log("another", s.get_store()))
    await end.wait()


async def a_beat_of_an_interval_hears_nothing_of_the_one_before(log: Log) -> None:
    s: Storage = AsyncLocalStorage()
    end = asyncio.Event()
    beats = 0

    def beat() -> None:
        nonlocal beats
        log(s.get_store())
        s.enter_with("changed")
        beats += 1
        if beats == 3:
            timer.close()
            end.set()

    timer = s.run("a", set_interval, beat, 1)
    await end.wait()


def a_listener_has_that_of_the_emit(log: Log) -> None:
    s: Storage = AsyncLocalStorage()
    e = EventEmitter()
    s.run("on", e.on, "x", lambda: log(s.get_store()))
    s.run("emit", e.emit, "x")


def bind(log: Log) -> None:
    s: Storage = AsyncLocalStorage()

    def function(x: int) -> object:
        log(s.get_store(), x)
        before = s.get_store()
        s.enter_with("left")
        return before

    bound = s.run("a", AsyncLocalStorage.bind, function)
    log(s.run("b", bound, 1), s.run("c", bound, 2))
    log(s.get_store())


def bound_within_itself(log: Log) -> None:
    s: Storage = AsyncLocalStorage()

    def function(n: int) -> None:
        log(n, s.get_store())
        if n:
            s.run("other", bound, n - 1)

    bound = s.run("a", AsyncLocalStorage.bind, function)
    bound(2)


def snapshot(log: Log) -> None:
    s: Storage = AsyncLocalStorage()
    inside = s.run("a", AsyncLocalStorage.snapshot)
    log(s.run("b", inside, lambda x: [s.get_store(), x], 1))


def disable(log: Log) -> None:
    s = AsyncLocalStorage(default_value="default")

    def inside() -> None:
        s.disable()
        log(s.get_store())
        log(s.run("b", s.get_store))

    s.run("a", inside)
    log(s.get_store())
    s.enter_with("c")
    log(s.get_store())


def resource(log: Log) -> None:
    s: Storage = AsyncLocalStorage()
    r = s.run("a", AsyncResource, "Query")
    log(s.run("b", r.run_in_async_scope, lambda x: [s.get_store(), x], 1))
    log(s.run("b", r.bind(s.get_store)))


def wrong_arguments(log: Log) -> None:
    wrong: list[Callable[[], object]] = [
        lambda: AsyncLocalStorage.bind(5),  # type: ignore[arg-type]
        lambda: AsyncResource(5),  # type: ignore[arg-type]
    ]
    for call in wrong:
        with pytest.raises(TreadleError) as caught:
            call()
        log(caught.value.code)


@pytest.mark.parametrize("program", RECORDED)
def test_trace_is_that_of_node(program: str) -> None:
    trace: list[list[Any]] = []
    function = globals()[program]
    log = lambda *entry: trace.append(list(entry))  # noqa: E731
    if inspect.iscoroutinefunction(function):
        treadle.run(function(log))
    else:
        AsyncResource("test").run_in_async_scope(function, log)
    assert trace == RECORDED[program]
