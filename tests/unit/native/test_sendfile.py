"""send_file: every range, in order with what is written, whatever fails in the middle, and no descriptor left behind."""

from __future__ import annotations

import errno
import itertools
import os
import resource
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.native.support import Door, eventually, open_fds
from tests.unit.native.yard import KIB, MIB, Peer, Yard, content
from treadle._native.file_jobs import read_file
from treadle._native.pool import PoolSaturated
from treadle._native.sendfile import FileSend, send_file
from treadle._native.transport import SocketTransport

MakeYard = Callable[..., Yard]
SIZE = 6 * MIB + 11  # more than the kernel takes without a reader


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "file"
    path.write_bytes(content(SIZE))
    fd = os.open(path, os.O_RDWR)
    yield fd
    os.close(fd)


# ---- ranges and order


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX], ids=["tcp", "unix"])
@pytest.mark.parametrize(
    ("offset", "size", "moved"),
    [
        (0, -1, SIZE),
        (0, 0, 0),
        (7, 1, 1),
        (5, MIB, MIB),
        (SIZE - 3, 100, 3),
        (SIZE, -1, 0),
        (SIZE + 9, 9, 0),
        (1, SIZE, SIZE - 1),
    ],
)
def test_a_range(yard: Yard, file: int, family: int, offset: int, size: int, moved: int) -> None:
    os.lseek(file, 99, os.SEEK_SET)
    stream, peer = yard.connect(family)
    move = send_file(yard.pool, stream, file, yard.note, offset=offset, size=size)
    yard.run_until_read(peer, content(SIZE)[offset : offset + moved])
    yard.run_until(lambda: yard.log, "the callback")
    assert yard.log == [(None, moved)]
    assert os.lseek(file, 0, os.SEEK_CUR) == 99
    assert move.statistics()["bytes_moved"] == moved
    assert move.is_over
    assert (move.system_calls > 0) == (size != 0)


def is_corked(stream: SocketTransport) -> bool:
    """Whether its socket holds back what fills no segment."""
    return bool(stream.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_CORK))


def test_full_segments_alone_until_all_is_sent(yard: Yard, file: int) -> None:
    stream, peer = yard.connect()
    send_file(yard.pool, stream, file, yard.note)
    assert is_corked(stream)
    stream.write(b"behind it")
    yard.run_until_read(peer, content(SIZE) + b"behind it")
    assert yard.log == [(None, SIZE)]
    assert not is_corked(stream)


def test_a_move_that_is_cancelled_holds_nothing_back(yard: Yard, file: int) -> None:
    stream, _peer = yard.connect()
    move = send_file(yard.pool, stream, file, yard.note)
    move.cancel()
    yard.run_until(lambda: not is_corked(stream), "it is as before")


def test_its_user_may_close_the_file_at_once(yard: Yard, file: int) -> None:
    stream, peer = yard.connect()
    mine = os.dup(file)
    send_file(yard.pool, stream, mine, yard.note)
    os.close(mine)
    yard.run_until_read(peer, content(SIZE))


def test_what_is_written_before_and_after_keeps_its_place(yard: Yard, file: int) -> None:
    stream, peer = yard.connect()
    before, after = content(5 * MIB), content(300)
    stream.write(before)
    assert stream.get_write_buffer_size() > 0, "it waits"
    send_file(yard.pool, stream, file, yard.note)
    stream.write(after)
    stream.write_eof()
    yard.run_until_read(peer, before + content(SIZE) + after)
    yard.run_until(lambda: peer.read() or peer.is_ended, "the end")
    assert yard.log == [(None, SIZE)]
    assert not peer.near.is_lost


def test_closing_waits_for_it(yard: Yard, file: int) -> None:
    stream, peer = yard.connect()
    send_file(yard.pool, stream, file, yard.note)
    stream.close()
    yard.turn(5)
    assert not peer.near.is_lost
    yard.run_until_read(peer, content(SIZE))
    yard.run_until(lambda: peer.near.is_lost, "it closes")
    assert yard.log == [(None, SIZE)]
    assert peer.near.error is None


