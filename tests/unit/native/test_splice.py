"""splice_streams: every byte in order, back-pressure by the pipe, whatever fails in the middle, and no descriptor left behind."""

from __future__ import annotations

import errno
import itertools
import os
import resource
import socket
from collections.abc import Callable, Iterator

import pytest

from tests.unit.native.support import open_fds
from tests.unit.native.yard import KIB, MIB, Peer, Yard, content
from treadle._native.splice import Splice, splice_streams
from treadle._native.transport import SocketTransport

MakeYard = Callable[..., Yard]
FAMILIES = pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX], ids=["tcp", "unix"])
SIZE = 12 * MIB + 7  # more than the kernel takes without a reader


def pipe_ends() -> set[str]:
    return {name for name in open_fds() if "pipe:" in name}


# ---- bytes and ends


@FAMILIES
@pytest.mark.parametrize("size", [0, 1, 5, 64 * KIB, 3 * MIB + 1])
def test_every_byte_until_the_source_ends(yard: Yard, family: int, size: int) -> None:
    source, writer = yard.connect(family)
    sink, reader = yard.connect(family)
    move = splice_streams(source, sink, yard.note)
    writer.send(content(size))
    yard.run_until_read(reader, content(size))
    assert yard.log == []
    writer.sock.shutdown(socket.SHUT_WR)
    yard.run_until(lambda: yard.log, "the callback")
    assert yard.log == [(None, size)]
    assert move.is_over
    assert move.bytes_moved == size
    assert move.system_calls > 0
    yard.turn(3)
    reader.read()
    assert not reader.is_ended, "whether the end is passed on is for who asked"
    sink.write_eof()
    yard.run_until(lambda: reader.read() or reader.is_ended, "the end")
    assert not writer.near.is_lost
    assert not reader.near.is_lost


def test_both_ways_and_each_end_by_itself(yard: Yard) -> None:
    left, left_peer = yard.connect()
    right, right_peer = yard.connect()

    def pass_on(error: OSError | None, moved: int, to: SocketTransport) -> None:
        yard.note(error, moved)
        to.write_eof()

    splice_streams(left, right, lambda error, moved: pass_on(error, moved, right))
    splice_streams(right, left, lambda error, moved: pass_on(error, moved, left))
    left_peer.send(content(5 * MIB))
    right_peer.send(content(4 * MIB))
    yard.run_until_read(right_peer, content(5 * MIB))
    left_peer.sock.shutdown(socket.SHUT_WR)
    yard.run_until(lambda: right_peer.read() or right_peer.is_ended, "the end of one way")
    assert yard.log == [(None, 5 * MIB)]
    yard.run_until_read(left_peer, content(4 * MIB))
    right_peer.sock.shutdown(socket.SHUT_WR)
    yard.run_until(lambda: left_peer.read() or left_peer.is_ended, "the end of the other")
    assert yard.log == [(None, 5 * MIB), (None, 4 * MIB)]


def test_what_is_written_before_and_after_keeps_its_place(yard: Yard) -> None:
    source, writer = yard.connect()
    sink, reader = yard.connect()
    sink.write(content(5 * MIB))
    assert sink.get_write_buffer_size() > 0, "it waits"
    splice_streams(source, sink, yard.note)
    sink.write(b"after")
    writer.send(content(SIZE))
    yard.run_until_read(reader, content(5 * MIB) + content(SIZE))
    writer.sock.shutdown(socket.SHUT_WR)
    yard.run_until_read(reader, content(5 * MIB) + content(SIZE) + b"after")
    assert yard.log == [(None, SIZE)]


def test_closing_the_sink_waits_for_the_end(yard: Yard) -> None:
    source, writer = yard.connect()
    sink, reader = yard.connect()
    splice_streams(source, sink, yard.note)
    sink.close()
    writer.send(b"all of it")
    yard.run_until_read(reader, b"all of it")
    assert not reader.near.is_lost
    writer.sock.shutdown(socket.SHUT_WR)
    yard.run_until(lambda: reader.near.is_lost, "it closes")
    assert yard.log == [(None, 9)]


def test_one_after_the_other_from_its_callback(yard: Yard) -> None:
    sink, reader = yard.connect()
    sources = [yard.connect() for _ in range(3)]

    def next_one(error: OSError | None, moved: int) -> None:
        yard.note(error, moved)
        if len(yard.log) < len(sources):
            splice_streams(sources[len(yard.log)][0], sink, next_one)

    splice_streams(sources[0][0], sink, next_one)
    for number, (_source, writer) in enumerate(sources):
        writer.send(bytes([number]) * 10)
        writer.sock.shutdown(socket.SHUT_WR)
    yard.run_until(lambda: len(yard.log) == 3, "three callbacks")
    yard.run_until_read(reader, b"".join(bytes([number]) * 10 for number in range(3)))


