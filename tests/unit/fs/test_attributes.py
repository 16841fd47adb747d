"""What is known of files, and what changes it. Not here: what Node says to each call (tests/conformance/fs)."""

import asyncio
import copy
import datetime
import errno
import os
import pickle
from pathlib import Path

import pytest

from tests.unit.fs.support import error_of, run
from treadle import fs
from treadle._base.errors import TreadleError
from treadle.fs import constants
from treadle.fs._arguments import Time
from treadle.loop.current import get_loop
from treadle.pool import pool_of
from treadle.timers import set_immediate


def test_stats_are_the_systems(file: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("file")

    async def main() -> None:
        for path in (file, tmp_path, tmp_path / "link", Path("/dev/null"), Path("/proc/self/status")):
            stats, real = await fs.stat(path), path.stat()
            for name in (
                "dev",
                "ino",
                "nlink",
                "rdev",
                "size",
                "blocks",
                "mode",
                "uid",
                "gid",
                "blksize",
                "atime_ns",
                "mtime_ns",
                "ctime_ns",
            ):
                assert getattr(stats, name) == getattr(real, f"st_{name}"), (path, name)
            assert stats.mtime_ms == real.st_mtime_ns / 1e6
        assert (await fs.lstat(tmp_path / "link")).size == 4
        born = (await fs.stat(file)).birthtime_ns
        assert born == 0 or abs(born - file.stat().st_ctime_ns) < 3600 * 10**9
        assert (await fs.stat("/proc/self/status")).birthtime_ms == 0

    run(main)


@pytest.mark.parametrize(
    ("path", "question"),
    [
        ("/dev/null", "is_character_device"),
        ("/tmp", "is_directory"),
        ("file", "is_file"),
        ("link", "is_symbolic_link"),
        ("fifo", "is_fifo"),
    ],
)
def test_a_file_is_of_one_kind(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, question: str) -> None:
    monkeypatch.chdir(tmp_path)
    os.symlink("file", "link")
    os.mkfifo("fifo")
    questions = ["is_file", "is_directory", "is_symbolic_link", "is_fifo", "is_socket", "is_block_device", "is_character_device"]

    async def main() -> None:
        stats = await fs.lstat(path)
        assert [name for name in questions if getattr(stats, name)()] == [question]

    run(main)


def test_facts_travel(file: Path) -> None:
    async def main() -> None:
        stats, [entry] = await fs.stat(file), await fs.readdir(file.parent, with_file_types=True)
        for again in (pickle.loads(pickle.dumps(stats)), copy.copy(stats)):
            assert (again.size, again.mtime_ns, again.is_file(), repr(again)) == (7, stats.mtime_ns, True, repr(stats))
        again = pickle.loads(pickle.dumps(entry))
        assert (again.name, again.parent_path, again.is_file()) == ("file", str(file.parent), True)
        assert fs.Dirent[bytes].__origin__ is fs.Dirent
        with pytest.raises(TypeError):
            fs.Stats()
        with pytest.raises(AttributeError):
            stats.size = 5  # type: ignore[misc]

    run(main)


@pytest.mark.parametrize(
    ("time", "ns"),
    [
        (0, 0), (1, 10**9), (-1, -(10**9)), (-1.5, -15 * 10**8), (1.25, 125 * 10**7),
        (1_700_000_000.123456, 1_700_000_000_123_456_000),
        (2**33, 2**33 * 10**9), (datetime.datetime(2020, 1, 2, 3, 4, 5, 678, tzinfo=datetime.UTC), 1_577_934_245_000_678_000),
    ],
)  # fmt: skip
def test_times(file: Path, time: Time, ns: int) -> None:
    async def main() -> None:
        await fs.utimes(file, time, time)
        stats = await fs.stat(file)
        assert (stats.atime_ns, stats.mtime_ns) == (ns, ns)

    run(main)


@pytest.mark.parametrize(
    ("time", "code"),
    [("1", "ERR_INVALID_ARG_TYPE"), (None, "ERR_INVALID_ARG_TYPE"), (True, "ERR_INVALID_ARG_TYPE"),
     (float("nan"), "ERR_OUT_OF_RANGE"), (float("inf"), "ERR_OUT_OF_RANGE"), (10**11, "ERR_OUT_OF_RANGE"),
     pytest.param(-(10**400), "ERR_OUT_OF_RANGE", id="no float is so large"),
     (datetime.datetime(1, 1, 1), "ERR_OUT_OF_RANGE"),  # noqa: DTZ001  # such a one has no timestamp
     (datetime.datetime(9999, 12, 31, tzinfo=datetime.UTC), "ERR_OUT_OF_RANGE")],
)  # fmt: skip
def test_what_is_no_time(file: Path, time: object, code: str) -> None:
    async def main() -> None:
        with pytest.raises(TreadleError) as raised:
            fs.utimes(file, 0, time)  # type: ignore[call-overload]
        assert raised.value.code == code
        with pytest.raises(TreadleError) as raised:
            fs.lutimes(file, time, 0)  # type: ignore[call-overload]
        assert raised.value.code == code

    run(main)


def test_a_link_itself(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("file")

    async def main() -> None:
        await fs.lutimes(link, 10, 20)
        assert (await fs.lstat(link)).mtime_ns == 20 * 10**9
        assert (await fs.stat(link)).mtime_ns != 20 * 10**9
        await fs.lchown(link, -1, -1)
        await fs.truncate(link, 3)
        assert file.read_bytes() == b"con"

    run(main)


def test_access(file: Path, tmp_path: Path) -> None:
    async def main() -> None:
        await fs.access(file)
        await fs.access(file, constants.R_OK | constants.W_OK)
        error = await error_of(fs.access(file, constants.X_OK))
        assert (error.errno, error.filename) == (errno.EACCES, str(file))
        assert (await error_of(fs.access(tmp_path / "none"))).errno == errno.ENOENT

    run(main)


def test_errors_of_two_paths_name_both(file: Path, tmp_path: Path) -> None:
    missing, other = tmp_path / "missing", tmp_path / "other"

    async def main() -> None:
        for function in (fs.rename, fs.link, fs.copy_file):
            error = await error_of(function(missing, other))  # type: ignore[operator]
            assert (error.errno, error.filename, error.filename2) == (errno.ENOENT, str(missing), str(other))
        error = await error_of(fs.symlink("anything", file))
        assert (error.errno, error.filename, error.filename2) == (errno.EEXIST, "anything", str(file))

    run(main)


@pytest.mark.parametrize("ns", [10**20 + 7, -(10**20) + 7, 2**63, -(2**63) - 1, -1])
def test_times_past_what_64_bits_of_ns_hold(memory: Path, ns: int) -> None:
    (memory / "file").touch()
    os.utime(memory / "file", ns=(ns, ns))
    expected = (memory / "file").stat().st_mtime_ns
    if expected != ns:
        pytest.skip("this file system keeps no such times")

    async def main() -> None:
        stats = await fs.stat(memory / "file")
        assert (stats.mtime_ns, stats.atime_ns, stats.mtime_ms) == (ns, ns, ns / 1e6)
        assert pickle.loads(pickle.dumps(stats)).mtime_ns == ns

    run(main)


def test_paths_of_classes_derived_from_text(file: Path) -> None:
    class Text(str):
        pass

    class Bytes(bytes):
        pass

    async def main() -> None:
        for path in (Text(file), Bytes(os.fsencode(file))):
            assert (await fs.stat(path)).size == len(await fs.read_file(path)) == 7

    run(main)


def test_paths_come_out_as_they_went_in(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("file")

    async def main() -> None:
        assert await fs.readlink(link) == "file"
        assert await fs.readlink(os.fsencode(link)) == b"file"
        assert await fs.realpath(link) == str(file)
        assert await fs.realpath(os.fsencode(link)) == os.fsencode(file)

    run(main)


# ---- what the kernel has in memory is asked for without a thread


def at_once() -> int:
    return int(pool_of(get_loop()).statistics()["at_once"])


def test_in_a_directory_that_is_known_no_thread_is_needed(file: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "sub").mkdir()

    async def main() -> None:
        await fs.stat(file)  # a thread finds out what kind of file system it is on
        before = at_once()
        for path in (file, tmp_path / "sub"):
            stats, real = await fs.stat(path), path.stat()
            assert (stats.ino, stats.size, stats.mtime_ns, stats.mode) == (
                real.st_ino, real.st_size, real.st_mtime_ns, real.st_mode,
            )  # fmt: skip
        assert (await fs.lstat(tmp_path / "link")).is_symbolic_link()
        if at_once() == before:
            pytest.skip("a file system that may wait for somebody, or an old kernel")
        assert at_once() == before + 3
        assert (await fs.stat(tmp_path / "link")).is_file()  # which follows it, on a thread
        assert (await error_of(fs.stat(tmp_path / "missing"))).filename == str(tmp_path / "missing")
        assert at_once() == before + 3
        file.write_bytes(b"longer content")
        assert (await fs.stat(file)).size == 14

    run(main)


def test_a_stat_is_not_held_up_as_long_as_a_read_that_came_before(file: Path) -> None:
    """Node's stat takes one turn of its pool, its read_file four; immediates of the same time are before both."""
    order: list[str] = []

    async def main() -> None:
        await fs.stat(file)
        before, done = at_once(), asyncio.Event()
        fs.read_file(file, lambda *_: (order.append("read"), done.set()))
        fs.stat(file, lambda *_: order.append("stat"))
        if at_once() != before + 2:
            pytest.skip("a file system that may wait for somebody, or an old kernel")
        set_immediate(lambda: order.append("immediate"))
        await done.wait()

    run(main)
    assert order == ["immediate", "stat", "read"]


def test_files_of_proc_are_asked_for_by_threads() -> None:
    async def main() -> None:
        for _ in range(3):
            assert (await fs.stat("/proc/self/status")).is_file()
        assert at_once() == 0

    run(main)


def test_another_file_system_in_the_place_of_a_directory(tmp_path: Path, memory: Path) -> None:
    """What is known of a path holds for one device: a link may lead elsewhere by now."""
    place = tmp_path / "place"
    for target in (tmp_path / "here", memory / "there"):
        target.mkdir()
        (target / "file").write_text(target.name)
        if place.is_symlink():
            place.unlink()
        place.symlink_to(target)

        async def main(target: Path = target) -> None:
            for _ in range(3):
                assert (await fs.stat(place / "file")).ino == (target / "file").stat().st_ino

        run(main)

    async def both() -> None:
        for target in (tmp_path / "here", memory / "there", tmp_path / "here"):
            place.unlink()
            place.symlink_to(target)
            for _ in range(3):
                assert (await fs.stat(place / "file")).ino == (target / "file").stat().st_ino

    run(both)


def test_a_cancelled_one_is_not_heard_of(file: Path) -> None:
    async def main() -> None:
        await fs.stat(file)
        futures = [fs.stat(file) for _ in range(200)]
        for future in futures[::2]:
            future.cancel()
        found = await asyncio.gather(*futures, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in found[::2])
        assert all(isinstance(one, fs.Stats) and one.size == 7 for one in found[1::2])

    run(main)
