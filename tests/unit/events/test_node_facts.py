"""The same programs as in record_node_facts.js, under the same names; their traces must be those that Node left in
node_facts.json. Where treadle means to differ there is a test in test_emitter.py instead."""

import asyncio
import inspect
import json
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import treadle
from treadle._base.errors import TreadleError
from treadle.events import ERROR_MONITOR, EventEmitter, MaxListenersExceededWarning, on, once

RECORDED = json.loads(Path(__file__).with_name("node_facts.json").read_text())["traces"]

Log = Callable[..., None]


def nothing(*_: object) -> None:
    pass


def boom(*_: object) -> None:
    raise ValueError("boom")


def listeners_run_in_order_of_adding(log: Log) -> None:
    e = EventEmitter()
    for name in ("a", "b", "c"):
        e.on("x", lambda *args, name=name: log(name, *args))
    log(e.emit("x", 1, 2), e.emit("y"))


def same_listener_twice(log: Log) -> None:
    e = EventEmitter()

    def a() -> None:
        log("a")

    e.on("x", a).on("x", a)
    e.emit("x")
    e.off("x", a)
    log(e.listener_count("x"), e.emit("x"))


def off_takes_the_latest(log: Log) -> None:
    e = EventEmitter()

    def a() -> None:
        log("a")

    e.on("x", a).on("x", lambda: log("b")).on("x", a).off("x", a)
    e.emit("x")


def added_during_emit_waits(log: Log) -> None:
    e = EventEmitter()

    def a() -> None:
        log("a")
        e.on("x", lambda: log("late"))

    e.on("x", a)
    e.on("x", lambda: log("b"))
    e.emit("x")
    log("-")
    e.emit("x")


def added_during_emit_by_the_only_listener_waits(log: Log) -> None:
    e = EventEmitter()

    def a() -> None:
        log("a")
        e.on("x", lambda: log("late"))

    e.once("x", a)
    e.emit("x")
    log("-")
    e.emit("x")


def removed_during_emit_still_runs(log: Log) -> None:
    e = EventEmitter()

    def a() -> None:
        log("a")
        e.off("x", c)

    def b() -> None:
        log("b")
        e.remove_all_listeners("x")

    def c() -> None:
        log("c")

    e.on("x", a).on("x", b).on("x", c)
    e.emit("x")
    log("-", e.emit("x"))


def prepend(log: Log) -> None:
    e = EventEmitter()
    e.on("x", lambda: log("a"))
    e.prepend_listener("x", lambda: log("b"))
    e.prepend_once_listener("x", lambda: log("c"))
    e.prepend_listener("x", lambda: log("d"))
    e.emit("x")
    log("-")
    e.emit("x")


def once_is_gone_before_its_call(log: Log) -> None:
    e = EventEmitter()

    def a() -> None:
        log("a", e.listener_count("x"))
        e.emit("x")

    e.once("x", a)
    log(e.emit("x"), e.emit("x"))


def once_in_nested_emit_runs_once(log: Log) -> None:
    e = EventEmitter()

    def nest(is_deep: bool) -> None:
        log("on", is_deep)
        if not is_deep:
            e.emit("x", True)

    e.on("x", nest)
    e.once("x", lambda is_deep: log("once", is_deep))
    e.emit("x", False)


def off_finds_once(log: Log) -> None:
    e = EventEmitter()
    e.once("x", nothing)
    e.off("x", nothing)
    log(e.emit("x"), e.listener_count("x"))


def raw_listeners(log: Log) -> None:
    e = EventEmitter()

    def b() -> None:
        log("b")

    e.on("x", nothing)
    e.once("x", b)
    raw: list[Any] = e.raw_listeners("x")
    log(raw[0] is nothing, raw[1] is b, raw[1].listener is b, e.listeners("x")[1] is b)
    raw[1]()
    log(e.listener_count("x"))
    raw[1]()


def off_of_a_raw_listener(log: Log) -> None:
    e = EventEmitter()
    e.once("x", lambda: log("a"))
    e.once("x", lambda: log("b"))
    e.off("x", e.raw_listeners("x")[0])
    e.emit("x")


def counts_of_one_listener(log: Log) -> None:
    e = EventEmitter()
    e.on("x", nothing)
    e.once("x", nothing)
    e.on("x", boom)
    log(
        e.listener_count("x"),
        e.listener_count("x", nothing),
        e.listener_count("y", nothing),
        e.listener_count("y"),
    )


def event_names_in_order_of_first_listener(log: Log) -> None:
    e = EventEmitter()
    for name in ("b", "a", "b", "c"):
        e.on(name, nothing)
    e.off("a", nothing)
    e.on("a", nothing)
    log(*e.event_names())