def test_one_after_the_other_from_its_callback(yard: Yard, file: int) -> None:
    stream, peer = yard.connect()

    def again(error: OSError | None, moved: int) -> None:
        yard.note(error, moved)
        if len(yard.log) < 3:
            stream.write(b"-")
            send_file(yard.pool, stream, file, again, size=70_000)

    send_file(yard.pool, stream, file, again, size=70_000)
    yard.run_until_read(peer, b"-".join([content(SIZE)[:70_000]] * 3))
    yard.run_until(lambda: len(yard.log) == 3, "three callbacks")


def test_the_pool_knows_its_jobs_by_name(yard: Yard, file: int) -> None:
    stream, peer = yard.connect()
    send_file(yard.pool, stream, file, yard.note)
    yard.run_until_read(peer, content(SIZE))
    assert list(yard.pool.statistics_by_kind()) == ["streams.send_file"]


def test_two_at_once_on_one_stream_are_refused(yard: Yard, file: int) -> None:
    stream, peer = yard.connect()
    send_file(yard.pool, stream, file, yard.note)
    with pytest.raises(RuntimeError):
        send_file(yard.pool, stream, file, yard.note)
    yard.run_until_read(peer, content(SIZE))
    yard.run_until(lambda: yard.log, "the callback")
    assert yard.log == [(None, SIZE)]


def test_others_go_first_between_two_slices(make_yard: MakeYard, file: int) -> None:
    yard = make_yard(pool_size=1)
    order: list[str] = []
    moves = []
    for name, size in (("large", MIB), ("small", 4 * KIB)):
        stream, _peer = yard.connect()
        moves.append(send_file(yard.pool, stream, file, lambda *_, name=name: order.append(name), size=size, slice_bytes=4 * KIB))  # type: ignore[misc]
    yard.run_until(lambda: len(order) == 2, "both")
    assert order == ["small", "large"]
    assert moves[0].system_calls == MIB // (4 * KIB)


# ---- files that fail or shrink


def test_a_file_that_is_truncated_while_it_is_sent(yard: Yard, file: int) -> None:
    stream, peer = yard.connect()
    move = send_file(yard.pool, stream, file, yard.note, slice_bytes=64 * KIB)
    yard.run_until(lambda: move.bytes_moved, "it has begun")
    sent = move.bytes_moved
    os.ftruncate(file, 0)
    yard.run_until(lambda: peer.read() or yard.log, "the callback")
    [(error, moved)] = yard.log
    assert error is None
    assert sent <= moved < SIZE
    stream.write_eof()
    yard.run_until(lambda: peer.read() or peer.is_ended, "the end")
    assert len(peer.received) == moved
    # What the kernel has taken of a file, it may read as late as the peer does: as zeros, once it is truncated.


@pytest.mark.parametrize(("kind", "number"), [("folder", errno.EINVAL), ("pipe", errno.ESPIPE), ("write only", errno.EBADF)])
def test_an_error_of_the_file_leaves_the_stream_open(yard: Yard, tmp_path: Path, kind: str, number: int) -> None:
    others: list[int] = []
    if kind == "pipe":
        fd, writer = os.pipe()
        others.append(writer)
    elif kind == "folder":
        fd = os.open(tmp_path, os.O_RDONLY)
    else:
        fd = os.open(tmp_path / "new", os.O_WRONLY | os.O_CREAT)
    stream, peer = yard.connect()
    stream.write(b"before ")
    send_file(yard.pool, stream, fd, yard.note)
    stream.write(b"after")
    yard.run_until(lambda: yard.log, "the callback")
    [(error, moved)] = yard.log
    assert isinstance(error, OSError)
    assert (error.errno, moved) == (number, 0)
    yard.run_until_read(peer, b"before after")
    for number in (fd, *others):
        os.close(number)


