"""Readable: what push, unshift and read(size) make of the buffer, and when the hook is asked. Not here: text (test_text.py),
iteration (test_iterator.py), the order of events, which the recorded programs hold."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.streams.support import Boom, Sink, code_of, drain, later, listen, settle, source_of, turns
from treadle import TreadleError
from treadle.streams import Readable


def silent(**options: Any) -> Readable:
    """One that is pushed to by the test."""
    return Readable(read=lambda size: None, **options)


# ---- read(size)


async def test_read_takes_as_much_as_it_is_told() -> None:
    stream = silent()
    for chunk in (b"ab", b"cde", b"f"):
        stream.push(chunk)
    assert [stream.read(1), stream.read(1), stream.read(2), stream.read(2)] == [b"a", b"b", b"cd", b"ef"]
    assert stream.read() is None
    stream.destroy()


@pytest.mark.parametrize("size", range(1, 12))
@pytest.mark.parametrize("cut", [1, 2, 3, 10])
async def test_pieces_of_any_size(size: int, cut: int) -> None:
    data = b"0123456789"
    stream = silent()
    for index in range(0, len(data), cut):
        stream.push(data[index : index + cut])
    stream.push(None)
    pieces = list(iter(lambda: stream.read(size), None))
    assert pieces == [data[index : index + size] for index in range(0, len(data), size)]
    stream.resume()
    await settle()
    assert stream.readable_ended


async def test_more_than_there_is_waits_and_at_the_end_does_not() -> None:
    stream = silent()
    stream.push(b"abc")
    assert stream.read(4) is None
    stream.push(b"d")
    assert stream.read(4) == b"abcd"
    stream.push(b"ef")
    stream.push(None)
    assert stream.read(4) == b"ef"
    stream.resume()
    await settle()


async def test_read_of_nothing_takes_nothing() -> None:
    stream = silent()
    stream.push(b"abc")
    assert stream.read(0) is None
    assert stream.read(-1) is None
    assert stream.readable_length == 3
    stream.destroy()


async def test_objects_come_one_by_one_whatever_the_size() -> None:
    stream = silent(object_mode=True)
    for item in (1, "", b"", 0, False, ()):
        stream.push(item)
    assert stream.readable_length == 6
    assert [stream.read(5), stream.read()] == [1, ""]
    assert [item for _ in range(4) for item in [stream.read()]] == [b"", 0, False, ()]
    stream.destroy()


async def test_a_size_above_the_mark_raises_it_to_the_next_power_of_two() -> None:
    sizes: list[int] = []
    stream = Readable(high_water_mark=4, read=sizes.append)
    assert stream.read(5) is None
    assert stream.readable_high_water_mark == 8
    stream.push(b"x")
    await turns()
    assert sizes == [8, 8]
    assert stream.read(9) is None
    assert stream.readable_high_water_mark == 16
    with pytest.raises(TreadleError) as caught:
        stream.read((1 << 30) + 1)
    assert caught.value.code == "ERR_OUT_OF_RANGE"
    stream.destroy()


async def test_what_can_be_pushed() -> None:
    stream = silent()
    view = memoryview(bytearray(b"abcd")).cast("H")
    for chunk in (b"a", bytearray(b"b"), memoryview(b"c"), memoryview(b"d-e")[::2], view, "é"):
        stream.push(chunk)
    assert stream.readable_length == 1 + 1 + 1 + 2 + 4 + 2
    assert stream.read() == b"abcdeabcd\xc3\xa9"
    stream.destroy()


async def test_a_bytearray_is_copied() -> None:
    stream, chunk = silent(), bytearray(b"abc")
    stream.push(chunk)
    chunk[:] = b"xyz"
    assert stream.read() == b"abc"
    stream.destroy()


@pytest.mark.parametrize("chunk", [1, object(), ["a"], 1.5])
async def test_what_cannot_be_pushed(chunk: object) -> None:
    stream = silent()
    trace = listen(stream, "error", "close")
    assert stream.push(chunk) is False
    await settle()
    assert [(event, *map(code_of, errors)) for event, *errors in trace] == [("error", "ERR_INVALID_ARG_TYPE"), ("close",)]


async def test_nothing_is_no_chunk_and_lets_the_hook_be_asked_again() -> None:
    left = [b"", b"", b"a", None]
    stream = Readable(read=lambda size: stream.push(left.pop(0)))
    assert await stream.to_list() == [b"a"]
    assert left == []


# ---- unshift


async def test_unshift_comes_first_also_behind_a_part() -> None:
    stream = silent()
    stream.push(b"abc")
    stream.push(b"def")
    assert stream.read(1) == b"a"
    stream.unshift(b"A")
    stream.unshift(b"")
    assert stream.readable_length == 6
    assert [stream.read(2), stream.read()] == [b"Ab", b"cdef"]
    stream.destroy()


async def test_unshift_before_the_end_was_emitted() -> None:
    stream = silent()
    seen: list[bytes] = []
    stream.push(b"head\nbody")
    stream.push(None)
    head = stream.read()
    stream.unshift(head[5:])
    stream.on("data", seen.append)
    await settle()
    assert (head, seen) == (b"head\nbody", [b"body"])
    assert stream.readable_ended


async def test_unshift_after_the_end_fails() -> None:
    stream = source_of([], auto_destroy=False)
    trace = listen(stream, "error")
    stream.resume()
    await settle()
    stream.unshift(b"x")
    await settle()
    assert [code_of(error) for _, error in trace] == ["ERR_STREAM_UNSHIFT_AFTER_END_EVENT"]
    stream.destroy()
    await settle()


async def test_push_after_the_end_fails() -> None:
    stream = silent()
    trace = listen(stream, "error")
    stream.push(None)
    assert stream.push(b"x") is False
    await settle()
    assert [code_of(error) for _, error in trace] == ["ERR_STREAM_PUSH_AFTER_EOF"]


async def test_the_end_may_be_pushed_twice() -> None:
    stream = silent()
    stream.push(None)
    stream.push(None)
    assert await stream.to_list() == []


async def test_push_after_destroy_does_nothing() -> None:
    stream = silent()
    trace = listen(stream, "data", "end", "error", "close")
    stream.destroy()
    assert stream.push(b"x") is False
    assert stream.push(None) is False
    assert stream.unshift(b"x") is False
    await settle()
    assert trace == [("close",)]


# ---- marks, and when the hook is asked


@pytest.mark.parametrize(("mark", "chunk", "answers"), [(4, b"ab", [True, False, False]), (0, b"ab", [False, False, False])])
async def test_push_says_whether_there_is_room(mark: int, chunk: bytes, answers: list[bool]) -> None:
    stream = silent(high_water_mark=mark)
    assert [stream.push(chunk) for _ in answers] == answers
    stream.destroy()


async def test_objects_count_one_each() -> None:
    stream = silent(high_water_mark=2, object_mode=True)
    assert [stream.push("a long text") for _ in range(3)] == [True, False, False]
    assert stream.readable_length == 3
    stream.destroy()


async def test_the_hook_is_asked_up_to_the_mark_and_no_further() -> None:
    asked: list[int] = []

    def read(size: int) -> None:
        asked.append(size)
        stream.push(b"xx")

    stream = Readable(high_water_mark=6, read=read)
    stream.read(0)
    await settle()
    assert (len(asked), stream.readable_length, set(asked)) == (3, 6, {6})
    assert stream.read(2) == b"xx"  # below the mark, so that it is asked once more
    await settle()
    assert (len(asked), stream.readable_length) == (4, 6)
    stream.destroy()


async def test_the_hook_is_not_asked_again_before_it_has_pushed() -> None:
    asked: list[int] = []
    stream = Readable(read=asked.append)
    for _ in range(3):
        stream.read(0)
        stream.read()
        await turns()
    assert len(asked) == 1
    stream.push(b"x")
    await settle()
    assert len(asked) == 2
    stream.destroy()


async def test_with_a_mark_of_nothing_chunks_come_one_by_one() -> None:
    asked: list[int] = []
    left = [b"a", b"b", b"c", None]

    def read(size: int) -> None:
        asked.append(stream.readable_length)
        later(lambda: stream.push(left.pop(0)))

    stream = Readable(high_water_mark=0, read=read)
    assert await stream.to_list() == [b"a", b"b", b"c"]
    assert asked == [0, 0, 0, 0]


async def test_no_hook_is_an_error() -> None:
    stream = Readable()
    trace = listen(stream, "error", "close")
    stream.read()
    await settle()
    assert [(event, *map(code_of, errors)) for event, *errors in trace] == [("error", "ERR_METHOD_NOT_IMPLEMENTED"), ("close",)]


@pytest.mark.parametrize("is_late", [False, True], ids=["at once", "later"])
async def test_a_hook_that_fails(is_late: bool) -> None:
    boom = Boom()

    def read(size: int) -> None:
        if is_late:
            later(stream.destroy, boom)
        else:
            raise boom

    stream = Readable(read=read)
    trace = listen(stream, "data", "end", "error", "close")
    stream.resume()
    await settle()
    assert trace == [("error", boom), ("close",)]
    assert stream.errored is boom and stream.destroyed and stream.closed and not stream.readable and stream.readable_aborted


# ---- flowing and paused


async def test_nothing_flows_before_it_is_asked_for() -> None:
    stream = source_of([b"a"])
    await turns(3)
    assert (stream.readable_flowing, stream.readable_length, stream.readable_did_read) == (None, 0, False)
    stream.destroy()


async def test_pause_in_a_listener_holds_the_next_chunk() -> None:
    stream = source_of([b"a", b"b", b"c"])
    seen: list[bytes] = []
    stream.on("data", lambda chunk: (seen.append(chunk), stream.pause()))
    for expected in (1, 2, 3):
        await settle()
        assert (len(seen), stream.readable_flowing, stream.is_paused()) == (expected, False, True)
        stream.resume()
    await settle()
    assert stream.readable_ended


async def test_a_readable_listener_holds_the_flow_and_the_last_one_lets_it_go() -> None:
    stream = source_of([b"a", b"b"])
    seen: list[bytes] = []

    def on_readable() -> None: ...

    stream.on("readable", on_readable)
    stream.on("data", seen.append)
    await settle()
    assert (seen, stream.readable_flowing) == ([], False)
    stream.off("readable", on_readable)
    await settle()
    assert seen == [b"ab"] or seen == [b"a", b"b"]
    assert stream.readable_ended


async def test_what_flows_unheard_is_lost() -> None:
    stream = source_of([b"a", b"b"])
    stream.resume()
    await settle()
    assert stream.readable_ended and stream.readable_did_read


# ---- pipes


async def test_a_pipe_waits_for_all_its_destinations() -> None:
    source = source_of([b"a", b"b", b"c"])
    slow, fast = Sink(high_water_mark=1), Sink(high_water_mark=1, is_open=True)
    source.pipe(slow)
    source.pipe(fast)
    await turns(3)
    assert (slow.chunks, fast.chunks) == ([b"a"], [b"a"])
    slow.take()
    await turns(3)
    assert (slow.chunks, fast.chunks) == ([b"a", b"b"], [b"a", b"b"])
    slow.open()
    await settle()
    assert slow.chunks == fast.chunks == [b"a", b"b", b"c"]
    assert slow.writable_finished and fast.writable_finished


async def test_unpipe_of_the_one_that_is_full_lets_the_others_go_on() -> None:
    source = source_of([b"a", b"b", b"c"])
    slow, fast = Sink(high_water_mark=1), Sink(high_water_mark=1, is_open=True)
    source.pipe(slow)
    source.pipe(fast)
    await turns(3)
    source.unpipe(slow)
    await settle()
    assert (slow.chunks, fast.chunks) == ([b"a"], [b"a", b"b", b"c"])
    assert fast.writable_finished and not slow.writable_ended
    slow.open()
    slow.end()
    await settle()


async def test_unpipe_of_all_leaves_no_listener() -> None:
    source, sinks = source_of([b"a"] * 9), [Sink(high_water_mark=1) for _ in range(2)]
    for sink in sinks:
        assert source.pipe(sink) is sink
    await turns()
    assert source.unpipe() is source
    assert source.unpipe(sinks[0]) is source
    assert source.is_paused()
    for stream in (source, *sinks):
        assert stream.event_names() == [], stream
    seen = len(sinks[0].chunks)
    await turns(3)
    assert len(sinks[0].chunks) == seen and not source.readable_ended  # what comes waits for who reads it
    for stream in (source, *sinks):
        stream.destroy()


@pytest.mark.parametrize("has_ended", [False, True])
async def test_an_end_that_raises_is_an_error_of_the_destination(has_ended: bool) -> None:
    class Strict(Sink):
        def end(self, *arguments: Any) -> Any:
            raise Boom("not whole")

    strict = Strict(is_open=True)
    told = listen(strict, "error", "close")
    source = source_of([] if has_ended else [b"a"])
    if has_ended:
        source.resume()
        await settle()
    source.pipe(strict)
    await settle()
    assert [event for event, *_ in told] == ["error", "close"]
    assert isinstance(told[0][1], Boom)
    assert source.listener_count("data") == 0


async def test_a_pipe_that_does_not_end_its_destination() -> None:
    sink = Sink(is_open=True)
    source_of([b"a"]).pipe(sink, end=False)
    await settle()
    assert (sink.chunks, sink.writable_ended) == ([b"a"], False)
    source_of([b"b"]).pipe(sink)
    await settle()
    assert (sink.chunks, sink.writable_finished) == ([b"a", b"b"], True)


async def test_a_destination_that_is_not_ours() -> None:
    class Plain(Sink):
        def write(self, chunk: Any, *rest: Any) -> bool:
            self.chunks.append(bytes(chunk).upper())
            return True

    plain = Plain()
    source_of([b"a", b"b"]).pipe(plain)
    await settle()
    assert plain.chunks == [b"A", b"B"]
    assert plain.writable_finished


# -- what a hook, or a chunk, does behind the back of a read -----------------------------------------------------------


async def test_a_hook_that_reads_leaves_what_it_has_read_out() -> None:
    taken: list[Any] = []
    stream = Readable(read=lambda _: taken.append(stream.read(1)))
    stream.push(b"0123")
    assert (stream.read(), taken, stream.readable_length) == (b"123", [b"0"], 0)
    assert (stream.read(), stream.readable_length) == (None, 0)


async def test_a_hook_that_sets_an_encoding() -> None:
    stream = Readable(read=lambda _: stream.set_encoding("utf8"))
    stream.push("\xe9\xe9".encode())
    assert (stream.read(), stream.readable_length) == ("\xe9\xe9", 0)
    assert (stream.read(), stream.readable_length) == (None, 0)


async def test_objects_that_are_no_text_stay_as_they_are() -> None:
    stream = Readable(object_mode=True, read=lambda _: None)
    for chunk in (b"x", {}):
        stream.push(chunk)
    with pytest.raises(TypeError):
        stream.set_encoding("utf8")
    assert stream.readable_encoding is None
    assert drain(stream) == [b"x", {}]
    assert stream.readable_length == 0


async def test_objects_that_are_decoded_are_one() -> None:
    stream = Readable(object_mode=True, read=lambda _: None)
    for chunk in (b"ab", b"c"):
        stream.push(chunk)
    stream.set_encoding("utf8")
    assert stream.readable_length == 1
    assert drain(stream) == ["abc"]
    assert stream.readable_length == 0


@pytest.mark.parametrize("act", [lambda stream: stream.unshift(b"x"), lambda stream: stream.read()])
async def test_a_view_that_is_released_while_it_waits(act: Any) -> None:
    stream = Readable(read=lambda _: None)
    view = memoryview(b"abc")
    stream.push(view)
    assert bytes(stream.read(1)) == b"a"
    view.release()
    with pytest.raises(ValueError, match="released"):
        act(stream)
    stream.destroy()
    await settle()
