"""finished() with each of its options, add_abort_signal(), statistics and reprs, and the marks that streams are made with."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest

from tests.unit.streams.support import Boom, Sink, code_of, listen, settle, source_of, turns
from treadle import AbortController, AbortSignal, TreadleError
from treadle.context import AsyncLocalStorage
from treadle.events import EventEmitter
from treadle.streams import (
    Duplex,
    DuplexStatistics,
    PassThrough,
    Readable,
    ReadableStatistics,
    Writable,
    WritableStatistics,
    add_abort_signal,
    finished,
    get_default_high_water_mark,
    set_default_high_water_mark,
)


def outcome_of(stream: Any, **options: Any) -> list[str]:
    """The codes that the callback is told, "well" for None."""
    told: list[str] = []
    finished(stream, callback=lambda error: told.append("well" if error is None else code_of(error)), **options)
    return told


def open_duplex(**options: Any) -> Duplex:
    return Duplex(read=lambda size: None, write=lambda chunk, encoding, callback: callback(), **options)


# ---- how it ends


async def test_a_readable_ends() -> None:
    stream = source_of([b"a"])
    told = outcome_of(stream)
    await turns(3)
    assert told == []
    stream.resume()
    await finished(stream)
    await settle()
    assert told == ["well"]


async def test_a_writable_ends() -> None:
    sink = Sink()
    told = outcome_of(sink)
    sink.end(b"x")
    await turns(3)
    assert told == []
    sink.take()
    await finished(sink)
    assert told == ["well"]


@pytest.mark.parametrize("make", [lambda: source_of([b"a"]), Sink, open_duplex], ids=["readable", "writable", "duplex"])
async def test_an_error_and_a_premature_close(make: Any) -> None:
    boom, stream = Boom(), make()
    told = outcome_of(stream)
    stream.destroy(boom)
    with pytest.raises(Boom) as caught:
        await finished(stream)
    assert caught.value is boom
    assert told == ["Boom"]
    stream = make()
    told = outcome_of(stream)
    stream.destroy()
    with pytest.raises(TreadleError) as premature:
        await finished(stream)
    assert premature.value.code == "ERR_STREAM_PREMATURE_CLOSE"
    assert told == ["ERR_STREAM_PREMATURE_CLOSE"]


async def test_of_what_has_ended_long_ago() -> None:
    stream = source_of([])
    stream.resume()
    await settle()
    assert stream.closed
    told = outcome_of(stream)
    assert told == []  # never at once
    await turns()
    assert told == ["well"]
    await finished(stream)
    stream = source_of([]).on("error", lambda error: None).destroy(Boom())
    await settle()
    with pytest.raises(Boom):
        await finished(stream)


# ---- one side


async def test_the_readable_side_alone() -> None:
    stream = open_duplex()
    told, other = outcome_of(stream, writable=False), outcome_of(stream)
    stream.push(None)
    stream.resume()
    await settle()
    assert (told, other) == (["well"], [])
    stream.end()
    await settle()
    assert other == ["well"]


async def test_the_writable_side_alone() -> None:
    stream = open_duplex()
    told, other = outcome_of(stream, readable=False), outcome_of(stream)
    stream.end()
    await settle()
    assert (told, other) == (["well"], [])
    stream.push(None)
    stream.resume()
    await settle()
    assert other == ["well"]


async def test_neither_side_is_told_of_the_close() -> None:
    stream = open_duplex()
    told = outcome_of(stream, readable=False, writable=False)
    await settle()
    assert told in ([], ["well"])
    stream.destroy()
    await settle()
    assert told == ["well"]


# ---- error, cleanup, signal


async def test_error_false_does_not_hear_it() -> None:
    stream, boom = source_of([b"a"], auto_destroy=False), Boom()
    stream.on("error", lambda error: None)
    told, other = outcome_of(stream, error=False), outcome_of(stream)
    stream.emit("error", boom)
    await turns()
    assert (told, other) == ([], ["Boom"])
    stream.destroy()
    await settle()
    assert told == ["ERR_STREAM_PREMATURE_CLOSE"]


async def test_a_late_error_is_swallowed_unless_cleaned_up() -> None:
    for cleanup in (False, True):
        stream = source_of([], auto_destroy=False)
        told = outcome_of(stream, cleanup=cleanup)
        stream.resume()
        await settle()
        assert told == ["well"]
        if cleanup:
            assert stream.event_names() == []
            with pytest.raises(Boom):
                stream.emit("error", Boom())
        else:
            stream.emit("error", Boom())
        assert told == ["well"]
        stream.destroy()
        await settle()


async def test_the_function_that_forgets() -> None:
    stream, told = source_of([b"a"]), []
    forget = finished(stream, callback=told.append)
    forget()
    forget()
    assert stream.event_names() == []
    stream.resume()
    await settle()
    assert told == []


async def test_a_signal_gives_up_and_the_stream_goes_on() -> None:
    stream, controller = source_of([b"a"]), AbortController()
    told = outcome_of(stream, signal=controller.signal)
    waiting = finished(stream, signal=controller.signal)
    controller.abort("enough")
    with pytest.raises(TreadleError) as caught:
        await waiting
    assert caught.value.code == "ABORT_ERR" and caught.value.data["reason"] == "enough"
    assert told == ["ABORT_ERR"]
    assert not stream.destroyed and stream.event_names() == []
    assert await stream.to_list() == [b"a"]


async def test_a_signal_that_is_aborted_already() -> None:
    stream = source_of([b"a"])
    told = outcome_of(stream, signal=AbortSignal.abort())
    assert told == []
    await turns()
    assert told == ["ABORT_ERR"]
    stream.destroy()


async def test_a_signal_is_let_go_of_at_the_end() -> None:
    stream, controller = source_of([b"a"]), AbortController()
    told = outcome_of(stream, signal=controller.signal)
    stream.resume()
    await settle()
    controller.abort()
    await settle()
    assert told == ["well"]
    assert controller.signal._listeners == {}


async def test_cancelling_who_waits_lets_the_stream_go_on() -> None:
    stream = source_of([b"a"])

    async def wait() -> None:
        await finished(stream)

    task = asyncio.create_task(wait())
    await turns()
    task.cancel()
    await asyncio.wait((task,))
    await turns()
    assert task.cancelled() and not stream.destroyed and stream.event_names() == []
    assert await stream.to_list() == [b"a"]


async def test_the_callback_has_the_context_of_finished() -> None:
    storage: AsyncLocalStorage[str] = AsyncLocalStorage()
    stream, seen = source_of([b"a"]), []
    with storage.scope("ours"):
        finished(stream, callback=lambda error: seen.append(storage.get_store()))
    stream.resume()
    await settle()
    assert seen == ["ours"]


@pytest.mark.parametrize("stream", [None, 1, EventEmitter(), object()])
def test_what_is_no_stream(stream: Any) -> None:
    for call in (lambda: finished(stream, callback=print), lambda: add_abort_signal(AbortSignal.abort(), stream)):
        with pytest.raises(TreadleError) as caught:
            call()
        assert caught.value.code == "ERR_INVALID_ARG_TYPE"


def test_what_is_no_callback_and_no_signal() -> None:
    for call in (
        lambda: finished(Readable(), callback=1),  # type: ignore[call-overload]
        lambda: finished(Readable(), callback=print, signal=1),  # type: ignore[call-overload]
        lambda: add_abort_signal(1, Readable()),  # type: ignore[arg-type]
    ):
        with pytest.raises(TreadleError) as caught:
            call()
        assert caught.value.code == "ERR_INVALID_ARG_TYPE"


# ---- add_abort_signal


@pytest.mark.parametrize("is_option", [False, True], ids=["function", "option"])
@pytest.mark.parametrize("kind", [Readable, Sink, open_duplex])
async def test_aborting_destroys(kind: Any, is_option: bool) -> None:
    controller = AbortController()
    stream = kind(signal=controller.signal) if is_option else kind()
    if not is_option:
        assert add_abort_signal(controller.signal, stream) is stream
    trace = listen(stream, "error", "close")
    controller.abort("enough")
    assert stream.destroyed
    await settle()
    assert [event for event, *_ in trace] == ["error", "close"]
    assert stream.errored.code == "ABORT_ERR" and stream.errored.data["reason"] == "enough"


async def test_aborted_already() -> None:
    stream = Readable(signal=AbortSignal.abort("enough"))
    assert stream.destroyed
    trace = listen(stream, "error", "close")
    await settle()
    assert [(event, *map(code_of, errors)) for event, *errors in trace] == [("error", "ABORT_ERR"), ("close",)]


async def test_aborting_what_is_over_does_nothing() -> None:
    controller = AbortController()
    stream = add_abort_signal(controller.signal, source_of([b"a"]))
    assert await stream.to_list() == [b"a"]
    await settle()
    assert controller.signal._listeners == {}
    controller.abort()
    await settle()
    assert stream.errored is None


async def test_who_iterates_hears_of_it() -> None:
    controller = AbortController()
    stream = add_abort_signal(controller.signal, Readable(read=lambda size: None))

    async def read() -> None:
        async for _ in stream:
            pass

    task = asyncio.create_task(read())
    await turns()
    controller.abort()
    with pytest.raises(TreadleError) as caught:
        await task
    assert caught.value.code == "ABORT_ERR"


# ---- statistics and reprs


async def test_statistics_of_a_readable() -> None:
    stream, sink = Readable(high_water_mark=10, read=lambda size: None), Sink()
    stream.push(b"abc")
    assert stream.statistics() == stream.readable_statistics() == ReadableStatistics("SUPPLYING", 3, 10, False, None, 0)
    assert repr(stream) == "<Readable ALIVE SUPPLYING 3/10>"
    stream.pipe(sink)
    stream.push(None)
    assert stream.statistics() == ReadableStatistics("ENDED", 3, 10, False, True, 1)
    await settle()
    assert stream.statistics() == ReadableStatistics("END_EMITTED", 0, 10, False, True, 0) or stream.statistics().length == 0
    assert repr(stream) == "<Readable GONE END_EMITTED 0/10>"
    sink.open()
    await settle()


async def test_statistics_of_a_writable() -> None:
    sink = Sink(high_water_mark=65_536)
    sink.cork()
    sink.write(bytes(12_288))
    assert sink.statistics() == sink.writable_statistics() == WritableStatistics("OPEN", 12_288, 65_536, False, False, 1)
    assert repr(sink) == "<Sink ALIVE OPEN 12_288/65_536>"
    sink.end()
    assert repr(sink) == "<Sink ALIVE ENDING 12_288/65_536>"
    sink.take()
    await settle()
    assert sink.statistics() == WritableStatistics("FINISHED", 0, 65_536, False, False, 0)
    assert repr(sink) == "<Sink GONE FINISHED 0/65_536>"


async def test_statistics_of_a_duplex() -> None:
    stream = PassThrough(object_mode=True, high_water_mark=2)
    stream.write("a")
    assert stream.statistics() == DuplexStatistics(
        ReadableStatistics("SUPPLYING", 1, 2, True, None, 0), WritableStatistics("OPEN", 0, 2, True, False, 0)
    )
    assert repr(stream) == "<PassThrough ALIVE SUPPLYING 1/2 OPEN 0/2>"
    stream.destroy()
    assert repr(stream) == "<PassThrough CLOSED SUPPLYING 1/2 OPEN 0/2>"
    await settle()


def test_statistics_are_frozen() -> None:
    for stream in (Readable(), Writable(), Duplex()):
        with pytest.raises(dataclasses.FrozenInstanceError):
            stream.statistics().length = 1


# ---- marks


@pytest.fixture
def default_marks() -> Any:
    before = get_default_high_water_mark(False), get_default_high_water_mark(True)
    yield before
    set_default_high_water_mark(False, before[0])
    set_default_high_water_mark(True, before[1])


def test_default_marks(default_marks: tuple[int, int]) -> None:
    assert default_marks == (64 * 1024, 16)
    assert get_default_high_water_mark() == 64 * 1024
    set_default_high_water_mark(False, 7)
    set_default_high_water_mark(True, 0)
    assert [Readable().readable_high_water_mark, Writable().writable_high_water_mark] == [7, 7]
    assert [Readable(object_mode=True).readable_high_water_mark, Writable(object_mode=True).writable_high_water_mark] == [0, 0]
    stream = Duplex(readable_object_mode=True)
    assert [stream.readable_high_water_mark, stream.writable_high_water_mark] == [0, 7]


@pytest.mark.parametrize(
    ("value", "code"), [(-1, "ERR_OUT_OF_RANGE"), ("1", "ERR_INVALID_ARG_TYPE"), (1.5, "ERR_INVALID_ARG_TYPE")]
)
def test_defaults_that_are_refused(value: Any, code: str, default_marks: tuple[int, int]) -> None:
    with pytest.raises(TreadleError) as caught:
        set_default_high_water_mark(False, value)
    assert caught.value.code == code
    assert get_default_high_water_mark(False) == default_marks[0]


@pytest.mark.parametrize("value", [-1, "1", 1.5])
def test_marks_that_are_refused(value: Any) -> None:
    for make, name in (
        (Readable, "high_water_mark"), (Writable, "high_water_mark"), (Duplex, "readable_high_water_mark"),
        (Duplex, "writable_high_water_mark"),
    ):  # fmt: skip
        with pytest.raises(TreadleError) as caught:
            make(**{name: value})
        assert caught.value.code == "ERR_INVALID_ARG_VALUE"
        assert (caught.value.data["name"], caught.value.data["received"]) == (name, value)


def test_marks_of_a_duplex() -> None:
    both = Duplex(high_water_mark=3, readable_high_water_mark=1, writable_high_water_mark=2)
    assert [both.readable_high_water_mark, both.writable_high_water_mark] == [3, 3]
    each = Duplex(readable_high_water_mark=1, writable_high_water_mark=2)
    assert [each.readable_high_water_mark, each.writable_high_water_mark] == [1, 2]
