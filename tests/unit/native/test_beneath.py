"""find_file: nothing outside is found, nothing but regular files, and nothing stays open that nobody got."""

from __future__ import annotations

import errno
import itertools
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.native.support import Room, eventually, open_fds
from treadle._native.beneath import FoundFile, find_file, find_now
from treadle._native.pool import PoolSaturated

INSIDE, OUTSIDE = b"inside\n", b"outside\n"


@pytest.fixture
def room() -> Iterator[Room]:
    before = open_fds()
    room = Room()
    yield room
    room.log.clear()
    room.close()
    eventually(lambda: open_fds() <= before, "no descriptor is left")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree with everything that somebody may have put there, and a secret beside it."""
    (tmp_path / "secret").write_bytes(OUTSIDE)
    root = tmp_path / "root"
    (root / "directory" / "deep").mkdir(parents=True)
    (root / "file").write_bytes(INSIDE)
    (root / "empty").touch()
    (root / "directory" / "deep" / "file").write_bytes(INSIDE)
    (root / "link").symlink_to("file")
    (root / "directory" / "up").symlink_to("../file")
    (root / "directory-link").symlink_to("directory")
    (root / "chain").symlink_to("directory-link/up")
    (root / "out").symlink_to("../secret")
    (root / "out-directory").symlink_to("..")
    (root / "round").symlink_to("../root/file")  # leaves it on its way
    (root / "absolute").symlink_to(root / "file")
    (root / "absolute-out").symlink_to(tmp_path / "secret")
    (root / "loop").symlink_to("loop")
    (root / "dangling").symlink_to("nothing")
    (root / "self").symlink_to("/proc/self/fd/0")
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.fspath(root / "socket"))
    return root


def find(room: Room, root: Path, path: str | bytes, **options: object) -> FoundFile | int:
    """The file, or the errno."""
    room.log.clear()
    options.setdefault("read_max", 1000)
    find_file(room.pool, os.fsencode(root), os.fsencode(path), lambda *outcome: room.log.append(outcome), **options)  # type: ignore[arg-type]
    ((error, file),) = room.run()
    room.log.clear()
    if error is not None:
        assert file is None
        assert error.filename == os.fsencode(path)
        return error.errno
    return file


ALL = ("inside", "refuse", "follow")

FOUND = [  # the path, and with which rule of links
    ("file", ALL),
    ("directory/deep/file", ALL),
    ("link", ("inside", "follow")),
    ("directory/up", ("inside", "follow")),
    ("directory-link/deep/file", ("inside", "follow")),
    ("chain", ("inside", "follow")),
    ("round", ("follow",)),
    ("absolute", ("follow",)),
    ("directory/../file", ("inside", "follow", "refuse")),  # which no caller asks for
]


@pytest.mark.parametrize(("path", "rules"), FOUND)
@pytest.mark.parametrize("rule", ALL)
def test_what_lies_inside_is_found(room: Room, root: Path, path: str, rules: tuple[str, ...], rule: str) -> None:
    found = find(room, root, path, links=rule)
    if rule in rules:
        assert isinstance(found, FoundFile)
        assert (found.content, found.size, found.suffix, found.descriptor) == (INSIDE, len(INSIDE), 0, None)
        assert found.mtime_ns == (root / path).stat().st_mtime_ns
    else:
        assert found in (errno.EXDEV, errno.ELOOP)


NOT_FOUND = [
    ("../secret", {errno.EXDEV}),
    ("directory/../../secret", {errno.EXDEV}),
    ("/etc/passwd", {errno.EXDEV, errno.ENOENT}),
    ("out", {errno.EXDEV, errno.ELOOP}),
    ("out-directory/secret", {errno.EXDEV, errno.ELOOP, errno.ENOTDIR}),
    ("out-directory/root/file", {errno.EXDEV, errno.ELOOP, errno.ENOTDIR}),
    ("absolute-out", {errno.EXDEV, errno.ELOOP}),
    ("loop", {errno.ELOOP}),
    ("self", {errno.EXDEV, errno.ELOOP}),
    ("dangling", {errno.ENOENT, errno.ELOOP}),
    ("nothing", {errno.ENOENT}),
    ("file/x", {errno.ENOTDIR}),
    ("file/", {errno.ENOTDIR, errno.ENOENT}),
    ("directory", {errno.EISDIR}),
    ("", {errno.EISDIR}),
    ("directory/deep", {errno.EISDIR}),
    ("fifo", {errno.ENODEV}),
    ("socket", {errno.ENXIO}),
    ("x" * 255, {errno.ENOENT}),
    ("x" * 256, {errno.ENAMETOOLONG}),
    ("x/" * 3000, {errno.ENAMETOOLONG, errno.ENOENT}),
]


@pytest.mark.parametrize("has_openat2", [True, False], ids=["openat2", "without"])
@pytest.mark.parametrize("rule", ["inside", "refuse"])
@pytest.mark.parametrize(("path", "errors"), NOT_FOUND, ids=[path[:30] for path, _ in NOT_FOUND])
def test_what_lies_outside_or_is_no_file_is_not(
    room: Room, root: Path, path: str, errors: set[int], rule: str, has_openat2: bool
) -> None:
    assert find(room, root, path, links=rule, has_openat2=has_openat2) in errors


@pytest.mark.parametrize("path", ["link", "directory/up", "directory-link/deep/file", "chain"])
def test_without_openat2_no_link_is_followed(room: Room, root: Path, path: str) -> None:
    """Where the kernel does not look itself, a link may be changed between looking and opening."""
    assert find(room, root, path, has_openat2=False) in (errno.ELOOP, errno.ENOTDIR)


@pytest.mark.parametrize("path", ["file", "directory/deep/file"])
def test_without_openat2_the_rest_is_found(room: Room, root: Path, path: str) -> None:
    for rule in ALL:
        found = find(room, root, path, links=rule, has_openat2=False)
        assert isinstance(found, FoundFile)
        assert found.content == INSIDE


def test_links_that_are_trusted_lead_anywhere(room: Room, root: Path) -> None:
    for has_openat2 in (True, False):
        for path in ("out", "absolute-out", "out-directory/secret"):
            found = find(room, root, path, links="follow", has_openat2=has_openat2)
            assert isinstance(found, FoundFile)
            assert found.content == OUTSIDE


def test_a_device_is_refused(room: Room) -> None:
    for path in ("null", "zero"):
        assert find(room, Path("/dev"), path) == errno.ENODEV


def test_a_writer_that_waits_at_a_fifo_does_not_make_it_a_file(room: Room, root: Path) -> None:
    writer = os.open(root / "fifo", os.O_RDWR | os.O_NONBLOCK)
    os.write(writer, b"x")
    assert find(room, root, "fifo") == errno.ENODEV
    os.close(writer)


def test_a_root_that_is_none(room: Room, root: Path) -> None:
    assert find(room, root / "nothing", "file") == errno.ENOENT
    assert find(room, root / "file", "file") == errno.ENOTDIR


def test_a_root_may_be_a_link_and_is_looked_up_each_time(room: Room, root: Path, tmp_path: Path) -> None:
    """A deployment switches a link from one release to the next."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "file").write_bytes(b"other\n")
    current = tmp_path / "current"
    current.symlink_to("root")
    first = find(room, current, "file")
    current.unlink()
    current.symlink_to("other")
    second = find(room, current, "file")
    assert isinstance(first, FoundFile)
    assert isinstance(second, FoundFile)
    assert (first.content, second.content) == (INSIDE, b"other\n")


