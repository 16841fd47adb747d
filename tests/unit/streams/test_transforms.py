"""Transform, PassThrough, Duplex and pairs: what crosses, what waits, and how one side's end reaches the other."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.unit.streams.support import Boom, code_of, later, listen, settle, source_of, turns
from treadle import TreadleError
from treadle.streams import Duplex, PassThrough, Readable, Transform, duplex_pair, pipeline


def upper(**options: Any) -> Transform:
    return Transform(transform=lambda chunk, encoding, callback: callback(None, chunk.upper()), **options)


# ---- Transform


async def test_what_is_called_back_and_what_is_pushed() -> None:
    def transform(chunk: bytes, encoding: str, callback: Any) -> None:
        stream.push(b"<")
        stream.push(chunk)
        callback(None, b">")

    stream = Transform(transform=transform, flush=lambda callback: (stream.push(b"!"), callback(None, b"?")))
    stream.write(b"a")
    stream.end(b"b")
    assert b"".join([chunk async for chunk in stream]) == b"<a><b>!?"


async def test_a_chunk_may_make_none_or_many() -> None:
    def transform(number: int, encoding: str, callback: Any) -> None:
        for _ in range(number):
            stream.push(number)
        callback()

    stream = Transform(object_mode=True, transform=transform)
    for number in (0, 3, 0, 1):
        stream.write(number)
    stream.end()
    assert await stream.to_list() == [3, 3, 3, 1]


async def test_it_waits_while_nobody_reads() -> None:
    seen: list[Any] = []

    def transform(chunk: bytes, encoding: str, callback: Any) -> None:
        seen.append(chunk)
        callback(None, chunk)

    stream = Transform(transform=transform, readable_high_water_mark=2, writable_high_water_mark=3)
    answers = [stream.write(b"x") for _ in range(6)]
    await settle()
    assert len(seen) == 2  # the second fills the readable side, and is called back when it is read
    assert answers == [True, True, True, False, False, False]
    assert (stream.readable_length, stream.writable_length) == (2, 5)
    while (count := len(seen)) < 6:
        assert stream.read() is not None
        await settle()
        assert count < len(seen) <= count + 3  # what was read, and what the mark lets in
    stream.destroy()


async def test_objects_in_and_bytes_out() -> None:
    stream = Transform(
        writable_object_mode=True, transform=lambda chunk, encoding, callback: callback(None, str(chunk)), high_water_mark=4
    )
    assert (stream.writable_object_mode, stream.readable_object_mode) == (True, False)
    stream.write({"a": 1})
    stream.end(7)
    assert b"".join([chunk async for chunk in stream]) == b"{'a': 1}7"


async def test_no_hook_is_raised() -> None:
    stream = Transform()
    with pytest.raises(TreadleError) as caught:
        stream.write(b"x")
    assert caught.value.code == "ERR_METHOD_NOT_IMPLEMENTED"
    stream.destroy()


@pytest.mark.parametrize("hook", ["transform", "flush"])
@pytest.mark.parametrize("is_late", [False, True], ids=["at once", "later"])
async def test_an_error_that_is_called_back(hook: str, is_late: bool) -> None:
    boom = Boom()
    fail = later if is_late else lambda call, *arguments: call(*arguments)
    stream = Transform(**{
        "transform": lambda chunk, encoding, callback: callback(), hook: lambda *arguments: fail(arguments[-1], boom)
    })  # fmt: skip
    trace, told = listen(stream, "end", "finish", "error", "close"), []
    stream.resume()
    stream.write(b"x", callback=told.append)
    stream.end()
    await settle()
    assert trace == [("error", boom), ("close",)]
    assert told == [boom if hook == "transform" else None]


async def test_the_end_comes_after_flush() -> None:
    trace: list[Any] = []
    stream = upper(flush=lambda callback: (trace.append("flush"), later(callback)))
    for event in ("prefinish", "finish", "end", "close"):
        stream.on(event, lambda event=event: trace.append(event))
    stream.on("data", trace.append)
    stream.end(b"x")
    await settle()
    assert trace[:2] == [b"X", "flush"] and trace[-1] == "close"
    assert set(trace[2:-1]) == {"prefinish", "finish", "end"}


async def test_final_of_a_subclass_comes_before_flush() -> None:
    trace: list[str] = []

    class Own(Transform):
        def _transform(self, chunk: Any, encoding: str, callback: Any) -> None:
            callback(None, chunk)

        def _final(self, callback: Any) -> None:
            trace.append("final")
            later(callback)

        def _flush(self, callback: Any) -> None:
            trace.append("flush")
            callback(None, b"end")

    stream = Own()
    stream.end(b"x")
    assert b"".join([chunk async for chunk in stream]) == b"xend"
    assert trace == ["final", "flush"]


@pytest.mark.parametrize("way", ["raises", "at once", "later"])
async def test_an_error_of_flush_behind_final(way: str, errors: list[Any]) -> None:
    boom = Boom()

    class Own(PassThrough):
        def _final(self, callback: Any) -> None:
            later(callback)

        def _flush(self, callback: Any) -> None:
            if way == "raises":
                raise boom
            (later if way == "later" else lambda call, error: call(error))(callback, boom)

    stream = Own()
    trace = listen(stream, "end", "error", "close")
    stream.resume()
    stream.end(b"x")
    await settle()
    seen = list(trace)
    stream.on("error", lambda error: None).destroy()
    await settle()
    assert seen == [("error", boom), ("close",)]
    assert errors == []


async def test_pass_through() -> None:
    stream = PassThrough()
    for chunk in (b"a", "é", bytearray(b"c")):
        stream.write(chunk)
    stream.end()
    assert b"".join([chunk async for chunk in stream]) == b"a\xc3\xa9c"


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("mark", [1, 16])
async def test_chains(count: int, mark: int) -> None:
    stages = [PassThrough(object_mode=True, high_water_mark=mark) for _ in range(count)]
    seen: list[int] = []
    await pipeline(Readable.from_(range(100)), *stages, _collect(seen))
    assert seen == list(range(100))


def _collect(seen: list[Any]) -> Any:
    async def collect(chunks: Any) -> None:
        async for chunk in chunks:
            seen.append(chunk)

    return collect


# ---- Duplex


def duplex(**options: Any) -> Duplex:
    return Duplex(read=lambda size: None, write=lambda chunk, encoding, callback: callback(), **options)


@pytest.mark.parametrize("half_open", [True, False])
async def test_half_open(half_open: bool) -> None:
    stream = duplex(allow_half_open=half_open)
    assert stream.allow_half_open is half_open
    stream.push(None)
    stream.resume()
    await settle()
    assert stream.readable_ended
    assert stream.writable is half_open and stream.closed is not half_open
    stream.end()
    await settle()
    assert stream.closed


@pytest.mark.parametrize("side", ["readable", "writable"])
async def test_without_one_side(side: str) -> None:
    stream = duplex(**{side: False})
    assert getattr(stream, side) is False
    trace = listen(stream, "end", "finish", "error", "close")
    if side == "readable":
        stream.end(b"x")
    else:
        stream.push(None)
        stream.resume()
    await settle()
    assert trace == [("finish" if side == "readable" else "end",), ("close",)]


async def test_each_side_has_its_mode() -> None:
    stream = Duplex(readable_object_mode=True, read=lambda size: None, write=lambda chunk, encoding, callback: callback())
    assert (stream.readable_object_mode, stream.writable_object_mode) == (True, False)
    stream.push({"an": "object"})
    with pytest.raises(TreadleError) as caught:
        stream.write({"an": "object"})
    assert caught.value.code == "ERR_INVALID_ARG_TYPE"
    stream.destroy()


async def test_destroying_is_for_both_sides() -> None:
    destroyed: list[Any] = []
    stream = duplex(destroy=lambda error, callback: (destroyed.append(error), callback(error)))
    stream.write(b"x")
    stream.push(b"y")
    stream.destroy()
    assert (stream.readable, stream.writable, destroyed) == (False, False, [None])
    await settle()
    assert stream.readable_aborted and stream.writable_aborted


# ---- pairs


async def test_what_is_written_to_one_is_read_from_the_other() -> None:
    left, right = duplex_pair()
    left.end(b"to the right")
    right.end(b"to the left")
    assert [await right.to_list(), await left.to_list()] == [[b"to the right"], [b"to the left"]]
    await settle()
    assert left.closed and right.closed


async def test_a_write_waits_for_the_reader() -> None:
    left, right = duplex_pair(high_water_mark=1)
    told: list[Any] = []
    left.write(b"a", callback=lambda error: told.append("a"))
    left.write(b"b", callback=lambda error: told.append("b"))
    left.write(b"", callback=lambda error: told.append("nothing"))
    await settle()
    assert told == [] and left.writable_length == 2
    assert right.read(1) == b"a"
    await settle()
    assert told == ["a"]
    assert right.read(1) == b"b"
    await settle()
    assert told == ["a", "b", "nothing"]
    left.destroy()
    right.destroy()
    await settle()


async def test_the_mark_bounds_what_is_under_way() -> None:
    left, right = duplex_pair(high_water_mark=4)
    assert [left.write(b"xx") for _ in range(4)] == [True, False, False, False]
    assert (left.writable_length, right.readable_length) == (8, 2)
    seen = b""
    while seen != b"x" * 8:
        seen += right.read() or b""
        await turns()
    await settle()
    assert left.writable_length == 0
    left.destroy()
    right.destroy()
    await settle()


async def test_objects_cross() -> None:
    left, right = duplex_pair(object_mode=True)
    left.write({"a": 1})
    left.end("")
    assert await right.to_list() == [{"a": 1}, ""]
    right.end()
    left.resume()
    await settle()


async def test_an_error_of_one_end_destroys_the_other_without_one() -> None:
    left, right = duplex_pair()
    ours, theirs = listen(left, "error", "close"), listen(right, "error", "end", "close")
    boom = Boom()
    left.destroy(boom)
    await settle()
    assert (ours, theirs) == ([("error", boom), ("close",)], [("close",)])


async def test_destroying_one_end_ends_the_other() -> None:
    left, right = duplex_pair()
    left.destroy()
    right.resume()
    await settle()
    assert right.readable_ended and not right.destroyed
    right.destroy()
    await settle()


async def test_final_waits_until_the_end_was_read() -> None:
    left, right = duplex_pair()
    trace = listen(left, "finish")
    left.end(b"x")
    await settle()
    assert trace == []
    right.resume()
    await settle()
    assert trace == [("finish",)]
    left.destroy()
    right.destroy()
    await settle()


async def test_an_echo() -> None:
    client, server = duplex_pair(high_water_mark=8)
    echoing = asyncio.ensure_future(pipeline(server, upper(), server))
    sent = [b"some", b"words", b"in", b"a", b"row"] * 20

    async def send() -> None:
        for word in sent:
            await client.ready()
            client.write(word)
        client.end()

    sending = asyncio.create_task(send())
    got = b"".join([chunk async for chunk in client])
    await asyncio.gather(echoing, sending)
    assert got == b"".join(sent).upper()
    await settle()
    assert server.closed and client.closed


async def test_a_pipe_between_pairs_ends_well() -> None:
    left, right = duplex_pair()
    source_of([b"a", b"b"]).pipe(left)
    assert b"".join(await right.to_list()) == b"ab"
    assert code_of(left.errored) == "NoneType"
    left.destroy()
    right.destroy()
    await settle()
