"""Writable: what reaches the hooks and when, who is told of it, and in which order. Not here: the order of all events, which the
recorded programs hold; text (test_text.py)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.unit.streams.support import DEADLINE_S, Boom, Sink, code_of, later, listen, settle, source_of, turns
from treadle import TreadleError
from treadle.streams import Duplex, PassThrough, Writable, compose, finished, pipeline


class Batches(Writable):
    """Keeps what writev is given at once."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.batches: list[list[Any]] = []

    def _writev(self, requests: list[dict[str, Any]], callback: Any) -> None:
        self.batches.append([(request["chunk"], request["encoding"]) for request in requests])
        later(callback)


# ---- the mark


@pytest.mark.parametrize(("mark", "answers"), [(0, [False]), (1, [False]), (3, [True, True, False]), (4, [True, True, True])])
async def test_write_says_whether_there_is_room(mark: int, answers: list[bool]) -> None:
    sink = Sink(high_water_mark=mark)
    assert [sink.write(b"x") for _ in answers] == answers
    assert sink.writable_length == len(answers)
    assert sink.writable_need_drain is not answers[-1]
    sink.destroy()


async def test_drain_comes_when_nothing_waits_any_more() -> None:
    sink = Sink(high_water_mark=2)
    trace = listen(sink, "drain")
    assert [sink.write(b"x") for _ in range(3)] == [True, False, False]
    sink.take()
    sink.take()
    await turns()
    assert (trace, sink.writable_length) == ([], 1)
    sink.take()
    assert trace == [("drain",)]
    assert not sink.writable_need_drain
    sink.destroy()


async def test_no_drain_where_nobody_was_told_to_wait() -> None:
    sink = Sink(is_open=True)
    trace = listen(sink, "drain")
    assert sink.write(b"x")
    await settle()
    assert trace == []
    sink.destroy()


async def test_no_drain_after_end() -> None:
    sink = Sink(high_water_mark=1)
    trace = listen(sink, "drain", "finish", "close")
    assert not sink.write(b"x")
    sink.end()
    assert not sink.writable_need_drain
    sink.take()
    await settle()
    assert trace == [("finish",), ("close",)]


# ---- callbacks


@pytest.mark.parametrize("is_open", [True, False], ids=["at once", "later"])
async def test_callbacks_come_in_order_and_never_inside_write(is_open: bool) -> None:
    sink, trace = Sink(is_open=is_open), []
    for name in "abc":
        sink.write(name, callback=lambda error, name=name: trace.append((name, error)))
        assert trace == []
    sink.end(callback=lambda error: trace.append(("end", error)))
    sink.on("finish", lambda: trace.append("finish"))
    await turns()
    if not is_open:
        sink.open()
        await settle()
    assert trace == [("a", None), ("b", None), ("c", None), ("end", None), "finish"]
    await settle()


async def test_an_error_fails_what_waits_in_order_before_error_is_emitted() -> None:
    boom, sink, trace = Boom(), Sink(), []
    sink.on("error", lambda error: trace.append(("error", error)))
    for name in "abc":
        sink.write(name, callback=lambda error, name=name: trace.append((name, error)))
    sink.end(callback=lambda error: trace.append(("end", error)))
    sink.take(boom)
    await settle()
    assert trace == [("a", boom), ("b", boom), ("c", boom), ("end", boom), ("error", boom)]
    assert sink.destroyed_with == [boom]


async def test_destroying_fails_what_waits() -> None:
    sink, trace = Sink(), []
    for name in "ab":
        sink.write(name, callback=lambda error, name=name: trace.append((name, code_of(error))))
    sink.end(callback=lambda error: trace.append(("end", code_of(error))))
    sink.destroy()
    assert trace == []
    await settle()
    assert trace == []  # the hook has one of them still, and may yet say so
    sink.take()
    await settle()
    assert trace == [("a", "NoneType"), ("b", "ERR_STREAM_DESTROYED"), ("end", "ERR_STREAM_DESTROYED")]


