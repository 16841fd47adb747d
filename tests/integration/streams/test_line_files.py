"""A pipeline between file objects, which threads read and write: whatever ends it, both are closed once and no thread's call is
left. Issue: point 5 of the streams."""

from __future__ import annotations

import asyncio
import os
import zlib
from pathlib import Path
from typing import Any

import pytest

from tests.unit.native.support import open_fds
from tests.unit.streams.support import Boom, code_of, settle
from treadle import AbortController
from treadle.streams import Transform, pipeline

DATA = os.urandom(1000) * 300


class Between:
    """A transform and a generator, which count what passes, and call on_visit at each."""

    def __init__(self, on_visit: Any = lambda number: None) -> None:
        self.visits = 0
        self.on_visit = on_visit
        self._packer = zlib.compressobj(1)
        self.transform = Transform(
            readable_object_mode=True, readable_high_water_mark=1, transform=self._transform, flush=self._flush
        )

    def _visit(self, stage: str) -> None:
        self.visits += 1
        self.on_visit(self.visits, stage)

    def _transform(self, chunk: bytes, encoding: str, callback: Any) -> None:
        self._visit("transform")
        callback(None, self._packer.compress(chunk) + self._packer.flush(zlib.Z_SYNC_FLUSH))

    def _flush(self, callback: Any) -> None:
        self._visit("transform")
        callback(None, self._packer.flush())

    async def relay(self, chunks: Any) -> Any:
        async for chunk in chunks:
            self._visit("relay")
            yield chunk


async def run(folder: Path, on_visit: Any = lambda number, stage: None, controller: AbortController | None = None) -> Any:
    """Compress a file: the visits that it took, and what it ended with."""
    before = open_fds()
    (folder / "in").write_bytes(DATA)
    between = Between(on_visit)
    signal = None if controller is None else controller.signal
    with open(folder / "in", "rb") as source, open(folder / "out", "wb") as sink:
        (outcome,) = await asyncio.gather(
            pipeline(source, between.transform, between.relay, sink, signal=signal), return_exceptions=True
        )
        await settle()
        assert source.closed and sink.closed
    assert open_fds() == before
    return between.visits, outcome


async def test_to_the_end(tmp_path: Path) -> None:
    visits, outcome = await run(tmp_path)
    assert outcome is None and visits > 8
    assert zlib.decompress((tmp_path / "out").read_bytes()) == DATA


async def test_an_error_at_each_visit(tmp_path: Path) -> None:
    visits, _ = await run(tmp_path)
    for failing in range(1, visits + 1):
        boom = Boom()

        def on_visit(number: int, stage: str, failing: int = failing, boom: Boom = boom) -> None:
            if number == failing:
                raise boom

        _, outcome = await run(tmp_path, on_visit)
        assert outcome is boom, failing


async def test_aborted_at_each_visit(tmp_path: Path) -> None:
    visits, _ = await run(tmp_path)
    for aborting in range(1, visits + 1):
        controller = AbortController()

        def on_visit(number: int, stage: str, aborting: int = aborting, controller: AbortController = controller) -> None:
            if number == aborting:
                controller.abort()

        _, outcome = await run(tmp_path, on_visit, controller)
        assert code_of(outcome) == "ABORT_ERR", aborting


async def test_cancelled_at_each_visit(tmp_path: Path) -> None:
    visits, _ = await run(tmp_path)
    for cancelling in range(1, visits + 1):
        (tmp_path / "in").write_bytes(DATA)
        before = open_fds()
        between = Between()
        with open(tmp_path / "in", "rb") as source, open(tmp_path / "out", "wb") as sink:

            async def main(source: Any = source, sink: Any = sink, between: Between = between) -> None:
                await pipeline(source, between.transform, between.relay, sink)

            task = asyncio.create_task(main())
            between.on_visit = lambda number, stage, cancelling=cancelling, task=task: number == cancelling and task.cancel()
            await asyncio.wait((task,))
            assert task.cancelled(), cancelling
            await settle()
            assert source.closed and sink.closed
        assert open_fds() == before


@pytest.mark.parametrize("is_full", [False, True], ids=["nothing comes", "nobody takes"])
async def test_a_descriptor_that_waits_holds_its_stream_until_it_moves(is_full: bool) -> None:
    # A thread that is in read() or write() cannot be called back: who awaits hears at once, the file is closed behind the call.
    before = open_fds()
    theirs, ours = os.pipe() if is_full else os.pipe()[::-1]
    with os.fdopen(ours, "wb" if is_full else "rb", 0) as file:
        outcome: Any = pipeline([bytes(1 << 20)], file) if is_full else pipeline(file, _collect)
        await asyncio.sleep(0)
        outcome.cancel()
        with pytest.raises(asyncio.CancelledError):
            await outcome
        if is_full:
            while not file.closed:
                await asyncio.to_thread(os.read, theirs, 1 << 16)
        else:
            os.write(theirs, b"x")
        await settle()
        assert file.closed
    os.close(theirs)
    assert open_fds() == before


async def _collect(chunks: Any) -> None:
    async for _ in chunks:
        pass
