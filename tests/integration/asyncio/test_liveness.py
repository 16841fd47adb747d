"""What holds a program of treadle.run: everything that asyncio has open, until it is closed or told not to. A signal handler does
not. Node's rule, for asyncio's things."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import treadle
from tests.integration.asyncio.things import OPENERS, Place, signal_handler
from tests.integration.tls import Contexts

OPEN_MS = 30  # how long it stays open: if it did not hold the program, that would end before


@pytest.mark.parametrize("opener", OPENERS.values(), ids=OPENERS)
def test_an_open_one_holds_the_program_until_it_is_closed(opener, tmp_path: Path, contexts: Contexts) -> None:
    place, trace = Place(tmp_path, contexts), []

    async def main() -> None:
        thing = await opener(place)
        trace.append("open")

        def close() -> None:
            trace.append("closed")
            thing.close()

        place.loop.set_timeout(close, OPEN_MS).unref()

    with place.ends:
        treadle.run(main)
    assert trace == ["open", "closed"]


WITH_DESCRIPTORS = {name: opener for name, opener in OPENERS.items() if not name.startswith("child")}


@pytest.mark.parametrize("opener", WITH_DESCRIPTORS.values(), ids=WITH_DESCRIPTORS)
def test_unrefed_it_does_not(opener, tmp_path: Path, contexts: Contexts) -> None:
    place, trace = Place(tmp_path, contexts), []

    async def main() -> None:
        thing = await opener(place)
        trace.append("open")
        for fd in thing.fds:
            place.loop.set_fd_ref(fd, False)
        place.loop.set_timeout(trace.append, 10_000, "held").unref()

    with place.ends:
        treadle.run(main)
    assert trace == ["open"]


def test_a_signal_handler_does_not(tmp_path: Path, contexts: Contexts) -> None:
    place = Place(tmp_path, contexts)
    treadle.run(lambda: asyncio.ensure_future(signal_handler(place)))


def test_a_task_that_waits_for_one_of_them_is_cancelled_when_the_program_ends(tmp_path: Path, contexts: Contexts) -> None:
    """A lock that nobody releases holds nothing, whatever it waits for."""
    trace = []

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            trace.append("cancelled")
            raise

    treadle.run(lambda: asyncio.ensure_future(waits()) and None)
    assert trace == ["cancelled"]