def new_listener_comes_before(log: Log) -> None:
    e = EventEmitter()
    e.on("new_listener", lambda event, listener: log("new", event, listener is nothing, e.listener_count(event)))
    e.on("x", nothing)
    e.once("x", nothing)
    e.on("remove_listener", nothing)


def new_listener_may_add_first(log: Log) -> None:
    e = EventEmitter()
    e.once("new_listener", lambda *_: e.on("x", lambda: log("b")))
    e.on("x", lambda: log("a"))
    e.emit("x")


def new_listener_sees_the_second_new_listener(log: Log) -> None:
    e = EventEmitter()
    e.on("new_listener", lambda event, _: log(1, event))
    e.on("new_listener", lambda event, _: log(2, event))
    e.on("x", nothing)


def remove_listener_comes_after(log: Log) -> None:
    e = EventEmitter()

    def a() -> None:
        log("a")

    e.on("remove_listener", lambda event, listener: log("removed", event, listener is a, e.listener_count("x")))
    e.on("x", a)
    e.off("x", a)
    e.off("x", a)
    e.once("x", a)
    e.emit("x")


def remove_listener_sees_its_own_removal(log: Log) -> None:
    e = EventEmitter()

    def a(event: str, _: object) -> None:
        log("a", event)

    def b(event: str, _: object) -> None:
        log("b", event)

    e.on("remove_listener", a)
    e.on("remove_listener", b)
    e.off("remove_listener", a)
    e.off("remove_listener", b)


def remove_all_goes_backwards(log: Log) -> None:
    e = EventEmitter()
    names: dict[object, str] = {}

    def make(name: str) -> Callable[[], None]:
        def listener() -> None:
            log(name)

        names[listener] = name
        return listener

    e.on("remove_listener", lambda event, listener: log(event, names[listener], e.listener_count(event)))
    e.on("x", make("a")).on("x", make("b")).on("y", make("c"))
    e.remove_all_listeners("x")
    log(*e.event_names())
    e.on("x", make("d")).on("x", make("e"))
    e.remove_all_listeners()
    log(len(e.event_names()))


def remove_all_without_observer(log: Log) -> None:
    e = EventEmitter()
    e.remove_all_listeners().remove_all_listeners("x")
    e.on("x", nothing).on("x", nothing).on("y", nothing)
    e.remove_all_listeners("x")
    log(*e.event_names())
    e.remove_all_listeners()
    log(len(e.event_names()))


def a_throwing_listener_ends_the_round(log: Log) -> None:
    e = EventEmitter()
    e.on("x", lambda: log("a"))
    e.once("x", boom)
    e.on("x", lambda: log("c"))
    try:
        e.emit("x")
    except ValueError as error:
        log("caught", str(error))
    e.emit("x")


def error_without_listener_is_thrown(log: Log) -> None:
    e = EventEmitter()
    failure = ValueError("boom")
    try:
        e.emit("error", failure)
    except ValueError as error:
        log(error is failure)
    try:
        e.emit("error", "text")
    except TreadleError as error:
        log(error.code, error.data["context"])
    try:
        e.emit("error")
    except TreadleError as error:
        log(error.code, error.data["context"] is None)
    e.on("x", nothing)
    try:
        e.emit("error", failure)
    except ValueError as error:
        log(error is failure)


def error_with_listener_is_an_event(log: Log) -> None:
    e = EventEmitter()
    e.once("error", lambda *args: log("handled", *args))
    log(e.emit("error", "a", "b"))
    try:
        e.emit("error", "a")
    except TreadleError as error:
        log(error.code)


def error_monitor_only_looks(log: Log) -> None:
    e = EventEmitter()
    e.on(ERROR_MONITOR, lambda error: log("monitor", error))
    try:
        e.emit("error", "a")
    except TreadleError as error:
        log(error.code)
    e.on("error", lambda error: log("handler", error))
    log(e.emit("error", "b"))


def error_monitor_may_add_the_handler(log: Log) -> None:
    e = EventEmitter()
    e.on(ERROR_MONITOR, lambda _: e.on("error", lambda error: log("handler", error)))
    log(e.emit("error", "a"))


def bad_arguments(log: Log) -> None:
    e = EventEmitter()
    wrong: Any
    for method, wrong in ((e.on, None), (e.once, 5), (e.off, "f"), (e.prepend_listener, None)):
        with pytest.raises(TypeError) as refusal:
            method("x", wrong)
        log(refusal.value.code)  # type: ignore[attr-defined]
    for wrong in (-1, math.nan, "a"):
        with pytest.raises(TreadleError) as refused:
            e.set_max_listeners(wrong)
        log(refused.value.code)
    log(len(e.event_names()))


