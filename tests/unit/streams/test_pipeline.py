"""pipeline(): what may be a stage, what it returns, its options, and stages that fail before all are connected.

Errors at every hook, cancelling and aborting: tests/integration/streams."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.unit.streams.support import Boom, Sink, code_of, settle, source_of, turns
from treadle import AbortController, AbortSignal, TreadleError
from treadle.streams import PassThrough, Readable, Transform, pipeline


async def relay(chunks: Any) -> Any:
    async for chunk in chunks:
        yield chunk


async def collect(chunks: Any) -> list[Any]:
    return [chunk async for chunk in chunks]


async def numbers() -> Any:
    yield 1
    yield 2


def objects() -> PassThrough:
    return PassThrough(object_mode=True)


# ---- what may be a stage


@pytest.mark.parametrize(
    "first",
    [lambda: source_of([1, 2], object_mode=True), lambda: [1, 2], lambda: (1, 2), lambda: iter([1, 2]), numbers,
     lambda: lambda: [1, 2], lambda: numbers, lambda: lambda: Readable.from_([1, 2])],
)  # fmt: skip
@pytest.mark.parametrize(
    "middle",
    [(), (objects,), (lambda: relay,), (objects, lambda: relay, objects), (lambda: relay, lambda: relay), (objects, objects)],
)
async def test_sources_and_stages(first: Any, middle: Any) -> None:
    assert await pipeline(first(), *(make() for make in middle), collect) == [1, 2]
    sink = Sink(object_mode=True, is_open=True)
    assert await pipeline([first(), *(make() for make in middle), sink]) is None
    assert sink.chunks == [1, 2] and sink.writable_finished
    await settle()
    assert sink.destroyed_with == [None]


@pytest.mark.parametrize("value", [None, 0, "", [1], "text"])
async def test_the_result_is_what_the_last_function_returns(value: Any) -> None:
    async def last(chunks: Any) -> Any:
        async for _ in chunks:
            pass
        return value

    assert await pipeline([1], last) == value


async def test_a_last_generator_is_given_on() -> None:
    told: list[Any] = []
    last = pipeline([1, 2], relay, callback=lambda error, value: told.append((error, value)))
    assert [chunk async for chunk in last] == [1, 2]
    await settle()
    assert told == [(None, None)]


async def test_a_callback_gets_the_error_and_of_a_last_function_the_value() -> None:
    told: list[Any] = []
    boom = Boom()
    sink = Sink(object_mode=True, is_open=True)
    assert pipeline([1], sink, callback=told.append) is sink
    await settle()
    assert told == [None]
    pipeline([1], collect, callback=lambda error, value: told.append((error, value)))
    await settle()
    assert told[1:] == [(None, [1])]
    pipeline(source_of([]).on("error", lambda error: None).destroy(boom), Sink(), callback=told.append)
    await settle()
    assert told[2:] == [boom]


async def test_it_begins_at_once() -> None:
    sink = Sink(is_open=True)
    outcome = pipeline(source_of([b"a"]), sink)
    await settle()
    assert sink.writable_finished
    assert await outcome is None


@pytest.mark.parametrize(
    ("stages", "code"),
    [
        (lambda: (), "ERR_MISSING_ARGS"), (lambda: (Sink(),), "ERR_MISSING_ARGS"), (lambda: ([Sink()],), "ERR_MISSING_ARGS"),
        (lambda: (1, Sink()), "ERR_INVALID_ARG_TYPE"), (lambda: ([1], 2, Sink()), "ERR_INVALID_ARG_TYPE"),
        (lambda: (lambda: 1, Sink()), "ERR_INVALID_RETURN_VALUE"),
        (lambda: ([1], lambda chunks: [1], Sink(object_mode=True)), "ERR_INVALID_RETURN_VALUE"),
        (lambda: ([1], lambda chunks: 1), "ERR_INVALID_RETURN_VALUE"),
        (lambda: (source_of([]), Sink().destroy()), "ERR_STREAM_UNABLE_TO_PIPE"),
    ],
)  # fmt: skip
async def test_what_is_refused(stages: Any, code: str) -> None:
    with pytest.raises(TreadleError) as caught:
        pipeline(*stages())
    assert caught.value.code == code
    caught = None
    await settle()


async def test_options_that_are_refused() -> None:
    for options in ({"signal": 1}, {"callback": 1}):
        with pytest.raises(TreadleError) as caught:
            pipeline([1], collect, **options)
        assert caught.value.code == "ERR_INVALID_ARG_TYPE"


# ---- options


async def test_end_false_leaves_the_last_one_open() -> None:
    sink = Sink(object_mode=True, is_open=True)
    for first in ([1], source_of([2], object_mode=True), numbers()):
        await pipeline(first, sink, end=False)
    await settle()
    assert sink.chunks == [1, 2, 1, 2] and sink.writable
    assert sink.event_names() == ["error"]
    sink.end()
    await settle()


async def test_many_pipelines_that_end_at_one_sink_leave_one_listener() -> None:
    sink = Sink(object_mode=True, is_open=True)
    for number in range(20):
        await pipeline(source_of([number], object_mode=True), sink, end=False)
    assert sink.chunks == list(range(20))
    assert sink.listener_count("error") == 1
    sink.destroy(Boom())  # a late error is heard
    await settle()


async def test_end_false_and_an_error_leaves_the_last_one_alone() -> None:
    sink, boom = Sink(object_mode=True, is_open=True), Boom()
    with pytest.raises(Boom):
        await pipeline(Readable.from_([1]).on("data", lambda chunk: None).on("end", lambda: None).destroy(boom), sink, end=False)
    await settle()
    assert not sink.destroyed
    sink.destroy()


async def test_a_function_gets_the_signal() -> None:
    signals: list[AbortSignal] = []

    async def source(signal: AbortSignal) -> Any:
        signals.append(signal)
        yield 1

    async def stage(chunks: Any, signal: AbortSignal) -> Any:
        signals.append(signal)
        async for chunk in chunks:
            yield chunk

    async def last(chunks: Any, *, signal: AbortSignal) -> None:
        signals.append(signal)
        async for _ in chunks:
            assert not signal.aborted

    await pipeline(source, stage, last)
    assert len(signals) == 3 and len(set(map(id, signals))) == 1
    assert signals[0].aborted


async def test_the_signal_is_let_go_of() -> None:
    controller = AbortController()
    await pipeline([1], collect, signal=controller.signal)
    assert controller.signal._listeners == {}
    controller.abort()
    await settle()


async def test_aborting_reaches_a_function_that_waits() -> None:
    controller, ended = AbortController(), []

    async def last(chunks: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("ended")

    outcome = asyncio.ensure_future(pipeline(source_of([b"x"]), last, signal=controller.signal))
    await turns(3)
    controller.abort("enough")
    with pytest.raises(TreadleError) as caught:
        await outcome
    assert caught.value.code == "ABORT_ERR" and caught.value.data["reason"] == "enough"
    await settle()
    assert ended == ["ended"]


@pytest.mark.parametrize("place", ["first", "middle"])
@pytest.mark.parametrize("way", ["abort", "cancel", "error"])
async def test_a_generator_that_waits_is_ended(way: str, place: str) -> None:
    ended: list[str] = []

    async def wait(chunks: Any = ()) -> Any:
        try:
            yield b"x"
            await asyncio.Event().wait()
        finally:
            ended.append("ended")

    controller, sink = AbortController(), Sink(is_open=True)
    stages = (wait, sink) if place == "first" else (source_of([b"x"]), wait, PassThrough(), sink)
    outcome = pipeline(*stages, signal=controller.signal)
    await turns(5)
    assert sink.chunks == [b"x"]
    if way == "abort":
        controller.abort()
    elif way == "cancel":
        outcome.cancel()
    else:
        sink.destroy(Boom())
    (result,) = await asyncio.gather(outcome, return_exceptions=True)
    assert code_of(result) == {"abort": "ABORT_ERR", "cancel": "CancelledError", "error": "Boom"}[way]
    await settle()
    assert ended == ["ended"] and sink.closed


# ---- errors


def fails_at_once(chunks: Any = ()) -> Any:
    async def made() -> Any:
        raise Boom
        yield

    return made()


@pytest.mark.parametrize("count", [2, 3, 4])
async def test_a_stage_that_fails_before_all_are_connected(count: int) -> None:
    for place in range(count):
        streams = [PassThrough() for _ in range(count)]
        stages: list[Any] = list(streams)
        stages[place] = fails_at_once if place < count - 1 else _fail
        others = [stream for index, stream in enumerate(streams) if index != place]
        emitted: list[BaseException] = []
        for stream in others:
            stream.on("error", emitted.append)
        with pytest.raises(Boom):
            await pipeline(*stages)
        await settle()
        assert all(stream.closed for stream in others), place
        assert {code_of(error) for error in emitted} <= {"Boom", "ABORT_ERR", "ERR_STREAM_PREMATURE_CLOSE"}


async def _fail(chunks: Any) -> None:
    raise Boom


@pytest.mark.parametrize("place", range(3))
async def test_a_stage_that_closes_early_is_a_premature_close(place: int) -> None:
    stages = [PassThrough() for _ in range(3)]
    outcome = asyncio.ensure_future(pipeline(*stages))
    await turns()
    stages[place].destroy()
    with pytest.raises(TreadleError) as caught:
        await outcome
    assert caught.value.code == "ERR_STREAM_PREMATURE_CLOSE"
    await settle()
    assert all(stage.closed for stage in stages)


class Strict(Sink):
    """Its end is refused, where it is called."""

    def __init__(self) -> None:
        super().__init__(is_open=True)

    def end(self, *arguments: Any) -> Any:
        raise Boom("not whole")


@pytest.mark.parametrize("place", ["last", "amid", "behind what has ended"])
async def test_an_end_that_raises_is_what_the_pipeline_fails_with(place: str) -> None:
    source, strict = source_of([b"x"]), Strict()
    stages: list[Any] = [source, PassThrough(), strict]
    if place == "amid":
        passing = PassThrough()
        passing.end = strict.end  # type: ignore[method-assign]
        stages = [source, passing, Sink(is_open=True)]
    elif place == "behind what has ended":
        source = source_of([])
        source.resume()
        await settle()
        stages = [source, strict]
    with pytest.raises(Boom):
        await pipeline(*stages)
    await settle()
    assert all(stage.closed for stage in stages)


async def test_the_first_error_counts() -> None:
    first, second = Boom(), Boom()
    stages = [PassThrough(), Transform(destroy=lambda error, callback: callback(second)), PassThrough()]
    stages[1].on("error", lambda error: None)
    outcome = asyncio.ensure_future(pipeline(*stages))
    await turns()
    stages[0].destroy(first)
    with pytest.raises(Boom) as caught:
        await outcome
    assert caught.value is first
    await settle()


async def test_a_late_error_of_a_stage_reaches_nobody() -> None:
    source, sink = source_of([b"x"], auto_destroy=False), Sink(is_open=True)
    await pipeline(source, sink)
    source.destroy(Boom())
    await settle()
    assert source.closed


async def test_two_errors_in_one_turn() -> None:
    source, sink = Readable(read=lambda size: None), Sink()
    outcome = asyncio.ensure_future(pipeline(source, sink))
    await turns()
    first = Boom()
    source.destroy(first)
    sink.destroy(Boom())
    with pytest.raises(Boom):
        await outcome
    await settle()
    assert source.closed and sink.closed


async def test_who_awaits_it_twice_hears_the_same() -> None:
    outcome = pipeline([1], collect)
    assert await asyncio.gather(outcome, outcome) == [[1], [1]]
    failed = pipeline([1], _fail)
    results = await asyncio.gather(failed, failed, return_exceptions=True)
    assert results[0] is results[1] and isinstance(results[0], Boom)


async def test_cancelling_twice_is_cancelling_once() -> None:
    source, sink = Readable(read=lambda size: None), Sink()
    outcome = pipeline(source, sink)
    await turns()
    assert outcome.cancel() is True
    assert outcome.cancel() is False
    with pytest.raises(asyncio.CancelledError):
        await outcome
    await settle()
    assert [code_of(error) for error in sink.destroyed_with] == ["ABORT_ERR"] and source.closed


async def test_what_is_wrong_with_a_stage_is_said_before_anything_begins() -> None:
    begun: list[str] = []

    async def source() -> Any:
        begun.append("source")
        yield b"x"

    between, signal = PassThrough(), AbortController().signal
    with pytest.raises(TreadleError) as caught:
        pipeline(source, between, 5, signal=signal)
    assert caught.value.code == "ERR_INVALID_ARG_TYPE"
    await settle()
    assert begun == []
    assert not between.destroyed
    assert not signal._listeners
    between.destroy()


async def test_a_function_that_returns_something_else_leaves_nothing_under_way() -> None:
    closed: list[str] = []

    async def source() -> Any:
        try:
            while True:
                yield b"x" * 1000
        finally:
            closed.append("source")

    between, signal = PassThrough(), AbortController().signal
    with pytest.raises(TreadleError) as caught:
        pipeline(source, between, lambda chunks: 5, signal=signal)
    assert caught.value.code == "ERR_INVALID_RETURN_VALUE"
    await settle()
    assert closed == ["source"]
    assert between.destroyed
    assert not signal._listeners


async def test_the_callback_is_called_once_where_a_stage_fails_as_it_is_connected() -> None:
    calls: list[Any] = []

    async def failing() -> Any:
        yield 1
        raise Boom

    between, last = PassThrough(object_mode=True), Sink(object_mode=True, is_open=True)
    pipeline(failing(), between, last, callback=lambda error: calls.append(type(error)))
    await settle()
    assert calls == [Boom]
    assert between.destroyed and last.destroyed
