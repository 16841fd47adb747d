"""Hooks that are coroutine functions, as options and as methods; what cancels them, and what they fail with."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.unit.streams.support import Boom, listen, settle, turns
from treadle.streams import Duplex, Readable, Transform, Writable, pipeline

HOOKS = ("construct", "read", "write", "writev", "final", "destroy", "transform", "flush")
CLASS_OF = {"read": Readable, "transform": Transform, "flush": Transform}


def made_with(hook: str, function: Any, *, is_method: bool) -> Any:
    """A stream with that hook, and a write hook if it needs one beside it."""
    kind = CLASS_OF.get(hook, Writable)
    others = {"final": {"write": None}, "construct": {"write": None}, "destroy": {"write": None}, "flush": {"transform": None}}
    rest: dict[str, Any] = {name: lambda chunk, encoding, callback: callback() for name in others.get(hook, {})}
    if not is_method:
        return kind(**{hook: function}, **rest)

    class Own(kind):  # type: ignore[valid-type, misc]
        pass

    async def method(self: Any, *arguments: Any) -> Any:
        return await function(*arguments)

    method.__name__ = f"_{hook}"
    return type("Own", (kind,), {f"_{hook}": method})(**rest)


def set_off(stream: Any, hook: str) -> None:
    """Let its hook be called."""
    if hook == "read":
        stream.resume()
    elif hook == "destroy":
        stream.destroy()
    else:
        if hook == "writev":
            stream.cork()
            stream.write(b"0")
        stream.end(b"x")
        if isinstance(stream, Readable):
            stream.resume()


as_method = pytest.mark.parametrize("is_method", [False, True], ids=["option", "method"])


@as_method
async def test_a_duplex_of_coroutines(is_method: bool) -> None:
    trace: list[Any] = []
    left = [b"a", b"b", None]

    async def construct() -> None:
        trace.append("construct")
        await turns()
        trace.append("constructed")

    async def read(size: int) -> None:
        await turns()
        stream.push(left.pop(0))

    async def write(chunk: bytes, encoding: str) -> None:
        trace.append((chunk, encoding))
        await turns()

    async def final() -> None:
        await turns()
        trace.append("final")

    async def destroy(error: BaseException | None) -> None:
        await turns()
        trace.append(("destroy", error))

    hooks = {"construct": construct, "read": read, "write": write, "final": final, "destroy": destroy}
    if is_method:
        methods = {f"_{name}": _method_of(function) for name, function in hooks.items()}
        stream = type("Own", (Duplex,), methods)()
    else:
        stream = Duplex(**hooks)
    stream.write(b"1")
    stream.end("2")
    assert b"".join([chunk async for chunk in stream]) == b"ab"
    await settle()
    assert trace == ["construct", "constructed", (b"1", "buffer"), (b"2", "buffer"), "final", ("destroy", None)]
    assert stream.closed


def _method_of(function: Any) -> Any:
    async def method(self: Any, *arguments: Any) -> Any:
        return await function(*arguments)

    return method


@as_method
async def test_a_transform_of_coroutines(is_method: bool) -> None:
    async def transform(chunk: bytes, encoding: str) -> bytes | None:
        await turns()
        return chunk.upper() if chunk != b"skip" else None

    async def flush() -> bytes:
        await turns()
        return b"end"

    hooks = {"transform": transform, "flush": flush}
    stream: Any = (
        type("Own", (Transform,), {f"_{name}": _method_of(hook) for name, hook in hooks.items()})()
        if is_method
        else Transform(**hooks)  # type: ignore[arg-type]
    )
    for chunk in (b"a", b"skip", b"b"):
        stream.write(chunk)
    stream.end()
    assert [chunk async for chunk in stream] == [b"A", b"B", b"end"]


async def test_writes_come_one_at_a_time() -> None:
    under_way, most = 0, 0

    async def write(chunk: bytes, encoding: str) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await turns(2)
        under_way -= 1

    told: list[Any] = []
    stream = Writable(write=write)
    for _ in range(5):
        stream.write(b"x", callback=told.append)
    stream.end()
    await settle()
    assert (most, told) == (1, [None] * 5)


@as_method
@pytest.mark.parametrize("is_late", [False, True], ids=["at once", "later"])
@pytest.mark.parametrize("hook", HOOKS)
async def test_what_it_raises_is_the_streams_error(hook: str, is_late: bool, is_method: bool) -> None:
    boom = Boom()

    async def fail(*arguments: Any) -> None:
        if is_late:
            await turns()
        raise boom

    stream = made_with(hook, fail, is_method=is_method)
    trace = listen(stream, "finish", "end", "error", "close")
    set_off(stream, hook)
    await settle()
    assert trace == [("error", boom), ("close",)]


@as_method
@pytest.mark.parametrize("after", [0, 1, 3])
@pytest.mark.parametrize("hook", [hook for hook in HOOKS if hook != "destroy"])
async def test_destroying_cancels_it(hook: str, after: int, is_method: bool) -> None:
    trace: list[str] = []

    async def wait(*arguments: Any) -> None:
        trace.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            trace.append("ended")

    stream = made_with(hook, wait, is_method=is_method)
    stream.on("close", lambda: trace.append("close"))
    set_off(stream, hook)
    await turns(after)
    stream.destroy()
    await settle()
    assert stream.closed
    assert trace in (["begun", "ended", "close"], ["close"])
    assert after < 3 or trace != ["close"]


@as_method
@pytest.mark.parametrize("is_late", [False, True], ids=["at once", "later"])
async def test_what_it_is_destroyed_with_is_emitted_after_destroy(is_late: bool, is_method: bool) -> None:
    boom, seen = Boom(), []

    async def destroy(error: BaseException | None) -> None:
        seen.append(error)
        if is_late:
            await turns()

    stream = made_with("destroy", destroy, is_method=is_method)
    trace = listen(stream, "error", "close")
    stream.destroy(boom)
    await settle()
    assert (seen, trace) == ([boom], [("error", boom), ("close",)])


async def test_destroying_does_not_cancel_destroy() -> None:
    trace: list[str] = []

    async def destroy(error: BaseException | None) -> None:
        await turns(3)
        trace.append("destroyed")

    stream = Writable(destroy=destroy)
    stream.on("close", lambda: trace.append("close"))
    stream.destroy()
    stream.destroy()
    await settle()
    assert trace == ["destroyed", "close"]


async def test_it_may_destroy_its_own_stream() -> None:
    boom = Boom()

    async def write(chunk: bytes, encoding: str) -> None:
        stream.destroy(boom)
        await turns()
        raise AssertionError("it was not cancelled")

    stream = Writable(write=write)
    trace, told = listen(stream, "error", "close"), []
    stream.write(b"x", callback=told.append)
    await settle()
    assert trace == [("error", boom), ("close",)]
    assert len(told) == 1 and told[0] is not None


async def test_cleaning_up_may_take_its_time() -> None:
    trace: list[str] = []

    async def write(chunk: bytes, encoding: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await turns(3)
            trace.append("cleaned")

    stream = Writable(write=write)
    stream.write(b"x")
    await turns()
    stream.destroy()
    await settle()
    assert trace == ["cleaned"] and stream.closed


async def test_one_hook_of_each_kind_beside_a_plain_one() -> None:
    class Own(Writable):
        seen: list[Any]

        async def _write(self, chunk: Any, encoding: str) -> None:  # type: ignore[override]
            await turns()
            self.seen.append(chunk)

        def _final(self, callback: Any) -> None:
            self.seen.append("final")
            callback()

    class Further(Own):
        async def _final(self) -> None:  # type: ignore[override]
            self.seen.append("further")

    for kind, last in ((Own, "final"), (Further, "further")):
        stream = kind()
        stream.seen = []
        stream.end(b"x")
        await settle()
        assert stream.seen == [b"x", last]


@pytest.mark.parametrize("hook", ["write", "transform"])
async def test_it_may_be_a_callback_that_is_called_by_a_coroutine_of_the_users(hook: str) -> None:
    async def work(chunk: bytes, callback: Any) -> None:
        await turns()
        callback()

    def plain(chunk: bytes, encoding: str, callback: Any) -> None:
        asyncio.ensure_future(work(chunk, callback))

    stream = CLASS_OF.get(hook, Writable)(**{hook: plain})
    if hook == "transform":
        stream.resume()
    stream.end(b"x")
    await settle()
    assert stream.writable_finished


async def test_what_a_hook_awaits_destroys_the_stream_as_it_is_cancelled() -> None:
    def destroy(error: BaseException | None, callback: Any) -> None:
        stream.destroy(error)
        callback(error)

    async def read(_: int) -> None:
        await pipeline(Readable(read=lambda _: None, destroy=destroy), Writable(write=lambda *_: None))

    stream = Readable(read=read)
    trace = listen(stream, "error", "close")
    stream.resume()
    await turns(2)
    boom = Boom()
    stream.destroy(boom)
    await settle()
    assert trace == [("error", boom), ("close",)], "it was first"
