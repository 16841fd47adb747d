"""`async for` over a readable: what leaving it does, two at a time, how often the loop turns, and what it holds on to."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from typing import Any

import pytest

from tests.unit.streams.support import Boom, code_of, later, listen, settle, source_of, turns
from treadle import TreadleError, queue_microtask
from treadle.loop import get_loop
from treadle.streams import Duplex, PassThrough, Readable


class Watched:
    """A readable of numbers that says how it was destroyed; it gives each at once, or later."""

    def __init__(self, count: int = 5, *, is_late: bool = False, **options: Any) -> None:
        self.left = list(range(count))
        self.destroyed_with: list[BaseException | None] = []
        self.is_late = is_late
        self.stream = Readable(object_mode=True, high_water_mark=1, read=self._read, destroy=self._destroy, **options)
        self.trace = listen(self.stream, "end", "error", "close")

    def _read(self, size: int) -> None:
        if self.is_late:
            later(self._push)
        else:
            self._push()

    def _push(self) -> None:
        self.stream.push(self.left.pop(0) if self.left else None)

    def _destroy(self, error: BaseException | None, callback: Any) -> None:
        self.destroyed_with.append(error)
        callback(error)

    def check_aborted(self) -> None:
        """It was destroyed once, with ABORT_ERR."""
        assert [code_of(error) for error in self.destroyed_with] == ["ABORT_ERR"]
        assert [event for event, *_ in self.trace] == ["error", "close"]


both = pytest.mark.parametrize("is_late", [False, True], ids=["at once", "later"])


@both
async def test_to_the_end(is_late: bool) -> None:
    watched = Watched(is_late=is_late)
    assert [chunk async for chunk in watched.stream] == [0, 1, 2, 3, 4]
    await settle()
    assert (watched.trace, watched.destroyed_with) == ([("end",), ("close",)], [None])


@both
async def test_break(is_late: bool) -> None:
    watched = Watched(is_late=is_late)
    async for chunk in watched.stream:
        if chunk == 2:
            break
    assert watched.stream.destroyed
    await settle()
    watched.check_aborted()


@both
async def test_return(is_late: bool) -> None:
    watched = Watched(is_late=is_late)

    async def first() -> Any:
        async for chunk in watched.stream:
            return chunk
        return None

    assert await first() == 0
    assert watched.stream.destroyed
    await settle()
    watched.check_aborted()


@both
@pytest.mark.parametrize("keeps", [False, True], ids=["destroys", "keeps"])
async def test_an_exception_of_the_body(is_late: bool, keeps: bool) -> None:
    # COMPAT: Node destroys it also with destroyOnReturn: false. Here a body that fails and one that breaks look alike.
    watched = Watched(is_late=is_late)
    boom = Boom()

    async def body() -> None:
        async for chunk in watched.stream.iterator(destroy_on_return=not keeps):
            if chunk == 1:
                raise boom

    with pytest.raises(Boom) as caught:
        await body()
    assert caught.value is boom
    caught = None  # its traceback holds the frame of the body, and that the iterator
    boom.__traceback__ = None
    gc.collect()
    await settle()
    if keeps:
        assert not watched.stream.destroyed
        assert await watched.stream.to_list() == [2, 3, 4]
    else:
        watched.check_aborted()


async def test_every_suspension_can_be_cancelled() -> None:
    for number in range(6):
        watched = Watched(is_late=True)
        seen: list[int] = []

        async def run(watched: Watched = watched, seen: list[int] = seen) -> None:
            async for chunk in watched.stream:
                seen.append(chunk)

        task = asyncio.create_task(run())
        await turns()
        while len(seen) < min(number, 5):
            await turns()
        task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled()
        task = None
        await settle()
        watched.check_aborted()
        assert seen == list(range(len(seen))) and len(seen) >= min(number, 5)


async def test_cancelled_in_the_body() -> None:
    watched = Watched()

    async def run() -> None:
        async for _ in watched.stream:
            await asyncio.Event().wait()

    task = asyncio.create_task(run())
    await turns(3)
    task.cancel()
    await asyncio.wait((task,))
    task = None
    await settle()
    watched.check_aborted()


async def test_destroy_on_return_false_leaves_it_open() -> None:
    watched = Watched()
    async for chunk in watched.stream.iterator(destroy_on_return=False):
        if chunk == 1:
            break
    await settle()
    assert not watched.stream.destroyed
    assert watched.stream.listener_count("readable") == 0
    assert [chunk async for chunk in watched.stream] == [2, 3, 4]


async def test_aclose_is_as_leaving_it() -> None:
    watched = Watched()
    chunks = aiter(watched.stream)
    assert await anext(chunks) == 0
    await chunks.aclose()
    await chunks.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(chunks)
    await settle()
    watched.check_aborted()


async def test_an_iterator_that_never_began_does_nothing() -> None:
    watched = Watched()
    chunks = aiter(watched.stream)
    await chunks.aclose()
    del chunks
    await settle()
    assert not watched.stream.destroyed and watched.stream.event_names() == ["end", "error", "close"]
    watched.stream.on("error", lambda error: None).destroy()


async def test_two_at_a_time_share_the_chunks() -> None:
    watched, seen = Watched(20, is_late=True), {"a": [], "b": []}

    async def run(name: str) -> None:
        async for chunk in watched.stream:
            seen[name].append(chunk)

    await asyncio.gather(run("a"), run("b"))
    assert sorted(seen["a"] + seen["b"]) == list(range(20))
    assert seen["a"] == sorted(seen["a"]) and seen["b"] == sorted(seen["b"])
    await settle()
    assert watched.destroyed_with == [None]


async def test_one_leaves_and_the_other_hears_of_it() -> None:
    watched = Watched(20, is_late=True)

    async def leave() -> None:
        async for _ in watched.stream:
            break

    async def stay() -> None:
        async for _ in watched.stream:
            pass

    left, stayed = await asyncio.gather(leave(), stay(), return_exceptions=True)
    assert left is None
    assert code_of(stayed) in ("ABORT_ERR", "ERR_STREAM_PREMATURE_CLOSE")
    await settle()
    assert [code_of(error) for error in watched.destroyed_with] == ["ABORT_ERR"]


# ---- errors and ends


@both
@pytest.mark.parametrize("after", [0, 1, 3])
async def test_an_error_is_raised_behind_what_came_before(is_late: bool, after: int) -> None:
    watched, boom, seen = Watched(is_late=is_late), Boom(), []

    def push() -> None:
        if len(watched.left) == 5 - after:
            watched.stream.destroy(boom)
        else:
            watched.stream.push(watched.left.pop(0))

    watched._push = push  # type: ignore[method-assign]
    with pytest.raises(Boom) as caught:
        async for chunk in watched.stream:
            seen.append(chunk)
    assert caught.value is boom
    assert seen == list(range(after))[: len(seen)]  # what was buffered is dropped, as in Node
    await settle()
    assert watched.destroyed_with == [boom]


async def test_destroyed_without_an_error_is_a_premature_close() -> None:
    watched = Watched(is_late=True)
    with pytest.raises(TreadleError) as caught:
        async for _ in watched.stream:
            watched.stream.destroy()
    assert caught.value.code == "ERR_STREAM_PREMATURE_CLOSE"


async def test_over_what_is_destroyed_already() -> None:
    stream = source_of([b"a"])
    stream.destroy()
    await settle()
    with pytest.raises(TreadleError) as caught:
        await anext(aiter(stream))
    assert caught.value.code == "ERR_STREAM_PREMATURE_CLOSE"
    boom = Boom()
    stream = source_of([b"a"]).on("error", lambda error: None).destroy(boom)
    await settle()
    with pytest.raises(Boom):
        await anext(aiter(stream))


async def test_over_what_has_ended_already() -> None:
    stream = source_of([b"a"])
    assert await stream.to_list() == [b"a"]
    assert [chunk async for chunk in stream] == []


async def test_a_duplex_whose_reading_ends_stays_open_for_writing() -> None:
    written: list[Any] = []
    stream = Duplex(
        read=lambda size: stream.push(None), write=lambda chunk, encoding, callback: (written.append(chunk), callback())
    )
    assert [chunk async for chunk in stream] == []
    assert stream.writable and not stream.destroyed
    stream.end(b"x")
    await settle()
    assert written == [b"x"] and stream.closed


async def test_a_transform_is_read_while_it_is_written() -> None:
    stream = PassThrough(high_water_mark=1)

    async def write() -> None:
        for number in range(10):
            await stream.ready()
            stream.write(bytes([number]))
        stream.end()

    writing = asyncio.create_task(write())
    assert b"".join([chunk async for chunk in stream]) == bytes(range(10))
    await writing


# ---- the loop turns, and nothing piles up


@pytest.mark.parametrize("awaits", [False, True], ids=["sync body", "async body"])
async def test_an_endless_source_lets_timers_and_immediates_run(awaits: bool) -> None:
    stream = Readable(object_mode=True, read=lambda size: stream.push(0))
    has_run: set[str] = set()
    get_loop().set_timeout(has_run.add, 1, "timer")
    get_loop().set_immediate(has_run.add, "immediate")
    reader, writer = await asyncio.get_running_loop().run_in_executor(None, _pipe)
    get_loop().add_reader(reader, lambda: (has_run.add("descriptor"), get_loop().remove_reader(reader)))
    async for _ in stream:
        if awaits:
            await asyncio.sleep(0)
        if len(has_run) == 3:
            break
    _close(reader, writer)
    await settle()
    assert has_run == {"timer", "immediate", "descriptor"}


def _pipe() -> tuple[int, int]:
    import os

    reader, writer = os.pipe()
    os.write(writer, b"x")
    return reader, writer


def _close(*descriptors: int) -> None:
    import os

    for descriptor in descriptors:
        os.close(descriptor)


async def test_the_listeners_are_few_however_many_chunks_are_waited_for() -> None:
    watched, most = Watched(50, is_late=True), 0
    async for _ in watched.stream:
        most = max(most, sum(watched.stream.listener_count(name) for name in watched.stream.event_names()))
    assert most <= 8
    await settle()


async def test_an_iterator_that_is_dropped_is_gone_at_once_and_the_stream_is_destroyed() -> None:
    gc.disable()
    try:
        watched = Watched()
        chunks = aiter(watched.stream)
        await anext(chunks)
        gone = weakref.ref(chunks)
        del chunks
        assert gone() is None and watched.stream.destroyed
    finally:
        gc.enable()
    await settle()
    watched.check_aborted()


async def test_what_the_collector_finds_on_another_thread_is_left_on_the_loops() -> None:
    threads: list[threading.Thread] = []

    def destroy(error: BaseException | None, callback: Any) -> None:
        threads.append(threading.current_thread())
        callback(error)

    stream = Readable(read=lambda _: None, destroy=destroy)
    trace = listen(stream, "error", "close")
    stream.push(b"x")
    iterator: Any = aiter(stream)
    assert await anext(iterator) == b"x"
    iterator.itself = iterator
    del iterator
    collector = threading.Thread(target=gc.collect)
    collector.start()
    collector.join()
    assert not stream.destroyed
    await settle()
    assert threads == [threading.current_thread()]
    assert [event for event, *_ in trace] == ["error", "close"]


@pytest.mark.parametrize("is_endless", [False, True], ids=["while it waits", "as it lets the loop turn"])
async def test_a_cancelled_task_that_is_kept_keeps_no_iteration(is_endless: bool) -> None:
    if is_endless:
        stream: Any = Readable(object_mode=True, read=lambda _: stream.push(0))
    else:
        stream = Readable(read=lambda _: None)
    trace = listen(stream, "error", "close")

    async def consume() -> None:
        async for _ in stream:
            pass

    task = asyncio.ensure_future(consume())
    await turns(2)
    task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled()
    assert stream.destroyed
    await turns()
    assert [event for event, *_ in trace] == ["error", "close"]


async def test_the_first_step_lets_microtasks_run_first_also_where_all_is_pushed_at_once() -> None:
    """As in Node, where the source ends inside the read hook that the first step calls."""
    log: list[object] = []

    def read(_size: int) -> None:
        source.push("a")
        source.push("b")
        source.push(None)

    source = Readable(object_mode=True, read=read)

    async def consume() -> None:
        async for chunk in source:
            log.append(chunk)

    consumer = asyncio.ensure_future(consume())
    queue_microtask(lambda: log.append("microtask"))
    await consumer
    assert log == ["microtask", "a", "b"]
