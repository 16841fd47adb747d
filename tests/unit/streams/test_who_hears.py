"""Who hears of what a stream fails with: {blocks} x {who works with it} x {caught there, or not} x {what it fails with}.

The expected is one rule: what was raised where the blocks work is raised no more, and what was not the innermost of them raises;
nobody hears anything twice. Not here: the details of each (test_blocks.py)."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.streams.support import Boom, settle, turns
from treadle import TreadleError, fs
from treadle.events import AbortController, on, once
from treadle.loop import get_loop
from treadle.streams import Duplex, PassThrough, Readable, add_abort_signal, compose, finished, pipeline
from treadle.streams._block import Block, _innermost

# ---- what it is that fails, and how


class Case:
    """One stream, and what it is to fail with."""

    def __init__(self, stream: Any, how: str) -> None:
        self.stream = stream
        self.controller = AbortController()
        self._how = how
        self._error = OSError(errno.ENOSPC, "No space left on device")
        if how == "aborted":
            add_abort_signal(self.controller.signal, stream)

    def fail(self) -> None:
        if self._how == "aborted":
            self.controller.abort("enough")
        else:
            self.stream.destroy(self._error)

    def fail_soon(self) -> None:
        get_loop().next_tick(self.fail)

    async def fail_now(self) -> None:
        self.fail()
        await until_closed(self.stream)

    def is_its(self, error: BaseException | None) -> bool:
        if self._how == "aborted":
            return isinstance(error, TreadleError) and (error.code, error.data["reason"]) == ("ABORT_ERR", "enough")
        return error is self._error


async def until_closed(stream: Any) -> None:
    while not stream.closed:
        await turns()
    await turns(2)


def idle() -> Duplex:
    """Takes one chunk, and gives one, and that is all."""
    stream = Duplex(read=lambda size: None, write=lambda chunk, encoding, callback: None, high_water_mark=1)
    stream.push(b"x")
    return stream


# ---- who works with it, and raises what it fails with


async def ready(case: Case) -> None:
    case.stream.write(b"x")
    case.fail_soon()
    await case.stream.ready()


async def ready_too_late(case: Case) -> None:
    await case.fail_now()
    await case.stream.ready()


async def ready_before_it_is_emitted(case: Case) -> None:
    case.fail()
    await case.stream.ready()


async def iteration(case: Case) -> None:
    case.fail_soon()
    async for _ in case.stream:
        pass


async def step_after_it(case: Case) -> None:
    async for _ in case.stream:
        await case.fail_now()


async def finished_is_awaited(case: Case) -> None:
    case.fail_soon()
    await finished(case.stream)


async def finished_too_late(case: Case) -> None:
    await case.fail_now()
    await finished(case.stream)


async def finished_within_a_time(case: Case) -> None:
    case.fail_soon()
    await asyncio.wait_for(finished(case.stream), 20)


async def finished_is_asked(case: Case) -> None:
    end: Any = finished(case.stream)
    case.fail_soon()
    await asyncio.wait([end])
    end.result()


async def next_event(case: Case) -> None:
    case.fail_soon()
    await once(case.stream, "finish")


async def events_one_by_one(case: Case) -> None:
    case.fail_soon()
    async for _ in on(case.stream, "drain"):
        pass


async def pipeline_is_awaited(case: Case) -> None:
    case.fail_soon()
    await pipeline(Readable(read=lambda size: None), case.stream)


async def pipeline_of_three(case: Case) -> None:
    case.fail_soon()
    await pipeline(Readable(read=lambda size: None), PassThrough(), case.stream)


async def pipeline_of_a_function(case: Case) -> None:
    async def take(source: AsyncIterator[Any]) -> None:
        async for _ in source:
            pass

    case.fail_soon()
    await pipeline(case.stream, take)


async def helper_of_iteration(case: Case) -> None:
    case.fail_soon()
    await case.stream.to_list()


async def helpers_in_a_row(case: Case) -> None:
    case.fail_soon()
    await case.stream.map(lambda chunk: chunk).drop(1).to_list()


async def what_is_composed(case: Case) -> None:
    through = compose(case.stream, PassThrough())
    case.fail_soon()
    async for _ in through:
        pass


async def block_of_what_is_composed(case: Case) -> None:
    async with compose(case.stream, PassThrough()):
        await case.fail_now()


async def block_of_its_own(case: Case) -> None:
    async with case.stream:
        await case.fail_now()


RAISES = [
    ready, ready_too_late, ready_before_it_is_emitted, iteration, step_after_it, finished_is_awaited, finished_too_late,
    finished_within_a_time, finished_is_asked, next_event, events_one_by_one, pipeline_is_awaited, pipeline_of_three,
    pipeline_of_a_function, helper_of_iteration, helpers_in_a_row, what_is_composed, block_of_what_is_composed,
    block_of_its_own,
]  # fmt: skip

# ---- who hears of it, or does not, while nothing is raised


async def nobody(case: Case) -> None:
    await case.fail_now()


async def nobody_till_the_end(case: Case) -> None:
    case.fail_soon()


async def listener(case: Case) -> None:
    told: list[Any] = []
    case.stream.on("error", told.append)
    await case.fail_now()
    assert len(told) == 1 and case.is_its(told[0])


async def listener_once(case: Case) -> None:
    told: list[Any] = []
    case.stream.once("error", told.append)
    await case.fail_now()
    assert len(told) == 1 and case.is_its(told[0])


async def callback_of_finished(case: Case) -> None:
    told: list[Any] = []
    finished(case.stream, callback=told.append)
    await case.fail_now()
    assert len(told) == 1 and case.is_its(told[0])


async def callback_of_a_pipeline(case: Case) -> None:
    told: list[Any] = []
    pipeline(Readable(read=lambda size: None), case.stream, callback=told.append)
    await case.fail_now()
    assert len(told) == 1 and case.is_its(told[0])


async def finished_that_nobody_awaits(case: Case) -> None:
    end: Any = finished(case.stream)
    await case.fail_now()
    end.cancel()


async def loop_that_is_left_after_it(case: Case) -> None:
    async for _ in case.stream:
        await case.fail_now()
        break


async def another_task(case: Case) -> None:
    case.stream.write(b"x")
    case.fail_soon()
    (told,) = await asyncio.gather(asyncio.create_task(case.stream.ready()), return_exceptions=True)
    assert case.is_its(told)


async def gathered(case: Case) -> None:
    """What it has of several futures may be lost, but for the first error: it is another task's, as it were."""
    case.fail_soon()
    (told,) = await asyncio.gather(finished(case.stream), return_exceptions=True)
    assert case.is_its(told)