async def test_calling_back_twice_fails_the_stream() -> None:
    sink = Writable(write=lambda chunk, encoding, callback: (callback(), callback()))
    trace = listen(sink, "error", "close")
    sink.write(b"x")
    await settle()
    assert [(event, *map(code_of, errors)) for event, *errors in trace] == [("error", "ERR_MULTIPLE_CALLBACK"), ("close",)]


# ---- what is refused


@pytest.mark.parametrize(
    ("chunk", "code"), [(None, "ERR_STREAM_NULL_VALUES"), (1, "ERR_INVALID_ARG_TYPE"), ([], "ERR_INVALID_ARG_TYPE")]
)
async def test_what_cannot_be_written_is_raised(chunk: Any, code: str) -> None:
    sink = Sink(is_open=True)
    with pytest.raises(TreadleError) as caught:
        sink.write(chunk)
    assert caught.value.code == code
    assert not sink.destroyed
    assert sink.write(b"x")
    sink.destroy()


async def test_nothing_but_none_is_refused_where_objects_are_written() -> None:
    sink = Sink(is_open=True, object_mode=True)
    for item in (0, "", [], False):
        sink.write(item)
    with pytest.raises(TreadleError) as caught:
        sink.write(None)
    assert caught.value.code == "ERR_STREAM_NULL_VALUES"
    assert sink.chunks == [0, "", [], False]
    sink.destroy()


@pytest.mark.parametrize(("stop", "code"), [("end", "ERR_STREAM_WRITE_AFTER_END"), ("destroy", "ERR_STREAM_DESTROYED")])
async def test_writing_too_late(stop: str, code: str) -> None:
    sink, told = Sink(is_open=True), []
    trace = listen(sink, "error", "close")
    getattr(sink, stop)()
    assert sink.write(b"x", callback=told.append) is False
    assert sink.write(b"y", callback=told.append) is False
    assert told == []
    await settle()
    assert [code_of(error) for error in told] == [code, code]
    assert sink.chunks == []
    assert [event for event, *_ in trace] == (["error", "close"] if stop == "end" else ["close"])


async def test_ending_twice() -> None:
    sink, told = Sink(is_open=True), []
    sink.end(callback=told.append)
    sink.end(callback=told.append)
    await settle()
    assert told == [None, None]
    sink.end(callback=told.append)
    await settle()
    assert code_of(told[-1]) == "ERR_STREAM_ALREADY_FINISHED"
    assert sink.errored is None


async def test_ending_with_a_chunk() -> None:
    sink = Sink(is_open=True)
    assert sink.end("é", "latin1") is sink
    await settle()
    assert (sink.chunks, sink.writable_finished) == ([b"\xe9"], True)


# ---- cork and writev


async def test_cork_keeps_what_is_written() -> None:
    sink = Sink(is_open=True)
    sink.cork()
    sink.cork()
    sink.write(b"a")
    sink.write(b"b")
    assert (sink.writable_corked, sink.writable_length, sink.chunks) == (2, 2, [])
    sink.uncork()
    await turns()
    assert sink.chunks == []
    sink.uncork()
    assert (sink.writable_corked, sink.chunks) == (0, [b"a", b"b"])
    sink.uncork()
    assert sink.writable_corked == 0
    sink.destroy()


async def test_end_uncorks() -> None:
    sink = Sink(is_open=True)
    for _ in range(3):
        sink.cork()
    sink.end(b"a")
    await settle()
    assert (sink.chunks, sink.writable_corked, sink.writable_finished) == ([b"a"], 0, True)


async def test_writev_gets_what_waits_together() -> None:
    sink, told = Batches(high_water_mark=3), []
    sink.cork()
    answers = [sink.write(name, callback=lambda error, name=name: told.append(name)) for name in "abcd"]
    sink.uncork()
    assert answers == [True, True, False, False]
    assert sink.batches == [[(b"a", "buffer"), (b"b", "buffer"), (b"c", "buffer"), (b"d", "buffer")]]
    assert told == []
    await settle()
    assert told == list("abcd")
    assert sink.writable_length == 0
    sink.destroy()