def test_a_failed_stream_goes_on_behind_the_callback(yard: Yard, tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    stream, peer = yard.connect()

    def give_up(error: OSError | None, moved: int) -> None:
        yard.note(error, moved)
        stream.abort()

    send_file(yard.pool, stream, fd, give_up)
    stream.write(b"belongs behind the file")
    yard.run_until(lambda: peer.read() or peer.is_ended, "the end")
    assert peer.received == b""
    os.close(fd)


def test_wrong_arguments(yard: Yard, file: int) -> None:
    stream, peer = yard.connect()
    with pytest.raises(ValueError, match="offset"):
        send_file(yard.pool, stream, file, yard.note, offset=-1)
    with pytest.raises(ValueError, match="slice_bytes"):
        send_file(yard.pool, stream, file, yard.note, slice_bytes=0)
    with pytest.raises(OSError, match="Bad file descriptor"):
        send_file(yard.pool, stream, -1, yard.note)
    stream.write(b"as before")
    yard.run_until_read(peer, b"as before")
    stream.close()
    with pytest.raises(RuntimeError):
        send_file(yard.pool, stream, file, yard.note)
    assert yard.log == []


@pytest.mark.parametrize("left", [0, 1])
def test_no_descriptor_left(yard: Yard, file: int, left: int) -> None:
    stream, peer = yard.connect()
    highest = max(int(name.split(":")[0]) for name in open_fds())
    fill = [os.dup(file) for _ in range(3)]
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(*fill, highest) + 1, limits[1]))
    try:
        fill += list(iter(lambda: dup_or_none(file), None))
        for _ in range(left):
            os.close(fill.pop())
        with pytest.raises(OSError, match="Too many open files"):
            send_file(yard.pool, stream, file, yard.note)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for fd in fill:
            os.close(fd)
    stream.write(b"as before")
    yard.run_until_read(peer, b"as before")


def dup_or_none(fd: int) -> int | None:
    try:
        return os.dup(fd)
    except OSError:
        return None


def at_rest(move: FileSend) -> Callable[[], bool]:
    """Whether the peer's kernel has no room either: the same answer for a while."""
    seen: list[tuple[bool, int]] = []

    def is_at_rest() -> bool:
        facts = move.statistics()
        seen.append((facts["waits_for_sink"], facts["bytes_moved"]))
        return seen[-1][0] and len(seen) > 50 and len(set(seen[-50:])) == 1

    return is_at_rest


def test_a_saturated_pool_refuses_only_who_begins(make_yard: MakeYard, door: Door, file: int) -> None:
    yard = make_yard(pool_size=1, queue_max=1)
    first, first_peer = yard.connect()
    second, second_peer = yard.connect()
    move = send_file(yard.pool, first, file, yard.note)
    yard.run_until(at_rest(move), "the first waits for its peer, and the kernel passes nothing more on")
    read_file(yard.pool, str(door.path), lambda _error, _data: None)
    yard.run_until(lambda: yard.pool.statistics()["active"], "the thread waits at the door")
    read_file(yard.pool, "/proc/self/stat", lambda _error, _data: None)
    with pytest.raises(PoolSaturated):
        send_file(yard.pool, second, file, yard.note)
    first_peer.read()
    yard.run_until(lambda: yard.pool.statistics()["queued"] == 2, "the first goes on, whatever waits")
    door.open()
    yard.run_until_read(first_peer, content(SIZE))
    second.write(b"as before")
    yard.run_until_read(second_peer, b"as before")


# ---- connections that end


def test_a_peer_that_resets_in_the_middle(yard: Yard, file: int) -> None:
    stream, peer = yard.connect()
    move = send_file(yard.pool, stream, file, yard.note)
    yard.run_until(lambda: move.bytes_moved, "it has begun")
    peer.reset()
    yard.run_until(lambda: yard.log and peer.near.is_lost, "both are told")
    [(error, moved)] = yard.log
    assert isinstance(error, OSError)
    assert error.errno in (errno.ECONNRESET, errno.EPIPE)
    assert moved < SIZE
    assert peer.near.error is error


