"""write_file, append_file, copy_file, and read_file's options. Not here: the rest of read_file (test_read_file.py), what Node
says to each call (tests/conformance/fs)."""

import asyncio
import contextlib
import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.unit.fs.support import Door, after_one_turn, error_of, is_active, is_idle, narrow_pool, run, turns_until
from treadle import fs
from treadle._base.errors import TreadleError
from treadle.events import AbortController
from treadle.fs import constants
from treadle.loop.current import get_loop
from treadle.pool import statistics

KIB = 1024
MIB = 1024 * KIB
SIZES = [0, 1, 64 * KIB, 512 * KIB - 1, 512 * KIB, 512 * KIB + 1, 4 * MIB, 9 * MIB + 7]


# ---- text


def test_what_does_not_fit_an_encoding_is_lost_without_an_error(tmp_path: Path) -> None:
    # As docs/reference/fs.md says.
    path = tmp_path / "file"
    read = [
        ("utf8", b"caf\xe9", "caf\ufffd"),
        ("utf16le", b"a\0b", "a\ufffd"),
        ("ascii", b"caf\xe9", "cafi"),
        ("hex", b"zz", "7a7a"),
    ]
    written = [
        ("utf8", "\ud800", "\ufffd".encode()),
        ("utf16le", "\ud800", b"\xfd\xff"),
        ("latin1", "€", b"\xac"),
        ("ascii", "€", b"\xac"),
        ("hex", "41zz42", b"A"),
        ("base64", "QQ\n!=", b"A"),
    ]

    async def main() -> None:
        for encoding, data, text in read:
            path.write_bytes(data)
            assert await fs.read_file(path, encoding=encoding) == text, encoding
        for encoding, text, data in written:
            await fs.write_file(path, text, encoding=encoding)
            assert path.read_bytes() == data, encoding

    run(main)


# ---- write_file, append_file


