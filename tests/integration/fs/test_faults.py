"""What goes wrong below: full disks, files that are cut, descriptors that run out, permissions, cancelling at every await.

The bar: the right error, no descriptor left (tests/conftest.py looks for them behind every test), and not one byte lost that was
reported as written. Not here: a crash in the middle of a write.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import resource
import subprocess
import sys
import warnings
from collections.abc import Callable, Coroutine, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.fs.support import after_one_turn, error_of, is_idle, run, turns_until
from tests.unit.native.support import in_child
from treadle import fs
from treadle.loop.current import get_loop
from treadle.pool import pool_of

KIB = 1024
MIB = 1024 * KIB

is_root = os.geteuid() == 0


# ---- a disk that is full


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=20", "tmpfs", str(place)]
    if not is_root or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("nothing can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_write_file_to_a_full_disk_raises(disk: Path) -> None:
    async def main() -> None:
        for function in (fs.write_file, fs.append_file):
            error = await error_of(function(disk / "new", bytes(2 * MIB)))  # type: ignore[operator]
            assert (error.errno, error.filename) == (errno.ENOSPC, str(disk / "new"))
            assert (disk / "new").stat().st_size == MIB  # what there was room for
        await fs.rm(disk / "new")
        await fs.write_file(disk / "new", bytes(MIB))

    run(main)


def test_a_handle_reports_what_was_written_and_no_more(disk: Path) -> None:
    async def main() -> None:
        data = os.urandom(3 * MIB)
        reported = 0
        async with await fs.open(disk / "new", "w") as file:
            while True:
                try:
                    written = await file.write(data, reported, 700_000)
                except OSError as error:
                    assert (error.errno, error.filename) == (errno.ENOSPC, str(disk / "new"))  # noqa: PT017
                    break
                assert 0 < written <= 700_000
                reported += written
            assert reported == MIB
            error = await error_of(file.writev([b"a", b"b"]))
            assert error.errno == errno.ENOSPC
            error = await error_of(file.write_file(b"c"))
            assert error.errno == errno.ENOSPC
        assert (disk / "new").read_bytes() == data[:reported]

    run(main)


def test_a_copy_that_finds_no_room_leaves_nothing(disk: Path, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(2 * MIB))

    async def main() -> None:
        error = await error_of(fs.copy_file(tmp_path / "large", disk / "new"))
        assert (error.errno, error.filename2) == (errno.ENOSPC, str(disk / "new"))
        assert os.listdir(disk) == []

    run(main)


def test_a_disk_without_room_for_another_name(disk: Path) -> None:
    async def main() -> None:
        error = await error_of(fs.mkdir(disk / "/".join("abcdefghijklmnopqrstuvwxyz"), recursive=True))
        assert error.errno == errno.ENOSPC
        for call in (
            fs.write_file(disk / "new", b""),
            fs.mkdtemp(f"{disk}/tmp-"),
            fs.symlink("a", disk / "link"),
            fs.open(disk / "new", "w"),
        ):
            assert (await error_of(call)).errno == errno.ENOSPC
        await fs.rm(disk / "a", recursive=True)
        assert os.listdir(disk) == []

    run(main)


def test_a_device_that_is_full() -> None:
    async def main() -> None:
        assert (await error_of(fs.write_file("/dev/full", b"x"))).errno == errno.ENOSPC
        async with await fs.open("/dev/full", "r+") as file:
            assert (await error_of(file.write(b"x"))).errno == errno.ENOSPC

    run(main)


def test_a_limit_of_this_process_on_the_size_of_files(tmp_path: Path) -> None:
    def act() -> bool:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

        async def main() -> None:
            error = await error_of(fs.write_file(tmp_path / "new", bytes(200_000)))
            assert (error.errno, error.filename) == (errno.EFBIG, str(tmp_path / "new"))
            async with await fs.open(tmp_path / "other", "w") as file:
                assert await file.write(bytes(200_000)) == 100_000
                assert (await error_of(file.write(b"x"))).errno == errno.EFBIG
                assert (await error_of(file.truncate(100_001))).errno == errno.EFBIG

        run(main)
        return (tmp_path / "other").stat().st_size == 100_000

    assert in_child(act) == 0


def test_a_read_error_of_the_system() -> None:
    """Memory that is not mapped: EIO, as of a disk that is broken."""

    async def main() -> None:
        async with await fs.open("/proc/self/mem") as file:
            error = await error_of(file.read(100, position=0))
            assert (error.errno, error.filename) == (errno.EIO, "/proc/self/mem")
            assert (await error_of(file.read(bytearray(10), position=0))).errno == errno.EIO
            assert (await error_of(file.read_file())).errno == errno.EIO
        for encoding in (None, "latin1"):
            assert (await error_of(fs.read_file("/proc/self/mem", encoding=encoding))).errno == errno.EIO  # type: ignore[call-overload]

    run(main)


# ---- files that others cut


@pytest.mark.parametrize("left", [0, MIB, 5 * MIB])
def test_a_file_that_is_cut_while_it_is_read(memory: Path, tmp_path: Path, left: int) -> None:
    """After 4 MiB another job has its turn, and in it the file is cut."""
    data = os.urandom(9 * MIB)

    async def main() -> None:
        (memory / "file").write_bytes(data)
        async with await fs.open(memory / "file") as file:
            async with after_one_turn(lambda: file.read(9 * MIB, position=0), tmp_path) as reading:
                os.truncate(memory / "file", left)
            assert await reading == data[: max(left, 4 * MIB)]

    run(main)


# ---- nobody answers


def test_doors_that_nobody_opens_do_not_hold_the_program(tmp_path: Path) -> None:
    """All threads are stuck: what waits behind them ends by its own time limit, and the process by its own end."""
    program = f"""
