"""compose(), and Duplex.from_() in all its forms: what is written, what is read, and how errors and ends cross."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.unit.streams.support import Boom, Sink, code_of, listen, settle, source_of, turns
from treadle import TreadleError
from treadle.streams import Duplex, PassThrough, Readable, Transform, Writable, compose


def upper() -> Transform:
    return Transform(transform=lambda chunk, encoding, callback: callback(None, chunk.upper()))


def objects() -> PassThrough:
    """As they were written: bytes that wait are joined elsewhere."""
    return PassThrough(object_mode=True)


async def exclaim(chunks: Any) -> Any:
    async for chunk in chunks:
        yield bytes(chunk) + b"!"


async def through(stream: Any, *chunks: Any) -> list[Any]:
    for chunk in chunks:
        stream.write(chunk)
    stream.end()
    return [chunk async for chunk in stream]


# ---- compose


@pytest.mark.parametrize(
    ("stages", "result"),
    [
        (lambda: (upper(), PassThrough()), b"AB"), (lambda: (upper(), exclaim), b"A!B!"), (lambda: (exclaim, upper()), b"A!B!"),
        (lambda: (exclaim, exclaim), b"a!!b!!"), (lambda: (objects(), exclaim, objects(), exclaim, objects()), b"a!!b!!"),
        (lambda: (exclaim,), b"a!b!"),
    ],
)  # fmt: skip
async def test_stages_as_one(stages: Any, result: bytes) -> None:
    stream = compose(*stages())
    assert isinstance(stream, Duplex) and stream.readable and stream.writable
    assert b"".join(await through(stream, b"a", b"b")) == result
    await settle()
    assert stream.closed


async def test_of_one_stream_is_the_stream() -> None:
    stream = upper()
    assert compose(stream) is stream


async def test_a_source_in_front_makes_a_readable() -> None:
    stream = compose(Readable.from_([b"a", b"b"]), upper())
    assert stream.readable and not stream.writable
    assert b"".join([chunk async for chunk in stream]) == b"AB"
    assert b"".join(await Readable.from_([b"a", b"b"]).compose(exclaim).to_list()) == b"a!b!"


async def test_a_sink_at_the_end_makes_a_writable() -> None:
    sink = Sink(is_open=True)
    stream = compose(upper(), sink)
    assert stream.writable and not stream.readable
    stream.end(b"a")
    await settle()
    assert sink.chunks == [b"A"]
    assert stream.writable_finished and stream.closed


async def test_a_source_and_a_sink_make_something_that_only_closes() -> None:
    sink = Sink(is_open=True)
    stream = compose(source_of([b"a"]), upper(), sink)
    assert not stream.readable and not stream.writable
    await settle()
    assert sink.chunks == [b"A"] and stream.closed


async def test_a_consumer_at_the_end() -> None:
    seen: list[Any] = []

    async def collect(chunks: Any) -> None:
        async for chunk in chunks:
            seen.append(bytes(chunk))

    stream = compose(upper(), collect)
    stream.write(b"a")
    stream.end(b"b")
    await settle()
    assert b"".join(seen) == b"AB"
    assert stream.closed and stream.errored is None


@pytest.mark.parametrize(
    ("stages", "code"),
    [
        (lambda: (), "ERR_MISSING_ARGS"), (lambda: (Sink(), upper()), "ERR_INVALID_ARG_VALUE"),
        (lambda: (upper(), Readable()), "ERR_INVALID_ARG_VALUE"), (lambda: (1,), "ERR_INVALID_ARG_TYPE"),
    ],
)  # fmt: skip
async def test_what_is_refused(stages: Any, code: str) -> None:
    made = stages()
    with pytest.raises(TreadleError) as caught:
        compose(*made)
    assert caught.value.code == code
    for stage in made:
        if isinstance(stage, (Readable, Writable)):
            stage.destroy()


@pytest.mark.parametrize("place", range(3))
async def test_an_error_of_any_stage_is_its_own(place: int) -> None:
    boom, stages = Boom(), [PassThrough() for _ in range(3)]
    stream = compose(*stages)
    trace = listen(stream, "end", "finish", "error", "close")
    stream.write(b"x")
    stages[place].destroy(boom)
    await settle()
    assert trace == [("error", boom), ("close",)]
    assert all(stage.destroyed for stage in stages)


async def test_destroying_it_destroys_the_stages() -> None:
    for error in (None, Boom()):
        stages = [PassThrough() for _ in range(3)]
        stream = compose(*stages)
        trace = listen(stream, "error", "close")
        stream.write(b"x")
        stream.destroy(error)
        await settle()
        assert all(stage.closed for stage in stages)
        assert [event for event, *_ in trace] == ["error", "close"]
        assert stream.errored is error or code_of(stream.errored) == "ABORT_ERR"


async def test_leaving_its_iteration_destroys_the_source() -> None:
    source = source_of([b"x"] * 100, high_water_mark=1)
    async for _ in source.compose(upper(), exclaim):
        break
    await settle()
    assert source.closed


async def test_it_waits_for_a_slow_reader() -> None:
    stages = [PassThrough(high_water_mark=2) for _ in range(2)]
    stream = compose(*stages)
    told: list[Any] = []
    for _ in range(200_000 // 1000):
        stream.write(bytes(1000), callback=told.append)
    await settle()
    waiting = stream.writable_length + stream.readable_length + sum(s.readable_length + s.writable_length for s in stages)
    assert waiting >= 200_000 - len(told) * 1000
    assert len(told) < 150 and not stream.write(b"x")
    stream.on("error", lambda error: None).destroy()
    await settle()


async def test_modes_are_those_of_the_ends() -> None:
    stream = compose(PassThrough(writable_object_mode=True), PassThrough(), PassThrough(readable_object_mode=True))
    assert (stream.writable_object_mode, stream.readable_object_mode) == (True, True)
    stream.on("error", lambda error: None).destroy()
    await settle()


# ---- Duplex.from_


async def test_of_a_duplex_is_itself() -> None:
    stream = PassThrough()
    assert Duplex.from_(stream) is stream


async def test_of_a_readable() -> None:
    stream = Duplex.from_(source_of([b"a", b"b"]))
    assert stream.readable and not stream.writable
    assert b"".join([chunk async for chunk in stream]) == b"ab"


async def test_of_a_writable() -> None:
    sink = Sink(is_open=True)
    stream = Duplex.from_(sink)
    assert stream.writable and not stream.readable
    stream.end(b"a")
    await settle()
    assert (sink.chunks, sink.closed, stream.closed) == ([b"a"], True, True)


async def test_of_a_pair() -> None:
    sink = Sink(is_open=True)
    stream = Duplex.from_({"readable": source_of([b"a"]), "writable": sink})
    assert await through(stream, b"b") == [b"a"]
    await settle()
    assert (sink.chunks, stream.closed) == ([b"b"], True)


async def test_of_a_pair_of_other_things() -> None:
    seen: list[Any] = []

    async def collect(chunks: Any) -> None:
        async for chunk in chunks:
            seen.append(chunk)

    stream = Duplex.from_({"readable": [b"a", b"b"], "writable": collect})
    assert await through(stream, b"c") == [b"a", b"b"]
    await settle()
    assert (seen, stream.closed) == ([b"c"], True)


@pytest.mark.parametrize("side", ["readable", "writable"])
async def test_half_a_pair(side: str) -> None:
    half = source_of([b"a"]) if side == "readable" else Sink(is_open=True)
    stream = Duplex.from_({side: half})
    assert (stream.readable, stream.writable) == (side == "readable", side == "writable")
    stream.destroy()
    stream.on("error", lambda error: None)
    await settle()
    assert half.destroyed


@pytest.mark.parametrize("failing", ["readable", "writable"])
async def test_an_error_of_one_half_destroys_the_other(failing: str) -> None:
    halves: dict[str, Any] = {"readable": Readable(read=lambda size: None), "writable": Sink()}
    stream, boom = Duplex.from_(halves), Boom()
    trace = listen(stream, "error", "close")
    for half in halves.values():
        half.on("error", lambda error: None)
    halves[failing].destroy(boom)
    await settle()
    assert trace == [("error", boom), ("close",)]
    assert all(half.closed for half in halves.values())


async def test_a_pair_waits_for_its_sink() -> None:
    sink = Sink(high_water_mark=1)
    stream = Duplex.from_({"readable": Readable(read=lambda size: None), "writable": sink})
    told: list[int] = []
    for number in range(3):
        stream.write(bytes([number]), callback=lambda error, number=number: told.append(number))
    for number in range(3):
        await settle()
        assert (told, sink.chunks) == (list(range(number)), [bytes([index]) for index in range(number + 1)])
        sink.take()
    await settle()
    assert told == [0, 1, 2]
    stream.on("error", lambda error: None).destroy()
    await settle()


async def test_of_an_async_generator_function() -> None:
    assert await through(Duplex.from_(exclaim), b"a", b"b") == [b"a!", b"b!"]


async def test_of_a_function_that_returns_a_stream_or_an_iterable() -> None:
    made = PassThrough()
    assert Duplex.from_(lambda chunks: made) is made
    stream = Duplex.from_(lambda chunks: ["a", "b"])
    assert await anext(aiter(stream.iterator(destroy_on_return=False))) == "a"
    stream.on("error", lambda error: None).destroy()
    await settle()


async def test_of_an_async_function() -> None:
    seen: list[Any] = []

    async def collect(chunks: Any) -> None:
        async for chunk in chunks:
            seen.append(chunk)
            await turns()

    stream = Duplex.from_(collect)
    assert stream.writable and not stream.readable
    told: list[Any] = []
    stream.write("a", callback=told.append)
    stream.end("b")
    await settle()
    assert (seen, told, stream.closed) == (["a", "b"], [None], True)


async def test_an_async_function_that_returns_something() -> None:
    async def collect(chunks: Any) -> int:
        async for _ in chunks:
            pass
        return 1

    stream = Duplex.from_(collect)
    trace = listen(stream, "finish", "error", "close")
    stream.end("a")
    await settle()
    assert [(event, *map(code_of, errors)) for event, *errors in trace] == [("error", "ERR_INVALID_RETURN_VALUE"), ("close",)]


@pytest.mark.parametrize("after", [0, 1, 2])
async def test_an_async_function_that_fails(after: int) -> None:
    boom = Boom()

    async def fail(chunks: Any) -> None:
        count = 0
        async for _ in chunks:
            if count == after:
                raise boom
            count += 1
        raise boom

    stream = Duplex.from_(fail)
    trace = listen(stream, "finish", "error", "close")
    stream.write("a")
    stream.end("b")
    await settle()
    assert trace == [("error", boom), ("close",)]


async def test_a_function_is_told_when_it_is_destroyed() -> None:
    seen: list[Any] = []

    async def collect(chunks: Any, signal: Any) -> None:
        seen.append(signal)
        try:
            async for _ in chunks:
                pass
        except TreadleError as error:
            seen.append(error.code)

    stream = Duplex.from_(collect)
    await turns()
    stream.on("error", lambda error: None).destroy(Boom())
    await settle()
    assert seen[0].aborted and seen[1:] == ["ABORT_ERR"]


async def test_an_async_function_that_has_not_begun() -> None:
    async def collect(chunks: Any) -> None:
        async for _ in chunks:
            pass

    stream = Duplex.from_(collect)
    stream.on("error", lambda error: None).destroy()
    await settle()
    assert stream.closed


async def test_of_an_iterable() -> None:
    stream = Duplex.from_(["a", "b"])
    assert stream.readable and not stream.writable
    assert [chunk async for chunk in stream] == ["a", "b"]

    async def items() -> Any:
        yield "a"

    assert [chunk async for chunk in Duplex.from_(items())] == ["a"]
    assert [chunk async for chunk in Duplex.from_("text")] == ["text"]


async def test_of_an_awaitable() -> None:
    async def make(value: Any) -> Any:
        await turns()
        return value

    async def fail() -> None:
        raise Boom

    assert [chunk async for chunk in Duplex.from_(make("a"))] == ["a"]
    assert [chunk async for chunk in Duplex.from_(make(None))] == []
    stream = Duplex.from_(fail())
    with pytest.raises(Boom):
        await anext(aiter(stream))


@pytest.mark.parametrize("source", [None, 1, object(), {}])
async def test_of_what_not(source: Any) -> None:
    if source == {}:
        assert [chunk async for chunk in Duplex.from_(source)] == []
        return
    with pytest.raises(TreadleError) as caught:
        Duplex.from_(source)
    assert caught.value.code == "ERR_INVALID_ARG_TYPE"


async def test_of_a_function_that_returns_nothing_useful() -> None:
    with pytest.raises(TreadleError) as caught:
        Duplex.from_(lambda chunks: 1)
    assert caught.value.code == "ERR_INVALID_RETURN_VALUE"


async def test_a_consumer_that_leaves_early_hears_of_no_more() -> None:
    async def first(chunks: Any) -> None:
        async for _ in chunks:
            return

    stream = Duplex.from_(first)
    trace = listen(stream, "finish", "error", "close")
    stream.write("a")
    stream.write("b")
    stream.end()
    task = asyncio.create_task(turns(20))
    await task
    stream.destroy()
    await settle()
    assert trace[-1] == ("close",)
