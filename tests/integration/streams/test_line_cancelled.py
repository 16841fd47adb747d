"""A pipeline is cancelled, or aborted by its signal, at each call of each hook and at each end of a wait: whenever that is, every
stage is destroyed once, every descriptor is closed, and nobody hears of anything else. Issue: point 5 of the streams."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.integration.streams.line import MARKS, MODES, Line
from tests.unit.streams.support import code_of
from treadle import AbortController, TreadleError
from treadle.streams import pipeline

FLAVOURS = [mode for mode in MODES if mode != "at once, raises"]  # as the other one: nothing fails here


async def visits_of_a_run(folder: Path, mode: str, mark: int) -> int:
    line = Line(folder, mode, mark)
    await pipeline(*line.stages)
    await line.check_end()
    return len(line.visits)


@pytest.mark.parametrize("mark", MARKS.values(), ids=MARKS)
@pytest.mark.parametrize("mode", FLAVOURS)
async def test_cancelled_at_each_visit(mode: str, mark: int, tmp_path: Path) -> None:
    for number in range(1, await visits_of_a_run(tmp_path, mode, mark) + 1):
        line = Line(tmp_path, mode, mark)

        async def run(line: Line = line) -> None:
            await pipeline(*line.stages)

        task = asyncio.create_task(run())
        line.on_visit = lambda visit, number=number, task=task: visit == number and task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled() or line.calls["sink.destroy"], number
        await line.check_end("ABORT_ERR")


@pytest.mark.parametrize("mark", MARKS.values(), ids=MARKS)
@pytest.mark.parametrize("mode", FLAVOURS)
async def test_aborted_at_each_visit(mode: str, mark: int, tmp_path: Path) -> None:
    has_ended = False
    for number in range(1, await visits_of_a_run(tmp_path, mode, mark) + 1):
        line, controller = Line(tmp_path, mode, mark), AbortController()
        line.on_visit = lambda visit, number=number, controller=controller: visit == number and controller.abort("enough")
        (outcome,) = await asyncio.gather(pipeline(*line.stages, signal=controller.signal), return_exceptions=True)
        if outcome is None:
            has_ended = True
            assert line.calls["sink.destroy"], number
        else:
            assert code_of(outcome) == "ABORT_ERR" and outcome.data["reason"] == "enough" and not has_ended
        await line.check_end("ABORT_ERR")


@pytest.mark.parametrize("mark", MARKS.values(), ids=MARKS)
@pytest.mark.parametrize("mode", FLAVOURS)
async def test_aborted_before_it_begins(mode: str, mark: int, tmp_path: Path) -> None:
    line, controller = Line(tmp_path, mode, mark), AbortController()
    controller.abort()
    with pytest.raises(TreadleError) as caught:
        await pipeline(*line.stages, signal=controller.signal)
    assert caught.value.code == "ABORT_ERR"
    await line.check_end("ABORT_ERR")


@pytest.mark.parametrize("mark", MARKS.values(), ids=MARKS)
@pytest.mark.parametrize("mode", FLAVOURS)
async def test_cancelled_before_it_begins(mode: str, mark: int, tmp_path: Path) -> None:
    line = Line(tmp_path, mode, mark)
    outcome = pipeline(*line.stages)
    assert outcome.cancel("not wanted")
    with pytest.raises(asyncio.CancelledError):
        await outcome
    await line.check_end("ABORT_ERR")