import asyncio, os, treadle
from treadle import fs

async def main():
    for number in range(4):
        os.mkfifo({str(tmp_path)!r} + f"/{{number}}")
    reads = [fs.open({str(tmp_path)!r} + f"/{{number}}") for number in range(4)]
    try:
        async with asyncio.timeout(0.2):
            await fs.stat("/")
    except TimeoutError:
        print("timeout")
    for read in reads:
        read.cancel()

treadle.run(main)
print("end")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)
    assert (done.stdout, done.returncode) == ("timeout\nend\n", 0)
    assert "Error" not in done.stderr


# ---- descriptors that run out


def test_no_descriptor_is_left(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / "tree" / str(number) / "below").mkdir(parents=True)
        (tmp_path / "tree" / str(number) / "file").write_text("text")

    def act() -> bool:
        async def main() -> bool:
            await fs.stat(tmp_path)  # what the loop and its pool need is open
            used = max(map(int, os.listdir("/proc/self/fd")))
            held = [os.dup(0), os.dup(0)]
            while held[-1] <= used:  # whatever numbers are free between those that are open
                held.append(os.dup(0))
            limit = held[-1] + 1
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            file, tree = tmp_path / "tree" / "0" / "file", tmp_path / "tree"
            for call in (
                lambda: fs.open(file),
                lambda: fs.read_file(file),
                lambda: fs.read_file(file, encoding="utf8"),
                lambda: fs.write_file(tmp_path / "new", b"x"),
                lambda: fs.copy_file(file, tmp_path / "new"),
                lambda: fs.readdir(tree),
                lambda: fs.readdir(tree, recursive=True),
                lambda: fs.rm(tree, recursive=True),
            ):
                error = await error_of(call())  # type: ignore[no-untyped-call]
                assert error.errno == errno.EMFILE, error
            assert (await fs.stat(file)).size == 4  # needs none
            os.close(held.pop())
            async with await fs.open(file) as handle:
                assert await handle.read() == b"text"
                assert (await error_of(fs.copy_file(file, tmp_path / "new"))).errno == errno.EMFILE
            assert (await error_of(fs.copy_file(file, tmp_path / "new"))).errno == errno.EMFILE  # it needs two
            assert (await error_of(fs.readdir(tree, recursive=True))).errno == errno.EMFILE
            assert await fs.readdir(tree) == list("01234")
            os.close(held.pop())
            await fs.copy_file(file, tmp_path / "new")
            assert len(await fs.readdir(tree, recursive=True)) == 15
            return True

        return run(main)

    assert in_child(act) == 0


# ---- permissions


@pytest.mark.skipif(not is_root, reason="only root can become somebody else")
def test_what_is_not_allowed(tmp_path: Path) -> None:
    secret, mine = tmp_path / "secret", tmp_path / "mine"
    (secret / "sub").mkdir(parents=True)
    (secret / "file").write_text("text")
    (tmp_path / "file").write_text("text")
    (tmp_path / "file").chmod(0o600)
    secret.chmod(0o700)
    mine.mkdir()
    (mine / "locked").mkdir()
    (mine / "locked" / "file").touch()
    (mine / "locked").chmod(0o755)
    os.chown(mine, 65534, 65534)
    for place in (tmp_path, *list(tmp_path.parents)[:-2]):
        os.chmod(place, 0o755)

    def act() -> bool:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)

        async def main() -> bool:
            for call in (
                fs.open(secret / "file"),
                fs.open(tmp_path / "file"),
                fs.open(tmp_path / "new", "w"),
                fs.read_file(tmp_path / "file"),
                fs.write_file(tmp_path / "file", b"x"),
                fs.append_file(tmp_path / "new", b"x"),
                fs.stat(secret / "file"),
                fs.access(tmp_path / "file", fs.constants.R_OK),
                fs.readdir(secret),
                fs.readdir(secret, recursive=True),
                fs.unlink(tmp_path / "file"),
                fs.rmdir(secret),
                fs.rm(tmp_path / "file", force=True),
                fs.rm(secret, recursive=True),
                fs.mkdir(tmp_path / "new"),
                fs.mkdir(tmp_path / "new" / "deep", recursive=True),
                fs.mkdtemp(f"{tmp_path}/new-"),
                fs.rename(mine, tmp_path / "new"),
                fs.link(mine / "locked" / "file", tmp_path / "new"),
                fs.symlink("a", tmp_path / "new"),
                fs.copy_file(tmp_path / "file", mine / "copy"),
                fs.truncate(tmp_path / "file"),
            ):
                error = await error_of(call)
                assert error.errno in (errno.EACCES, errno.EPERM), error
                assert isinstance(error, PermissionError)
                assert str(error.filename).startswith(str(tmp_path)) or error.filename == "a"
            for call in (
                fs.chmod(tmp_path / "file", 0o777),
                fs.chown(tmp_path / "file", 65534, -1),
                fs.utimes(tmp_path / "file", 1, 1),
            ):
                assert (await error_of(call)).errno == errno.EPERM
            error = await error_of(fs.rm(mine, recursive=True))
            assert (error.errno, error.filename) == (errno.EACCES, str(mine / "locked" / "file"))
            assert (await error_of(fs.readdir(tmp_path, recursive=True))).filename == str(secret)
            assert sorted(os.listdir(mine)) == ["locked"]
            return True

        return run(main)

    assert in_child(act) == 0