async def test_what_is_written_meanwhile_is_the_next_batch() -> None:
    sink = Batches(decode_strings=False)
    for chunk in ("a", b"b", "c"):
        sink.write(chunk)
    sink.end()
    await settle()
    assert sink.batches == [[("a", "utf8")], [(b"b", "buffer"), ("c", "utf8")]]
    assert sink.writable_finished


async def test_the_only_one_that_waits_goes_to_write_where_there_is_one() -> None:
    calls: list[str] = []
    sink = Writable(
        write=lambda chunk, encoding, callback: (calls.append("write"), later(callback)),
        writev=lambda requests, callback: (calls.append(f"writev {len(requests)}"), later(callback)),
    )
    for _ in range(2):
        sink.write(b"x")
    await settle()
    for _ in range(3):
        sink.write(b"x")
    await settle()
    assert calls == ["write", "write", "write", "writev 2"]
    sink.destroy()


async def test_an_error_of_writev_fails_all_of_its_writes() -> None:
    boom, told = Boom(), []
    sink = Writable(writev=lambda requests, callback: later(callback, boom))
    trace = listen(sink, "error", "close")
    sink.cork()
    for name in "abc":
        sink.write(name, callback=lambda error, name=name: told.append((name, error)))
    sink.uncork()
    await settle()
    assert told == [("a", boom), ("b", boom), ("c", boom)]
    assert trace == [("error", boom), ("close",)]


async def test_no_hook_is_raised() -> None:
    # As in Node: who writes hears of it, and the stream stands.
    sink = Writable()
    with pytest.raises(TreadleError) as caught:
        sink.write(b"x")
    assert caught.value.code == "ERR_METHOD_NOT_IMPLEMENTED"
    sink.destroy()


# ---- final and construct


@pytest.mark.parametrize("is_late", [False, True], ids=["at once", "later"])
async def test_final_comes_after_the_last_write_and_before_finish(is_late: bool) -> None:
    trace: list[Any] = []

    def final(callback: Any) -> None:
        trace.append("final")
        (later if is_late else lambda call: call())(callback)

    sink = Writable(write=lambda chunk, encoding, callback: (trace.append(bytes(chunk)), later(callback)), final=final)
    for event in ("prefinish", "finish", "close"):
        sink.on(event, lambda event=event: trace.append(event))
    sink.write(b"a")
    sink.end(b"b", callback=lambda error: trace.append("end"))
    await settle()
    assert trace == [b"a", b"b", "final", "prefinish", "end", "finish", "close"]


@pytest.mark.parametrize("way", ["raises", "at once", "later"])
async def test_an_error_of_final(way: str) -> None:
    boom, told = Boom(), []

    def final(callback: Any) -> None:
        if way == "raises":
            raise boom
        (later if way == "later" else lambda call, error: call(error))(callback, boom)

    sink = Writable(write=lambda chunk, encoding, callback: callback(), final=final)
    trace = listen(sink, "finish", "error", "close")
    sink.end(b"a", callback=told.append)
    await settle()
    assert (told, trace) == ([boom], [("error", boom), ("close",)])


async def test_nothing_is_written_before_it_is_constructed() -> None:
    ready: list[Any] = []
    sink = Sink(is_open=True, construct=ready.append)
    sink.write(b"a")
    sink.end(b"b")
    await turns()
    assert sink.chunks == []
    ready[0]()
    await settle()
    assert (sink.chunks, sink.writable_finished) == ([b"a", b"b"], True)


@pytest.mark.parametrize("way", ["raises", "at once", "later"])
async def test_an_error_of_construct(way: str) -> None:
    boom, told = Boom(), []

    def construct(callback: Any) -> None:
        if way == "raises":
            raise boom
        (later if way == "later" else lambda call, error: call(error))(callback, boom)

    sink = Sink(construct=construct)
    trace = listen(sink, "error", "close")
    sink.write(b"a", callback=told.append)
    await settle()
    assert (sink.chunks, told, trace) == ([], [boom], [("error", boom), ("close",)])
    assert sink.destroyed_with == [boom]


