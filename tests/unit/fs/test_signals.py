"""Operations with an AbortSignal: what is told, when, what is left in the file; and that the signal forgets them, however they
end.

Not here: what Node makes of the same (tests/conformance/fs_signals), streams and watch() (test_streams.py, test_watching.py).
"""

import asyncio
import contextvars
import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import treadle
from tests.unit.fs.support import Door, after_one_turn, is_active, is_idle, narrow_pool, run, turns_until, works_on
from treadle import fs
from treadle._base.errors import TreadleError
from treadle.events import AbortController, AbortSignal
from treadle.loop.current import get_loop

MIB = 1024 * 1024
PIPE_BYTES = 64 * 1024  # that a pipe holds

Call = Callable[..., Any]

CALLS: dict[str, Call] = {
    "read_file": lambda path, *callback, **options: fs.read_file(path, *callback, **options),
    "read_file, text": lambda path, *callback, **options: fs.read_file(path, *callback, encoding="utf8", **options),
    "write_file": lambda path, *callback, **options: fs.write_file(path, b"new", *callback, **options),
    "append_file": lambda path, *callback, **options: fs.append_file(path, b"new", *callback, **options),
    "write_file_atomic": lambda path, *callback, **options: fs.write_file_atomic(path, b"new", *callback, **options),
    "stat": lambda path, *callback, **options: fs.stat(path, *callback, **options),
}
HANDLE_CALLS: dict[str, Call] = {
    "read_file": lambda handle, *callback, **options: handle.read_file(*callback, **options),
    "write_file": lambda handle, *callback, **options: handle.write_file(b"new", *callback, **options),
    "append_file": lambda handle, *callback, **options: handle.append_file(b"new", *callback, **options),
    "fs.read_file": lambda handle, *callback, **options: fs.read_file(handle, *callback, **options),
    "fs.write_file": lambda handle, *callback, **options: fs.write_file(handle, b"new", *callback, **options),
}
any_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
any_handle_call = pytest.mark.parametrize("call", HANDLE_CALLS.values(), ids=HANDLE_CALLS)


def listeners(signal: AbortSignal) -> int:
    return len(signal._listeners)


def is_abort(error: object, reason: object) -> bool:
    return isinstance(error, TreadleError) and error.code == "ABORT_ERR" and error.data["reason"] is reason


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    """What goes, goes without it."""
    gc.disable()
    yield
    gc.enable()


@any_call
def test_an_aborted_signal_is_told_and_nothing_is_touched(file: Path, call: Call) -> None:
    reason = ValueError("why")
    log: list[Any] = []

    async def main() -> None:
        signal = AbortSignal.abort(reason)
        future = call(file, signal=signal)
        assert is_abort(future.exception(), reason)
        assert future.exception().__cause__ is reason
        done = asyncio.get_running_loop().create_future()
        assert call(file, lambda *outcome: log.append(outcome) or done.set_result(None), signal=signal) is None
        assert log == []  # never inside the call
        await done
        assert is_abort(log[0][0], reason)
        assert log[0][1] is None
        assert listeners(signal) == 0

    run(main)
    assert file.read_bytes() == b"content"


@any_call
def test_a_job_that_no_thread_has_is_withdrawn(file: Path, door: Door, call: Call) -> None:
    log: list[Any] = []

    async def main() -> None:
        pool = narrow_pool()
        opening = fs.open(door.path)
        await turns_until(lambda: is_active(1))
        controller = AbortController()
        future = call(file, signal=controller.signal)
        call(file, lambda *outcome: log.append(outcome), signal=controller.signal)
        assert pool.statistics()["queued"] == 2
        assert listeners(controller.signal) == 2
        controller.abort("enough")
        assert pool.statistics()["queued"] == 0
        assert listeners(controller.signal) == 0
        assert is_abort(future.exception(), "enough")
        assert log == []
        await asyncio.sleep(0)
        (outcome,) = log
        assert is_abort(outcome[0], "enough")
        await door.let_through()
        await (await opening).close()

    run(main)
    assert (file.read_bytes(), len(log)) == (b"content", 1)


@any_call
def test_without_an_abort_it_ends_as_ever_and_the_signal_forgets_it(file: Path, call: Call) -> None:
    async def main() -> None:
        controller = AbortController()
        done = asyncio.get_running_loop().create_future()
        expected = await call(file)
        file.write_bytes(b"content")
        found = await call(file, signal=controller.signal)
        file.write_bytes(b"content")
        call(file, lambda error, result: done.set_result((error, result)), signal=controller.signal)
        error, result = await done
        assert error is None
        if isinstance(expected, fs.Stats):
            assert found.ino == result.ino == expected.ino
        else:
            assert found == result == expected
        assert listeners(controller.signal) == 0
        with pytest.raises(FileNotFoundError):
            await call(file.parent / "none" / "file", signal=controller.signal)
        assert listeners(controller.signal) == 0
        controller.abort()

    run(main)