# ---- cancelled at every await


class Stepped:
    """A coroutine, and who is told of each suspension of it, with the future that it waits for."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], on_suspended: Callable[[Any], None]) -> None:
        self.coroutine = coroutine
        self.on_suspended = on_suspended

    def __await__(self) -> Generator[Any, Any, Any]:
        step = lambda: self.coroutine.send(None)  # noqa: E731
        while True:
            try:
                future = step()
            except StopIteration as stop:
                return stop.value
            self.on_suspended(future)
            try:
                value = yield future
            except BaseException as error:
                step = lambda error=error: self.coroutine.throw(error)  # type: ignore[misc] # noqa: E731
            else:
                step = lambda value=value: self.coroutine.send(value)  # type: ignore[misc] # noqa: E731


async def everything(place: Path, reported: list[bytes]) -> None:
    """Some of all; what was reported as written is noted."""
    await fs.mkdir(place / "a" / "b", recursive=True)
    async with await fs.open(place / "log", "a+") as log:
        for number in range(3):
            line = bytes([65 + number]) * 1000 + b"\n"
            assert await log.write(line) == len(line)
            reported.append(line)
        await log.sync()
        await log.read(100, position=0)
        await log.stat()
        async with await fs.open(place / "log") as again:
            await again.read(bytearray(2000))
            await again.read_file()
    await fs.write_file(place / "a" / "large", bytes(600_000))
    await fs.copy_file(place / "a" / "large", place / "a" / "b" / "copy")
    await fs.read_file(place / "a" / "large", encoding="latin1")
    await fs.read_file(place / "log")
    await fs.symlink("log", place / "link")
    await fs.readdir(place, recursive=True, with_file_types=True)
    await fs.rename(place / "link", place / "other")
    await fs.rm(place / "a", recursive=True)


def at_once(task: asyncio.Task[None], _future: Any) -> None:
    task.get_loop().call_soon(task.cancel)


def behind_the_thread(task: asyncio.Task[None], _future: Any) -> None:
    """Its job is through, and the loop does not know yet."""

    def cancel() -> None:
        while not is_idle():
            pass
        task.cancel()

    task.get_loop().call_soon(cancel)


def behind_the_loop(task: asyncio.Task[None], future: Any) -> None:
    """What it waits for is there, and the task does not know yet."""
    future.add_done_callback(lambda _: task.cancel())


@pytest.mark.parametrize("when", [at_once, behind_the_thread, behind_the_loop])
def test_cancelled_at_every_await(memory: Path, when: Callable[[asyncio.Task[None], Any], None]) -> None:
    async def attempt(number: int) -> bool:
        """Cancel at that suspension. False: there are not so many."""
        place, reported = memory / str(number), list[bytes]()
        place.mkdir()
        before = set(os.listdir("/proc/self/fd"))
        suspensions = 0

        def on_suspended(future: Any) -> None:
            nonlocal suspensions
            suspensions += 1
            if suspensions == number:
                task = asyncio.current_task()
                assert task is not None
                when(task, future)

        async def main() -> None:
            await Stepped(everything(place, reported), on_suspended)

        task = asyncio.get_running_loop().create_task(main())
        await asyncio.wait([task])
        assert task.cancelled() or task.exception() is None
        was_cancelled = task.cancelled()
        del task
        gc.collect()  # what holds the result that nobody got
        await turns_until(lambda: is_idle() and pool_of(get_loop()).statistics()["requests"] == 0)
        await turns_until(lambda: set(os.listdir("/proc/self/fd")) == before)
        content = (place / "log").read_bytes() if (place / "log").exists() else b""
        assert content.startswith(b"".join(reported))
        copy = place / "a" / "b" / "copy"
        assert not copy.exists() or copy.stat().st_size == 600_000  # all of it, or nothing
        return was_cancelled

    async def main() -> int:
        await fs.stat(memory)  # the pool has its descriptor
        number = 1
        while await attempt(number):
            number += 1
        return number

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # a handle that came as its task was cancelled is nobody's
        assert run(main) > 20
