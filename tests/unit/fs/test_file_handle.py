"""FileHandle: what it reads and writes, and above all when it is closed.

Not here: what Node says to each call (tests/conformance/fs), disks that are full and the like (tests/integration/fs).
"""

import asyncio
import contextvars
import errno
import gc
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

import treadle
from tests.unit.fs.support import Door, error_of, fds_of, is_active, is_idle, narrow_pool, run, turns_until
from treadle import fs, process
from treadle._base.errors import TreadleError
from treadle.fs import constants
from treadle.loop.current import get_loop
from treadle.pool import pool_of

MIB = 1024 * 1024


# ---- reading and writing


def test_a_file_is_written_and_read(tmp_path: Path) -> None:
    async def main() -> None:
        async with await fs.open(tmp_path / "new", "w+") as file:
            assert await file.write(b"hello ") == 6
            assert await file.write("wörld") == 6
            assert await file.read(position=0) == "hello wörld".encode()
            assert await file.read(5, position=6) == "wörl".encode()
            assert await file.read() == b""
            assert file.path == str(tmp_path / "new")
            assert repr(file) == f"<FileHandle fd={file.fd} {str(tmp_path / 'new')!r}>"
        assert (file.fd, repr(file)) == (-1, f"<FileHandle closed {str(tmp_path / 'new')!r}>")

    run(main)


@pytest.mark.parametrize("size", [0, 1, 512 * 1024 - 1, 512 * 1024, 512 * 1024 + 1, 4 * MIB, 9 * MIB + 7])
def test_any_size_comes_and_goes_in_one_call(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)

    async def main() -> None:
        async with await fs.open(tmp_path / "new", "w+") as file:
            assert await file.write(data) == size
            assert await file.read(size + 1, position=0) == data
            into = bytearray(size + 10)
            assert await file.read(into, 3, size, 0) == size
            assert into == b"\0" * 3 + data + b"\0" * 7
            assert await file.write(memoryview(data)[1:], position=size) == max(size - 1, 0)
        assert (tmp_path / "new").read_bytes() == data + data[1:]

    run(main)


def test_buffers_one_after_the_other(tmp_path: Path) -> None:
    parts = [os.urandom(size) for size in (0, 1, 700_000, 3, 0, 600_000)]

    async def main() -> None:
        async with await fs.open(tmp_path / "new", "w+") as file:
            assert await file.writev(parts) == 1_300_004
            into = [bytearray(len(part)) for part in parts]
            assert await file.readv(into, 0) == 1_300_004
            assert into == parts
            assert await file.readv([bytearray(5)] * 2, 1_300_000) == 4
            with pytest.raises(TreadleError) as raised:
                file.writev([b""] * 1025)
            assert raised.value.code == "ERR_OUT_OF_RANGE"

    run(main)


def test_a_pipe_gives_what_is_there() -> None:
    reader, writer = os.pipe()

    async def main() -> None:
        os.write(writer, b"abc")
        async with await fs.open(f"/proc/self/fd/{reader}") as file:
            assert await file.read(100) == b"abc"
            os.close(writer)
            assert await file.read(100) == b""

    try:
        run(main)
    finally:
        os.close(reader)


def test_reads_and_writes_at_once_do_not_mix(tmp_path: Path) -> None:
    async def main() -> None:
        async with await fs.open(tmp_path / "new", "w+") as file:
            blocks = [bytes([number]) * 3000 for number in range(200)]
            counts = await asyncio.gather(*[file.write(block, position=3000 * n) for n, block in enumerate(blocks)])
            assert counts == [3000] * 200
            assert await asyncio.gather(*[file.read(3000, position=3000 * n) for n in range(200)]) == blocks

    run(main)


def test_a_file_that_is_not_cached(tmp_path: Path) -> None:
    async def main() -> None:
        flags = constants.O_RDWR | constants.O_CREAT | constants.O_DIRECT
        try:
            opening = await fs.open(tmp_path / "direct", flags)
        except OSError as error:
            assert error.errno == errno.EINVAL  # noqa: PT017
            pytest.skip("this file system has no O_DIRECT")
        data = os.urandom(MIB)
        async with opening as file:
            assert await file.write(data) == MIB
            assert await file.read(4096, position=8192) == data[8192 : 8192 + 4096]
            assert await file.read(MIB, position=0) == data
            assert (await error_of(file.write(b"no block", position=0))).errno == errno.EINVAL

    run(main)


