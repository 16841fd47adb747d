"""diagnostics_channel where Python differs from Node, or has more: weak channels, threads, no loop, cancellation."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

import treadle
from treadle import AsyncLocalStorage, TreadleError
from treadle.diagnostics_channel import Channel, _channel, channel, has_subscribers, subscribe, tracing_channel, unsubscribe


@pytest.fixture(autouse=True)
def nothing_stays_in_use() -> Iterator[None]:
    assert not _channel._in_use
    yield
    assert not _channel._in_use


def ignore(message: object, name: str) -> None: ...


# -- how long a channel lives


def test_a_channel_that_nobody_uses_vanishes() -> None:
    name = "weak:" + "a" * 5
    ref = weakref.ref(channel(name))
    gc.collect()
    assert ref() is None
    assert name not in _channel._by_name


def test_a_channel_with_a_subscriber_stays_until_the_last_one_leaves() -> None:
    seen: list[object] = []
    listener = lambda message, _: seen.append(message)  # noqa: E731
    subscribe("weak:b", listener)
    ref = weakref.ref(channel("weak:b"))
    gc.collect()
    channel("weak:b").publish(1)
    assert seen == [1]
    assert unsubscribe("weak:b", listener)
    gc.collect()
    assert ref() is None


def test_a_channel_with_a_store_stays_until_it_is_unbound() -> None:
    storage: AsyncLocalStorage[Any] = AsyncLocalStorage()
    channel("weak:c").bind_store(storage)
    ref = weakref.ref(channel("weak:c"))
    gc.collect()
    assert has_subscribers("weak:c")
    assert channel("weak:c").unbind_store(storage)
    gc.collect()
    assert ref() is None


def test_asking_makes_no_channel() -> None:
    assert not has_subscribers("weak:d")
    assert not unsubscribe("weak:d", ignore)
    assert "weak:d" not in _channel._by_name


def test_threads_get_one_channel_and_lose_no_subscriber() -> None:
    gate = threading.Barrier(8)
    channels: list[Channel] = []

    def work() -> None:
        gate.wait(10)
        for _ in range(200):
            one = channel("threads:a")
            one.subscribe(ignore)
            channels.append(one)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    finally:
        sys.setswitchinterval(before)
    assert len(set(channels)) == 1
    removed = 0
    while channels[0].unsubscribe(ignore):
        removed += 1
    assert removed == 1600


# -- who is hit by what a subscriber raises


def test_without_a_loop_it_is_printed_and_the_others_run(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[object] = []

    def boom(message: object, name: str) -> None:
        raise ValueError("marker")

    listener = lambda message, _: seen.append(message)  # noqa: E731
    one = channel("raises:b")
    one.subscribe(boom)
    one.subscribe(listener)
    one.publish(1)
    one.unsubscribe(boom)
    one.unsubscribe(listener)
    assert seen == [1]
    assert "ValueError: marker" in capsys.readouterr().err


def test_in_a_program_it_ends_it_unless_somebody_handles_it() -> None:
    def boom(message: object, name: str) -> None:
        raise ValueError("marker")

    seen: list[object] = []

    def main() -> None:
        channel("raises:c").publish(1)
        seen.append("published")

    subscribe("raises:c", boom)
    try:
        with pytest.raises(ValueError, match="marker"):
            treadle.run(main)
    finally:
        unsubscribe("raises:c", boom)
    assert seen == ["published"]


def test_an_interrupt_passes() -> None:
    def interrupt(message: object, name: str) -> None:
        raise KeyboardInterrupt

    subscribe("raises:d", interrupt)
    with pytest.raises(KeyboardInterrupt):
        channel("raises:d").publish(1)
    unsubscribe("raises:d", interrupt)


# -- coroutines


def test_run_stores_holds_for_a_coroutine() -> None:
    storage: AsyncLocalStorage[Any] = AsyncLocalStorage()
    one = channel("async:a")
    one.bind_store(storage, str)

    async def work(x: int) -> object:
        await asyncio.sleep(0)
        return storage.get_store(), x

    assert treadle.run(one.run_stores(1, work, 2)) == ("1", 2)
    one.unbind_store(storage)


@pytest.mark.parametrize("is_timeout", [False, True])
def test_a_cancelled_trace_ends_as_failed(is_timeout: bool) -> None:
    trace: list[object] = []
    tracing = tracing_channel("async:b")
    subscribers = {
        event: lambda m, name: trace.append((name.rpartition(":")[2], type(m.get("error")).__name__))
        for event in ("start", "end", "async_start", "async_end", "error")
    }
    tracing.subscribe(**subscribers)

    async def main() -> None:
        if is_timeout:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await tracing.trace_async(asyncio.sleep, None, 60)
        else:
            task = asyncio.create_task(tracing.trace_async(asyncio.sleep, None, 60))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()

    treadle.run(main)
    tracing.unsubscribe(**subscribers)
    kind = "CancelledError"
    assert trace == [("start", "NoneType"), ("end", "NoneType"), ("error", kind), ("async_start", kind), ("async_end", kind)]


def test_a_message_is_made_where_none_is_given_and_only_then() -> None:
    seen: list[Any] = []
    listener = lambda message, _: seen.append(message)  # noqa: E731
    tracing = tracing_channel("message:a")
    tracing.subscribe(end=listener)
    mine: dict[str, Any] = {}
    tracing.trace_sync(int, None, "1")
    tracing.trace_sync(int, mine, "2", base=8)
    tracing.unsubscribe(end=listener)
    assert seen == [{"result": 1}, {"result": 2}]
    assert seen[1] is mine


# -- arguments


def test_subscribing_to_what_there_is_not_subscribes_nothing() -> None:
    tracing = tracing_channel("arguments:a")
    with pytest.raises(TreadleError) as caught:
        tracing.subscribe(start=ignore, asyncEnd=ignore)
    assert caught.value.code == "ERR_INVALID_ARG_VALUE"
    assert caught.value.data["received"] == "asyncEnd"
    assert not tracing.has_subscribers


def test_a_callback_that_is_not_there() -> None:
    tracing = tracing_channel("arguments:b")
    tracing.subscribe(start=ignore)
    with pytest.raises(TreadleError) as caught:
        tracing.trace_callback(int, 1, None, 5)
    tracing.unsubscribe(start=ignore)
    assert caught.value.code == "ERR_OUT_OF_RANGE"


def test_channels_of_ones_own() -> None:
    mine = {event: channel(f"mine:{event}") for event in ("start", "end", "async_start", "async_end", "error")}
    assert tracing_channel(mine).async_end is mine["async_end"]
    with pytest.raises(TreadleError) as caught:
        tracing_channel({"start": mine["start"]})
    assert caught.value.code == "ERR_INVALID_ARG_TYPE"


def test_stores_and_transforms_are_checked() -> None:
    one = channel("arguments:c")
    with pytest.raises(TypeError, match="AsyncLocalStorage"):
        one.bind_store(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="callable"):
        one.bind_store(AsyncLocalStorage(), 5)  # type: ignore[arg-type]
    assert not one.has_subscribers


def test_they_show_themselves() -> None:
    assert repr(channel("shown")) == "<Channel 'shown' subscribers=0 stores=0>"
    assert repr(tracing_channel("shown")) == "<TracingChannel 'tracing:shown:start' ... has_subscribers=False>"


@pytest.mark.parametrize("module", ["treadle.diagnostics_channel", "treadle.context"])
def test_a_library_that_publishes_brings_no_asyncio_in(module: str) -> None:
    program = f"import sys, {module}\nprint('asyncio' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# -- coroutine functions


def test_a_coroutine_function_subscribes() -> None:
    trace: list[object] = []

    async def subscriber(message: object, name: str) -> None:
        await asyncio.sleep(0)
        trace.append((name, message))

    spans = tracing_channel("coroutine")
    spans.start.subscribe(subscriber)
    try:
        treadle.run(lambda: spans.trace_sync(int, {"id": 1}))
    finally:
        spans.start.unsubscribe(subscriber)
    assert trace == [("tracing:coroutine:start", {"id": 1, "result": 0})]


def test_a_coroutine_function_without_a_loop_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    async def subscriber(message: object, name: str) -> None: ...

    lone = channel("coroutine")
    lone.subscribe(subscriber)
    try:
        lone.publish(1)
    finally:
        lone.unsubscribe(subscriber)
    assert "ERR_NO_LOOP" in capsys.readouterr().err


# -- what a message may be


def test_a_message_that_is_no_dict_is_refused_before_anything_is_told() -> None:
    trace: list[object] = []
    spans = tracing_channel("message")
    listener = lambda message, _: trace.append(message)  # noqa: E731
    spans.subscribe(start=listener, end=listener)
    wrong: Any = 5
    calls: list[Any] = [
        lambda: spans.trace_sync(int, wrong),
        lambda: asyncio.run(spans.trace_async(asyncio.sleep, wrong, 0)),
        lambda: spans.trace_callback(print, 0, wrong, print),
    ]
    try:
        for call in calls:
            with pytest.raises(TreadleError) as caught:
                call()
            assert (caught.value.code, caught.value.data["name"]) == ("ERR_INVALID_ARG_TYPE", "message")
    finally:
        spans.unsubscribe(start=listener, end=listener)
    assert trace == []