@pytest.mark.parametrize("size", SIZES)
def test_any_size_is_written_and_appended(memory: Path, size: int) -> None:
    data, path = os.urandom(size), memory / "new"

    async def main() -> None:
        await fs.write_file(path, data)
        assert path.read_bytes() == data
        await fs.append_file(path, bytearray(data), flush=True)
        assert path.read_bytes() == data + data
        await fs.write_file(path, memoryview(data)[: size // 2])
        assert path.read_bytes() == data[: size // 2]

    run(main)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("how", [{"flag": "a+"}, {"encoding": "latin1"}, {"encoding": "latin1", "flag": "r+"}])
def test_any_size_is_read_in_other_ways(memory: Path, size: int, how: dict[str, Any]) -> None:
    data, path = os.urandom(size), memory / "file"
    path.write_bytes(data)

    async def main() -> None:
        expected = data.decode("latin-1") if "encoding" in how else data
        assert await fs.read_file(path, **how) == expected
        async with await fs.open(path) as file:
            assert await fs.read_file(file) == data
            assert await file.read_file() == b""
        async with await fs.open(path) as file:
            await file.read(10)
            assert await file.read_file() == data[10:]

    run(main)


def test_more_than_one_object_may_hold_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with open(tmp_path / "sparse", "wb") as sparse:
        sparse.truncate(2**31)

    async def main() -> None:
        async with await fs.open(tmp_path / "sparse") as file:
            error = await error_of(file.read_file())
            assert (error.errno, error.filename) == (errno.EFBIG, str(tmp_path / "sparse"))
            assert os.lseek(file.fd, 0, os.SEEK_CUR) == 0
            os.lseek(file.fd, 2**31 - 5, os.SEEK_SET)
            assert await file.read_file() == bytes(5)

    run(main)


def test_text_is_read_as_bytes_are(file: Path) -> None:
    def reads() -> int:
        figures = statistics()
        return figures.at_once + figures.kinds["fs.read_file"].run.count

    async def main() -> None:
        assert await fs.read_file(file) == b"content"
        before = reads()
        assert await asyncio.gather(*[fs.read_file(file, encoding=name) for name in ("utf8", "hex")]) == [
            "content", b"content".hex(),
        ]  # fmt: skip
        assert reads() == before + 2  # of one job each
        assert await fs.read_file(file, encoding="utf8", flag="r+") == "content"
        assert reads() == before + 3

    run(main)


@pytest.mark.parametrize("size", [0, 1, 64 * KIB, 64 * KIB + 1, 5 * MIB])
def test_a_handle_of_a_pipe_is_read_to_its_end(size: int) -> None:
    data = os.urandom(size)
    reader, writer = os.pipe()

    def write() -> None:
        with open(writer, "wb") as file:
            file.write(data)

    async def main() -> None:
        async with await fs.open(f"/proc/self/fd/{reader}") as file:
            os.close(reader)
            assert await file.read_file() == data

    writing = threading.Thread(target=write)
    writing.start()
    run(main)
    writing.join()


def test_a_file_that_tells_no_size() -> None:
    async def main() -> None:
        async with await fs.open("/proc/self/status") as file:
            assert (await file.read_file(encoding="utf8")).startswith("Name:")

    run(main)


def test_appending_at_once_does_not_mix(tmp_path: Path) -> None:
    async def main() -> None:
        lines = [bytes([65 + number % 26]) * 5000 + b"\n" for number in range(200)]
        await asyncio.gather(*[fs.append_file(tmp_path / "log", line) for line in lines])
        assert sorted((tmp_path / "log").read_bytes().splitlines(keepends=True)) == sorted(lines)

    run(main)


def test_a_large_write_lets_others_go_first(memory: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with after_one_turn(lambda: fs.write_file(memory / "new", bytes(20 * MIB)), tmp_path) as writing:
            assert not writing.done()
            assert (memory / "new").stat().st_size == 4 * MIB
        await writing
        assert (memory / "new").stat().st_size == 20 * MIB

    run(main)


def test_a_cancelled_write_stops_and_lets_go_of_its_data(memory: Path, tmp_path: Path) -> None:
    async def main() -> None:
        data = bytearray(20 * MIB)
        async with after_one_turn(lambda: fs.write_file(memory / "new", data), tmp_path) as writing:
            writing.cancel()
            data.clear()
        assert (memory / "new").stat().st_size == 4 * MIB

    run(main)


def test_data_that_changes_its_size_meanwhile_is_held(door: Door, memory: Path) -> None:
    async def main() -> None:
        data = bytearray(b"x" * 100)
        narrow_pool()
        behind = fs.read_file(door.path)
        await turns_until(lambda: is_active(1))
        writing = fs.write_file(memory / "new", data)
        with pytest.raises(BufferError):
            data.append(0)
        await door.let_through()
        await asyncio.gather(behind, writing)
        data.append(0)
        assert (memory / "new").read_bytes() == b"x" * 100

    run(main)


def test_options_in_the_place_of_a_callback_are_told_their_names(file: Path) -> None:
    async def main() -> None:
        signal = AbortController().signal
        for call in (
            lambda: fs.read_file(file, "utf8"),  # type: ignore[call-overload]
            lambda: fs.read_file(file, {"encoding": "utf8"}),  # type: ignore[call-overload]
            lambda: fs.read_file(file, "utf8", flag="r+"),  # type: ignore[call-overload]
            lambda: fs.read_file(file, "utf8", signal=signal),  # type: ignore[call-overload]
            lambda: fs.write_file(file, b"", "utf8"),  # type: ignore[call-overload]
        ):
            with pytest.raises(TreadleError) as caught:
                call()
            assert (caught.value.code, caught.value.data["name"]) == ("ERR_INVALID_ARG_TYPE", "callback")
            assert "encoding='utf8'" in caught.value.hint.replace('"', "'")
        assert file.read_bytes() == b"content"

    run(main)


def test_with_callbacks(tmp_path: Path) -> None:
    log: list[Any] = []

    async def main() -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def on_read(error: OSError | None, text: str | None) -> None:
            log.extend([error, text])
            done.set_result(None)

        def on_copied(error: OSError | None, result: None) -> None:
            log.extend([error, result])
            assert fs.read_file(tmp_path / "copy", on_read, encoding="utf8") is None

        def on_written(error: OSError | None, result: None) -> None:
            log.extend([error, result])
            assert fs.copy_file(tmp_path / "new", tmp_path / "copy", 0, on_copied) is None

        assert fs.write_file(tmp_path / "new", "text", on_written) is None
        await done

    run(main)
    assert log == [None, None, None, None, None, "text"]


@pytest.mark.parametrize("flag", ["rb", "wb", "", "z", "wxx", "xx"])
def test_flags_that_are_none(tmp_path: Path, flag: str) -> None:
    async def main() -> None:
        for call in (
            lambda: fs.open(tmp_path / "new", flag),
            lambda: fs.read_file(tmp_path / "new", flag=flag),
            lambda: fs.write_file(tmp_path / "new", b"", flag=flag),
        ):
            with pytest.raises(TreadleError) as raised:
                call()  # type: ignore[no-untyped-call]
            assert raised.value.code == "ERR_INVALID_ARG_VALUE"
            assert ("leave the b out" in raised.value.hint) == ("b" in flag)

    run(main)


# ---- copy_file


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("across", [False, True], ids=["one file system", "two"])
def test_any_size_is_copied(memory: Path, tmp_path: Path, size: int, across: bool) -> None:
    data = os.urandom(size)
    (memory / "from").write_bytes(data)
    (memory / "from").chmod(0o751)
    target = (tmp_path if across else memory) / "to"

    async def main() -> None:
        await fs.copy_file(memory / "from", target)
        assert target.read_bytes() == data
        assert target.stat().st_mode & 0o7777 == 0o751
        assert (await error_of(fs.copy_file(memory / "from", target, constants.COPYFILE_EXCL))).errno == errno.EEXIST

    run(main)


def test_what_the_kernel_does_not_copy_by_itself(tmp_path: Path) -> None:
    """A file of /proc tells no size, and a pipe is none."""
    reader, writer = os.pipe()

    async def main() -> None:
        await fs.copy_file("/proc/self/cmdline", tmp_path / "proc")
        assert (tmp_path / "proc").read_bytes() == Path("/proc/self/cmdline").read_bytes() != b""
        os.write(writer, b"from a pipe")
        os.close(writer)
        await fs.copy_file(f"/proc/self/fd/{reader}", tmp_path / "pipe")
        assert (tmp_path / "pipe").read_bytes() == b"from a pipe"

    run(main)
    os.close(reader)


def test_blocks_are_shared_or_it_fails(tmp_path: Path, file: Path) -> None:
    async def main() -> None:
        await fs.copy_file(file, tmp_path / "may", constants.COPYFILE_FICLONE)
        assert (tmp_path / "may").read_bytes() == b"content"
        try:
            await fs.copy_file(file, tmp_path / "must", constants.COPYFILE_FICLONE_FORCE)
        except OSError as error:
            assert error.errno in (errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.EXDEV)  # noqa: PT017
            assert not (tmp_path / "must").exists()
        else:
            assert (tmp_path / "must").read_bytes() == b"content"

    run(main)


def test_a_cancelled_copy_leaves_nothing(memory: Path, tmp_path: Path) -> None:
    (memory / "from").write_bytes(bytes(20 * MIB))

    async def main() -> None:
        async with after_one_turn(lambda: fs.copy_file(memory / "from", memory / "to"), tmp_path) as copying:
            assert (memory / "to").stat().st_size == 4 * MIB
            copying.cancel()
            assert (memory / "to").exists()  # to remove it is a thread's work, too, and the only one is busy
        await turns_until(is_idle)
        assert not (memory / "to").exists()

    run(main)


def test_a_device_is_not_removed_when_a_copy_to_it_fails(file: Path) -> None:
    async def main() -> None:
        error = await error_of(fs.copy_file(file, "/dev/full"))
        assert (error.errno, error.filename, error.filename2) == (errno.ENOSPC, str(file), "/dev/full")
        assert os.path.exists("/dev/full")

    run(main)


# ---- amid one the program ends


@pytest.mark.parametrize("is_held", [True, False], ids=["as a future", "with a callback"])
@pytest.mark.parametrize("how", ["copied", "replaced"])
def test_what_was_half_done_is_gone_with_the_program(tmp_path: Path, how: str, is_held: bool) -> None:
    """The process may end right behind it, and would leave what a thread has not taken back yet."""
    size = 1 << 28
    source, target = tmp_path / "source", tmp_path / "target"
    with source.open("wb") as file:
        file.truncate(size)
    if how == "replaced":
        target.write_bytes(b"before")
    content = bytes(size) if how == "replaced" else b""
    callback = None if is_held else lambda *_: None

    async def main() -> None:
        if how == "copied":
            fs.copy_file(source, target, callback=callback)
        else:
            fs.write_file_atomic(target, content, callback)
        await turns_until(lambda: is_active(1))
        await turns_until(lambda: len(list(tmp_path.iterdir())) > (1 if how == "copied" else 2))
        get_loop().stop()
        await asyncio.Event().wait()

    with contextlib.suppress(RuntimeError):  # stopped before its main was done
        run(main)
    left = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    before = {"source": size} if how == "copied" else {"source": size, "target": 6}
    assert left in (before, {"source": size, "target": size})  # the second: it was faster


def test_a_thread_that_cancels_while_the_pool_ends(tmp_path: Path) -> None:
    """The pool waits for a copy that may have begun to write, here into a pipe that nobody reads, and lets other threads run."""
    target = tmp_path / "target"
    (tmp_path / "source").write_bytes(b"content")
    os.mkfifo(target)
    others: list[threading.Thread] = []
    cancelled: list[bool] = []

    async def main() -> None:
        future = fs.copy_file(tmp_path / "source", target)
        await turns_until(lambda: is_active(1))
        pool = get_loop().pool  # type: ignore[attr-defined]

        def cancel_behind_its_end() -> None:
            while repr(pool) != "<Pool closed>":
                pass
            with contextlib.suppress(RuntimeError):  # the loop may be closed by then
                future.cancel()
            cancelled.append(future.cancelled())

        others.append(threading.Thread(target=cancel_behind_its_end))
        others[0].start()
        get_loop().stop()
        await asyncio.Event().wait()

    with contextlib.suppress(RuntimeError):  # stopped before its main was done
        run(main)
    others[0].join()
    assert cancelled == [True]
    os.close(os.open(target, os.O_RDONLY | os.O_NONBLOCK))  # the thread is let through


def test_a_copy_that_was_given_up_before_it_wrote_leaves_its_target_alone(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    os.mkfifo(source)

    async def main() -> None:
        future = fs.copy_file(source, target)
        await turns_until(lambda: is_active(1))
        future.cancel()
        target.write_bytes(b"written since")
        with source.open("wb"):  # it opens the source only now
            pass
        await turns_until(is_idle)

    run(main)
    assert target.read_bytes() == b"written since"
