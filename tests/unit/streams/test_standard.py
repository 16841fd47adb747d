"""stdin, stdout and stderr, over pipes and files: what pausing leaves to others, and that what waits is written."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.streams.support import DEADLINE_S, Sink, listen, settle, turns
from treadle import process
from treadle.loop import get_loop
from treadle.streams import PassThrough, pipeline
from treadle.streams._standard import StandardInput, StandardOutput


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Its reading end, and its writing end."""
    ends = os.pipe()
    try:
        yield ends
    finally:
        for end in ends:
            os.close(end)


def is_watched() -> bool:
    statistics: Any = get_loop().statistics()
    return bool(statistics["handles_refed"])


async def heard(trace: list[Any], count: int) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while len(trace) < count:
            await asyncio.sleep(0.001)


async def test_paused_it_holds_nothing_and_goes_on_when_resumed(pipe: tuple[int, int]) -> None:
    stream = StandardInput(pipe[0])
    trace = listen(stream, "data")
    await turns(2)
    assert is_watched()
    stream.pause()
    os.write(pipe[1], b"one")
    await turns(3)
    assert (trace, is_watched()) == ([], False)
    stream.resume()
    await heard(trace, 1)
    assert trace == [("data", b"one")]
    stream.destroy()
    await settle()
    assert not is_watched()


async def test_who_pauses_in_a_listener_lets_the_program_end(pipe: tuple[int, int]) -> None:
    stream = StandardInput(pipe[0])
    trace = listen(stream, "data")
    stream.on("data", lambda _: stream.pause())
    os.write(pipe[1], b"one")
    await heard(trace, 1)
    os.write(pipe[1], b"two")
    await turns(3)
    assert (trace, is_watched(), stream.readable_length) == ([("data", b"one")], False, 0), "the rest is left to others"
    assert os.read(pipe[0], 10) == b"two"
    os.write(pipe[1], b"three")
    stream.resume()
    await heard(trace, 2)
    assert trace[1] == ("data", b"three")
    stream.destroy()


@pytest.mark.parametrize("way", ["read", "readable", "iterate"])
async def test_asking_for_more_ends_a_pause(pipe: tuple[int, int], way: str) -> None:
    stream = StandardInput(pipe[0])
    stream.resume()
    await turns(2)
    stream.pause()
    os.write(pipe[1], b"one")
    async with asyncio.timeout(DEADLINE_S):
        if way == "iterate":
            assert await anext(aiter(stream)) == b"one"
        elif way == "readable":
            ready = get_loop().create_future()
            stream.once("readable", lambda: ready.set_result(None))  # type: ignore[attr-defined]
            await ready
            assert stream.read() == b"one"
        else:
            assert stream.read() is None
            while not stream.readable_length:
                await asyncio.sleep(0.001)
            assert stream.read() == b"one"
    stream.on("error", lambda _: None).destroy()


async def test_a_slow_reader_gets_all_of_it(pipe: tuple[int, int]) -> None:
    stream, sink = StandardInput(os.dup(pipe[0])), Sink(high_water_mark=1)
    stream.pipe(sink)
    for number in range(4):
        os.write(pipe[1], b"%d" % number)
        await heard(sink.chunks, number + 1)
        await turns(2)
        sink.take()
    assert sink.chunks == [b"0", b"1", b"2", b"3"]
    stream.unpipe().destroy()
    sink.destroy()
    os.close(stream.fd)


@pytest.mark.parametrize("size", [0, 1, 200_000])
async def test_a_file(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * size)
    with path.open("rb") as file:
        stream = StandardInput(file.fileno())
        trace = listen(stream, "data", "end")
        await turns()
        stream.pause()
        await settle()
        stream.resume()
        async with asyncio.timeout(DEADLINE_S):
            while ("end",) not in trace:
                await asyncio.sleep(0.001)
        assert sum(len(chunk[1]) for chunk in trace if chunk[0] == "data") == size
        os.fstat(file.fileno())  # it is open: the descriptor is not the stream's


async def test_what_a_full_pipe_does_not_take_is_written_when_it_does(pipe: tuple[int, int]) -> None:
    stream = StandardOutput(pipe[1])
    sent, received = b"0123456789" * 30_000, bytearray()
    done = pipeline([sent], PassThrough(), stream, end=False)
    try:
        async with asyncio.timeout(DEADLINE_S):
            while len(received) < len(sent):
                await turns()
                assert os.get_blocking(pipe[1]), "others have it, too"
                received += os.read(pipe[0], 50_000)
            await done
        assert received == sent
        assert not is_watched()
    finally:
        process.off("exit", stream._on_exit)