async def test_destroyed_before_it_is_constructed() -> None:
    ready: list[Any] = []
    sink = Sink(construct=ready.append)
    trace = listen(sink, "close")
    sink.destroy()
    await settle()
    assert (sink.destroyed_with, trace, sink.destroyed, sink.closed) == ([], [], True, False)
    ready[0]()
    await settle()
    assert (sink.destroyed_with, trace, sink.closed) == ([None], [("close",)], True)


# ---- a hook that raises


async def test_a_write_hook_that_raises_raises_in_write() -> None:
    boom = Boom()

    def write(chunk: Any, encoding: str, callback: Any) -> None:
        raise boom

    sink = Writable(write=write)
    with pytest.raises(Boom):
        sink.write(b"x")
    sink.destroy()


class FailsAt(Writable):
    """Raises at its nth write, and calls back later for the others."""

    def __init__(self, nth: int, boom: BaseException) -> None:
        super().__init__()
        self.left = nth
        self.boom = boom

    def _write(self, chunk: Any, encoding: str, callback: Any) -> None:
        self.left -= 1
        if self.left == 0:
            raise self.boom
        later(callback)


async def test_a_write_hook_that_raises_for_a_chunk_that_waited_fails_the_stream(errors: list[Any]) -> None:
    # Node's process ends there (uncaughtException). Here the program goes on, and so must who waits for the stream.
    boom, told = Boom(), []
    sink = FailsAt(2, boom)
    trace = listen(sink, "error", "close")
    for _ in range(3):
        sink.write(b"x", callback=told.append)
    try:
        await turns(5)
        assert trace == [("error", boom), ("close",)]
        assert told == [None, boom, boom]
        assert errors == []
    finally:
        sink.on("error", lambda error: None).destroy()


async def test_a_writev_hook_that_raises_for_chunks_that_waited_fails_the_stream(errors: list[Any]) -> None:
    boom, calls = Boom(), []

    def writev(requests: list[Any], callback: Any) -> None:
        calls.append(len(requests))
        if len(calls) == 2:
            raise boom
        later(callback)

    sink = Writable(writev=writev)
    trace = listen(sink, "error", "close")
    for _ in range(3):
        sink.write(b"x")
    try:
        await turns(5)
        assert calls == [1, 2]
        assert trace == [("error", boom), ("close",)]
        assert errors == []
    finally:
        sink.on("error", lambda error: None).destroy()


@pytest.mark.parametrize("nth", [2, 3])
async def test_a_write_hook_that_raises_for_a_chunk_that_waited_fails_the_pipeline(nth: int, errors: list[Any]) -> None:
    boom = Boom()
    outcome = pipeline(source_of([b"x"] * 5, object_mode=True), FailsAt(nth, boom))
    await turns(20)
    try:
        assert outcome.done() and outcome.exception() is boom
    finally:
        if not outcome.done():
            outcome.cancel()
            await settle()


# ---- ready()


async def test_ready_is_there_at_once_below_the_mark() -> None:
    sink = Sink(high_water_mark=2)
    sink.write(b"x")
    step = sink.ready()
    with pytest.raises(StopIteration):
        step.send(None)
    sink.destroy()


async def test_many_wait_until_it_is_ready() -> None:
    sink, woken = Sink(high_water_mark=1), []
    sink.write(b"x")

    async def wait(name: int) -> None:
        await sink.ready()
        woken.append(name)

    tasks = [asyncio.create_task(wait(name)) for name in range(20)]
    await turns()
    assert woken == []
    sink.take()
    await asyncio.gather(*tasks)
    assert woken == list(range(20))
    assert sink.event_names() == []
    sink.destroy()


async def test_who_is_woken_and_finds_it_full_again_waits_on() -> None:
    sink, sent = Sink(high_water_mark=1), []

    async def send(number: int) -> None:
        await sink.ready()
        sink.write(bytes([number]))
        sent.append(number)
        assert sink.writable_length <= 1

    tasks = [asyncio.create_task(send(number)) for number in range(5)]
    for expected in range(1, 6):
        await settle_tasks(tasks, expected)
        assert len(sent) == expected
        sink.take()
    await asyncio.gather(*tasks)
    assert sink.chunks == [bytes([number]) for number in sent]
    sink.destroy()


