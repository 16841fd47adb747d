"""Whoever reads a line of stages leaves it early: by break, by an exception, by being cancelled, by returning from the last
stage. Every stage before is destroyed once, every descriptor closed. Issue: point 5 of the streams."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.streams.line import COUNT, DATA, MARKS, MODES, Line
from tests.unit.streams.support import Boom, code_of, turns
from treadle.streams import PassThrough, compose, pipeline

FLAVOURS = [mode for mode in MODES if mode != "at once, raises"]


class Read(Line):
    """The first three stages; the test is the fourth."""

    def readable(self, *, composed: bool) -> Any:
        """What they give, as one stream."""
        self.sink.destroy()
        if composed:
            return self.source.compose(self.transform, self.relay)
        self.told: list[BaseException | None] = []
        last = PassThrough(object_mode=True, high_water_mark=1)
        return pipeline(self.source, self.transform, self.relay, last, callback=self.told.append)


each_way = pytest.mark.parametrize("composed", [False, True], ids=["pipeline", "compose"])
each_mark = pytest.mark.parametrize("mark", MARKS.values(), ids=MARKS)
each_mode = pytest.mark.parametrize("mode", FLAVOURS)


async def break_at(stream: Any, count: int) -> None:
    async for _ in stream:
        count -= 1
        if count == 0:
            break


async def fail_at(stream: Any, count: int) -> None:
    async for _ in stream:
        count -= 1
        if count == 0:
            raise Boom


@each_way
@each_mark
@each_mode
@pytest.mark.parametrize("leave", [break_at, fail_at])
async def test_left_at_each_chunk(leave: Callable[..., Any], mode: str, mark: int, composed: bool, tmp_path: Path) -> None:
    for count in range(1, COUNT + 2):  # the last one is what flush gives
        line = Read(tmp_path, mode, mark)
        stream = line.readable(composed=composed)
        try:
            await leave(stream, count)
            assert leave is break_at
        except Boom:
            assert leave is fail_at
        assert stream.destroyed, count
        await line.check_end("ABORT_ERR")
        assert stream.closed
        if not composed:
            told = [code_of(error) for error in line.told]
            assert told == ["ABORT_ERR"] or (told == ["NoneType"] and count > COUNT), count  # the last chunk: all may be through


@each_way
@each_mark
@each_mode
async def test_read_to_the_end(mode: str, mark: int, composed: bool, tmp_path: Path) -> None:
    line = Read(tmp_path, mode, mark)
    stream = line.readable(composed=composed)
    assert b"".join([chunk async for chunk in stream]) == DATA.upper() + b"END"
    await line.check_end()
    assert stream.closed and (composed or line.told == [None])


@each_way
@each_mark
@each_mode
async def test_who_reads_is_cancelled_at_each_visit(mode: str, mark: int, composed: bool, tmp_path: Path) -> None:
    line = Read(tmp_path, mode, mark)
    await break_at(line.readable(composed=composed), -1)
    await line.check_end()
    for number in range(1, len(line.visits) + 1):
        line = Read(tmp_path, mode, mark)
        stream = line.readable(composed=composed)
        task = asyncio.create_task(break_at(stream, -1))
        line.on_visit = lambda visit, number=number, task=task: visit == number and task.cancel()
        await asyncio.wait((task,))
        was_cancelled = task.cancelled()
        del task
        line.on_visit = lambda visit: None
        allowed = ["ABORT_ERR"]
        if not stream.destroyed:  # cancelled before it began: nobody has left a loop
            stream.on("error", lambda error: None).destroy()
            allowed.append("ERR_STREAM_PREMATURE_CLOSE")
        await line.check_end(*allowed)
        assert was_cancelled or stream.readable_ended, number


@each_mark
@each_mode
@pytest.mark.parametrize("stages", [1, 2, 3])
async def test_the_last_stage_returns_early(stages: int, mode: str, mark: int, tmp_path: Path) -> None:
    # As in Node: a stage that a stream was piped into is aborted with it, and that is the pipeline's error; a stream that is
    # iterated by who returns is not.
    for count in range(1, COUNT):
        line = Read(tmp_path, mode, mark)
        line.sink.destroy()
        if stages == 1:
            line.transform.destroy()

        async def first(chunks: Any, count: int = count) -> str:
            async for _ in chunks:
                count -= 1
                if count == 0:
                    return "enough"
            return "all"

        before = (line.source, line.transform, line.relay)[:stages]
        (outcome,) = await asyncio.gather(pipeline(*before, first), return_exceptions=True)
        assert outcome in ("enough", "all") or (code_of(outcome) == "ABORT_ERR" and stages > 1)
        await line.check_end("ABORT_ERR")


@each_mark
@each_mode
async def test_two_lines_at_once_do_not_touch_each_other(mode: str, mark: int, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    failing, other = (Line(folder, mode, mark) for folder in folders)
    failing.on_visit = lambda visit: visit == 5 and failing.transform.destroy(failing.boom)
    outcomes = await asyncio.gather(pipeline(*failing.stages), pipeline(*other.stages), return_exceptions=True)
    assert outcomes == [failing.boom, None]
    assert other.written == DATA.upper() + b"END"
    await turns()
    assert failing.calls["source.destroy"] == other.calls["source.destroy"] == 1


async def test_a_composed_line_that_is_never_read_is_destroyed(tmp_path: Path) -> None:
    line = Read(tmp_path, MODES[0], MARKS["narrow"])
    line.sink.destroy()
    stream = compose(line.source, line.transform, line.relay)
    stream.on("error", lambda error: None)
    await turns(5)
    stream.destroy()
    await line.check_end("ABORT_ERR")