def test_what_is_no_memory_is_refused(file: Path) -> None:
    async def main() -> None:
        async with await fs.open(file, "r+") as handle:
            for call in (
                lambda: handle.read(b"read-only"),
                lambda: handle.read("text"),  # type: ignore[call-overload]
                lambda: handle.readv([b"read-only"]),  # type: ignore[list-item]
                lambda: handle.write(7),  # type: ignore[call-overload]
                lambda: handle.writev([7]),  # type: ignore[list-item]
            ):
                with pytest.raises((TypeError, BufferError)):
                    call()
            for arguments in ((7, 1), (7, 0, 1)):
                with pytest.raises(TreadleError) as raised:
                    handle.read(*arguments)
                assert raised.value.code == "ERR_INVALID_ARG_VALUE"
            for size in (-1, 2**31):
                with pytest.raises(TreadleError) as raised:
                    handle.read(size)
                assert (raised.value.code, raised.value.data["received"]) == ("ERR_OUT_OF_RANGE", size)
                assert "how many bytes" in str(raised.value.data["expected"])

    run(main)


def test_memory_is_held_while_it_is_used_and_let_go_of_when_it_is_cancelled(door: Door) -> None:
    async def main() -> None:
        opening = fs.open(door.path)
        await door.let_through()
        writer = os.open(door.path, os.O_WRONLY)
        buffer = bytearray(10)
        async with await opening as file:
            reading = file.read(buffer)
            await turns_until(lambda: is_active(1))
            with pytest.raises(BufferError):
                buffer.clear()
            reading.cancel()
            buffer.clear()  # though the thread is inside read(2)
            os.write(writer, b"too late")
            await turns_until(is_idle)
            assert buffer == b""
        os.close(writer)

    run(main)


# ---- the file itself


def test_what_is_known_and_what_is_changed(file: Path) -> None:
    async def main() -> None:
        async with await fs.open(file, "r+") as handle:
            await handle.chmod(0o640)
            await handle.truncate(4)
            await handle.utimes(100, 200.5)
            status = await handle.stat()
            assert (status.size, status.mode & 0o777, status.atime_ns, status.mtime_ms) == (4, 0o640, 100 * 10**9, 200_500)
            await handle.chown(-1, -1)
            assert await handle.sync() is None
            assert await handle.datasync() is None
            assert await handle.read_file(encoding="utf8") == "cont"
            assert await handle.write_file("inue", flush=True) is None
        assert file.read_bytes() == b"continue"

    run(main)


def test_an_error_names_the_file(file: Path) -> None:
    async def main() -> None:
        async with await fs.open(file) as handle:
            error = await error_of(handle.write(b"x"))
            assert (error.errno, error.filename) == (errno.EBADF, str(file))
            error = await error_of(handle.truncate())
            assert (error.errno, error.filename) == (errno.EINVAL, str(file))

    run(main)


def test_programs_that_are_started_do_not_inherit_it(file: Path) -> None:
    async def main() -> None:
        async with await fs.open(file) as handle:
            listed = subprocess.run(
                [sys.executable, "-c", "import os; print(os.listdir('/proc/self/fd'))"],
                capture_output=True, text=True, check=True, close_fds=False,
            ).stdout  # fmt: skip
            assert f"'{handle.fd}'" not in listed

    run(main)


# ---- closing


def test_closing_waits_for_what_is_under_way_and_refuses_the_rest(door: Door) -> None:
    async def main() -> None:
        opening = fs.open(door.path)
        await door.let_through()
        writer = os.open(door.path, os.O_WRONLY)
        file = await opening
        reading = file.read(5)
        closing = [file.close(), file.close()]
        assert repr(file).startswith("<FileHandle closing ")
        with pytest.raises(OSError) as refused:
            file.read(5)
        assert (refused.value.errno, refused.value.filename) == (errno.EBADF, str(door.path))
        await turns_until(lambda: is_active(1))
        assert not any(future.done() for future in (reading, *closing))
        assert fds_of(door.path) == [file.fd, writer] or fds_of(door.path) == [writer, file.fd]
        os.write(writer, b"last")
        assert await reading == b"last"
        assert await asyncio.gather(*closing) == [None, None]
        assert fds_of(door.path) == [writer]
        assert await file.close() is None
        os.close(writer)

    run(main)