async def settle_tasks(tasks: list[Any], count: int) -> None:
    await turns(3)
    assert sum(task.done() for task in tasks) == count


@pytest.mark.parametrize(
    ("stop", "code"),
    [(lambda sink: sink.destroy(), "ERR_STREAM_DESTROYED"), (lambda sink: sink.destroy(Boom()), "Boom"),
     (lambda sink: sink.end(), "ERR_STREAM_WRITE_AFTER_END")],
    ids=["destroy", "error", "end"],
)  # fmt: skip
async def test_who_waits_hears_that_it_is_over(stop: Any, code: str) -> None:
    sink = Sink(high_water_mark=1)
    sink.on("error", lambda error: None)
    sink.write(b"x")
    tasks = [asyncio.create_task(sink.ready()) for _ in range(3)]
    await turns()
    stop(sink)
    if sink.is_busy and not sink.destroyed:
        sink.take()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [code_of(result) for result in results] == [code] * 3
    with pytest.raises((Boom, TreadleError)):
        await sink.ready()
    await settle()


async def test_who_is_cancelled_leaves_no_listener() -> None:
    sink = Sink(high_water_mark=1)
    sink.write(b"x")
    task = asyncio.create_task(sink.ready())
    await turns()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sink.event_names() == []
    sink.destroy()


# ---- async with


async def test_async_with_waits_until_it_is_closed() -> None:
    async with Sink(is_open=True) as sink:
        sink.end(b"x")
        await finished(sink)
    assert sink.writable_finished and sink.closed
    assert sink.destroyed_with == [None]


async def test_async_with_waits_until_all_is_written() -> None:
    async with Sink() as sink:
        sink.write(b"x")
        sink.end(b"y")
        later(sink.open)
    assert sink.chunks == [b"x", b"y"] and sink.writable_finished and sink.closed
    assert sink.destroyed_with == [None]


async def test_async_with_ends_what_is_left_open() -> None:
    async with Sink() as sink:
        sink.cork()
        sink.write(b"x")
        later(sink.open)
    assert sink.chunks == [b"x"] and sink.writable_finished and sink.closed
    assert sink.destroyed_with == [None]


@pytest.mark.parametrize("is_ended", [False, True])
async def test_async_with_that_fails_destroys_with_what_it_failed_with(is_ended: bool) -> None:
    boom = Boom()
    told: list[Any] = []
    with pytest.raises(Boom) as caught:
        async with Sink() as sink:
            sink.write(b"x", callback=told.append)
            sink.write(b"y", callback=told.append)
            if is_ended:
                sink.end()
            raise boom
    assert caught.value is boom
    assert sink.destroyed_with == [boom] and sink.errored is boom and sink.closed and not sink.writable_finished
    sink.take()  # of the one that was under way it is told
    assert told == [None, boom]


async def test_async_with_that_fails_raises_that_and_not_what_the_stream_failed_with() -> None:
    with pytest.raises(KeyError):
        async with Sink() as sink:
            sink.destroy(Boom())
            raise KeyError
    assert isinstance(sink.errored, Boom) and sink.closed


async def test_async_with_that_fails_behind_the_end_fails_no_stream() -> None:
    with pytest.raises(Boom):
        async with Sink(is_open=True, auto_destroy=False) as sink:
            sink.end(b"x")
            await finished(sink)
            raise Boom
    assert sink.destroyed_with == [None] and sink.errored is None and sink.closed


@pytest.mark.parametrize("moment", ["inside", "at its end"])
async def test_async_with_that_is_cancelled_destroys(moment: str) -> None:
    sink = Sink()

    async def block() -> None:
        async with sink:
            sink.write(b"x")
            if moment == "inside":
                await asyncio.Event().wait()

    task = asyncio.create_task(block())
    await turns(2)
    assert not sink.destroyed and sink.writable_ended == (moment == "at its end")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [code_of(error) for error in sink.destroyed_with] == ["ABORT_ERR"] and sink.closed


