"""A stream that is through and let go of is freed by counting references: nothing of ours waits for the cyclic collector.

Each case is a program that makes streams, sees them to their end and returns; the collector is off. What a program itself keeps
is its own affair. What cannot be freed so is a case, too, with the reason why, and must be found by the collector. Sockets and
messages: tests/unit/net, tests/unit/http. Not here: which events are emitted, and who hears them (conformance, model)."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tests.unit.streams.release import left_by
from tests.unit.streams.support import Boom, later, turns
from treadle import AbortController
from treadle.streams import (
    Duplex,
    PassThrough,
    Readable,
    Transform,
    Writable,
    add_abort_signal,
    compose,
    duplex_pair,
    finished,
    pipeline,
)

Case = Callable[[], Awaitable[None]]
CASES: list[Case] = []


def case(function: Case) -> Case:
    CASES.append(function)
    return function


@pytest.mark.parametrize("case", CASES, ids=lambda function: function.__name__)
async def test_freed_by_counting(case: Case) -> None:
    assert (await left_by(case)).by_counting == []


def upper(**options: Any) -> Transform:
    return Transform(transform=lambda chunk, encoding, callback: callback(None, chunk.upper()), **options)


def sink_of(out: list[Any], **options: Any) -> Writable:
    return Writable(write=lambda chunk, encoding, callback: (out.append(chunk), callback()), **options)


async def closed(*streams: Any) -> None:
    """Until each has emitted 'close'."""
    for stream in streams:
        if not stream.closed:
            waiter = asyncio.get_running_loop().create_future()
            stream.once("close", lambda *_, waiter=waiter: waiter.set_result(None))
            await waiter


async def relay(chunks: Any) -> AsyncIterator[Any]:
    async for chunk in chunks:
        yield chunk


# ---- a stream alone


@case
async def read_to_its_end() -> None:
    stream = source_by_option([b"a", b"b"])
    stream.resume()
    await closed(stream)


def source_by_option(chunks: list[Any], **options: Any) -> Readable:
    # The hook is the program's: it must not close over the stream.
    class Source(Readable):
        left = iter(chunks)

        def _read(self, size: int) -> None:
            self.push(next(self.left, None))

    return Source(**options)


@case
async def written_to_its_end() -> None:
    stream = sink_of([])
    stream.write(b"a")
    stream.end(b"b", None, lambda error: None)
    await closed(stream)


@case
async def written_with_hooks_that_call_back_later() -> None:
    stream = Writable(
        write=lambda chunk, encoding, callback: later(callback),
        final=lambda callback: later(callback),
        construct=lambda callback: later(callback),
        destroy=lambda error, callback: later(callback, error),
    )
    stream.write(b"a")
    stream.end(b"b")
    await closed(stream)


@case
async def hooks_that_are_coroutine_functions() -> None:
    async def write(chunk: Any, encoding: str) -> None:
        await asyncio.sleep(0)

    async def nothing(*_: Any) -> None:
        await asyncio.sleep(0)

    stream = Writable(write=write, final=nothing, construct=nothing, destroy=nothing)
    stream.end(b"a")
    await closed(stream)


@case
async def methods_that_are_coroutine_functions() -> None:
    class Slow(Duplex):
        async def _read(self, size: int) -> None:
            await asyncio.sleep(0)
            self.push(None)

        async def _write(self, chunk: Any, encoding: str) -> None:
            await asyncio.sleep(0)

    stream = Slow()
    stream.resume().end(b"a")
    await closed(stream)


@case
async def a_coroutine_hook_that_is_cancelled() -> None:
    async def write(chunk: Any, encoding: str) -> None:
        await asyncio.Event().wait()

    stream = Writable(write=write)
    stream.write(b"a")
    stream.destroy()
    await closed(stream)


@case
async def a_transform() -> None:
    stream = upper()
    stream.write(b"a")
    stream.end(b"b")
    stream.resume()
    await closed(stream)


@case
async def a_transform_by_coroutines() -> None:
    async def transform(chunk: Any, encoding: str) -> Any:
        await asyncio.sleep(0)
        return chunk

    async def flush() -> Any:
        return b"z"

    stream = Transform(transform=transform, flush=flush)
    stream.end(b"b")
    stream.resume()
    await closed(stream)


@case
async def a_transform_with_flush_and_final() -> None:
    stream = upper(flush=lambda callback: later(callback, None, b"z"), final=lambda callback: later(callback))
    stream.end(b"a")
    stream.resume()
    await closed(stream)


@case
async def destroyed_without_an_error() -> None:
    for stream in (Readable(read=lambda _: None), sink_of([]), PassThrough(), Duplex(read=lambda _: None)):
        stream.destroy()
        await closed(stream)


@case
async def destroyed_with_an_error() -> None:
    for stream in (Readable(read=lambda _: None), Writable(), PassThrough()):
        stream.on("error", lambda error: None)
        stream.destroy(Boom())
        await closed(stream)


@case
async def destroyed_while_chunks_wait() -> None:
    stream = Writable(write=lambda chunk, encoding, callback: None)
    stream.on("error", lambda error: None)
    stream.write(b"a", None, lambda error: None)
    stream.write(b"b", None, lambda error: None)
    stream.end(None, None, lambda error: None)
    stream.destroy(Boom())
    await closed(stream)


@case
async def destroyed_while_it_is_constructed() -> None:
    stream = Writable(construct=lambda callback: later(callback))
    stream.on("error", lambda error: None)
    stream.destroy(Boom())
    await closed(stream)


@case
async def a_hook_that_calls_back_with_an_error() -> None:
    for stream in (
        Writable(write=lambda chunk, encoding, callback: callback(Boom())),
        Transform(transform=lambda chunk, encoding, callback: later(callback, Boom())),
    ):
        stream.on("error", lambda error: None)
        stream.write(b"a")
        await closed(stream)


@case
async def listeners_that_never_heard() -> None:
    stream = sink_of([])
    for event in ("error", "drain", "pipe", "anything"):
        stream.once(event, lambda *_: None)
    stream.end(b"a")
    await closed(stream)


@case
async def text() -> None:
    stream = PassThrough(encoding="utf8")
    stream.end("häst".encode())
    assert [chunk async for chunk in stream] == ["häst"]


@case
async def ready() -> None:
    stream = Writable(high_water_mark=1, write=lambda chunk, encoding, callback: later(callback))
    for _ in range(3):
        stream.write(b"abc")
        await stream.ready()
    stream.end()
    await closed(stream)


@case
async def aclose() -> None:
    stream = PassThrough()
    await stream.aclose()


@case
async def a_block() -> None:
    async with sink_of([]) as stream:
        stream.end(b"a")


# ---- pipes


@case
async def a_pipe() -> None:
    source, sink = source_by_option([b"a", b"b"]), sink_of([], high_water_mark=1)
    source.pipe(sink)
    await closed(source, sink)


@case
async def a_pipe_of_three() -> None:
    source, middle, sink = source_by_option([b"a", b"b"]), upper(), sink_of([])
    source.pipe(middle).pipe(sink)
    await closed(source, middle, sink)


@case
async def a_pipe_to_two() -> None:
    source, one, other = (
        source_by_option([b"abc"] * 5),
        sink_of([]),
        Writable(high_water_mark=1, write=lambda chunk, encoding, callback: later(callback)),
    )
    source.pipe(one)
    source.pipe(other)
    await closed(source, one, other)


@case
async def a_pipe_whose_destination_fails() -> None:
    source, sink = source_by_option([b"a", b"b"]), Writable(write=lambda chunk, encoding, callback: callback(Boom()))
    sink.on("error", lambda error: None)
    source.pipe(sink)
    await closed(sink)
    source.destroy()
    await closed(source)


@case
async def a_pipe_whose_source_fails_and_whose_destination_is_ended() -> None:
    source, sink = Readable(read=lambda _: None), sink_of([])
    source.on("error", lambda error: None)
    source.pipe(sink)
    source.destroy(Boom())
    await closed(source)
    sink.end()
    await closed(sink)


@case
async def a_pipe_that_is_taken_back() -> None:
    source, sink = source_by_option([b"a", b"b"]), sink_of([])
    source.pipe(sink)
    source.unpipe(sink)
    source.resume()
    sink.end()
    await closed(source, sink)


# ---- pipelines


def stages_of(count: int) -> list[Any]:
    return [source_by_option([b"a", b"b"]), *(upper() for _ in range(count - 2)), sink_of([])]


@case
async def pipelines_of_bytes() -> None:
    for count in (2, 3, 4):
        await pipeline(*stages_of(count))


@case
async def pipelines_of_objects() -> None:
    for count in (2, 3, 4):
        middle = [PassThrough(object_mode=True) for _ in range(count - 2)]
        await pipeline(source_by_option([1, 2], object_mode=True), *middle, sink_of([], object_mode=True))


@case
async def pipelines_with_a_callback() -> None:
    for count in (2, 3, 4):
        done = asyncio.get_running_loop().create_future()
        pipeline(*stages_of(count), callback=lambda error, done=done: done.set_result(error))
        assert await done is None
        await turns(2)


@case
async def pipelines_of_generators() -> None:
    def numbers() -> Any:
        yield from (1, 2)

    async def numbers_later() -> Any:
        for number in (1, 2):
            await asyncio.sleep(0)
            yield number

    async def collect(chunks: Any) -> list[Any]:
        return [chunk async for chunk in chunks]

    for first in (lambda: [1, 2], numbers, numbers_later, lambda: numbers, lambda: numbers_later):
        await pipeline(first(), sink_of([], object_mode=True))
        await pipeline(first(), relay, sink_of([], object_mode=True))
        await pipeline(first(), PassThrough(object_mode=True), relay, sink_of([], object_mode=True))
        assert await pipeline(first(), PassThrough(object_mode=True), relay, collect) == [1, 2]
        assert await pipeline(first(), relay, collect) == [1, 2]


@case
async def a_pipeline_whose_last_stage_goes_on() -> None:
    last = PassThrough()
    await pipeline(source_by_option([b"a"]), last, end=False)
    last.end()
    last.resume()
    await closed(last)


@case
async def a_pipeline_whose_last_stage_is_read() -> None:
    last = PassThrough()
    whole = pipeline(source_by_option([b"a"]), upper(), last)
    last.resume()
    await whole
    await closed(last)


@case
async def a_pipeline_with_a_signal() -> None:
    controller = AbortController()
    await pipeline(*stages_of(3), signal=controller.signal)
    controller.abort()


@case
async def a_pipeline_that_fails() -> None:
    for failing in (
        [Readable(read=lambda _: None), upper(), sink_of([])],
        [source_by_option([b"a"]), Transform(transform=lambda chunk, encoding, callback: callback(Boom())), sink_of([])],
        [source_by_option([b"a"]), upper(), Writable(write=lambda chunk, encoding, callback: later(callback, Boom()))],
    ):
        done = asyncio.get_running_loop().create_future()
        pipeline(*failing, callback=lambda error, done=done: done.set_result(type(error)))
        await turns(2)
        if not done.done():
            failing[0].destroy(Boom())
        assert await done is Boom


@case
async def a_pipeline_that_is_aborted() -> None:
    controller = AbortController()
    done = asyncio.get_running_loop().create_future()
    pipeline(
        Readable(read=lambda _: None), upper(), sink_of([]), signal=controller.signal,
        callback=lambda error: done.set_result(error.code),
    )  # fmt: skip
    await turns()
    controller.abort()
    assert await done == "ABORT_ERR"


@case
async def a_pipeline_that_is_cancelled() -> None:
    async def wait() -> None:
        await pipeline(Readable(read=lambda _: None), upper(), sink_of([]))

    task = asyncio.ensure_future(wait())
    await turns()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@case
async def a_pipeline_whose_generator_fails() -> None:
    async def failing() -> Any:
        yield 1
        await turns()
        raise Boom

    done = asyncio.get_running_loop().create_future()
    pipeline(failing, PassThrough(object_mode=True), sink_of([], object_mode=True),
             callback=lambda error: done.set_result(type(error)))  # fmt: skip
    assert await done is Boom


# ---- finished, signals


@case
async def finished_awaited() -> None:
    source, sink = source_by_option([b"a"]), sink_of([])
    source.pipe(sink)
    await finished(source)
    await finished(sink)


@case
async def finished_with_a_callback() -> None:
    stream = sink_of([])
    heard: list[Any] = []
    finished(stream, callback=heard.append)
    finished(stream, callback=heard.append, cleanup=True)
    finished(stream, callback=heard.append, readable=False)
    stream.end(b"a")
    await closed(stream)
    finished(stream, callback=heard.append)
    await turns()
    assert heard == [None] * 4


@case
async def finished_that_is_forgotten() -> None:
    stream = sink_of([])
    forget = finished(stream, callback=lambda error: None)
    forget()
    stream.end()
    await closed(stream)
    forget()


@case
async def finished_with_a_signal() -> None:
    controller = AbortController()
    stream = sink_of([])
    finished(stream, callback=lambda error: None, signal=controller.signal)
    other = sink_of([])
    finished(other, callback=lambda error: None, signal=controller.signal)
    stream.end()
    await closed(stream)
    controller.abort()
    other.end()
    await closed(other)


@case
async def finished_that_is_cancelled() -> None:
    stream = sink_of([])
    waiting = finished(stream)
    waiting.cancel()
    await turns()
    stream.end()
    await closed(stream)


@case
async def finished_of_a_stream_that_fails() -> None:
    stream = Readable(read=lambda _: None)
    finished(stream, callback=lambda error: None)
    stream.destroy(Boom())
    await closed(stream)


@case
async def finished_where_close_is_not_emitted() -> None:
    stream = Writable(emit_close=False)
    finished(stream, callback=lambda error: None)
    stream.destroy()
    await turns(2)


SIGNALS: list[AbortController] = []  # longer than their streams


@case
async def abort_signals() -> None:
    controller = AbortController()
    SIGNALS.append(controller)
    ended = add_abort_signal(controller.signal, sink_of([]))
    ended.end(b"a")
    option = PassThrough(signal=controller.signal)
    option.destroy()
    aborted = add_abort_signal(controller.signal, Readable(read=lambda _: None))
    aborted.on("error", lambda error: None)
    await closed(ended, option)
    controller.abort()
    await closed(aborted)


# ---- iteration


@case
async def iterated_to_the_end() -> None:
    assert [chunk async for chunk in source_by_option([b"a", b"b"])] == [b"a", b"b"]
    stream = PassThrough()
    later(stream.end, b"a")
    assert [chunk async for chunk in stream] == [b"a"]


@case
async def iterated_in_part() -> None:
    stream = source_by_option([b"a", b"b"])
    async for _ in stream:
        break
    await closed(stream)


@case
async def iterated_and_kept_open() -> None:
    stream = source_by_option([b"a", b"b"])
    async for _ in stream.iterator(destroy_on_return=False):
        break
    stream.resume()
    await closed(stream)


@case
async def iterated_by_a_task_that_is_cancelled() -> None:
    stream = Readable(read=lambda _: None)

    async def iterate() -> None:
        async for _ in stream:
            pass

    task = asyncio.ensure_future(iterate())
    await turns()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await closed(stream)


@case
async def operators() -> None:
    numbers = source_by_option([1, 2, 3], object_mode=True)
    assert await numbers.map(lambda number: number + 1).filter(lambda number: number > 2).take(1).to_list() == [3]
    numbers = source_by_option([1, 2, 3], object_mode=True)
    assert await numbers.map(lambda number: number + 1, concurrency=2).drop(1).reduce(lambda one, other: one + other) == 7


# ---- made of other things


@case
async def from_iterables() -> None:
    async def numbers() -> Any:
        for number in (1, 2):
            await asyncio.sleep(0)
            yield number

    for iterable in ([1, 2], iter([1, 2]), (number for number in (1, 2)), numbers()):
        stream = Readable.from_(iterable)
        assert await stream.to_list() == [1, 2]
    stream = Readable.from_(numbers())
    async for _ in stream:
        break
    await closed(stream)
    stream = Readable.from_(range(1000))
    stream.resume()
    await closed(stream)


@case
async def from_generators_that_fail() -> None:
    def failing() -> Any:
        yield 1
        raise Boom

    async def failing_later() -> Any:
        yield 1
        raise Boom

    for iterable in (failing(), failing_later()):
        stream = Readable.from_(iterable)
        stream.on("error", lambda error: None)
        stream.resume()
        await closed(stream)


@case
async def composed() -> None:
    whole = compose(upper(), PassThrough(), upper())
    whole.end(b"a")
    assert [chunk async for chunk in whole] == [b"A"]
    whole = compose(upper(), relay)
    whole.end(b"a")
    assert [chunk async for chunk in whole] == [b"A"]
    whole = compose(PassThrough(), sink_of([]))
    whole.end(b"a")
    await closed(whole)


@case
async def composed_and_destroyed() -> None:
    for error in (None, Boom()):
        whole = compose(upper(), PassThrough())
        whole.on("error", lambda error: None)
        await turns()
        whole.destroy(error)
        await closed(whole)


@case
async def duplexes_of_streams() -> None:
    inlet, outlet = PassThrough(), PassThrough()
    both = Duplex.from_({"readable": outlet, "writable": inlet})
    both.write(b"a")
    both.end()
    outlet.end(b"b")
    inlet.resume()
    assert [chunk async for chunk in both] == [b"b"]
    await closed(inlet, outlet, both)
    only = Duplex.from_(source_by_option([b"a"]))
    assert [chunk async for chunk in only] == [b"a"]
    only = Duplex.from_(sink_of([]))
    only.end(b"a")
    await closed(only)


@case
async def duplexes_of_streams_that_are_destroyed() -> None:
    both = Duplex.from_({"readable": PassThrough(), "writable": PassThrough()})
    both.on("error", lambda error: None)
    both.destroy(Boom())
    await closed(both)


@case
async def duplexes_of_functions() -> None:
    both = Duplex.from_(relay)
    both.end(b"a")
    assert [chunk async for chunk in both] == [b"a"]

    async def consume(chunks: Any) -> None:
        async for _ in chunks:
            pass

    only = Duplex.from_(consume)
    only.end(b"a")
    await closed(only)
    both = Duplex.from_(relay)
    both.write(b"a")
    both.on("error", lambda error: None)
    both.destroy()
    await closed(both)


@case
async def duplexes_of_others() -> None:
    assert await Duplex.from_([1, 2]).to_list() == [1, 2]

    async def value() -> int:
        return 1

    assert await Duplex.from_(value()).to_list() == [1]


@case
async def a_pair() -> None:
    left, right = duplex_pair()
    left.end(b"a")
    right.end(b"b")
    assert [chunk async for chunk in right] == [b"a"]
    assert [chunk async for chunk in left] == [b"b"]
    await closed(left, right)


@case
async def a_pair_that_is_destroyed() -> None:
    left, right = duplex_pair()
    left.destroy()
    right.resume()
    await closed(left)
    right.destroy()
    await closed(right)
    left, right = duplex_pair()
    left.on("error", lambda error: None)
    left.destroy(Boom())
    await closed(left, right)


@case
async def asyncio_of_streams() -> None:
    through = PassThrough()
    reader, writer = through.to_stream_reader(), through.to_stream_writer()
    writer.write(b"a\n")
    await writer.drain()
    writer.close()
    assert await reader.read() == b"a\n"
    await writer.wait_closed()
    await closed(through)


@case
async def streams_of_asyncio() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(b"a")
    reader.feed_eof()
    assert [chunk async for chunk in Readable.from_(reader)] == [b"a"]


# ---- what the collector has to find, and why


COLLECTED: list[Case] = []


def collected(function: Case) -> Case:
    COLLECTED.append(function)
    return function


@pytest.mark.parametrize("case", COLLECTED, ids=lambda function: function.__name__)
async def test_freed_by_the_collector(case: Case) -> None:
    left = await left_by(case)
    assert left.by_counting != [], "it is freed by counting: it belongs to the others"
    assert left.by_collector == []


@collected
async def a_hook_that_raises() -> None:
    """The stream holds its error, the error its traceback, that the frame of the hook, and the frame its callback, which is a
    method of the stream; in a hook that is a method, `self`."""

    def transform(chunk: Any, encoding: str, callback: Callable[..., None]) -> None:
        raise Boom

    stream = Transform(transform=transform)
    stream.on("error", lambda error: None)
    source = source_by_option([b"a"])
    source.pipe(stream)
    await closed(stream)
    source.destroy()
    await closed(source)


@collected
async def an_error_that_is_raised_to_who_has_the_stream() -> None:
    """Likewise the frame of who awaits, which has it among its variables."""
    stream = Readable(read=lambda _: None)
    later(stream.destroy, Boom())
    try:
        await finished(stream)
    except Boom:
        pass


@collected
async def a_function_that_fails_as_a_stage() -> None:
    """Likewise its frame, which has what comes before it: the stage that it reads."""

    async def failing(chunks: Any) -> Any:
        async for chunk in chunks:
            yield chunk
            raise Boom

    done = asyncio.get_running_loop().create_future()
    stages = [source_by_option([1, 2], object_mode=True), failing, sink_of([], object_mode=True)]
    pipeline(*stages, callback=lambda error: done.set_result(type(error)))
    assert await done is Boom


@(collected if sys.version_info >= (3, 12) else case)
async def a_generator_that_fails_while_it_is_connected() -> None:
    """Likewise the frames of those who called, down to who has called pipeline(): an eager task begins where it is made."""

    async def failing() -> Any:
        yield 1
        raise Boom

    done = asyncio.get_running_loop().create_future()
    stages = [failing(), PassThrough(object_mode=True), sink_of([], object_mode=True)]
    pipeline(*stages, callback=lambda error: done.set_result(type(error)))
    assert await done is Boom


@collected
async def a_source_that_fails_while_it_is_piped() -> None:
    """Its pipe stands, as in Node: the destination, which is open, will emit 'unpipe' with it."""
    source, sink = Readable(read=lambda _: None), sink_of([])
    source.on("error", lambda error: None)
    source.pipe(sink)
    source.destroy(Boom())
    await closed(source)
