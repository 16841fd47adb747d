"""Opening that is cancelled, or that its program's end cuts short: at each moment, and in each form, the descriptor is closed at
once. The collector is off, and what could refer to a handle is kept.

Not here: what an open file does (test_file_handle.py).
"""

import asyncio
import gc
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import treadle
from tests.unit.fs.support import Door, fds_of, is_active, is_idle, narrow_pool, run, turns_until
from treadle import fs
from treadle._base.errors import TreadleError
from treadle.loop.current import get_loop
from treadle.pool import pool_of
from treadle.streams import finished


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


async def plain(opening: Awaitable[fs.FileHandle]) -> None:
    await opening


async def block(opening: Awaitable[fs.FileHandle]) -> None:
    async with await opening:
        await asyncio.get_running_loop().create_future()


async def entered(opening: Any) -> None:
    async with opening:
        await asyncio.get_running_loop().create_future()


async def gathered(opening: Awaitable[fs.FileHandle]) -> None:
    await asyncio.gather(opening, asyncio.get_running_loop().create_future())


async def waited_for(opening: Awaitable[fs.FileHandle]) -> None:
    async with await asyncio.wait_for(opening, 20):
        pass


async def within_a_time(opening: Awaitable[fs.FileHandle]) -> None:
    async with asyncio.timeout(20), await opening:
        await asyncio.get_running_loop().create_future()


async def within_a_group(opening: Awaitable[fs.FileHandle]) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(block(opening))


Form = Callable[[Awaitable[fs.FileHandle]], Any]
any_form = pytest.mark.parametrize(
    "form", [plain, block, entered, gathered, waited_for, within_a_time, within_a_group], ids=lambda form: form.__name__
)


async def begun(form: Form, opening: Awaitable[fs.FileHandle]) -> "asyncio.Task[Any]":
    """A task that awaits it by now. Nobody has looked meanwhile at what is ready."""
    task = asyncio.ensure_future(form(opening))
    for _ in range(5):
        step = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(step.set_result, None)
        await step
    return task


def test_a_block_without_await(file: Path) -> None:
    async def main() -> None:
        async with fs.open(file) as handle:
            assert await handle.read() == b"content"
        assert handle.fd == -1
        with pytest.raises(FileNotFoundError):
            async with fs.open(file.with_name("none")):
                raise AssertionError("it was entered")
        with pytest.raises(ValueError, match="of the block"):
            async with fs.open(file) as handle:
                raise ValueError("of the block")
        assert handle.fd == -1

    run(main)


async def cancelled(task: "asyncio.Task[Any]") -> BaseException:
    """With the traceback, and all that is in its frames."""
    try:
        await task
    except asyncio.CancelledError as error:
        return error
    raise AssertionError("it was not cancelled")


@any_form
def test_cancelled_before_a_thread_has_it(file: Path, door: Door, form: Form) -> None:
    async def main() -> None:
        narrow_pool()
        first = fs.open(door.path)
        await turns_until(lambda: is_active(1))
        opening = fs.open(file)
        task = await begun(form, opening)
        task.cancel()
        kept = await cancelled(task)
        await door.let_through()
        await (await first).close()
        assert pool_of(get_loop()).statistics()["requests"] == 0
        assert fds_of(file) == []
        del kept

    run(main)


@any_form
def test_cancelled_while_a_thread_is_in_it(door: Door, form: Form) -> None:
    async def main() -> None:
        opening = fs.open(door.path)
        task = await begun(form, opening)
        await turns_until(lambda: is_active(1))
        task.cancel()
        kept = await cancelled(task)
        await door.let_through()
        await turns_until(is_idle)
        await turns_until(lambda: fds_of(door.path) == [])
        del kept

    run(main)


@any_form
def test_cancelled_when_its_thread_is_through(file: Path, form: Form) -> None:
    async def main() -> None:
        opening = fs.open(file)
        task = await begun(form, opening)
        while not is_idle():
            pass  # nobody has told the loop yet
        assert len(fds_of(file)) == 1
        assert not opening.done()
        task.cancel()
        kept = await cancelled(task)
        await turns_until(lambda: fds_of(file) == [])
        del kept

    run(main)


