"""The same programs as in record_channel_facts.js, under the same names; their traces must be those that Node left in
channel_facts.json. What only treadle has is in test_channels.py."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import treadle
from treadle import AsyncLocalStorage, TreadleError, process
from treadle.diagnostics_channel import TracingChannel, channel, has_subscribers, subscribe, tracing_channel, unsubscribe
from treadle.diagnostics_channel._channel import _in_use
from treadle.timers import promises, set_timeout

RECORDED = json.loads(Path(__file__).with_name("channel_facts.json").read_text())["traces"]

Log = Callable[..., None]
Storage = AsyncLocalStorage[Any]


def boom(*_: object) -> None:
    raise ValueError("boom")


def text_of(error: object) -> str | None:
    return None if error is None else str(error)


def traced(name: str, log: Log) -> tuple[TracingChannel, dict[str, Callable[..., None]]]:
    def say(event: str) -> Callable[..., None]:
        return lambda m, _: log(event, m.get("result"), text_of(m.get("error")), m["name"])

    tracing = tracing_channel(name)
    subscribers = {event: say(event) for event in ("start", "end", "async_start", "async_end", "error")}
    tracing.subscribe(**subscribers)
    return tracing, subscribers


def one_channel_of_a_name(log: Log) -> None:
    a = channel("one:a")
    log(a is channel("one:a"), a.name, a.has_subscribers, has_subscribers("one:a"), has_subscribers("one:b"))
    subscribe("one:a", boom)
    log(a.has_subscribers, has_subscribers("one:a"))
    log(
        a.unsubscribe(boom), a.unsubscribe(boom), unsubscribe("one:a", boom), unsubscribe("one:none", boom), a.has_subscribers
    )  # fmt: skip


def subscribers_in_order(log: Log) -> None:
    a = channel("order:a")
    a.publish(0)

    def f(m: int, name: str) -> None:
        log("f", m, name)

    def g(m: int, _: str) -> None:
        log("g", m)

    for subscriber in (f, g, f):
        a.subscribe(subscriber)
    a.publish(1)
    a.unsubscribe(f)
    a.publish(2)
    log(a.unsubscribe(f), a.unsubscribe(g), a.has_subscribers)


def changed_meanwhile(log: Log) -> None:
    a = channel("changed:a")

    def late(*_: object) -> None:
        log("late")

    def g(*_: object) -> None:
        log("g")
        a.unsubscribe(g)
        a.unsubscribe(h)
        a.subscribe(late)

    def h(*_: object) -> None:
        log("h")

    a.subscribe(g)
    a.subscribe(h)
    a.publish(None)
    log("-")
    a.publish(None)
    a.unsubscribe(late)


async def one_that_raises(log: Log) -> None:
    a = channel("raises:a")

    def g(*_: object) -> None:
        log("g")

    a.subscribe(boom)
    a.subscribe(g)
    a.publish(1)
    process.next_tick(log, "tick")
    log("published")
    await promises.sleep(1)
    a.unsubscribe(boom)
    a.unsubscribe(g)


def stores(log: Log) -> None:
    a = channel("stores:a")
    s: Storage = AsyncLocalStorage()
    t: Storage = AsyncLocalStorage()

    def subscriber(m: int, _: str) -> None:
        log("subscriber", m, s.get_store(), t.get_store())

    def inside(x: int, y: int) -> str:
        log("inside", s.get_store(), t.get_store(), x, y)
        return "result"

    a.bind_store(s)
    a.bind_store(t, lambda m: m * 10)
    log(a.has_subscribers)
    a.subscribe(subscriber)
    log(a.run_stores(1, inside, 2, 3))
    log(s.get_store())
    a.bind_store(t, lambda m: m * 100)
    a.run_stores(1, lambda: log(t.get_store()))
    log(a.unbind_store(s), a.unbind_store(s))
    a.run_stores(1, lambda: log(s.get_store(), t.get_store()))
    a.unsubscribe(subscriber)
    a.unbind_store(t)
    log(a.has_subscribers, a.run_stores(1, t.get_store))


async def a_transform_that_raises(log: Log) -> None:
    a = channel("transform:a")
    s: Storage = AsyncLocalStorage()
    a.bind_store(s, boom)
    log(a.run_stores(1, s.get_store))
    await promises.sleep(1)
    a.unbind_store(s)


def trace_sync(log: Log) -> None:
    tracing, subscribers = traced("sync", log)

    def body(x: int, y: int) -> int:
        log("body")
        return x + y

    log(tracing.has_subscribers, tracing.start.name)
    log(tracing.trace_sync(body, {"name": "a"}, 1, 2))
    try:
        tracing.trace_sync(boom, {"name": "b"})
    except ValueError as error:
        log("caught", str(error))
    log(tracing.unsubscribe(**subscribers), tracing.unsubscribe(**subscribers), tracing.has_subscribers)
    log(tracing.trace_sync(int, {"name": "c"}, 1))


async def trace_async(log: Log) -> None:
    tracing, subscribers = traced("async", log)

    async def body(x: int) -> int:
        log("body")
        await promises.sleep(1)
        log("later")
        return x

    async def at_once(x: int) -> int:
        return x

    async def fail() -> None:
        await promises.sleep(1)
        boom()

    async def fail_at_once() -> None:
        boom()

    log(await tracing.trace_async(body, {"name": "a"}, 1))
    log(await tracing.trace_async(at_once, {"name": "b"}, 2))
    for name, failing in (("c", fail), ("d", fail_at_once)):
        try:
            await tracing.trace_async(failing, {"name": name})
        except ValueError as error:
            log("caught", str(error))
    tracing.unsubscribe(**subscribers)
    log(await tracing.trace_async(at_once, {"name": "e"}, 3))


async def trace_async_of_a_call_that_raises(log: Log) -> None:
    tracing, subscribers = traced("call", log)

    def fail() -> Any:
        log("body")
        boom()

    try:
        await tracing.trace_async(fail, {"name": "a"})
    except ValueError as error:
        log("caught", str(error))
    tracing.unsubscribe(**subscribers)


async def trace_callback(log: Log) -> None:
    tracing, subscribers = traced("callback", log)
    end = asyncio.Event()

    def later(x: int, callback: Callable[..., object]) -> None:
        log("body")
        set_timeout(callback, 1, None, x)

    def done(error: Exception | None, result: int) -> None:
        log("callback", error, result)
        end.set()

    def fail(callback: Callable[..., object], _: int) -> None:
        callback(ValueError("boom"))

    tracing.trace_callback(later, -1, {"name": "a"}, 1, done)
    await end.wait()
    tracing.trace_callback(fail, 0, {"name": "b"}, lambda error: log("callback", str(error)), 1)
    try:
        tracing.trace_callback(boom, 0, {"name": "c"}, int)
    except ValueError as error:
        log("caught", str(error))
    try:
        tracing.trace_callback(int, 0, {"name": "d"}, 5)
    except TreadleError as error:
        log(error.code)
    tracing.unsubscribe(**subscribers)


async def the_store_of_start_holds_for_all_of_it(log: Log) -> None:
    tracing = tracing_channel("spans")
    s: Storage = AsyncLocalStorage()

    def async_start(*_: object) -> None:
        log("async_start", s.get_store())

    async def work() -> object:
        await promises.sleep(1)
        return s.get_store()

    tracing.start.bind_store(s, lambda m: m["name"])
    tracing.async_start.subscribe(async_start)
    log(tracing.trace_sync(s.get_store, {"name": "a"}))
    log(await tracing.trace_async(work, {"name": "b"}))
    log(s.get_store())
    tracing.start.unbind_store(s)
    tracing.async_start.unsubscribe(async_start)


def wrong_arguments(log: Log) -> None:
    a = channel("wrong:a")
    wrong: list[Callable[[], object]] = [
        lambda: channel(5),  # type: ignore[arg-type]
        lambda: a.subscribe(5),  # type: ignore[arg-type]
        lambda: tracing_channel(5),  # type: ignore[arg-type]
        lambda: tracing_channel("wrong").subscribe(start=5),  # type: ignore[arg-type]
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
    listener = lambda error: log("uncaught", str(error))  # noqa: E731
    process.on("uncaught_exception", listener)
    try:
        if inspect.iscoroutinefunction(function):
            treadle.run(function(log))
        else:
            function(log)
    finally:
        process.off("uncaught_exception", listener)
    assert trace == RECORDED[program]
    assert not _in_use