def test_closing_does_not_wait_for_a_thread_whose_operation_was_cancelled(door: Door, tmp_path: Path) -> None:
    """Else leaving the block would hang; and the number is not another file's before the thread is back."""

    async def main() -> None:
        opening = fs.open(door.path)
        await door.let_through()
        writer = os.open(door.path, os.O_WRONLY)
        async with await opening as file:
            stuck = file.fd
            reading = file.read(5)
            await turns_until(lambda: is_active(1))
            reading.cancel()
        assert file.fd == -1
        assert sorted(fds_of(door.path)) == sorted([stuck, writer])  # the thread still needs it
        async with await fs.open(tmp_path / "other", "w") as other:
            assert other.fd != stuck
        os.close(writer)
        await turns_until(is_idle)
        await turns_until(lambda: fds_of(door.path) == [])

    run(main)


def test_a_cancelled_close_closes(file: Path) -> None:
    async def main() -> None:
        handle = await fs.open(file)
        closing, other = handle.close(), handle.close()
        closing.cancel()
        await other
        assert (handle.fd, fds_of(file)) == (-1, [])

    run(main)


def test_closing_finds_room_in_a_full_queue(door: Door, file: Path) -> None:
    async def main() -> None:
        narrow_pool(1, queue_max=1)
        handle = await fs.open(file)
        first = fs.read_file(door.path)
        await turns_until(lambda: is_active(1))
        second = handle.stat()
        with pytest.raises(TreadleError) as raised:
            handle.stat()
        assert raised.value.code == "ERR_POOL_SATURATED"
        closing = handle.close()
        await door.let_through()
        await asyncio.gather(first, second, closing)
        assert fds_of(file) == []

    run(main)


def test_a_refused_callback_is_not_waited_for(door: Door, file: Path) -> None:
    async def main() -> None:
        narrow_pool(1, queue_max=1)
        handle = await fs.open(file)
        first = fs.read_file(door.path)
        await turns_until(lambda: is_active(1))
        second = fs.stat(file)
        with pytest.raises(TreadleError):
            handle.stat(lambda error, status: None)
        await door.let_through()
        await asyncio.gather(first, second, handle.close())

    run(main)


def test_a_handle_that_nobody_closes_is_closed_with_a_warning(file: Path) -> None:
    async def main() -> None:
        handle = await fs.open(file)
        text = repr(handle)
        await asyncio.sleep(0)  # the callback that woke this task has ended
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            del handle
            gc.collect()
        assert [warning.category for warning in warned] == [ResourceWarning]
        assert text in str(warned[0].message)
        warned.clear()  # it holds the handle
        assert fds_of(file) == []

    run(main)


def test_a_handle_that_is_closed_or_closing_gives_no_warning(file: Path) -> None:
    async def main() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            (await fs.open(file)).close()
            await (await fs.open(file)).close()
            gc.collect()
            await turns_until(lambda: fds_of(file) == [])

    run(main)


def test_an_open_that_is_cancelled_leaves_nothing_open(door: Door, file: Path) -> None:
    async def main() -> None:
        opening = fs.open(door.path)
        await turns_until(lambda: is_active(1))
        opening.cancel()  # its thread is inside open(2)
        await door.let_through()
        await turns_until(is_idle)
        await turns_until(lambda: fds_of(door.path) == [])
        opening = fs.open(file)
        while not is_idle():
            pass
        opening.cancel()  # its thread is through, but the loop does not know yet
        await turns_until(lambda: pool_of(get_loop()).statistics()["requests"] == 0)
        await asyncio.sleep(0)
        await turns_until(lambda: fds_of(file) == [])

    run(main)


def test_a_handle_cannot_be_made_otherwise() -> None:
    with pytest.raises(TreadleError) as raised:
        fs.FileHandle()
    assert raised.value.code == "ERR_ILLEGAL_CONSTRUCTOR"


# ---- with callbacks