@any_form
def test_cancelled_in_the_last_moment(file: Path, form: Form) -> None:
    """The future is done, and who awaits it has not had its step."""
    if form is waited_for and sys.version_info < (3, 12):
        pytest.skip("wait_for gives what is done, and forgets that it was cancelled")

    async def main() -> None:
        opening = fs.open(file)
        moments: list[bool] = []

        def cancel(done: asyncio.Future[Any]) -> None:
            moments.append(not done.cancelled() and len(fds_of(file)) == 1)
            task.cancel()

        opening.add_done_callback(cancel)
        task = asyncio.ensure_future(form(opening))
        kept = await cancelled(task)
        assert moments == [True]
        await turns_until(lambda: fds_of(file) == [])
        del kept

    run(main)


def test_cancelled_itself_when_it_is_done(file: Path) -> None:
    async def main() -> None:
        opening = fs.open(file)
        await turns_until(opening.done)
        assert opening.cancel()
        assert opening.cancelled()
        assert not opening.cancel()
        for ask in (opening.result, opening.exception, lambda: plain(opening).send(None)):
            with pytest.raises(asyncio.CancelledError):
                ask()
        await turns_until(lambda: fds_of(file) == [])
        for ask in (lambda opening: opening.result(), plainly):
            opening = fs.open(file)
            await turns_until(opening.done)
            handle = ask(opening)
            if asyncio.iscoroutine(handle):
                handle = await handle
            assert not opening.cancel()
            async with handle:
                assert fds_of(file) == [handle.fd]
                assert await handle.read() == b"content"

    run(main)


async def plainly(opening: Awaitable[fs.FileHandle]) -> fs.FileHandle:
    return await opening


def test_who_shields_it_has_it(file: Path) -> None:
    async def main() -> None:
        opening = fs.open(file)
        opening.add_done_callback(lambda _: task.cancel())
        task = asyncio.ensure_future(plain(asyncio.shield(opening)))
        await cancelled(task)
        async with opening.result() as handle:
            assert fds_of(file) == [handle.fd]

    run(main)


def test_who_has_it_keeps_it_when_another_is_cancelled(file: Path) -> None:
    async def main() -> None:
        opening = fs.open(file)
        first = asyncio.ensure_future(plainly(opening))
        await asyncio.sleep(0)
        opening.add_done_callback(lambda _: second.cancel())
        second = asyncio.ensure_future(plain(opening))
        await cancelled(second)
        async with await first as handle:
            assert fds_of(file) == [handle.fd]

    run(main)