def test_the_source_can_be_read_again_after_a_cancel(yard: Yard) -> None:
    source, writer = yard.connect()
    sink, reader = yard.connect()
    move = splice_streams(source, sink, yard.note)
    writer.send(b"one")
    yard.run_until_read(reader, b"one")
    move.cancel()
    received: list[bytes] = []
    writer.near.data_received = received.append  # type: ignore[method-assign]
    writer.send(b"two")
    yard.turn(3)
    assert received == [], "it is paused"
    source.resume_reading()
    yard.run_until(lambda: received, "the source's own bytes")
    assert received == [b"two"]
    sink.write(b"three")
    yard.run_until_read(reader, b"onethree")
    assert yard.log == []


# ---- back-pressure


@FAMILIES
def test_a_sink_that_is_not_read_stops_the_source(yard: Yard, family: int) -> None:
    source, writer = yard.connect(family)
    sink, reader = yard.connect(family)
    move = splice_streams(source, sink, yard.note)
    writer.send(content(4 * SIZE))
    taken = -1

    def is_stuck() -> bool:
        nonlocal taken
        writer.write()
        before, taken = taken, len(writer.outgoing)
        return taken == before and move.statistics()["waits_for_sink"]

    yard.run_until(is_stuck, "everything is full")
    assert not move.statistics()["waits_for_source"], "what comes stays in the kernel"
    assert writer.outgoing, "and the writer has to wait"
    yard.run_until_read(reader, content(4 * SIZE))
    writer.sock.shutdown(socket.SHUT_WR)
    yard.run_until(lambda: yard.log, "the callback")
    assert yard.log == [(None, 4 * SIZE)]


def test_pausing_the_source_pauses_the_move(yard: Yard) -> None:
    source, writer = yard.connect()
    sink, reader = yard.connect()
    splice_streams(source, sink, yard.note)
    source.resume_reading()
    writer.send(b"one")
    yard.run_until_read(reader, b"one")
    source.pause_reading()
    writer.send(b"two")
    yard.turn(5)
    reader.read()
    assert reader.received == b"one"
    source.resume_reading()
    yard.run_until_read(reader, b"onetwo")


def test_one_visit_moves_no_more_than_a_pipe_holds(yard: Yard) -> None:
    source, writer = yard.connect()
    sink, reader = yard.connect()
    writer.send(content(SIZE))
    move = splice_streams(source, sink, yard.note)
    moved = []
    while len(reader.received) < SIZE - len(writer.outgoing):
        before = move.bytes_moved
        yard.turn()
        reader.read()
        writer.write()
        moved.append(move.bytes_moved - before)
    assert max(moved) <= MIB
    assert len([size for size in moved if size]) >= SIZE // MIB


# ---- pipes


def test_idle_moves_have_no_pipe(yard: Yard) -> None:
    before = pipe_ends()
    ends = []
    for _ in range(50):
        source, writer = yard.connect()
        sink, reader = yard.connect()
        splice_streams(source, sink, yard.note)
        ends.append((writer, reader))
    for writer, reader in ends:
        writer.send(b"a few bytes")
        yard.run_until_read(reader, b"a few bytes")
    assert len(pipe_ends() - before) == 2, "one pipe has served all of them"


def test_of_many_pipes_few_are_kept(yard: Yard) -> None:
    before = pipe_ends()
    ends = []
    for _ in range(50):
        source, writer = yard.connect(socket.AF_UNIX)
        sink, reader = yard.connect(small=True)
        splice_streams(source, sink, yard.note)
        writer.send(content(100 * KIB))
        ends.append((writer, reader))
    yard.run_until(lambda: len(pipe_ends() - before) == 100, "each of them is stuck with a pipe")
    for _writer, reader in ends:
        yard.run_until_read(reader, content(100 * KIB))
    assert len(pipe_ends() - before) == 64