def test_what_is_large_stays_open(room: Room, root: Path) -> None:
    for read_max in (-1, 0, len(INSIDE) - 1):
        found = find(room, root, "file", read_max=read_max)
        assert isinstance(found, FoundFile)
        assert found.content is None
        assert found.descriptor is not None
        assert os.pread(found.descriptor.fd, 100, 0) == INSIDE
        assert not os.get_inheritable(found.descriptor.fd)
        found.descriptor.close()


def test_an_empty_file_is_read(room: Room, root: Path) -> None:
    found = find(room, root, "empty", read_max=0)
    assert isinstance(found, FoundFile)
    assert (found.content, found.size) == (b"", 0)


SIBLINGS = [  # which are there, which are wanted, which it is
    ((), (".br", ".gz"), 0),
    ((".gz",), (".br", ".gz"), 2),
    ((".br", ".gz"), (".br", ".gz"), 1),
    ((".br", ".gz"), (".gz", ".br"), 1),
    ((".br", ".gz"), (), 0),
]


@pytest.mark.parametrize(("there", "wanted", "suffix"), SIBLINGS)
def test_a_sibling_is_found_in_the_order_of_the_wishes(
    room: Room, root: Path, there: tuple[str, ...], wanted: tuple[str, ...], suffix: int
) -> None:
    for name in there:
        (root / f"file{name}").write_bytes(name.encode() * 3)
    found = find(room, root, "file", suffixes=tuple(name.encode() for name in wanted))
    assert isinstance(found, FoundFile)
    assert found.suffix == suffix
    assert found.content == (wanted[suffix - 1].encode() * 3 if suffix else INSIDE)


