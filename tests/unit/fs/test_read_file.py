"""read_file as programs use it. Not here: kinds of files and the threads themselves (tests/unit/native)."""

import asyncio
import errno
import gc
import os
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

import treadle
from treadle._base.errors import TreadleError
from treadle._native.pool import Pool
from treadle.fs import read_file
from treadle.loop.current import get_loop
from treadle.loop.event_loop import EventLoop
from treadle.pool import pool_of

Trace = list[object]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    return path


@pytest.fixture
def door(tmp_path: Path) -> Path:
    """A FIFO: a thread that opens it waits until somebody writes to it."""
    path = tmp_path / "door"
    os.mkfifo(path)
    return path


def open_door(path: Path) -> None:
    os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))


def narrow_pool(loop: EventLoop, queue_max: int = 65_536) -> Pool:
    pool: Pool
    pool = loop.pool = Pool(loop, 1, queue_max=queue_max)
    return pool


# ---- with a callback


def test_a_program_reads_a_file(file: Path) -> None:
    log: Trace = []
    treadle.run(lambda: read_file(file, lambda error, data: log.extend([error, data])))
    assert log == [None, b"content"]


def test_the_read_holds_the_program_and_the_callback_is_in_the_poll_phase(file: Path) -> None:
    log: Trace = []

    def on_data(error: OSError | None, data: bytes | None) -> None:
        loop = get_loop()
        loop.set_timeout(log.append, 0, "timeout")
        loop.set_immediate(log.append, "immediate")
        loop.next_tick(log.append, "tick")

    treadle.run(lambda: read_file(file, on_data))
    assert log == ["tick", "immediate", "timeout"]


def test_an_error_comes_as_first_argument(tmp_path: Path) -> None:
    log: list[OSError | bytes | None] = []
    treadle.run(lambda: read_file(tmp_path / "missing", lambda error, data: log.extend([error, data])))
    [error, data] = log
    assert isinstance(error, FileNotFoundError)
    assert (error.errno, error.filename, data) == (errno.ENOENT, str(tmp_path / "missing"), None)


def test_a_failing_callback_ends_the_program(file: Path) -> None:
    def fail(_error: object, _data: object) -> None:
        raise ValueError("from the callback")

    with pytest.raises(ValueError, match="from the callback"):
        treadle.run(lambda: read_file(file, fail))


def test_a_callback_must_be_callable(file: Path) -> None:
    with pytest.raises(TreadleError) as raised:
        treadle.run(lambda: read_file(file, b"r"))  # type: ignore[call-overload]
    assert (raised.value.code, raised.value.data["name"]) == ("ERR_INVALID_ARG_TYPE", "callback")


def test_without_a_loop(file: Path) -> None:
    with pytest.raises(TreadleError) as raised:
        read_file(file)
    assert raised.value.code == "ERR_NO_LOOP"


# ---- awaited


def test_a_coroutine_awaits_a_file(file: Path) -> None:
    async def main() -> bytes:
        return await read_file(file)

    assert treadle.run(main) == b"content"


def test_many_at_once(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / str(number)).write_text(str(number))

    async def main() -> list[bytes]:
        return await asyncio.gather(*[read_file(tmp_path / str(number)) for number in range(100)])

    assert treadle.run(main) == [str(number).encode() for number in range(100)]


def test_an_error_is_raised_where_it_is_awaited(tmp_path: Path) -> None:
    async def main() -> None:
        future = read_file(tmp_path)
        with pytest.raises(IsADirectoryError) as raised:
            await future
        assert raised.value.filename == str(tmp_path)

    treadle.run(main)


def test_it_begins_before_it_is_awaited(file: Path) -> None:
    async def main() -> bytes:
        future = read_file(file)
        while not future.done():
            await asyncio.sleep(0)
        file.unlink()
        return await future

    assert treadle.run(main) == b"content"


def test_it_works_with_asyncios_own_runner(file: Path) -> None:
    async def main() -> bytes:
        return await read_file(file)

    with asyncio.Runner(loop_factory=treadle.new_event_loop) as runner:
        assert runner.run(main()) == b"content"


def test_a_time_limit_cancels_it(door: Path) -> None:
    async def main() -> None:
        try:
            async with asyncio.timeout(0.01):
                await read_file(door)
        except TimeoutError:
            assert pool_of(get_loop()).statistics()["requests"] == 0
            raise

    with pytest.raises(TimeoutError):
        treadle.run(main)  # it ends although the thread is stuck
    open_door(door)


def test_a_cancelled_read_that_waits_is_not_begun(door: Path, file: Path) -> None:
    async def main() -> bytes:
        pool = narrow_pool(get_loop())
        first = read_file(door)
        while pool.statistics()["active"] == 0:
            await asyncio.sleep(0)
        waiting = [read_file(file), read_file(file)]
        assert waiting[0].cancel()
        assert not waiting[0].cancel()
        assert pool.statistics()["queued"] == 1
        with pytest.raises(asyncio.CancelledError):
            await waiting[0]
        open_door(door)
        return await first + await waiting[1]

    assert treadle.run(main) == b"content"