@pytest.fixture
def no_descriptor_left() -> Iterator[Callable[[int], None]]:
    """Called with how many more there may be."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield lambda left: resource.setrlimit(
        resource.RLIMIT_NOFILE, (max(int(name.split(":")[0]) for name in open_fds()) + 1 + left, limits[1])
    )
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@FAMILIES
def test_without_a_descriptor_for_a_pipe_bytes_go_by_hand(
    yard: Yard, family: int, no_descriptor_left: Callable[[int], None]
) -> None:
    source, writer = yard.connect(family)
    sink, reader = yard.connect(family)
    move = splice_streams(source, sink, yard.note)
    before = pipe_ends()
    fill = [os.open("/dev/null", os.O_RDONLY) for _ in range(3)]
    no_descriptor_left(0)
    try:
        while True:
            try:
                fill.append(os.open("/dev/null", os.O_RDONLY))
            except OSError:
                break
        writer.send(content(SIZE))
        yard.run_until_read(reader, content(SIZE))
        writer.sock.shutdown(socket.SHUT_WR)
        yard.run_until(lambda: yard.log, "the callback")
    finally:
        for fd in fill:
            os.close(fd)
    assert yard.log == [(None, SIZE)]
    assert move.system_calls >= 2 * SIZE // (64 * KIB)
    assert pipe_ends() == before


# ---- connections that end


@pytest.mark.parametrize("which", ["source", "sink"])
@pytest.mark.parametrize("how", ["reset", "abort"])
def test_one_that_ends_in_the_middle(yard: Yard, which: str, how: str) -> None:
    source, writer = yard.connect()
    sink, reader = yard.connect()
    move = splice_streams(source, sink, yard.note)
    writer.send(content(8 * SIZE))
    yard.run_until(lambda: move.statistics()["waits_for_sink"], "everything is full")
    ended, other = (writer, reader) if which == "source" else (reader, writer)
    if how == "reset":
        ended.reset()
        yard.peers.remove(ended)
    else:
        (source if which == "source" else sink).abort()
        assert yard.log == [], "not from inside abort()"
    if which == "source" and how == "reset":
        yard.run_until(lambda: reader.read() or yard.log, "the callback")
    else:
        yard.run_until(lambda: yard.log, "the callback")
    [(error, moved)] = yard.log
    assert isinstance(error, OSError)
    assert error.errno in ({errno.ECONNABORTED} if how == "abort" else {errno.ECONNRESET, errno.EPIPE})
    assert moved < 8 * SIZE
    yard.run_until(lambda: ended.near.is_lost, "its protocol is told")
    assert ended.near.error is (None if how == "abort" else error)
    assert not other.near.is_lost
    yard.turn(3)
    assert len(yard.log) == 1


def test_a_source_that_closes_behind_its_end_loses_nothing(yard: Yard) -> None:
    source, writer = yard.connect()
    sink, reader = yard.connect(small=True)
    move = splice_streams(source, sink, yard.note)
    writer.send(content(300 * KIB))
    writer.sock.shutdown(socket.SHUT_WR)
    yard.run_until(lambda: move.statistics()["waits_for_sink"], "it is stuck with a pipe")
    yard.run_until_read(reader, content(300 * KIB))
    source.close()
    yard.run_until(lambda: yard.log, "the callback")
    assert yard.log[0][1] == 300 * KIB


def test_wrong_arguments(yard: Yard) -> None:
    source, _writer = yard.connect()
    sink, _reader = yard.connect()
    third, _peer = yard.connect()
    with pytest.raises(ValueError, match="two streams"):
        splice_streams(source, source, yard.note)
    splice_streams(source, sink, yard.note)
    with pytest.raises(RuntimeError):
        splice_streams(source, third, yard.note)
    with pytest.raises(RuntimeError):
        splice_streams(third, sink, yard.note)
    third.write(b"as before")
    third.close()
    with pytest.raises(RuntimeError):
        splice_streams(third, source, yard.note)
    yard.run_until_read(yard.peers[2], b"as before")
    assert yard.log == []


# ---- at any moment


def begin(yard: Yard) -> tuple[Splice, SocketTransport, SocketTransport, Peer]:
    source, writer = yard.connect(small=True)
    sink, reader = yard.connect(small=True)
    sink.write(b"<")
    move = splice_streams(source, sink, yard.note)
    sink.write(b">")
    writer.send(content(60 * KIB))
    return move, source, sink, reader


def test_cancelled_at_any_moment(make_yard: MakeYard) -> None:
    yard = make_yard()
    moved = set()
    for moment in range(25):
        move, _source, sink, reader = begin(yard)
        for _ in range(moment):
            yard.turn()
            yard.peers[-2].write()
            if moment % 2:
                reader.read()
        move.cancel()
        sink.write_eof()
        yard.run_until(lambda reader=reader: reader.read() or reader.is_ended, "the end")  # type: ignore[misc]
        assert yard.log == []
        assert move.is_over
        assert reader.received == b"<" + content(60 * KIB)[: move.bytes_moved] + b">"
        assert not reader.near.is_lost
        moved.add(move.bytes_moved)
    assert len(moved) > 1, "at more than one moment"


@pytest.mark.parametrize("end", ["close", "abort the source", "abort the sink"])
def test_ended_at_any_moment(make_yard: MakeYard, end: str) -> None:
    fds = open_fds()
    for moment in range(20):
        yard = make_yard()
        _move, source, sink, _reader = begin(yard)
        turns = itertools.count()
        yard.run_until(lambda turns=turns, moment=moment: next(turns) >= moment, "its moment")  # type: ignore[misc]
        if end != "close":
            (source if end.endswith("source") else sink).abort()
            yard.run_until(lambda yard=yard: yard.log, "the callback")  # type: ignore[misc]
            assert [error.errno for error, _moved in yard.log if error] == [errno.ECONNABORTED]
        yard.close()
        assert open_fds() == fds