def test_a_sibling_without_its_file_is_none(room: Room, root: Path) -> None:
    (root / "gone.gz").write_bytes(b"x")
    assert find(room, root, "gone", suffixes=(b".gz",)) == errno.ENOENT
    assert find(room, root, "directory", suffixes=(b"/deep/file",)) == errno.EISDIR


def test_a_sibling_that_is_no_file_is_none(room: Room, root: Path) -> None:
    (root / "file.br").mkdir()
    os.mkfifo(root / "file.gz")
    (root / "file.zst").symlink_to("../secret")
    found = find(room, root, "file", suffixes=(b".br", b".gz", b".zst"))
    assert isinstance(found, FoundFile)
    assert (found.suffix, found.content) == (0, INSIDE)


def test_what_nobody_waits_for_is_closed(room: Room, root: Path) -> None:
    """Cancelled before a thread has it, or while one has it, or when it is done: the fixture counts descriptors."""
    requests = []
    for _ in range(200):
        requests.append(find_file(room.pool, os.fsencode(root), b"file", room.note, read_max=-1))
    for request in requests:
        request.cancel()
    eventually(room.is_idle, "the pool has nothing to do")
    assert room.run() == []


def test_a_found_file_that_is_dropped_is_closed(room: Room, root: Path) -> None:
    before = open_fds()
    find(room, root, "file", read_max=-1)
    assert open_fds() <= before | {entry for entry in open_fds() if "eventfd" in entry}


def test_what_is_wrong_is_said_at_once(room: Room, root: Path) -> None:
    name = os.fsencode(root)
    with pytest.raises(ValueError, match="null"):
        find_file(room.pool, name, b"a\0b", room.note)
    with pytest.raises(ValueError, match="suffixes"):
        find_file(room.pool, name, b"a", room.note, suffixes=(b".x",) * 9)
    with pytest.raises(KeyError):
        find_file(room.pool, name, b"a", room.note, links="some")
    with pytest.raises(TypeError):
        find_file(room.pool, name, b"a", room.note, suffixes=(1,))  # type: ignore[arg-type]


def test_a_pool_that_is_full_refuses(root: Path) -> None:
    room = Room(size=1, queue_max=1)
    os.mkfifo(root / "door")
    room.read(root / "door")
    eventually(lambda: room.has_active(1), "a thread waits at the FIFO")
    find_file(room.pool, os.fsencode(root), b"file", room.note)
    with pytest.raises(PoolSaturated):
        find_file(room.pool, os.fsencode(root), b"file", room.note)
    os.close(os.open(root / "door", os.O_WRONLY))
    room.run()
    room.log.clear()
    room.close()


def test_a_small_file_that_is_rewritten_in_place_is_read_as_it_was_once(room: Room, root: Path) -> None:
    """Its size and its content are of one moment; or it stays open, for somebody who cuts what turns out to be shorter."""
    target, is_over = root / "file", threading.Event()

    def rewrite() -> None:
        for size in itertools.cycle(range(1, 100)):
            if is_over.is_set():
                break
            target.write_bytes(bytes([size]) * size)

    target.write_bytes(b"")
    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        for _ in range(300):
            found = find(room, root, "file")
            assert isinstance(found, FoundFile)
            if found.content is not None:
                assert found.content == bytes([found.size]) * found.size
            else:
                assert found.descriptor is not None
                found.descriptor.close()
    finally:
        is_over.set()
        writer.join()


@pytest.mark.parametrize("has_openat2", [True, False], ids=["openat2", "without"])
def test_a_directory_that_becomes_a_link_meanwhile_leads_nowhere(room: Room, root: Path, has_openat2: bool) -> None:
    """Between looking and opening there is no moment for somebody who swaps them all the time."""
    inside, outside, swapped = root / "real", root.parent / "outside", root / "swapped"
    for directory, said in ((inside, INSIDE), (outside, OUTSIDE)):
        directory.mkdir()
        (directory / "file").write_bytes(said)
    (root / "to-outside").symlink_to(outside)
    (root / "relative").symlink_to("../outside")
    is_over = threading.Event()

    def swap() -> None:
        for link in itertools.cycle(("to-outside", "relative")):
            if is_over.is_set():
                break
            inside.rename(swapped)
            swapped.rename(inside)
            (root / link).rename(swapped)
            swapped.rename(root / link)

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        outcomes = [
            (find if count % 2 else now)(room, root, "swapped/file", **({"has_openat2": has_openat2} if count % 2 else {}))
            for count in range(2_000)
        ]
    finally:
        is_over.set()
        swapper.join()
    contents = {outcome.content for outcome in outcomes if isinstance(outcome, FoundFile)}
    assert contents <= {INSIDE}


