"""`async with stream:` takes the errors of its stream: where they are raised, and once. What ready() takes.

Not here: what leaving a block does with the stream (test_writables.py)."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

import pytest

from tests.unit.streams.support import Boom, Sink, code_of, later, settle, source_of, turns
from treadle import TreadleError
from treadle.events import AbortController, once
from treadle.loop import get_loop
from treadle.streams import PassThrough, Readable, Transform, Writable, add_abort_signal, finished, pipeline
from treadle.streams._block import Block, _innermost


def failing_sink(boom: BaseException) -> Sink:
    return Sink(high_water_mark=1, construct=lambda callback: callback(boom))


def failing_source(boom: BaseException) -> Readable:
    return Readable(read=lambda size: None, construct=lambda callback: callback(boom))


def failing_transform(boom: BaseException) -> Transform:
    through = Transform(transform=lambda chunk, encoding, callback: callback(boom))
    through.write(b"x")
    return through


FAILING = [failing_sink, failing_source, failing_transform]


async def work_elsewhere(stream: Any) -> None:
    await turns(5)
    assert stream.closed


async def wait_for_room(stream: Any) -> None:
    await turns(5)
    await stream.ready()


async def write_until_it_is_full(stream: Any) -> None:
    while stream.write(b"x" * 100_000):
        pass
    await stream.ready()


async def read(stream: Any) -> None:
    await turns(5)
    async for _ in stream:
        pass


# ---- where it is raised


@pytest.mark.parametrize(
    ("make", "work"),
    [(make, work_elsewhere) for make in FAILING]
    + [(make, work) for make in (failing_sink, failing_transform) for work in (wait_for_room, write_until_it_is_full)]
    + [(make, read) for make in (failing_source, failing_transform)],
)
async def test_what_a_stream_fails_with_is_raised_in_its_block(make: Any, work: Callable[[Any], Any]) -> None:
    boom = Boom()
    stream = make(boom)
    with pytest.raises(Boom) as caught:
        async with stream:
            await work(stream)
    assert caught.value is boom and boom.__context__ is None
    assert stream.closed
    await settle()


@pytest.mark.parametrize("work", [wait_for_room, write_until_it_is_full])
async def test_what_a_block_has_caught_is_not_raised_once_more(work: Callable[[Any], Any]) -> None:
    async with failing_sink(Boom()) as sink:
        with pytest.raises(Boom):
            await work(sink)
    assert sink.closed


async def test_what_a_block_has_caught_of_an_iteration_is_not_raised_once_more() -> None:
    async with failing_source(Boom()) as source:
        with pytest.raises(Boom):
            await read(source)
    assert source.closed


async def test_what_was_raised_in_another_task_is_raised_in_the_block_as_well() -> None:
    boom = Boom()
    with pytest.raises(Boom) as caught:
        async with failing_sink(boom) as sink:
            assert await asyncio.gather(write_until_it_is_full(sink), return_exceptions=True) == [boom]
    assert caught.value is boom


async def test_a_listener_gets_it_as_ever() -> None:
    boom = Boom()
    told: list[Any] = []
    with pytest.raises(Boom):
        async with failing_sink(boom) as sink:
            sink.on("error", told.append)
            await turns(5)
            assert told == [boom]
    assert told == [boom]


async def test_a_signal_of_the_stream_is_nobody_who_has_heard_of_it() -> None:
    controller = AbortController()
    with pytest.raises(TreadleError) as caught:
        async with add_abort_signal(controller.signal, Sink(high_water_mark=1)) as sink:
            controller.abort("enough")
            await turns(5)
            assert sink.closed
    assert (caught.value.code, caught.value.data["reason"]) == ("ABORT_ERR", "enough")


async def test_a_watch_of_its_own_is_nobody_who_has_heard_of_it() -> None:
    """That of leaving the block, which waits until all is read."""
    controller = AbortController()
    get_loop().set_timeout(controller.abort, 10, "enough")
    with pytest.raises(TreadleError) as caught:
        async with add_abort_signal(controller.signal, PassThrough()) as through:
            through.on("readable", lambda: None)
            through.write(b"a" * 1000)
    assert (caught.value.code, caught.value.data["reason"]) == ("ABORT_ERR", "enough")


async def test_a_finished_that_is_through_is_nobody_who_has_heard_of_what_comes_behind_it() -> None:
    controller = AbortController()
    with pytest.raises(TreadleError) as caught:
        async with add_abort_signal(controller.signal, PassThrough()) as through:
            through.end(b"a")
            await finished(through, readable=False)
            controller.abort("enough")
            await turns(5)
            assert through.closed
    assert (caught.value.code, caught.value.data["reason"]) == ("ABORT_ERR", "enough")


async def test_a_listener_may_answer_to_no_name() -> None:
    class Obliging:
        def __getattr__(self, name: str) -> Any:
            raise KeyError(name)

        def hear(self, error: BaseException) -> None: ...

    boom = Boom()
    with pytest.raises(Boom) as caught:
        async with failing_sink(boom) as sink:
            sink.on("error", Obliging().hear)
            await turns(5)
    assert caught.value is boom


@pytest.mark.parametrize("argument", ["text", None])
async def test_what_is_emitted_by_hand_and_no_exception_is_raised_as_one(argument: Any) -> None:
    with pytest.raises(TreadleError) as caught:
        async with Sink(is_open=True) as sink:
            sink.emit("error", *([argument] if argument else []))
    assert caught.value.code == "ERR_UNHANDLED_ERROR"


async def test_what_was_emitted_by_hand_is_behind_what_the_stream_fails_with() -> None:
    boom, other = Boom(), KeyError()
    with pytest.raises(Boom):
        async with Sink(is_open=True) as sink:
            sink.emit("error", other)
            sink.destroy(boom)
    assert boom.__context__ is other


async def test_a_pipeline_that_was_caught_is_heard_by_the_blocks_of_all_its_stages() -> None:
    boom = Boom()
    async with source_of([b"x"] * 3) as source, PassThrough() as through, failing_sink(boom) as sink:
        with pytest.raises(Boom):
            await pipeline(source, through, sink)
    assert through.errored is sink.errored is boom


async def test_what_a_pipeline_destroys_its_stages_with_is_heard_where_it_tells_of_what_comes_behind_that() -> None:
    boom, controller = Boom(), AbortController()
    sink = Writable(write=lambda chunk, encoding, callback: None, destroy=lambda error, callback: callback(boom))
    async with source_of([b"x"] * 3) as source, sink:
        get_loop().next_tick(controller.abort, "enough")
        with pytest.raises(Boom):
            await pipeline(source, sink, signal=controller.signal)
    assert code_of(source.errored) == "ABORT_ERR"


async def test_a_stage_that_fails_with_another_error_than_its_pipeline_tells_of_it() -> None:
    boom, other = Boom(), KeyError("other")
    with pytest.raises(KeyError) as caught:
        async with source_of([b"x"] * 3) as source, PassThrough() as through:
            source.destroy(other)
            with pytest.raises(Boom):
                await pipeline(failing_source(boom), through)
    assert caught.value is other


async def test_what_is_in_a_group_is_not_behind_it_and_is_raised_no_more() -> None:
    boom = Boom()
    async with failing_sink(boom) as sink:
        with pytest.raises(ExceptionGroup) as caught:
            async with sink, asyncio.TaskGroup() as group:
                group.create_task(write_until_it_is_full(sink))
        assert caught.value.exceptions == (boom,) and caught.value.__context__ is None


async def test_what_end_raises_is_raised_once() -> None:
    boom = Boom()

    class Endless(PassThrough):
        def end(self, *arguments: Any, **named: Any) -> Any:
            raise boom

    async with Endless() as through:
        with pytest.raises(Boom):
            async with through:
                pass
    assert through.errored is boom and boom.__context__ is None


async def test_what_the_stream_failed_with_is_behind_a_cancellation_of_leaving_the_block() -> None:
    boom = Boom()
    sink = Writable(write=lambda chunk, encoding, callback: None, destroy=lambda error, callback: later(callback, boom))
    left = asyncio.Event()

    async def work() -> None:
        async with sink:
            sink.emit("error", boom)
            sink.write(b"x")
            left.set()

    task = asyncio.create_task(work())
    await left.wait()
    await turns(2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert caught.value.__context__ is boom


@pytest.mark.parametrize("first", [0, 1])
async def test_blocks_of_one_task_are_left_in_any_order(first: int) -> None:
    booms = [Boom(), Boom()]
    streams = [PassThrough(), PassThrough()]
    for stream, boom in zip(streams, booms, strict=True):
        await stream.__aenter__()
        stream.destroy(boom)
    await turns(3)
    for place in (first, 1 - first):
        with pytest.raises(Boom) as caught:
            await streams[place].__aexit__(None, None, None)
        assert caught.value is booms[place]
    assert asyncio.current_task() not in _innermost


async def test_a_block_that_is_never_left_is_forgotten_with_its_stream() -> None:
    for _ in range(100):
        await PassThrough().__aenter__()
        gc.collect()
    async with PassThrough():
        depth, block = 0, _innermost.get(asyncio.current_task())
        while block is not None:
            depth, block = depth + 1, block._below
        assert depth <= 2


async def test_a_signal_that_is_not_aborted_changes_nothing() -> None:
    async with add_abort_signal(AbortController().signal, source_of([b"x"] * 3)) as source:
        async for _ in source:
            break
        await turns(3)
    assert code_of(source.errored) == "ABORT_ERR"


async def test_removing_all_listeners_makes_it_as_in_node(errors: list[Any]) -> None:
    boom = Boom()
    with pytest.raises(Boom):
        async with failing_sink(boom) as sink:
            sink.remove_all_listeners("error")
            await turns(5)
            assert errors == [boom]


async def test_what_is_emitted_by_hand_is_raised_in_the_block() -> None:
    boom = Boom()
    with pytest.raises(Boom):
        async with Sink(is_open=True) as sink:
            sink.emit("error", boom)
    assert sink.writable_finished


async def test_a_loop_that_is_left_is_no_error_of_the_block() -> None:
    async with source_of([b"x"] * 3) as source:
        async for _ in source:
            break
        await turns(3)
    assert code_of(source.errored) == "ABORT_ERR"


async def test_a_stream_that_is_entered_twice() -> None:
    boom = Boom()
    async with PassThrough() as through:
        with pytest.raises(Boom):
            async with through:
                through.destroy(boom)
                await turns(3)
                await through.ready()
    assert not any(isinstance(listener, Block) for listener in through.listeners("error"))


async def test_what_is_emitted_by_hand_is_raised_once_in_a_stream_that_is_entered_twice() -> None:
    boom = Boom()
    async with PassThrough() as through:
        with pytest.raises(Boom) as caught:
            async with through:
                through.emit("error", boom)
        assert caught.value is boom
    assert through.closed


async def test_what_the_inner_block_has_raised_the_outer_one_does_not_raise_again() -> None:
    boom = Boom()
    async with PassThrough() as through:
        with pytest.raises(Boom):
            async with through:
                through.destroy(boom)
    assert through.errored is boom


@pytest.mark.parametrize("first", [0, 1])
async def test_tasks_that_enter_a_stream_leave_blocks_of_their_own(first: int) -> None:
    """Whoever was told hears of it no more, and whoever was not does, in whatever order they leave."""
    boom = Boom()
    through = PassThrough()
    leave = [asyncio.Event(), asyncio.Event()]

    async def work(place: int) -> None:
        async with through:
            if place == 0:
                with pytest.raises(Boom):
                    async for _ in through:
                        pass
            await leave[place].wait()

    tasks = [asyncio.create_task(work(0)), asyncio.create_task(work(1))]
    await turns(3)
    through.destroy(boom)
    await turns(3)
    leave[first].set()
    await turns(5)
    leave[1 - first].set()
    assert await asyncio.gather(*tasks, return_exceptions=True) == [None, boom]
    assert not any(isinstance(listener, Block) for listener in through.listeners("error"))


async def test_behind_a_block_errors_are_as_in_node(errors: list[Any]) -> None:
    sink = Sink(is_open=True, auto_destroy=False, emit_close=False)
    async with sink:
        sink.write(b"x")
    sink.remove_all_listeners()
    boom = Boom()
    with pytest.raises(Boom):
        sink.emit("error", boom)
    assert errors == []


# ---- a block that fails with something else


async def test_what_the_stream_failed_with_is_behind_what_the_block_raises() -> None:
    boom, own = Boom(), KeyError("own")
    with pytest.raises(KeyError) as caught:
        async with failing_sink(boom):
            await turns(3)
            raise own
    assert caught.value is own and own.__context__ is boom


async def test_it_is_behind_all_that_is_there() -> None:
    boom, first, own = Boom(), ValueError("first"), KeyError("own")
    with pytest.raises(KeyError):
        async with failing_sink(boom):
            await turns(3)
            try:
                raise first
            except ValueError:
                raise own from None
    assert own.__context__ is first and first.__context__ is boom


@pytest.mark.parametrize("how", ["from", "context", "caught before", "behind it"])
async def test_it_is_not_put_there_twice(how: str) -> None:
    boom, own = Boom(), KeyError("own")
    with pytest.raises(KeyError):
        async with failing_sink(boom) as sink:
            if how == "behind it":
                boom.__context__ = own
                await turns(3)
                raise own
            try:
                await write_until_it_is_full(sink)
            except Boom:
                if how == "from":
                    raise own from boom
                if how == "context":
                    raise own
            raise own
    expected = {"from": (boom, boom), "context": (None, boom)}.get(how, (None, None))
    assert (own.__cause__, own.__context__) == expected


async def test_a_circle_is_let_alone() -> None:
    first, own = ValueError(), KeyError()
    first.__context__, own.__context__ = own, first
    with pytest.raises(KeyError):
        async with failing_sink(Boom()):
            await turns(3)
            raise own
    assert first.__context__ is own and own.__context__ is first


async def test_what_the_stream_failed_with_is_behind_a_timeout() -> None:
    boom = Boom()
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0.01), failing_sink(boom):
            await asyncio.Event().wait()
    cancelled = caught.value.__cause__
    assert isinstance(cancelled, asyncio.CancelledError) and cancelled.__context__ is boom


async def test_what_the_block_itself_destroys_with_is_not_behind_it() -> None:
    own = KeyError()
    with pytest.raises(KeyError):
        async with Sink():
            raise own
    assert own.__context__ is None


# ---- ready(), outside a block


async def test_who_waits_takes_what_it_fails_with() -> None:
    boom = Boom()
    sink = failing_sink(boom)
    sink.write(b"x")
    results = await asyncio.gather(*(sink.ready() for _ in range(3)), return_exceptions=True)
    assert results == [boom] * 3
    await settle()
    assert sink.event_names() == []


async def test_what_is_emitted_by_hand_reaches_who_waits() -> None:
    sink = Sink(high_water_mark=1)
    sink.write(b"x")
    task = asyncio.create_task(sink.ready())
    await turns()
    sink.emit("error", "text")
    with pytest.raises(TreadleError) as caught:
        await task
    assert caught.value.code == "ERR_UNHANDLED_ERROR"
    sink.destroy()


async def test_what_it_has_failed_with_inside_write_is_raised_there_alone(errors: list[Any]) -> None:
    boom = Boom()
    sink = Writable(write=lambda chunk, encoding, callback: callback(boom))
    sink.write(b"x")
    results = await asyncio.gather(*(sink.ready() for _ in range(3)), return_exceptions=True)
    assert results == [boom] * 3
    await settle()
    assert sink.closed and errors == []
    assert sink.event_names() == []


async def test_another_error_than_that_is_uncaught_as_ever() -> None:
    sink = Sink()
    sink.destroy(Boom())
    with pytest.raises(Boom):
        await sink.ready()
    other = KeyError()
    with pytest.raises(KeyError):
        sink.emit("error", other)
    sink.on("error", lambda error: None)
    await settle()


async def test_it_is_uncaught_where_all_who_waited_were_cancelled(errors: list[Any]) -> None:
    boom = Boom()
    sink = Sink(high_water_mark=1)
    sink.write(b"x")
    task = asyncio.create_task(sink.ready())
    await turns()
    task.cancel()
    with pytest.raises(Boom):
        sink.emit("error", boom)
    with pytest.raises(asyncio.CancelledError):
        await task
    sink.destroy()
    await settle()


# ---- what an uncaught one says


@pytest.mark.parametrize("make", FAILING)
async def test_one_that_nobody_takes_says_what_to_do(make: Any, errors: list[Any]) -> None:
    boom = Boom()
    stream = make(boom)
    await settle()
    assert errors == [boom]
    assert boom.__notes__[0].startswith("'error' of <") and "`async with stream:`" in boom.__notes__[0]
    assert stream.closed


async def test_one_that_is_taken_says_nothing_of_it() -> None:
    boom = Boom()
    sink = failing_sink(boom)
    with pytest.raises(Boom):
        await finished(sink)
    assert not hasattr(boom, "__notes__")


# ---- aclose()


@pytest.mark.parametrize("auto_destroy", [False, True])
async def test_closing_raises_what_write_has_failed_with_at_once(auto_destroy: bool, errors: list[Any]) -> None:
    boom = Boom()
    sink = Writable(write=lambda chunk, encoding, callback: callback(boom), auto_destroy=auto_destroy)
    sink.write(b"x")
    assert not sink.destroyed
    with pytest.raises(Boom):
        await sink.aclose()
    assert sink.closed and errors == []


# ---- and what it keeps


class Traced(Exception):
    """Of which it is counted how many are left."""

    alive: ClassVar[int] = 0

    def __init__(self) -> None:
        type(self).alive += 1

    def __del__(self) -> None:
        type(self).alive -= 1


async def leave_a_block() -> None:
    async with failing_sink(Traced()):
        await turns(5)


async def close_it() -> None:
    await by_itself(failing_sink(Traced()))


async def by_itself(stream: Any) -> None:
    stream.on("error", lambda error: None)
    await turns(5)
    closing = stream.aclose()
    del stream
    await closing


@pytest.mark.parametrize("work", [leave_a_block, close_it])
async def test_an_error_that_was_caught_is_freed_by_counting(work: Callable[[], Awaitable[None]]) -> None:
    gc.collect()
    gc.disable()
    try:
        try:
            await work()
        except Traced:
            assert Traced.alive == 1
        else:
            raise AssertionError("it has not failed")
        await turns(3)
        assert Traced.alive == 0
    finally:
        gc.enable()
        gc.collect()


RAISE: list[Callable[[Any], Any]] = [
    finished,
    lambda sink: pipeline(Readable(read=lambda size: None), PassThrough(), sink),
    lambda sink: once(sink, "finish"),
]


@pytest.mark.parametrize("raise_it", RAISE)
async def test_what_was_caught_inside_is_freed_by_counting(raise_it: Callable[[Any], Any]) -> None:
    async def catch_it() -> None:
        async with failing_sink(Traced()) as sink:
            try:
                await raise_it(sink)
            except Traced:
                assert Traced.alive == 1
                del sink  # this frame is one that it has passed

    gc.collect()
    gc.disable()
    try:
        await catch_it()
        await turns(3)
        assert Traced.alive == 0
    finally:
        gc.enable()
        gc.collect()