@any_handle_call
def test_of_a_handle(file: Path, door: Door, call: Call) -> None:
    async def main() -> None:
        narrow_pool()
        controller = AbortController()
        async with await fs.open(file, "r+") as handle:
            assert is_abort(call(handle, signal=AbortSignal.abort("before")).exception(), "before")
            opening = fs.open(door.path)
            await turns_until(lambda: is_active(1))
            future = call(handle, signal=controller.signal)
            assert listeners(controller.signal) == 1
            controller.abort("amid")
            assert is_abort(future.exception(), "amid")
            assert listeners(controller.signal) == 0
            await door.let_through()
            await (await opening).close()
            assert file.read_bytes() == b"content"
            await call(handle, signal=AbortController().signal)
            with pytest.raises(TreadleError) as caught:
                call(handle, signal="signal")
            assert caught.value.code == "ERR_INVALID_ARG_TYPE"
        with pytest.raises(OSError, match="closed"):
            call(handle, signal=controller.signal)

    run(main)


@any_call
def test_what_is_no_signal_is_refused_and_so_is_what_is_no_callback(file: Path, call: Call) -> None:
    async def main() -> None:
        for callback, signal in (([], "text"), (["text"], AbortController().signal)):
            with pytest.raises(TreadleError) as caught:
                call(file, *callback, signal=signal)
            assert caught.value.code == "ERR_INVALID_ARG_TYPE"

    run(main)


def test_a_read_that_hangs_is_told_at_once(door: Door) -> None:
    async def main() -> None:
        controller = AbortController()
        reading = fs.read_file(door.path, signal=controller.signal)
        await turns_until(lambda: is_active(1))
        controller.abort("enough")
        with pytest.raises(TreadleError) as caught:
            await reading
        assert is_abort(caught.value, "enough")
        assert is_active(1)  # it hangs still
        reading = fs.read_file(door.path, signal=AbortSignal.timeout(1))
        with pytest.raises(TreadleError) as caught:
            await reading
        assert isinstance(caught.value.__cause__, TimeoutError)
        door.let_all_through()
        await turns_until(is_idle)

    run(main)


@pytest.mark.parametrize("form", ["future", "callback"])
def test_a_write_that_a_thread_has_is_told_once_nothing_is_written_any_more(door: Door, form: str) -> None:
    log: list[Any] = []

    async def main() -> None:
        controller = AbortController()
        opening = fs.open(door.path, os.O_RDONLY | os.O_NONBLOCK)
        reader = await opening
        data = bytearray(MIB)
        if form == "future":
            future: Any = fs.write_file(door.path, data, signal=controller.signal)
            future.add_done_callback(lambda done: log.append(done.exception()))
        else:
            fs.write_file(door.path, data, lambda error, result: log.append(error), signal=controller.signal)
        await turns_until(lambda: works_on("fs.write_file"))
        written = len(os.read(reader.fd, 1)) if await is_readable(reader.fd) else 0
        controller.abort("enough")
        for _ in range(20):
            await asyncio.sleep(0)
        assert log == []  # its thread waits for room, and would write on
        with pytest.raises(BufferError):
            data.clear()
        while not log:
            if await is_readable(reader.fd, is_over=lambda: bool(log)):
                written += len(os.read(reader.fd, PIPE_BYTES))
        assert is_abort(log[0], "enough")
        assert written == MIB // 2  # the step that was under way
        assert os.read(reader.fd, 1) == b""  # it is closed
        data.clear()
        assert listeners(controller.signal) == 0
        await reader.close()

    run(main)
    assert len(log) == 1


async def is_readable(fd: int, is_over: Callable[[], bool] = lambda: False) -> bool:
    """Once there is something to read; or not, since it is over."""
    loop = get_loop()
    ready: list[bool] = []
    loop.add_reader(fd, ready.append, True)
    try:
        await turns_until(lambda: bool(ready) or is_over())
    finally:
        loop.remove_reader(fd)
    return bool(ready)


def test_a_write_between_two_turns_stops_there(tmp_path: Path) -> None:
    async def main() -> None:
        controller = AbortController()
        data = os.urandom(6 * MIB)
        begin = lambda: fs.write_file(tmp_path / "new", data, signal=controller.signal)  # noqa: E731
        async with after_one_turn(begin, tmp_path) as writing:
            controller.abort("enough")
            assert not writing.done()  # the only thread is busy, and it is a thread that closes the file
        with pytest.raises(TreadleError) as raised:
            await writing
        assert is_abort(raised.value, "enough")
        assert (tmp_path / "new").read_bytes() == data[: 4 * MIB]

    run(main)