def test_every_method_takes_a_callback(tmp_path: Path) -> None:
    log: list[Any] = []

    async def main() -> None:
        opened: asyncio.Future[fs.FileHandle] = asyncio.get_running_loop().create_future()
        assert fs.open(tmp_path / "new", "w+", callback=lambda error, handle: opened.set_result(handle)) is None
        file = await opened
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        calls: list[tuple[Any, tuple[Any, ...]]] = [
            (file.write, (b"abc",)), (file.writev, ([b"d", b"e"],)), (file.write_file, ("f",)), (file.append_file, (b"g",)),
            (file.read, (4, 0, None, 0)), (file.readv, ([bytearray(2)], 1)), (file.truncate, (2,)), (file.read_file, ()),
            (file.chmod, (0o600,)), (file.chown, (-1, -1)), (file.utimes, (1, 2)), (file.sync, ()), (file.datasync, ()),
            (file.close, ()), (file.close, ()),
        ]  # fmt: skip

        def go_on(error: OSError | None = None, result: Any = None) -> None:
            assert error is None
            log.append(result)
            if calls:
                method, arguments = calls.pop(0)
                assert method(*arguments, callback=go_on) is None
            else:
                done.set_result(None)

        go_on()
        await done

    run(main)
    assert log == [None, 3, 2, None, None, b"abcd", 2, None, b"", *[None] * 7]


def test_a_callback_that_is_none_is_refused(file: Path) -> None:
    async def main() -> None:
        async with await fs.open(file) as handle:
            for call in (handle.stat, handle.close, handle.sync):
                with pytest.raises(TreadleError) as raised:
                    call("text")  # type: ignore[call-overload]
                assert raised.value.code == "ERR_INVALID_ARG_TYPE"

    run(main)


def test_a_callback_that_fails_ends_the_program_and_the_handle_can_still_be_closed(file: Path) -> None:
    handles: list[fs.FileHandle] = []

    def fail(error: OSError | None, status: fs.Stats | None) -> None:
        raise ValueError("from the callback")

    async def main() -> None:
        async with await fs.open(file) as handle:
            handles.append(handle)
            handle.stat(fail)
            await asyncio.get_running_loop().create_future()

    with pytest.raises(ValueError, match="from the callback"):
        treadle.run(main)
    assert handles[0].fd == -1
    handles.clear()


def test_a_program_that_has_ended_does_not_wait_for_callbacks_that_it_drops(door: Door, file: Path) -> None:
    log: list[str] = []

    async def hold(handle: fs.FileHandle) -> None:
        async with handle:
            await asyncio.get_running_loop().create_future()

    async def main() -> None:
        opening = fs.open(door.path)
        await door.let_through()
        writer = os.open(door.path, os.O_WRONLY)
        file = await opening
        asyncio.create_task(hold(file))
        file.read(5, callback=lambda error, data: log.append("callback"))
        await turns_until(lambda: is_active(1))
        asyncio.get_running_loop().call_soon(os.close, writer)
        raise ValueError("the end")

    with pytest.raises(ValueError, match="the end"):
        treadle.run(main)
    assert log == []


def test_callbacks_of_close_are_all_called_though_one_fails(file: Path) -> None:
    log: list[str] = []

    def fail(error: OSError | None, result: None) -> None:
        raise ValueError("from the callback")

    async def main() -> None:
        process.once("uncaught_exception", lambda error, *_: log.append(str(error)))
        handle = await fs.open(file)
        handle.close(fail)
        handle.close(lambda error, result: log.append("second"))
        await handle.close()
        log.append("third")

    run(main)
    assert log == ["from the callback", "second", "third"]


def test_a_close_that_was_refused_can_be_called_again(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handles: list[fs.FileHandle] = []

    async def begin() -> None:
        handles.append(await fs.open(file))

    async def end() -> None:
        (handle,) = handles
        with pytest.raises(TreadleError) as raised:
            await handle.close()
        assert raised.value.code == "ERR_INVALID_ARG_VALUE"
        monkeypatch.undo()
        await handle.close()
        assert handle.fd == -1

    run(begin)
    monkeypatch.setenv("TREADLE_THREADPOOL_SIZE", "none")  # so this loop has no pool
    run(end)


def test_callbacks_run_in_the_context_that_they_were_given_in(file: Path) -> None:
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="none")
    log: list[str] = []

    async def main() -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        handle = await fs.open(file)
        for text, call in (("stat", handle.stat), ("first", handle.close), ("second", handle.close)):
            context = contextvars.copy_context()
            context.run(name.set, text)
            context.run(call, lambda error, result: log.append(name.get()))  # type: ignore[arg-type]
        handle.close(lambda error, result: done.set_result(None))
        await done

    run(main)
    assert log == ["stat", "first", "second"]