# ---- at once


def warm(room: Room, root: Path, path: str = "file") -> None:
    """A thread finds out where the directory is, and the kernel has the file in memory."""
    found = find(room, root, path)
    assert isinstance(found, FoundFile)
    if find_now(room.pool, os.fsencode(root), os.fsencode(path), read_max=1000) is None:
        pytest.skip("the file system cannot say whether a read would wait, or is no local one")


def now(room: Room, root: Path, path: str, **options: object) -> FoundFile | None:
    options.setdefault("read_max", 1000)
    return find_now(room.pool, os.fsencode(root), os.fsencode(path), **options)  # type: ignore[arg-type]


def test_of_a_directory_that_is_not_known_nothing_is_found(room: Room, root: Path) -> None:
    assert now(room, root, "file") is None
    assert now(room, root, "directory/deep/file") is None


def test_what_is_in_memory_is_found_at_once(room: Room, root: Path) -> None:
    warm(room, root)
    before = room.pool.statistics()["at_once"]
    for _ in range(3):
        found = now(room, root, "file")
        assert found is not None
        assert (found.content, found.size, found.suffix, found.descriptor) == (INSIDE, len(INSIDE), 0, None)
        assert found.mtime_ns == (root / "file").stat().st_mtime_ns
    assert room.pool.statistics()["at_once"] == before + 3
    opened = now(room, root, "file", read_max=-1)
    assert opened is not None
    assert opened.descriptor is not None
    assert os.pread(opened.descriptor.fd, 100, 0) == INSIDE


@pytest.mark.parametrize(
    "path", ["../secret", "out", "absolute-out", "loop", "self", "fifo", "socket", "directory", "nothing", ""]
)
@pytest.mark.parametrize("rule", ["inside", "refuse"])
def test_at_once_nothing_else_is_found_either(room: Room, root: Path, path: str, rule: str) -> None:
    warm(room, root)
    find(room, root, path, links=rule)  # so that it is in memory as well
    assert now(room, root, path, links=rule) is None


@pytest.mark.parametrize(("path", "rules"), [(path, rules) for path, rules in FOUND if "/" not in path])
@pytest.mark.parametrize("rule", ALL)
def test_at_once_the_same_links_are_followed(room: Room, root: Path, path: str, rules: tuple[str, ...], rule: str) -> None:
    warm(room, root)
    find(room, root, path, links=rule)
    found = now(room, root, path, links=rule)
    if path != "absolute":  # which may lead over another file system
        assert (found is not None) == (rule in rules)
    assert found is None or (rule in rules and found.content == INSIDE)


@pytest.mark.parametrize(("there", "wanted", "suffix"), SIBLINGS)
def test_at_once_a_sibling_is_found(room: Room, root: Path, there: tuple[str, ...], wanted: tuple[str, ...], suffix: int) -> None:
    for name in there:
        (root / f"file{name}").write_bytes(name.encode() * 3)
    suffixes = tuple(name.encode() for name in wanted)
    warm(room, root)
    find(room, root, "file", suffixes=suffixes)
    found = now(room, root, "file", suffixes=suffixes)
    assert found is not None
    assert found.suffix == suffix
    assert found.content == (wanted[suffix - 1].encode() * 3 if suffix else INSIDE)


def test_what_is_mounted_below_is_left_to_a_thread(room: Room) -> None:
    """Another file system may ask somebody else, however well the one above it is known."""
    found = find(room, Path("/"), "etc/passwd")
    assert isinstance(found, FoundFile)
    find(room, Path("/"), "proc/version")
    assert now(room, Path("/"), "proc/version") is None


def test_what_is_too_large_for_the_loop_is_left_to_a_thread(room: Room, root: Path) -> None:
    warm(room, root)
    (root / "larger").write_bytes(bytes(100_000))
    found = find(room, root, "larger", read_max=200_000)
    assert isinstance(found, FoundFile)
    assert found.size == 100_000
    assert now(room, root, "larger", read_max=200_000) is None
    assert now(room, root, "larger", read_max=0) is not None


def test_at_once_what_is_wrong_is_said_too(room: Room, root: Path) -> None:
    warm(room, root)
    with pytest.raises(ValueError, match="null"):
        find_now(room.pool, os.fsencode(root), b"a\0b")
    with pytest.raises(ValueError, match="suffixes"):
        find_now(room.pool, os.fsencode(root), b"file", suffixes=(b".x",) * 9)
    with pytest.raises(KeyError):
        find_now(room.pool, os.fsencode(root), b"file", links="some")