def test_an_atomic_write_leaves_what_was_there(file: Path) -> None:
    async def main() -> None:
        for turns in (0, 1):
            controller = AbortController()

            def begin() -> asyncio.Future[None]:
                return fs.write_file_atomic(file, bytes(6 * MIB), signal=controller.signal)  # noqa: B023

            place = file.parent / str(turns)
            place.mkdir()
            if turns:
                async with after_one_turn(begin, place) as writing:
                    assert any(name.startswith(".treadle-") for name in os.listdir(file.parent))
                    controller.abort("enough")
            else:
                writing = begin()
                controller.abort("enough")
            with pytest.raises(TreadleError) as caught:
                await writing
            assert is_abort(caught.value, "enough")
            assert file.read_bytes() == b"content"
            assert not any(name.startswith(".treadle-") for name in os.listdir(file.parent))

    run(main)


def test_what_is_written_by_then_is_told_as_written(file: Path) -> None:
    async def main() -> None:
        controller = AbortController()
        writing = fs.write_file(file, b"new", signal=controller.signal)
        while not is_idle():
            pass  # its thread is through, but the loop does not know yet
        controller.abort()
        assert await writing is None
        assert file.read_bytes() == b"new"

    run(main)


@any_call
def test_a_future_that_is_cancelled_is_forgotten(file: Path, door: Door, call: Call) -> None:
    async def main() -> None:
        narrow_pool()
        opening = fs.open(door.path)
        await turns_until(lambda: is_active(1))
        controller = AbortController()
        future = call(file, signal=controller.signal)
        future.cancel()
        assert listeners(controller.signal) == 0
        controller.abort()
        assert future.cancelled()
        await door.let_through()
        await (await opening).close()

    run(main)


@any_call
@pytest.mark.parametrize("form", ["future", "callback"])
def test_a_program_that_has_ended_leaves_no_listener(file: Path, door: Door, call: Call, form: str) -> None:
    controller = AbortController()
    log: list[Any] = []

    async def main() -> None:
        narrow_pool()
        fs.read_file(door.path, lambda *outcome: log.append("door"))
        await turns_until(lambda: is_active(1))
        kept = call(file, *([log.append] if form == "callback" else []), signal=controller.signal)
        assert listeners(controller.signal) == 1
        del kept
        raise ValueError("the end")

    with pytest.raises(ValueError, match="the end"):
        treadle.run(main)
    assert listeners(controller.signal) == 0
    controller.abort()
    assert log == []


def test_a_full_queue_leaves_no_listener(file: Path, door: Door) -> None:
    async def main() -> None:
        narrow_pool(1, queue_max=1)
        opening = fs.open(door.path)
        await turns_until(lambda: is_active(1))
        behind = fs.write_file(file, b"new")
        controller = AbortController()
        with pytest.raises(TreadleError) as caught:
            fs.write_file(file, b"new", signal=controller.signal)
        assert caught.value.code == "ERR_POOL_SATURATED"
        assert listeners(controller.signal) == 0
        await door.let_through()
        await behind
        await (await opening).close()

    run(main)


def test_a_callback_runs_in_the_context_that_it_was_given_in(file: Path) -> None:
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="none")
    log: list[str] = []

    async def main() -> None:
        controller = AbortController()
        context = contextvars.copy_context()
        context.run(name.set, "given")
        context.run(fs.read_file, file, lambda error, data: log.append(name.get()), signal=controller.signal)
        controller.abort()
        context.run(fs.read_file, file, lambda error, data: log.append(name.get()), signal=controller.signal)

    run(main)
    assert log == ["given", "given"]


def test_a_listener_that_was_there_first_may_cancel_it(file: Path, door: Door) -> None:
    async def main() -> None:
        narrow_pool()
        opening = fs.open(door.path)
        await turns_until(lambda: is_active(1))
        controller = AbortController()
        futures: list[Any] = []
        controller.signal.add_event_listener("abort", lambda _: futures[0].cancel())
        futures.append(fs.read_file(file, signal=controller.signal))
        controller.abort()
        assert futures[0].cancelled()
        await door.let_through()
        await (await opening).close()

    run(main)


def test_several_with_one_signal_that_stands_for_others(file: Path, door: Door) -> None:
    async def main() -> None:
        narrow_pool()
        opening = fs.open(door.path)
        await turns_until(lambda: is_active(1))
        controller = AbortController()
        both = AbortSignal.any([controller.signal, AbortController().signal])
        futures = [fs.read_file(file, signal=both) for _ in range(10)]
        controller.abort("all")
        assert all(is_abort(future.exception(), "all") for future in futures)
        await door.let_through()
        await (await opening).close()

    run(main)