def max_listeners_warns_once_per_event(log: Log) -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        e = EventEmitter().set_max_listeners(1)
        for event in ("x", "x", "x", "y", "y"):
            e.on(event, nothing)
        e.off("x", nothing).off("x", nothing).on("x", nothing)  # down to one, and up again: warned again
        unlimited = EventEmitter().set_max_listeners(0)
        for _ in range(20):
            unlimited.on("x", nothing)
        usual = EventEmitter()
        for _ in range(11):
            usual.on("z", nothing)
    for row in seen:
        assert isinstance(row.message, MaxListenersExceededWarning)
        log(row.message.name, row.message.event, row.message.count)
    log(e.get_max_listeners(), unlimited.get_max_listeners(), usual.get_max_listeners())


async def once_resolves_with_all_arguments(log: Log) -> None:
    e = EventEmitter()
    future = once(e, "x")
    log(e.listener_count("x"), e.listener_count("error"))
    e.emit("x", 1, 2)
    log(e.listener_count("x"), e.listener_count("error"), *await future)


async def once_rejects_on_error(log: Log) -> None:
    e = EventEmitter()
    future = once(e, "x")
    e.emit("error", ValueError("boom"))
    log(e.listener_count("x"), e.listener_count("error"))
    try:
        await future
    except ValueError as error:
        log(str(error))


async def once_of_error_resolves(log: Log) -> None:
    e = EventEmitter()
    future = once(e, "error")
    e.emit("error", "a", "b")
    log(*await future)


async def on_keeps_events_until_taken(log: Log) -> None:
    e = EventEmitter()
    iterator = on(e, "x")
    e.emit("x", 1)
    e.emit("x", 2, 3)
    async for args in iterator:
        log(*args)
        if args[0] == 2:
            await iterator.aclose()  # a break does so in JavaScript
            break
    log(e.listener_count("x"), e.listener_count("error"), await anext(iterator, None) is None)


async def on_raises_error_after_what_came_before(log: Log) -> None:
    e = EventEmitter()
    iterator = on(e, "x")
    e.emit("x", 1)
    e.emit("error", ValueError("boom"))
    log(e.listener_count("x"), e.listener_count("error"))
    try:
        async for args in iterator:
            log(*args)
    except ValueError as error:
        log(str(error))
    log(await anext(iterator, None) is None)


async def on_error_goes_to_the_first_waiter(log: Log) -> None:
    e = EventEmitter()
    iterator = on(e, "x")
    waiting = [asyncio.ensure_future(anext(iterator, None)) for _ in range(2)]
    await asyncio.sleep(0)
    e.emit("error", ValueError("boom"))
    first, second = await asyncio.gather(*waiting, return_exceptions=True)
    log(str(first), second is None)


async def on_waiters_are_served_in_order(log: Log) -> None:
    e = EventEmitter()
    iterator = on(e, "x")
    waiting = [asyncio.ensure_future(anext(iterator, None)) for _ in range(3)]
    await asyncio.sleep(0)
    e.emit("x", 1)
    e.emit("x", 2)
    await iterator.aclose()
    for args in await asyncio.gather(*waiting):
        log(*(["done"] if args is None else args))


async def on_delivers_what_came_before_return(log: Log) -> None:
    e = EventEmitter()
    iterator = on(e, "x")
    e.emit("x", 1)
    await iterator.aclose()
    e.emit("x", 2)
    log(*await anext(iterator))
    log(await anext(iterator, None) is None)


async def on_ends_by_a_close_event(log: Log) -> None:
    e = EventEmitter()
    iterator = on(e, "x", close=["end"])
    for event, value in (("x", 1), ("end", None), ("x", 2)):
        e.emit(event, value)
    async for args in iterator:
        log(*args)
    log(len(e.event_names()))


async def on_pauses_past_the_mark(log: Log) -> None:
    class Source(EventEmitter):
        def pause(self) -> None:
            log("pause")

        def resume(self) -> None:
            log("resume")

    e = Source()
    iterator = on(e, "x", high_water_mark=2, low_water_mark=1)
    for value in range(4):
        log("emit", value)
        e.emit("x", value)
    for _ in range(4):
        log("took", *await anext(iterator))
    await iterator.aclose()


async def captured_rejections_become_errors(log: Log) -> None:
    e = EventEmitter(capture_rejections=True)
    started = asyncio.Event()

    async def fail(value: int) -> None:
        log("x", value)
        started.set()
        raise ValueError("boom")

    e.on("x", fail)
    seen = once(e, "error")
    has_listener = e.emit("x", 1)
    await started.wait()  # JavaScript runs it to its first await at once
    log(has_listener)
    log(str((await seen)[0]))


@pytest.mark.parametrize("name", RECORDED)
def test_trace_is_that_of_node(name: str) -> None:
    trace: list[list[Any]] = []

    def log(*entry: object) -> None:
        trace.append(list(entry))

    program = globals()[name]
    if inspect.iscoroutinefunction(program):
        treadle.run(program(log))
    else:
        program(log)
    assert trace == RECORDED[name]
