"""The table of jobs on files, without a loop of asyncio's: what is refused at once, and who holds memory and descriptors.

Not here: what the jobs do (tests/unit/fs, tests/conformance/fs)."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.native.support import Door, Room
from treadle._native.fs_jobs import OPERATIONS, FsRequest, Operation, start
from treadle._native.open_files import Descriptor
from treadle._native.pool import PoolSaturated

MakeRoom = Callable[..., Room]

STEP_BYTES = 512 * 1024  # of _native.fs_job


def ask(room: Room, operation: str, **arguments: Any) -> FsRequest:
    return start(room.pool, OPERATIONS[operation], room.note, **arguments)


def opened(room: Room, path: Path, flags: int = os.O_RDONLY) -> Descriptor:
    ask(room, "open", path=str(path), flags=flags)
    room.run()
    descriptor = room.log.pop()
    assert isinstance(descriptor, Descriptor)
    return descriptor


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        OPERATIONS["own"] = OPERATIONS["stat"]  # type: ignore[index]
    with pytest.raises(TypeError):
        Operation()
    assert repr(OPERATIONS["stat"]) == "<Operation fs.stat>"
    assert OPERATIONS["read_into"].kind == "fs.read"


def test_what_make_makes_is_the_result(room: Room, tmp_path: Path) -> None:
    ask(room, "stat", path=str(tmp_path), make=lambda stats: stats.is_directory())
    assert room.run() == [True]
    ask(room, "stat", path=str(tmp_path), make=lambda stats: stats.no_such_name)
    assert isinstance(room.run()[1], AttributeError)


def test_ctrl_c_amid_what_makes_the_result_leaves_nothing_under_way(room: Room, tmp_path: Path) -> None:
    def interrupt(_answer: object) -> None:
        raise KeyboardInterrupt

    ask(room, "stat", path=str(tmp_path), make=interrupt)
    with pytest.raises(KeyboardInterrupt):
        room.run()
    assert (room.loop.request_refs, room.pool.statistics()["requests"], room.log) == (0, 0, [])


@pytest.mark.parametrize("path", ["a\0b", b"a\0b", "\ud800", None, 5])
def test_what_is_no_path(room: Room, path: Any) -> None:
    for arguments in ({"path": path}, {"path": "a", "path2": path if path is not None else 5}):
        with pytest.raises((ValueError, TypeError)):
            ask(room, "rename", **arguments)
    assert room.pool.statistics()["requests"] == 0


def test_memory_is_let_go_of_where_the_call_is_refused(room: Room, tmp_path: Path) -> None:
    first = bytearray(10)
    descriptor = opened(room, tmp_path / "file", os.O_RDWR | os.O_CREAT)
    with pytest.raises(BufferError):
        ask(room, "read_into", descriptor=descriptor, data=[first, b"read-only"])
    with pytest.raises(TypeError):
        ask(room, "write", descriptor=descriptor, data=[first, 5])
    first.append(0)
    assert descriptor.under_way == 0


def test_memory_is_let_go_of_where_the_queue_is_full(make_room: MakeRoom, door: Door) -> None:
    room = make_room(1, queue_max=1)
    room.read(door.path)
    room.run_until(lambda: room.has_active(1), "a thread has it")
    room.read(door.path)
    data = bytearray(10)
    with pytest.raises(PoolSaturated):
        ask(room, "write_file", path=str(door.path), data=[data])
    data.append(0)
    door.open()
    room.run_until(lambda: room.log == [b""], "the first is through, and no reader any more")
    door.open()
    assert room.run() == [b"", b""]


def test_a_descriptor_counts_what_is_under_way(room: Room, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    descriptor = opened(room, tmp_path / "file")
    log: list[str] = []
    first, second = (ask(room, "read", descriptor=descriptor, size=3, position=at) for at in (0, 3))
    assert descriptor.under_way == 2
    descriptor.on_idle = lambda: log.append("idle")
    first.cancel()
    assert (descriptor.under_way, log) == (1, [])
    second.cancel()
    second.cancel()
    assert (descriptor.under_way, log, descriptor.on_idle) == (0, ["idle"], None)
    ask(room, "read", descriptor=descriptor, size=3, position=1)
    assert room.run() == [b"ont"]
    assert (descriptor.under_way, log) == (0, ["idle"])


def test_a_descriptor_that_was_closed_is_refused(room: Room, tmp_path: Path) -> None:
    descriptor = opened(room, tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    ask(room, "close", descriptor=descriptor)
    assert descriptor.fd == -1
    with pytest.raises(ValueError, match="closed"):
        ask(room, "fsync", descriptor=descriptor)
    assert room.run() == [None]


def test_a_descriptor_goes_with_its_last_user(room: Room, door: Door) -> None:
    opening = ask(room, "open", path=str(door.path), flags=os.O_RDWR)
    room.run()
    descriptor = room.log.pop()
    assert isinstance(descriptor, Descriptor)
    fd = descriptor.fd
    reading = ask(room, "read", descriptor=descriptor, size=3)
    room.run_until(lambda: room.has_active(1), "a thread reads")
    reading.cancel()
    del descriptor, opening, reading
    os.fstat(fd)  # the thread has it
    os.write(fd, b"abc")
    room.run_until(lambda: room.is_idle(), "the thread is back")
    room.run_until(lambda: is_closed(fd), "nobody has it")


def test_a_descriptor_that_is_closed_at_once_stays_with_who_uses_it(room: Room, door: Door) -> None:
    ask(room, "open", path=str(door.path), flags=os.O_RDWR)
    room.run()
    descriptor = room.log.pop()
    assert isinstance(descriptor, Descriptor)
    fd = descriptor.fd
    reading = ask(room, "read", descriptor=descriptor, size=3)
    room.run_until(lambda: room.has_active(1), "a thread reads")
    for _ in range(2):
        descriptor.close()
    assert descriptor.fd == -1
    os.write(fd, b"abc")
    assert room.run() == [b"abc"]
    room.run_until(lambda: is_closed(fd), "nobody has it")
    with pytest.raises(ValueError, match="closed"):
        ask(room, "read", descriptor=descriptor, size=3)
    del reading


def test_a_write_that_waits_is_stopped_by_withdrawing_it(make_room: MakeRoom, door: Door, tmp_path: Path) -> None:
    room = make_room(1)
    room.read(door.path)
    room.run_until(lambda: room.has_active(1), "a thread has it")
    data = bytearray(10)
    writing = ask(room, "write_file", path=str(tmp_path / "new"), flags=os.O_WRONLY | os.O_CREAT, mode=0o600, data=[data])
    assert writing.stop()
    data.append(0)
    assert writing.cancelled()
    door.open()
    assert room.run() == [b""]
    assert not (tmp_path / "new").exists()


def test_a_write_that_a_thread_has_stops_at_its_next_step(room: Room, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    data = bytearray(3 * STEP_BYTES)
    writing = ask(room, "write_file", path=f"/proc/self/fd/{writer}", flags=os.O_WRONLY, data=[data])
    assert os.read(reader, 1) == b"\0"  # a thread is in the midst of it: the pipe holds less than a step
    assert not writing.stop()
    with pytest.raises(BufferError):
        data.append(0)
    left = STEP_BYTES - 1
    while left:
        left -= len(os.read(reader, left))
    (error,) = room.run()
    assert isinstance(error, OSError)
    assert error.errno == errno.ECANCELED
    data.append(0)
    os.set_blocking(reader, False)
    with pytest.raises(BlockingIOError):
        os.read(reader, 1)
    assert not writing.stop()  # it is through
    os.close(reader)
    os.close(writer)


def test_a_write_that_is_through_has_succeeded_though_it_is_stopped(room: Room, tmp_path: Path) -> None:
    for operation in ("write_file", "write_file_atomic"):
        writing = ask(room, operation, path=str(tmp_path / "new"), flags=os.O_WRONLY | os.O_CREAT, mode=0o600, data=[b"new"])
        while not room.is_idle():
            pass
        assert not writing.stop()
        assert room.run() == [None]
        room.log.clear()
        assert (tmp_path / "new").read_bytes() == b"new"


def is_closed(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError as error:
        return error.errno == errno.EBADF
    return False


def test_a_pool_that_is_closed_closes_what_was_opened_meanwhile(make_room: MakeRoom, tmp_path: Path) -> None:
    """make_room looks for descriptors behind the test."""
    for _ in range(20):
        room = make_room(2)
        for _ in range(10):
            ask(room, "open", path=str(tmp_path), flags=os.O_RDONLY)
            ask(room, "copy_file", path="/proc/self/status", path2=str(tmp_path / "copy"))
            ask(room, "readdir", path=str(tmp_path), is_recursive=True)
        room.pool.close()


# ---- what the kernel has in memory is read without a thread


KIB = 1024


def at_once(room: Room) -> int:
    return int(room.pool.statistics()["at_once"])


def warm(room: Room, path: Path, data: bytes, flags: int = os.O_RDWR) -> Descriptor:
    """A file whose content is cached, open, and read by a thread once: so it is known that it may be read at once."""
    path.write_bytes(data)
    descriptor = opened(room, path, flags)
    before = at_once(room)
    ask(room, "read", descriptor=descriptor, size=1, position=0)
    assert room.run() == [data[:1]]
    assert at_once(room) == before
    room.log.clear()
    ask(room, "read", descriptor=descriptor, size=1, position=0)
    if at_once(room) == before:
        pytest.skip("a file system that may wait for somebody, or an old kernel")
    room.run()
    room.log.clear()
    return descriptor


def test_an_open_file_is_read_without_a_thread(room: Room, tmp_path: Path) -> None:
    data = os.urandom(70 * KIB)
    descriptor = warm(room, tmp_path / "file", data)
    before = at_once(room)
    for position in (5, -1, -1, 70 * KIB):  # -1: where it stands
        ask(room, "read", descriptor=descriptor, size=64 * KIB, position=position)
        assert room.is_idle()
        room.run()
    assert room.log == [data[5:][: 64 * KIB], data[: 64 * KIB], data[64 * KIB :], b""]
    assert at_once(room) == before + 4


def test_it_is_read_into_several_buffers_of_which_some_are_empty(room: Room, tmp_path: Path) -> None:
    descriptor = warm(room, tmp_path / "file", b"0123456789")
    before = at_once(room)
    parts = [bytearray(0), bytearray(3), bytearray(0), bytearray(4), bytearray(5)]
    ask(room, "read_into", descriptor=descriptor, data=parts, position=0)
    assert room.run() == [10]
    assert at_once(room) == before + 1
    assert [bytes(part) for part in parts] == [b"", b"012", b"", b"3456", b"789\0\0"]
    parts[1].append(0)  # nobody holds it any more


def test_a_thread_goes_on_where_the_rest_is_not_in_memory(room: Room, tmp_path: Path) -> None:
    data = os.urandom(256 * KIB)
    descriptor = warm(room, tmp_path / "file", data)
    os.fsync(descriptor.fd)
    for position in range(0, 256 * KIB, 64 * KIB):
        os.posix_fadvise(descriptor.fd, position + 32 * KIB, 224 * KIB - position, os.POSIX_FADV_DONTNEED)
        ask(room, "read", descriptor=descriptor, size=64 * KIB)
        room.run()
    assert b"".join(room.log) == data  # type: ignore[arg-type]


def test_what_is_not_in_memory_is_left_to_a_thread(room: Room, tmp_path: Path) -> None:
    data = os.urandom(64 * KIB)
    descriptor = warm(room, tmp_path / "file", data)
    before = at_once(room)
    os.fsync(descriptor.fd)
    os.posix_fadvise(descriptor.fd, 0, 0, os.POSIX_FADV_DONTNEED)
    ask(room, "read", descriptor=descriptor, size=64 * KIB)
    assert room.run() == [data]
    assert at_once(room) == before


@pytest.mark.parametrize("kind", ["large", "busy", "fifo", "proc", "direct"])
def test_what_may_wait_is_read_by_a_thread(room: Room, tmp_path: Path, door: Door, kind: str) -> None:
    size = 100
    match kind:
        case "large":
            size = 64 * KIB + 1
            descriptor = warm(room, tmp_path / "file", bytes(size))
        case "busy":  # the kernel lets only one at a time read where a file stands
            descriptor = warm(room, tmp_path / "file", bytes(size))
            ask(room, "fsync", descriptor=descriptor)
        case "fifo":
            descriptor = opened(room, door.path, os.O_RDWR)
            os.write(descriptor.fd, bytes(3 * size))
        case "proc":
            descriptor = opened(room, Path("/proc/self/status"))
        case "direct":  # is read from the disk, whatever flags a read has
            (tmp_path / "file").write_bytes(bytes(3 * size))
            descriptor = opened(room, tmp_path / "file", os.O_RDWR | os.O_DIRECT)
    before = at_once(room)
    for _ in range(3):
        ask(room, "read", descriptor=descriptor, size=size)
        if kind == "busy":
            break
        room.run()
    assert at_once(room) == before
    room.run()


def test_its_callback_comes_behind_immediates_that_were_made_at_the_same_time_and_before_whole_files(
    room: Room, tmp_path: Path
) -> None:
    """COMPAT(node): a read is one job there, and reading a file four."""
    descriptor = warm(room, tmp_path / "file", b"content")
    room.read(tmp_path / "file")
    room.run()
    room.log.clear()

    def begin() -> None:
        room.read(tmp_path / "file")
        ask(room, "read", descriptor=descriptor, size=3, position=0)
        ask(room, "read", descriptor=descriptor, size=4, position=0)
        assert room.log == []
        room.loop.set_immediate(room.log.append, "immediate")

    before = at_once(room)
    room.loop.set_immediate(begin)
    assert room.run() == ["immediate", b"con", b"cont", b"content"]
    assert at_once(room) == before + 3


def test_no_more_than_64_reads_in_a_turn(room: Room, tmp_path: Path) -> None:
    descriptor = warm(room, tmp_path / "file", b"content")
    others = [opened(room, tmp_path / "file") for _ in range(70)]
    for other in others:
        ask(room, "read", descriptor=other, size=1)
    room.run()
    room.log.clear()
    before = at_once(room)
    for other in others:
        ask(room, "read", descriptor=other, size=7, position=0)
    assert at_once(room) == before + 64
    assert room.run() == [b"content"] * 70
    assert descriptor.under_way == 0


def test_what_was_read_at_once_can_be_cancelled_and_its_descriptor_closed(room: Room, tmp_path: Path) -> None:
    descriptor = warm(room, tmp_path / "file", b"content")
    first = ask(room, "read", descriptor=descriptor, size=7)
    ask(room, "read", descriptor=descriptor, size=7, position=0)
    assert descriptor.under_way == 2
    first.cancel()
    ask(room, "close", descriptor=descriptor)
    assert room.run() in ([b"content", None], [None, b"content"])
    assert (room.loop.request_refs, descriptor.under_way) == (0, 0)


def test_a_pool_that_is_closed_with_what_was_read_at_once(make_room: MakeRoom, tmp_path: Path) -> None:
    """make_room looks for descriptors behind the test."""
    room = make_room(1)
    descriptor = warm(room, tmp_path / "file", b"content")
    memory = bytearray(7)
    ask(room, "read_into", descriptor=descriptor, data=[memory], position=0)
    room.close()
    memory.append(0)
    assert room.log == []