async def user_who_answers_to_any_name(case: Case) -> None:
    class Obliging:
        def __getattr__(self, name: str) -> Any:
            raise KeyError(name)

        def hear(self, error: Any) -> None: ...

    case.stream.on("error", Obliging().hear)
    await case.fail_now()


async def pipe(case: Case) -> None:
    PassThrough().pipe(case.stream)
    await case.fail_now()


SILENT = [
    nobody, nobody_till_the_end, listener, listener_once, callback_of_finished, callback_of_a_pipeline,
    finished_that_nobody_awaits, loop_that_is_left_after_it, another_task, gathered, user_who_answers_to_any_name, pipe,
]  # fmt: skip

# ---- who gives it up, which is no failure


async def loop_that_is_left(case: Case) -> None:
    async for _ in case.stream:
        break
    await until_closed(case.stream)


async def task_whose_loop_is_left(case: Case) -> None:
    await asyncio.create_task(loop_that_is_left(case))


async def pipeline_is_cancelled(case: Case) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await pipeline(Readable(read=lambda size: None), PassThrough(), case.stream)
    await until_closed(case.stream)


async def aclose(case: Case) -> None:
    await case.stream.aclose()


async def destroy(case: Case) -> None:
    case.stream.destroy()
    await until_closed(case.stream)


async def take_of_nothing(case: Case) -> None:
    assert await case.stream.take(0).to_list() == []
    await until_closed(case.stream)


GIVES_UP = [loop_that_is_left, task_whose_loop_is_left, pipeline_is_cancelled, aclose, destroy, take_of_nothing]

READS = {
    iteration, step_after_it, loop_that_is_left, loop_that_is_left_after_it, task_whose_loop_is_left, take_of_nothing,
    helper_of_iteration, helpers_in_a_row, pipeline_of_a_function,
}  # fmt: skip
COMPOSES = {what_is_composed, block_of_what_is_composed}  # of what is read and written

# ---- the blocks

BLOCKS = {  # whether it is a stream over a file with a block; how many blocks the stream itself has
    "stream": (False, 1),
    "stream twice": (False, 2),
    "handle": (True, 0),
    "handle and stream": (True, 1),
}
HOW = ["failed", "aborted"]
Work = Callable[[Case], Awaitable[None]]


async def within(blocks: list[Any], body: Callable[[], Awaitable[None]], told: list[BaseException]) -> None:
    """Do it in these blocks, the outer one first. told: what each has raised, which is caught outside of it."""
    if not blocks:
        await body()
        return
    try:
        async with blocks[0]:
            await within(blocks[1:], body, told)
    except Exception as error:
        told.append(error)


