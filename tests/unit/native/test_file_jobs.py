"""Reading files on the pool's threads: every kind of file, every kind of failure, and no descriptor left behind."""

import errno
import hashlib
import itertools
import os
import random
import resource
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.native.support import Door, Room, eventually, in_child, open_fds
from treadle._native.file_jobs import read_file

KIB = 1024
MIB = 1024 * KIB
ONE_JOB_MAX = 256 * KIB
TURN = 4 * MIB

MakeRoom = Callable[..., Room]


def content(size: int) -> bytes:
    return random.Random(size).randbytes(size)


# ---- kinds of files


@pytest.mark.parametrize(
    "size",
    [0, 1, 4096, 16 * KIB, ONE_JOB_MAX - 1, ONE_JOB_MAX, ONE_JOB_MAX + 1, MIB + 7, TURN - 1, TURN, TURN + 1, 9 * MIB],
)
def test_a_regular_file_of_any_size(room: Room, tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(content(size))
    assert room.run() == []
    room.read(path)
    assert room.run() == [content(size)]


@pytest.mark.slow
def test_a_large_file(room: Room, tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(64 * MIB)
        for place in (0, 31 * MIB, 64 * MIB - 10):
            file.seek(place)
            file.write(b"not a hole")
    room.read(path)
    [data] = room.run()
    assert isinstance(data, bytes)
    assert len(data) == 64 * MIB
    assert hashlib.sha256(data).digest() == hashlib.sha256(path.read_bytes()).digest()


def test_many_files_at_once(room: Room, tmp_path: Path) -> None:
    expected = {size: content(size) for size in range(0, 300_000, 977)}
    read: dict[int, object] = {}
    for size, data in expected.items():
        (tmp_path / str(size)).write_bytes(data)
        room.read(tmp_path / str(size), lambda error, data, size=size: read.update({size: error or data}))  # type: ignore[misc]
    room.run()
    assert read == expected
    assert room.pool.statistics()["threads"] <= 4


def test_a_file_that_tells_no_size(room: Room) -> None:
    room.read("/proc/self/status")
    [data] = room.run()
    assert isinstance(data, bytes)
    assert data.startswith(b"Name:\t")
    assert data.endswith(b"\n")
    assert [line.split(b":")[0] for line in data.splitlines()] == [
        line.split(b":")[0] for line in Path("/proc/self/status").read_bytes().splitlines()
    ]


@pytest.mark.parametrize("size", [0, 1, 16 * KIB, 16 * KIB + 1, ONE_JOB_MAX, ONE_JOB_MAX + 1, 5 * MIB])
def test_a_pipe_is_read_to_its_end(room: Room, size: int) -> None:
    reader, writer = os.pipe()

    def write() -> None:
        with open(writer, "wb") as file:
            file.write(content(size))

    writing = threading.Thread(target=write)
    writing.start()
    room.read(f"/proc/self/fd/{reader}")
    assert room.run() == [content(size)]
    writing.join()
    os.close(reader)


def test_a_file_that_tells_more_than_it_has(room: Room) -> None:
    path = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not path.exists():
        pytest.skip("no such file in this kernel's sysfs")
    assert path.stat().st_size > len(path.read_bytes())
    room.read(path)
    assert room.run() == [path.read_bytes()]


def waits_behind_a_door(room: Room) -> bool:
    """The only thread is at the door, the second job that it has taken; the first is to go on behind that."""
    now = room.pool.statistics()
    return bool(now["waits"] == 2 and now["queued"] == 1)


@pytest.mark.parametrize(
    ("told", "read"),
    [(MIB, MIB + 1), (MIB, 3 * MIB), (3 * MIB, 100 * KIB), (MIB, 0), (300 * KIB, 20 * MIB)],
    ids=["one more", "grown", "shrunk", "emptied", "grown much"],
)
def test_a_file_that_changes_after_it_told_its_size(
    make_room: MakeRoom, door: Door, tmp_path: Path, told: int, read: int
) -> None:
    room = make_room(1)
    path = tmp_path / "file"
    path.write_bytes(content(told))
    room.read(path)
    room.read(door.path, lambda _error, _data: None)
    # The first job of the file is done, and its second waits behind the one that is at the door.
    room.run_until(lambda: waits_behind_a_door(room), "its size is known")
    path.write_bytes(content(read))
    door.open()
    assert room.run() == [content(read)]


def test_a_file_whose_read_is_cancelled_between_two_jobs_is_closed_on_a_thread(
    make_room: MakeRoom, door: Door, tmp_path: Path
) -> None:
    room = make_room(1)
    path = tmp_path / "file"
    path.write_bytes(content(MIB))

    def is_open() -> bool:
        return any(fd.endswith(str(path)) for fd in open_fds())

    read = room.read(path)
    room.read(door.path)
    room.run_until(lambda: waits_behind_a_door(room), "its size is known")
    assert room.pool.cancel(read) is False
    assert is_open()
    door.open()
    assert room.run() == [b""]
    room.run_until(room.is_idle, "nothing is left to be done")
    assert not is_open()


# ---- turns


def test_a_read_of_several_jobs_is_counted_once(room: Room, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(content(3 * TURN))
    for _ in range(3):
        room.read(tmp_path / "large")
    room.run()
    _, _, wait, run = room.pool.statistics_by_kind()["fs.read_file"]
    assert run.count == 3
    assert wait.count > 3, "it has waited for a thread more than once"


def test_a_large_file_lets_others_go_first(make_room: MakeRoom, door: Door, tmp_path: Path) -> None:
    room = make_room(1)
    (tmp_path / "large").write_bytes(content(3 * TURN))
    (tmp_path / "small").write_bytes(content(MIB // 8))
    room.read(tmp_path / "large")
    room.read(door.path, lambda _error, _data: None)
    room.run_until(lambda: waits_behind_a_door(room), "the large file is open")
    room.read(tmp_path / "small")
    door.open()
    assert room.run() == [content(MIB // 8), content(3 * TURN)]


# ---- failures


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("missing", errno.ENOENT),
        ("", errno.ENOENT),
        (".", errno.EISDIR),
        ("file/below", errno.ENOTDIR),
        ("loop", errno.ELOOP),
        ("n" * 300, errno.ENAMETOOLONG),
    ],
)
def test_failures_are_those_of_open(room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, number: int) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    room.read(path)
    [error] = room.run()
    assert isinstance(error, OSError)
    assert (error.errno, error.strerror, error.filename) == (number, os.strerror(number), path)
    assert type(error) is type(OSError(number, ""))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(room: Room, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch(0o000)
    room.read(path)
    [error] = room.run()
    assert isinstance(error, PermissionError)


def test_a_path_of_any_bytes(room: Room, tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff\xfe"
    with open(path, "wb") as file:
        file.write(b"content")
    read_file(room.pool, path, room.note)
    read_file(room.pool, path + b"x", room.note)
    data, error = sorted(room.run(), key=lambda item: not isinstance(item, bytes))
    assert data == b"content"
    assert isinstance(error, FileNotFoundError)
    assert error.filename == path + b"x"


def test_a_nul_in_a_path(room: Room) -> None:
    with pytest.raises(ValueError, match="embedded null byte"):
        read_file(room.pool, "a\0b", room.note)
    assert not room.loop.is_alive()


TOO_LITTLE_MEMORY = """
import resource
from pathlib import Path
from tests.unit.native.support import Room

room = Room()
room.read("/proc/self/status", lambda error, data: None)   # the first thread and its stack
room.run()
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 256 * 2**20,) * 2)
room.read(PATH)
[error] = room.run()
print(type(error).__name__, error.errno, error.filename)
room.read("/proc/self/stat", lambda error, data: print(error, data is not None))
room.run()
room.close()
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["a size to say no to", "no end"])
def test_a_file_that_does_not_fit_into_memory(repository: Path, tmp_path: Path, kind: str) -> None:
    path = Path("/dev/zero")
    if kind != "no end":
        path = tmp_path / "sparse"
        with path.open("wb") as file:
            file.truncate(3 * 1024 * MIB)
    program = TOO_LITTLE_MEMORY.replace("PATH", repr(str(path)))
    paths = os.pathsep.join([str(repository), str(repository / "src")])
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [f"OSError {errno.ENOMEM} {path}", "None True"]


def test_no_descriptor_left_to_open_a_file_with(make_room: MakeRoom, tmp_path: Path) -> None:
    room = make_room()
    (tmp_path / "file").touch()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        room.read(tmp_path / "file")
        [error] = room.run()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert isinstance(error, OSError)
    assert error.errno == errno.EMFILE


# ---- descriptors


@pytest.mark.slow
def test_no_descriptor_is_left_by_many_reads(room: Room, tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"content")
    (tmp_path / "large").write_bytes(content(300 * KIB))
    before = open_fds()
    counts = {"data": 0, "error": 0}

    def count(error: OSError | None, _data: bytes | None) -> None:
        counts["data" if error is None else "error"] += 1

    for number in range(2_000):
        room.read(tmp_path / ("small", "large", "missing", ".", "small")[number % 5], count)
    room.run()
    assert counts == {"data": 1_200, "error": 800}
    assert open_fds() == before


@pytest.mark.slow
@pytest.mark.parametrize("end", ["cancel", "close"])
def test_large_reads_end_at_any_moment(make_room: MakeRoom, tmp_path: Path, end: str) -> None:
    path = tmp_path / "large"
    expected = content(2 * MIB)
    path.write_bytes(expected)
    before = open_fds()
    for moment in range(40):
        room = make_room(2)
        requests = [room.read(path) for _ in range(4)]
        turns = itertools.count()
        room.run_until(lambda turns=turns, moment=moment: next(turns) >= moment, "its moment")  # type: ignore[misc]
        if end == "cancel":
            for request in requests:
                request.cancel()
            assert room.loop.request_refs == 0
            room.run_until(room.is_idle, "the threads are back")
        assert all(data == expected for data in room.log)
        room.close()
    eventually(lambda: open_fds() == before, "abandoned jobs close their files")


# ---- at once


def warm(room: Room, path: Path) -> int:
    """Read the file by a thread: its content is cached, and it is known that its file system is local. How often reads were done
    at once so far."""
    room.read(path)
    room.run()
    room.log.clear()
    at_once: int = room.pool.statistics()["at_once"]
    return at_once


@pytest.mark.parametrize("size", [1, 4 * KIB, 64 * KIB])
def test_what_is_cached_is_read_without_a_thread(room: Room, tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(content(size))
    before = warm(room, path)
    for _ in range(3):
        room.read(path)
    assert room.log == []
    assert (room.pool.statistics()["at_once"], room.is_idle()) == (before + 3, True)
    assert room.run() == [content(size)] * 3


@pytest.mark.parametrize("kind", ["empty", "large", "fifo", "directory", "missing", "proc", "evicted", "link", "elsewhere"])
def test_what_may_wait_is_left_to_a_thread(make_room: MakeRoom, door: Door, tmp_path: Path, kind: str) -> None:
    room = make_room(2)
    warm_file = tmp_path / "warm"
    warm_file.write_bytes(b"warm")
    before = warm(room, warm_file)
    path = tmp_path / "file"
    match kind:
        case "empty":
            path.touch()
        case "large":
            path.write_bytes(content(64 * KIB + 1))
        case "evicted":
            path.write_bytes(content(64 * KIB))
            fd = os.open(path, os.O_RDONLY)
            os.fsync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)
        case "directory":
            path.mkdir()
        case "fifo":
            path = door.path
        case "proc":
            path = Path("/proc/self/status")
        case "link":
            path.symlink_to(warm_file)
        case "elsewhere":
            path = tmp_path / "directory" / "file"  # a directory of which nothing is known yet
            path.parent.mkdir()
            path.write_bytes(b"content")
    room.read(path)
    assert room.pool.statistics()["at_once"] == before
    assert room.pool.statistics()["requests"] == 1
    if kind == "fifo":
        door.open(b"through")
    [outcome] = room.run()
    assert isinstance(outcome, bytes if kind not in ("directory", "missing") else OSError)


def test_a_writer_that_waits_at_a_fifo_is_let_in_once(room: Room, door: Door, tmp_path: Path) -> None:
    """The loop's thread has opened it to see what it is: what the writer was told stays true."""
    (tmp_path / "warm").write_bytes(b"warm")
    warm(room, tmp_path / "warm")
    for size in (10, 300 * KIB):

        def write(size: int = size) -> None:
            with open(door.path, "wb") as file:  # waits for a reader
                file.write(content(size))

        writing = threading.Thread(target=write)
        writing.start()
        room.read(door.path)
        assert room.run() == [content(size)]
        writing.join()
        room.log.clear()


def test_a_directory_that_is_another_one_by_now(room: Room, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "file").write_bytes(b"before")
    before = warm(room, tmp_path / "here" / "file")
    (tmp_path / "here").rename(tmp_path / "there")
    (tmp_path / "here").symlink_to("/proc/self")
    room.read(tmp_path / "here" / "comm")
    assert room.pool.statistics()["at_once"] == before
    assert room.run() == [Path("/proc/self/comm").read_bytes()]


@pytest.mark.parametrize("first", ["file", "link", "missing", "withdrawn"])
def test_of_a_burst_in_a_directory_one_asks_where_it_is(room: Room, tmp_path: Path, first: str) -> None:
    """And where that one cannot tell, one of the next turn does."""
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    request = room.read(tmp_path / ("file" if first == "withdrawn" else first))
    if first == "withdrawn":
        room.pool.cancel(request)
    for _ in range(3):
        room.read(tmp_path / "file")
    room.run()
    if first != "file":
        warm(room, tmp_path / "file")
    before = room.pool.statistics()["at_once"]
    room.read(tmp_path / "file")
    assert room.pool.statistics()["at_once"] == before + 1


def test_no_more_than_64_in_a_turn(room: Room, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    before = warm(room, path)
    for _ in range(200):
        room.read(path)
    assert room.pool.statistics()["at_once"] == before + 64
    assert room.run() == [b"content"] * 200


def test_it_comes_no_earlier_than_nodes_four_turns(room: Room, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    warm(room, path)

    def immediate(left: int) -> None:
        room.log.append(left)
        if left:
            room.loop.set_immediate(immediate, left - 1)

    def begin() -> None:
        room.read(path)
        room.loop.set_immediate(immediate, 2)

    room.loop.set_immediate(begin)
    assert room.run() == [2, 1, 0, b"content"]


def test_what_was_read_at_once_can_be_cancelled(room: Room, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    warm(room, path)
    first, _second = room.read(path), room.read(path)
    first.cancel()
    assert room.run() == [b"content"]
    assert room.loop.request_refs == 0


def test_a_loop_that_is_closed_with_what_was_read_at_once(make_room: MakeRoom, tmp_path: Path) -> None:
    room = make_room(1)
    path = tmp_path / "file"
    path.write_bytes(b"content")
    warm(room, path)
    room.read(path)
    room.close()
    assert room.log == []


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_child_has_nothing_of_what_its_parent_read_at_once(room: Room, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    warm(room, path)
    room.read(path)

    def act() -> bool:
        path.write_bytes(b"child's")
        room.read(path)
        return room.run() == [b"child's"]

    assert in_child(act) == 0
    assert room.run() == [b"content"]


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="there is no tmpfs")
def test_what_cannot_be_read_at_once_is_not_opened_either(make_room: MakeRoom, door: Door) -> None:
    """A read of tmpfs cannot be told not to wait. Where a kernel has learned that, it is read at once."""
    room = make_room(1)
    path = Path("/dev/shm") / f"treadle-{os.getpid()}"
    path.write_bytes(b"content")
    try:
        before = warm(room, path)
        room.read(door.path)
        eventually(lambda: room.has_active(1), "the thread is taken")
        room.read(path)
        assert room.pool.statistics()["at_once"] > before or not any(str(path) in fd for fd in open_fds())
        door.open()
        assert b"content" in room.run()
    finally:
        path.unlink()


SCANNER = """
import ctypes, os, select, struct, sys
libc = ctypes.CDLL(None)
scanner = libc.fanotify_init(0x5, os.O_RDONLY)  # FAN_CLASS_CONTENT | FAN_CLOEXEC
if scanner < 0 or libc.fanotify_mark(scanner, 1, ctypes.c_uint64(0x10000), -100, os.fsencode(sys.argv[1])) < 0:  # FAN_OPEN_PERM
    sys.exit("may not")
print("scans", flush=True)
while True:
    events = os.read(scanner, 4096)
    while events:
        size, fd = struct.unpack_from("I", events)[0], struct.unpack_from("i", events, 16)[0]
        select.select([], [], [], 0.05)
        os.write(scanner, struct.pack("iI", fd, 1))  # FAN_ALLOW
        os.close(fd)
        events = events[size:]
"""


def test_who_has_made_the_loop_wait_does_so_no_more(room: Room, tmp_path: Path) -> None:
    """As virus scanners do, which look at a file before anybody may open it."""
    path = tmp_path / "file"
    path.write_bytes(b"content")
    before = warm(room, path)
    with subprocess.Popen([sys.executable, "-c", SCANNER, path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as scanner:
        try:
            assert scanner.stdout is not None
            if scanner.stdout.readline() != b"scans\n":
                pytest.skip("may not look at what others open")
            for _ in range(4):
                room.read(path)
            assert room.pool.statistics()["at_once"] == before + 2  # the first time it might just not have been let run
            assert room.run() == [b"content"] * 4
        finally:
            scanner.kill()


HELD_UP = """
import multiprocessing, os, resource, sys, time
from tests.unit.native.support import DEADLINE_S, Room

def burn():
    while True:
        pass

def switches():     # of this thread, by others who were let run
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw

os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
burning = multiprocessing.get_context("fork").Process(target=burn)
burning.start()
os.nice(19)
room = Room()
end_s, enough = time.monotonic() + DEADLINE_S, switches() + 6
while switches() < enough and time.monotonic() < end_s:
    room.read(sys.argv[1])
    room.run()
figures = room.pool.statistics()
print(figures["waits"], figures["at_once"] > 1, switches() >= enough)
room.close()
burning.kill()
burning.join()
"""


@pytest.mark.slow
def test_a_process_that_is_not_let_run_reads_at_once_all_the_same(repository: Path, tmp_path: Path, room: Room) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    before = warm(room, path)
    room.read(path)
    if room.pool.statistics()["at_once"] == before:
        pytest.skip("nothing is read at once on this file system")
    room.run()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(repository), str(repository / "src")])}
    done = subprocess.run(
        [sys.executable, "-c", HELD_UP, path], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("1 True True\n", "")