def test_a_stream_that_is_aborted_in_the_middle(yard: Yard, file: int) -> None:
    stream, peer = yard.connect()
    move = send_file(yard.pool, stream, file, yard.note)
    yard.run_until(lambda: move.statistics()["waits_for_sink"], "it waits for its peer")
    stream.abort()
    assert yard.log == [], "not from inside abort()"
    yard.run_until(lambda: yard.log, "the callback")
    [(error, moved)] = yard.log
    assert isinstance(error, OSError)
    assert error.errno == errno.ECONNABORTED
    yard.run_until(lambda: peer.read() or peer.is_ended, "the end")
    assert peer.received == content(SIZE)[:moved]


# ---- at any moment


def begin(yard: Yard, file: int, *, small: bool) -> tuple[FileSend, SocketTransport, Peer]:
    stream, peer = yard.connect(small=small)
    stream.write(b"<")
    move = send_file(yard.pool, stream, file, yard.note, size=200 * KIB, slice_bytes=40 * KIB)
    stream.write(b">")
    return move, stream, peer


@pytest.mark.parametrize("small", [True, False], ids=["little room", "room"])
def test_cancelled_at_any_moment(make_yard: MakeYard, file: int, small: bool) -> None:
    yard = make_yard(pool_size=1)
    moved = set()
    for moment in range(25):
        move, stream, peer = begin(yard, file, small=small)
        yard.turn(moment)
        move.cancel()
        was_told = len(yard.log)
        stream.write_eof()
        yard.run_until(lambda peer=peer: peer.read() or peer.is_ended, "the end")  # type: ignore[misc]
        assert len(yard.log) == was_told, "cancelled, it tells nobody"
        assert move.is_over
        assert peer.received == b"<" + content(SIZE)[: move.bytes_moved] + b">"
        assert not peer.near.is_lost
        moved.add(move.bytes_moved)
        yard.log.clear()
    assert len(moved) > 1, "at more than one moment"
    assert yard.loop.request_refs == 0


def test_cancelled_before_a_thread_has_it(make_yard: MakeYard, door: Door, file: int) -> None:
    yard = make_yard(pool_size=1)
    read_file(yard.pool, str(door.path), lambda _error, _data: None)
    yard.run_until(lambda: yard.pool.statistics()["active"], "the thread waits at the door")
    move, _stream, peer = begin(yard, file, small=False)
    move.cancel()
    yard.run_until_read(peer, b"<>")
    assert yard.pool.statistics()["queued"] == 0
    door.open()


@pytest.mark.parametrize("end", ["close", "abort", "drop_waiting"])
@pytest.mark.parametrize("small", [True, False], ids=["little room", "room"])
def test_ended_at_any_moment(make_yard: MakeYard, file: int, small: bool, end: str) -> None:
    fds = open_fds()
    for moment in range(25):
        yard = make_yard(pool_size=1)
        move, stream, _peer = begin(yard, file, small=small)
        turns = itertools.count()
        yard.run_until(lambda turns=turns, moment=moment: next(turns) >= moment, "its moment")  # type: ignore[misc]
        if end == "drop_waiting":
            yard.loop.drop_waiting()
        elif end == "abort":
            was_over = move.is_over
            stream.abort()
            yard.run_until(lambda yard=yard: yard.log, "the callback")  # type: ignore[misc]
            assert len(yard.log) == 1
            assert was_over == (yard.log[0][0] is None)
        yard.close()
    eventually(lambda: open_fds() == fds, "all that was open is closed")


def test_a_program_ends_behind_its_last_callback(yard: Yard, file: int) -> None:
    # In the pending phase, which is followed by a poll: it must not wait for what is not there.
    late: list[str] = []

    def stop() -> None:
        late.append("nobody ended it")
        yard.loop.stop()

    stream, _peer = yard.connect()
    send_file(yard.pool, stream, file, yard.note, size=100)
    yard.loop.set_timeout(stop, 20_000).unref()
    yard.loop.run_turns(True)
    assert yard.log == [(None, 100)]
    assert late == []