async def told_by(blocks: str, work: Work, how: str, tmp_path: Path, body: Work) -> tuple[list[BaseException], Case]:
    """What the blocks raise, the inner one first."""
    has_handle, own = BLOCKS[blocks]
    told: list[BaseException] = []
    case: Any = None

    async def make_and_work() -> None:
        nonlocal case
        stream: Any = idle()
        if has_handle:
            stream = handle.create_read_stream() if work in READS else handle.create_write_stream(high_water_mark=1)
        case = Case(stream, how)
        await within([stream] * own, lambda: body(case), told)

    if has_handle:
        (tmp_path / "file").write_bytes(b"content")
        handle = await fs.open(tmp_path / "file", "r+")
        await within([handle], make_and_work, told)
        assert handle.fd == -1
    else:
        await make_and_work()
    await settle()
    assert case.stream.closed
    assert not any(type(listener) is Block for listener in case.stream.listeners("error"))
    assert asyncio.current_task() not in _innermost
    return told, case


def possible(work: Work, blocks: str) -> bool:
    return not (BLOCKS[blocks][0] and work in COMPOSES)


ROWS = [(blocks, how) for blocks in BLOCKS for how in HOW]


@pytest.mark.parametrize(("blocks", "how"), ROWS)
@pytest.mark.parametrize("work", RAISES)
async def test_what_was_raised_and_caught_is_raised_no_more(blocks: str, how: str, work: Work, tmp_path: Path) -> None:
    if not possible(work, blocks):
        return

    async def body(case: Case) -> None:
        with pytest.raises((OSError, TreadleError)) as caught:
            await work(case)
        assert case.is_its(caught.value)

    told, _ = await told_by(blocks, work, how, tmp_path, body)
    assert told == []


@pytest.mark.parametrize(("blocks", "how"), ROWS)
@pytest.mark.parametrize("work", RAISES)
async def test_what_was_raised_and_not_caught_goes_on_once(blocks: str, how: str, work: Work, tmp_path: Path) -> None:
    if not possible(work, blocks):
        return
    told, case = await told_by(blocks, work, how, tmp_path, work)
    assert len(told) == 1 and case.is_its(told[0])


@pytest.mark.parametrize(("blocks", "how"), ROWS)
@pytest.mark.parametrize("work", RAISES)
async def test_what_was_caught_is_not_behind_what_the_block_fails_with(blocks: str, how: str, work: Work, tmp_path: Path) -> None:
    if not possible(work, blocks):
        return
    own = Boom()

    async def body(case: Case) -> None:
        with pytest.raises((OSError, TreadleError)):
            await work(case)
        raise own

    told, _ = await told_by(blocks, work, how, tmp_path, body)
    assert told == [own] and own.__context__ is None


@pytest.mark.parametrize(("blocks", "how"), ROWS)
@pytest.mark.parametrize("work", SILENT)
async def test_what_was_raised_nowhere_the_inner_block_raises(blocks: str, how: str, work: Work, tmp_path: Path) -> None:
    told, case = await told_by(blocks, work, how, tmp_path, work)
    assert len(told) == 1 and case.is_its(told[0])


@pytest.mark.parametrize(("blocks", "how"), ROWS)
@pytest.mark.parametrize("work", [work for work in SILENT if work is not nobody_till_the_end])
async def test_what_was_raised_nowhere_is_behind_what_the_block_fails_with(
    blocks: str, how: str, work: Work, tmp_path: Path
) -> None:
    own = Boom()

    async def body(case: Case) -> None:
        await work(case)
        raise own

    told, case = await told_by(blocks, work, how, tmp_path, body)
    assert told == [own] and case.is_its(own.__context__)


@pytest.mark.parametrize("blocks", BLOCKS)
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("work", GIVES_UP)
async def test_what_is_given_up_has_not_failed(blocks: str, fails: bool, work: Work, tmp_path: Path) -> None:
    own = Boom()

    async def body(case: Case) -> None:
        await work(case)
        if fails:
            raise own

    told, _ = await told_by(blocks, work, "", tmp_path, body)
    assert told == [own] * fails and own.__context__ is None


@pytest.mark.parametrize("blocks", BLOCKS)
async def test_what_a_block_fails_with_of_its_own_is_raised_once(blocks: str, tmp_path: Path) -> None:
    """Also where the block destroys its stream with that."""
    own = Boom()

    async def body(case: Case) -> None:
        raise own

    told, _ = await told_by(blocks, nobody, "", tmp_path, body)
    assert told == [own] and own.__context__ is None