def test_a_cancelled_read_leaves_nothing(file: Path) -> None:
    references: list[weakref.ref[object]] = []

    async def main() -> None:
        future = read_file(file)
        references.append(weakref.ref(future))
        future.cancel()
        del future
        assert references[0]() is None

    treadle.run(main)


def test_a_read_that_is_through_leaves_nothing(file: Path) -> None:
    references: list[weakref.ref[object]] = []

    async def main() -> None:
        future = read_file(file)
        references.append(weakref.ref(future))
        await future
        del future
        await asyncio.sleep(0)  # the callback that woke this task has ended
        assert references[0]() is None

    treadle.run(main)


def test_an_error_nobody_reads_is_reported(tmp_path: Path) -> None:
    contexts: list[dict[str, object]] = []

    async def main() -> None:
        get_loop().set_exception_handler(lambda _loop, context: contexts.append(context))
        read_file(tmp_path / "missing")

    treadle.run(main)
    gc.collect()
    [context] = contexts
    assert isinstance(context["exception"], FileNotFoundError)


# ---- paths


def relative(path: Path) -> object:
    os.chdir(path.parent)
    return path.name


@pytest.mark.parametrize(
    "form",
    [lambda path: path, str, os.fsencode, relative, lambda path: BytesPath(path)],
    ids=lambda form: form.__name__,
)
def test_paths_of_all_kinds(file: Path, monkeypatch: pytest.MonkeyPatch, form: Callable[[Path], str]) -> None:
    monkeypatch.chdir("/")
    path = form(file)
    missing = form(file.with_name("missing"))

    async def main() -> bytes:
        with pytest.raises(FileNotFoundError) as raised:
            await read_file(missing)
        assert raised.value.filename == os.fspath(missing)
        return await read_file(path)

    assert treadle.run(main) == b"content"


class BytesPath:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> bytes:
        return os.fsencode(self.path)


@pytest.mark.parametrize("name", [b"\xff\xfe.bin", "Zo\u00eb".encode(), b"a\nb"])
def test_names_that_are_no_text(tmp_path: Path, name: bytes) -> None:
    path = os.path.join(os.fsencode(tmp_path), name)
    with open(path, "wb") as file:
        file.write(b"content")

    async def main() -> bytes:
        return await read_file(path) + await read_file(os.fsdecode(path))

    assert treadle.run(main) == b"contentcontent"


@pytest.mark.parametrize("path", ["a\0b", b"a\0b", "\ud800", None, 1.5])
def test_what_is_no_path_is_refused_as_open_refuses_it(path: str) -> None:
    with pytest.raises((ValueError, TypeError)) as refused:
        os.open(path, os.O_RDONLY)
    with pytest.raises((ValueError, TypeError)) as raised:
        treadle.run(lambda: read_file(path))
    assert raised.type is refused.type


# ---- bounds, and the end


def test_a_program_that_has_ended_runs_no_callback_but_its_tasks_still_read(door: Path, file: Path) -> None:
    log: Trace = []

    async def clean_up() -> None:
        begun_before = read_file(door)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            open_door(door)
            log.append(await begun_before)
            log.append(await read_file(file))

    async def main() -> None:
        pool = narrow_pool(get_loop())
        task = asyncio.create_task(clean_up())
        while pool.statistics()["active"] == 0:
            await asyncio.sleep(0)
        read_file(file, lambda error, data: log.append("callback"))  # would be through before what the task reads last
        assert not task.done()
        raise ValueError("the end")

    with pytest.raises(ValueError, match="the end"):
        treadle.run(main)
    assert log == [b"", b"content"]


def test_a_full_queue(door: Path, file: Path) -> None:
    async def main() -> bytes:
        pool = narrow_pool(get_loop(), queue_max=1)
        first = read_file(door)
        while pool.statistics()["active"] == 0:
            await asyncio.sleep(0)
        second = read_file(file)
        for callback in (None, print):
            with pytest.raises(TreadleError) as raised:
                read_file(file, callback)
            assert (raised.value.code, raised.value.data["limit"]) == ("ERR_POOL_SATURATED", 1)
        open_door(door)
        return await first + await second

    assert treadle.run(main) == b"content"


def test_a_closed_loop_has_let_go_of_what_was_under_way(door: Path) -> None:
    loop = EventLoop()
    log: Trace = []

    async def main() -> None:
        read_file(door, lambda error, data: log.append(data))

    loop.run_until_complete(main())
    pool = loop.pool
    loop.close()
    assert repr(pool) == "<Pool closed>"
    open_door(door)
    assert log == []


@pytest.mark.parametrize("size", range(4))
def test_a_tiny_file_that_is_not_in_memory(file: Path, tmp_path: Path, size: int) -> None:
    """What was begun without a thread goes on, with room for one byte, on a thread."""
    with open(tmp_path / "tiny", "wb") as tiny:
        tiny.write(b"x" * size)
        tiny.flush()
        os.fsync(tiny)
        os.posix_fadvise(tiny.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    async def main() -> bytes:
        await read_file(file)  # so its directory is known
        async with asyncio.timeout(20):
            return await read_file(tmp_path / "tiny")

    assert treadle.run(main) == b"x" * size