def test_a_failure_is_told_as_ever(tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(FileNotFoundError):
            await fs.open(tmp_path / "none")
        opening = fs.open(tmp_path / "none")
        await turns_until(opening.done)
        assert not opening.cancel()
        with pytest.raises(FileNotFoundError):
            opening.result()

    run(main)


# ---- the end of a program


def test_a_coroutine_that_is_given_up_without_a_loop(file: Path) -> None:
    coroutine = None

    async def main() -> None:
        nonlocal coroutine
        opening = fs.open(file)
        coroutine = plain(opening)
        coroutine.send(None)
        await turns_until(opening.done)

    run(main)
    assert len(fds_of(file)) == 1
    assert coroutine is not None
    coroutine.close()
    assert fds_of(file) == []


def test_a_block_that_is_given_up_without_a_loop(file: Path) -> None:
    coroutine: Any = None

    async def main() -> None:
        nonlocal coroutine
        opening = fs.open(file)
        await turns_until(opening.done)
        coroutine = block(opening)
        coroutine.send(None)  # inside it

    run(main)
    assert len(fds_of(file)) == 1
    with pytest.raises(TreadleError) as caught:
        coroutine.close()
    assert caught.value.code == "ERR_NO_LOOP"
    assert fds_of(file) == []


@pytest.mark.parametrize("moment", ["queued", "with a thread", "through"])
def test_a_callback_that_the_end_drops(file: Path, door: Door, moment: str) -> None:
    log: list[Any] = []
    place = door.path if moment == "with a thread" else file

    def end(*_: object) -> None:
        raise ValueError("the end")

    async def main() -> None:
        narrow_pool()
        if moment == "queued":
            fs.open(door.path, callback=lambda *outcome: log.append(outcome))
            await turns_until(lambda: is_active(1))
        if moment == "through":
            fs.stat(file, end)  # its callback comes before the other's
        fs.open(place, callback=lambda *outcome: log.append(outcome))
        if moment == "with a thread":
            await turns_until(lambda: is_active(1))
        if moment == "through":
            while not is_idle():
                pass
            await asyncio.get_running_loop().create_future()
        end()

    with pytest.raises(ValueError, match="the end") as kept:
        treadle.run(main)
    door.let_all_through()
    run(lambda: turns_until(lambda: fds_of(place) == []))  # a thread may be on its way
    assert log == []
    del kept


@pytest.mark.parametrize("kind", ["read", "write"])
@pytest.mark.parametrize("turns", [0, 1, 2, "open", "at work"])
def test_a_stream_that_the_end_leaves_behind(file: Path, kind: str, turns: Any) -> None:
    streams: list[Any] = []

    async def main() -> None:
        stream: Any = fs.create_read_stream(file) if kind == "read" else fs.create_write_stream(file, flags="r+")
        stream.myself = stream  # only the collector could take it apart
        streams.append(stream)
        if isinstance(turns, int):
            for _ in range(turns):
                await asyncio.sleep(0)
        else:
            await turns_until(lambda: stream.fd is not None)
        if turns == "at work" and kind == "read":
            stream.read()
        elif turns == "at work":
            stream.write(b"x" * 1000)
        raise ValueError("the end")

    with pytest.raises(ValueError, match="the end"):
        treadle.run(main)
    run(lambda: turns_until(lambda: fds_of(file) == []))
    del streams[0].myself


def test_a_stream_whose_file_is_its_users_is_left_open(file: Path) -> None:
    streams: list[Any] = []

    async def main() -> None:
        streams.append(fs.create_read_stream(file, auto_close=False))
        await turns_until(lambda: streams[0].fd is not None)
        handle = await fs.open(file)
        streams.extend((handle.create_read_stream(), handle))
        raise ValueError("the end")

    with pytest.raises(ValueError, match="the end"):
        treadle.run(main)
    assert len(fds_of(file)) == 2

    async def clean() -> None:
        await asyncio.gather(streams[0]._handle.close(), streams[2].close())

    run(clean)
    assert fds_of(file) == []


def test_a_handle_whose_close_the_end_overtakes(door: Door) -> None:
    handles: list[Any] = []

    async def main() -> None:
        opening = fs.open(door.path)
        await door.let_through()
        handles.append(await opening)
        writer = os.open(door.path, os.O_WRONLY)
        handles[0].read(5, callback=lambda error, data: None)
        handles[0].close(lambda error, result: None)
        await turns_until(lambda: is_active(1))
        get_loop().call_soon(os.close, writer)
        raise ValueError("the end")

    with pytest.raises(ValueError, match="the end"):
        treadle.run(main)
    run(lambda: turns_until(lambda: fds_of(door.path) == []))
    assert handles[0].fd == -1


# ---- streams that are destroyed while they open


@pytest.mark.parametrize("how", ["destroy", "close", "aclose"])
def test_a_stream_that_is_destroyed_while_it_opens(door: Door, how: str) -> None:
    async def main() -> None:
        stream = fs.create_read_stream(door.path)
        await turns_until(lambda: is_active(1))
        closing = None
        if how == "aclose":
            closing = asyncio.ensure_future(stream.aclose())
        else:
            getattr(stream, how)()
        await asyncio.sleep(0)
        assert not stream.closed
        await door.let_through()
        await turns_until(lambda: stream.closed)
        assert fds_of(door.path) == []
        if closing is not None:
            await closing
        else:
            with pytest.raises(TreadleError):
                await finished(stream)

    run(main)