@pytest.mark.parametrize(("error", "code"), [(Boom, "Boom"), (lambda: None, "ERR_STREAM_PREMATURE_CLOSE")])
async def test_async_with_says_that_not_all_was_written(error: Any, code: str) -> None:
    with pytest.raises((Boom, TreadleError)) as caught:
        async with Sink() as sink:
            sink.write(b"x")
            later(sink.destroy, error())
    assert code_of(caught.value) == code and sink.closed


async def test_async_with_of_what_was_destroyed_inside_says_nothing() -> None:
    async with Sink() as sink:
        sink.write(b"x")
        sink.destroy()
    assert sink.closed and not sink.writable_finished


async def test_async_with_raises_what_a_hook_fails_with_at_its_end() -> None:
    def final(callback: Any) -> None:
        later(callback, Boom())

    with pytest.raises(Boom):
        async with Writable(write=lambda chunk, encoding, callback: callback(), final=final) as sink:
            sink.write(b"x")
    assert sink.closed


async def test_async_with_of_a_duplex_writes_all_and_gives_up_what_nobody_reads() -> None:
    async with PassThrough(high_water_mark=1) as through:
        for _ in range(5):
            through.write(b"abc")  # each waits until the one before it is read
    assert through.writable_finished and through.closed
    written: list[bytes] = []

    def write(chunk: bytes, encoding: str, callback: Any) -> None:
        written.append(chunk)
        later(callback)

    async with Duplex(read=lambda size: None, write=write) as both:
        both.write(b"x")
        both.write(b"y")
    assert written == [b"x", b"y"] and both.writable_finished and both.closed and not both.readable_ended


@pytest.mark.parametrize("make", [PassThrough, lambda: compose(PassThrough(), PassThrough())], ids=["one", "composed"])
@pytest.mark.parametrize("way", ["pipe", "iteration"])
@pytest.mark.parametrize("count", [1, 20, 60])
async def test_async_with_of_a_transform_gives_all_to_whoever_reads_it(make: Any, way: str, count: int) -> None:
    read: list[bytes] = []

    def write(chunk: bytes, encoding: str, callback: Any) -> None:
        read.append(chunk)
        later(callback)

    async def iterate() -> None:
        async for chunk in through:
            read.append(chunk)
            await turns(1)

    through = make()
    sink = Writable(write=write)
    reading = asyncio.create_task(iterate()) if way == "iteration" else finished(through.pipe(sink))
    await turns(1)
    async with through:
        for _ in range(count):
            through.write(bytes(10_000))
    assert through.readable_ended and through.closed and through.errored is None
    await reading
    assert sum(map(len, read)) == count * 10_000


@pytest.mark.parametrize("moment", ["inside", "at its end"])
async def test_async_with_does_not_wait_for_a_sink_that_has_closed(moment: str) -> None:
    sink = Writable(write=lambda chunk, encoding, callback: None)
    through = PassThrough()

    async def block() -> None:
        async with through:
            through.pipe(sink)
            for _ in range(20):
                through.write(bytes(10_000))
            if moment == "inside":
                sink.destroy()
                await turns(2)

    task = asyncio.create_task(block())
    await turns(2)
    if moment == "at its end":
        assert through.writable_ended and not task.done()
        sink.destroy()
    await asyncio.wait_for(task, DEADLINE_S)
    assert through.writable_finished and through.closed and through.listener_count("remove_listener") == 0


async def test_aclose_gives_up_what_is_not_written() -> None:
    sink = Sink()
    sink.end(b"x")
    await sink.aclose()
    assert sink.closed and not sink.writable_finished
    assert [code_of(error) for error in sink.destroyed_with] == ["ABORT_ERR"]


async def test_async_with_raises_what_the_stream_failed_with() -> None:
    with pytest.raises(Boom):
        async with Sink(is_open=True) as sink:
            sink.destroy(Boom())
