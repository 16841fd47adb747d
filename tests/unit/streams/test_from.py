"""Readable.from_(): items of iterables of every kind, one at a time, and the iterator is closed however it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.unit.streams.support import Boom, Sink, code_of, listen, settle, turns
from treadle import TreadleError
from treadle.streams import Readable, pipeline


class Items:
    """A generator, sync or async, that says how it ended: "closed", the error that was thrown into it, or "over"."""

    def __init__(self, count: int = 3, error: BaseException | None = None) -> None:
        self.count = count
        self.error = error
        self.given: list[int] = []
        self.ended: list[Any] = []

    def end(self, error: BaseException | None) -> None:
        self.ended.append("closed" if isinstance(error, GeneratorExit) else error)

    def sync(self) -> Iterator[int]:
        try:
            for number in range(self.count):
                self.given.append(number)
                yield number
            if self.error is not None:
                raise self.error
            self.ended.append("over")
        except BaseException as error:
            self.end(error)
            raise

    async def later(self) -> AsyncIterator[int]:
        try:
            for number in range(self.count):
                await turns()
                self.given.append(number)
                yield number
            if self.error is not None:
                raise self.error
            self.ended.append("over")
        except BaseException as error:
            self.end(error)
            raise


each_kind = pytest.mark.parametrize("kind", ["sync", "later"])


@pytest.mark.parametrize(
    ("made", "chunks"),
    [
        ([1, 2], [1, 2]), ((), []), ({"a": 1}, ["a"]), (range(3), [0, 1, 2]), (iter("ab"), ["a", "b"]), ("ab", ["ab"]),
        ("", [""]), (b"ab", [b"ab"]), (bytearray(b"ab"), [b"ab"]), ([b"", "", 0], [b"", "", 0]),
    ],
)  # fmt: skip
async def test_of_what(made: Any, chunks: list[Any]) -> None:
    assert await Readable.from_(made).to_list() == chunks


@pytest.mark.parametrize("made", [None, 1, object(), list])
async def test_of_what_not(made: Any) -> None:
    with pytest.raises(TreadleError) as caught:
        Readable.from_(made)
    assert caught.value.code == "ERR_INVALID_ARG_TYPE"


async def test_items_that_are_awaited() -> None:
    async def later(value: int) -> int:
        await turns(3 - value)
        return value

    future = asyncio.get_running_loop().create_future()
    future.set_result(3)
    assert await Readable.from_([later(0), 1, later(2), future]).to_list() == [0, 1, 2, 3]

    async def items() -> Any:
        yield 1
        yield 2

    assert await Readable.from_(items()).to_list() == [1, 2]


async def test_an_item_that_fails() -> None:
    boom = Boom()

    async def fail() -> None:
        await turns()
        raise boom

    stream, seen = Readable.from_(iter([1, fail(), 2])), []
    with pytest.raises(Boom) as caught:
        async for item in stream:
            seen.append(item)
    assert (caught.value, seen) == (boom, [1])
    await settle()


@pytest.mark.parametrize("is_awaited", [False, True], ids=["plain", "awaited"])
async def test_none_is_an_error(is_awaited: bool) -> None:
    async def nothing() -> None: ...

    async def items() -> Any:
        yield 1
        yield None

    for made in ([1, nothing() if is_awaited else None], items()):
        with pytest.raises(TreadleError) as caught:
            await Readable.from_(made).to_list()
        assert caught.value.code == "ERR_STREAM_NULL_VALUES"
    await settle()


@each_kind
async def test_one_item_at_a_time_is_asked_for(kind: str) -> None:
    items = Items(10)
    stream = Readable.from_(getattr(items, kind)())
    await turns(5)
    assert items.given == []
    assert stream.readable_high_water_mark == 1 and stream.readable_object_mode
    seen = []
    async for number in stream:
        seen.append(number)
        await turns(5)
        assert len(items.given) <= len(seen) + 2
    assert seen == list(range(10))
    assert items.ended == ["over"]


@each_kind
async def test_to_the_end(kind: str) -> None:
    items = Items()
    stream = Readable.from_(getattr(items, kind)())
    trace = listen(stream, "end", "error", "close")
    assert await stream.to_list() == [0, 1, 2]
    await settle()
    assert items.ended == ["over"]
    assert trace == [("end",), ("close",)]


@each_kind
async def test_an_error_of_the_iterator(kind: str) -> None:
    boom = Boom()
    items = Items(2, boom)
    with pytest.raises(Boom) as caught:
        await Readable.from_(getattr(items, kind)()).to_list()
    assert caught.value is boom
    await settle()
    assert items.ended == [boom]


@each_kind
async def test_destroying_closes_the_iterator(kind: str) -> None:
    items = Items()
    stream = Readable.from_(getattr(items, kind)())
    trace = listen(stream, "error", "close")
    await anext(aiter(stream.iterator(destroy_on_return=False)))
    stream.destroy()
    await settle()
    assert [entry if entry == "closed" else code_of(entry) for entry in items.ended] in (["closed"], ["CancelledError"])
    assert trace == [("close",)]


@each_kind
async def test_what_it_is_destroyed_with_is_thrown_in(kind: str) -> None:
    items, boom = Items(), Boom()
    stream = Readable.from_(getattr(items, kind)())
    trace = listen(stream, "error", "close")
    await anext(aiter(stream.iterator(destroy_on_return=False)))
    await turns(5)  # it waits for the stream
    stream.destroy(boom)
    await settle()
    assert items.ended == [boom]
    assert trace == [("error", boom), ("close",)]


@each_kind
async def test_leaving_the_loop_closes_the_iterator(kind: str) -> None:
    items = Items()
    async for number in Readable.from_(getattr(items, kind)()):
        if number == 1:
            break
    await settle()
    assert len(items.ended) == 1 and items.ended != ["over"]


async def test_an_iterator_that_is_at_work_is_cancelled() -> None:
    ended: list[str] = []

    async def items() -> Any:
        try:
            yield 1
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        finally:
            ended.append("closed")

    stream = Readable.from_(items())
    assert await anext(aiter(stream.iterator(destroy_on_return=False))) == 1
    await turns(3)
    stream.destroy()
    await settle()
    assert ended == ["cancelled", "closed"]
    assert stream.closed


async def test_an_error_of_closing_is_the_streams() -> None:
    boom = Boom()

    async def items() -> Any:
        try:
            yield 1
            yield 2
        finally:
            raise boom

    stream = Readable.from_(items())
    trace = listen(stream, "error", "close")
    assert await anext(aiter(stream.iterator(destroy_on_return=False))) == 1
    await turns(3)
    stream.destroy()
    await settle()
    assert trace == [("error", boom), ("close",)]


async def test_an_error_of_closing_behind_another_is_its_context() -> None:
    first, second = Boom(), Boom()

    def items() -> Any:
        try:
            yield 1
            yield 2
        except Boom:
            raise second

    stream = Readable.from_(items())
    trace = listen(stream, "error", "close")
    assert await anext(aiter(stream.iterator(destroy_on_return=False))) == 1
    stream.destroy(first)
    await settle()
    assert trace == [("error", first), ("close",)]
    assert first.__context__ is second
    second.__context__ = None  # else the two refer to each other


async def test_it_may_catch_what_is_thrown_in() -> None:
    boom, seen = Boom(), []

    def items() -> Any:
        try:
            yield 1
            yield 2
        except Boom as error:
            seen.append(error)

    stream = Readable.from_(items())
    trace = listen(stream, "error", "close")
    assert await anext(aiter(stream.iterator(destroy_on_return=False))) == 1
    stream.destroy(boom)
    await settle()
    assert seen == [boom]
    assert trace == [("error", boom), ("close",)]


async def test_never_read_it_is_closed_without_being_begun() -> None:
    for kind in ("sync", "later"):
        items = Items()
        stream = Readable.from_(getattr(items, kind)())
        stream.destroy()
        await settle()
        assert (items.given, items.ended, stream.closed) == ([], [], True)


async def test_an_iterator_of_ones_own() -> None:
    class Own:
        closed = 0
        count = 0

        def __aiter__(self) -> Any:
            return self

        async def __anext__(self) -> int:
            self.count += 1
            if self.count > 3:
                raise StopAsyncIteration
            return self.count

        async def aclose(self) -> None:
            Own.closed += 1

    assert await Readable.from_(Own()).to_list() == [1, 2, 3]
    await settle()
    assert Own.closed == 1


async def test_options() -> None:
    destroyed: list[Any] = []

    def destroy(error: BaseException | None, callback: Any) -> None:
        destroyed.append(error)
        callback(error)

    stream = Readable.from_([b"a", b"bc"], object_mode=False, high_water_mark=2, encoding="utf8", destroy=destroy)
    assert (stream.readable_object_mode, stream.readable_high_water_mark, stream.readable_encoding) == (False, 2, "utf8")
    assert "".join(await stream.to_list()) == "abc"
    await settle()
    assert destroyed == [None]


async def test_the_destroy_hook_comes_before_closing() -> None:
    items, trace = Items(), []
    stream = Readable.from_(items.later(), destroy=lambda error, callback: (trace.append(list(items.ended)), callback(error)))
    async for _ in stream:
        break
    await settle()
    assert trace == [[]]
    assert len(items.ended) == 1


async def test_into_a_pipeline_with_a_slow_sink() -> None:
    items, sink = Items(5), Sink(object_mode=True, high_water_mark=1)
    done = asyncio.ensure_future(pipeline(Readable.from_(items.later()), sink))
    for number in range(5):
        await turns(8)
        assert sink.chunks == list(range(number + 1))
        assert len(items.given) <= number + 4
        sink.take()
    await done
    assert items.ended == ["over"]


def test_a_subclass_makes_its_own() -> None:
    class Own(Readable):
        pass

    assert type(Own.from_([])) is Own
