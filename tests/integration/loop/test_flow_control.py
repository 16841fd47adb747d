"""Back-pressure of a transport: pause_writing past the high-water mark, resume_writing at the low one, one after the other."""

import asyncio
import sys

import pytest

import treadle
from tests.integration.loop.support import BIG, Recorder, connected, test_of_both, turns


@test_of_both
async def test_past_the_mark_writing_is_paused_and_resumed_once_drained(loop, kind, tmp_path) -> None:
    async with connected(loop, kind, tmp_path) as (a, b):
        b.transport.pause_reading()
        a.transport.write(BIG)
        assert a.trace == ["made", "pause"]  # from within write()
        a.transport.write(b"more")
        assert a.trace == ["made", "pause"]
        assert a.transport.get_write_buffer_size() > 65_536
        await turns()
        assert a.trace == ["made", "pause"]
        b.transport.resume_reading()
        await a.until(lambda: "resume" in a.trace)
        assert a.transport.get_write_buffer_size() <= 16_384
        await b.until_data(len(BIG) + 4)
        assert a.trace == ["made", "pause", "resume"]


@test_of_both
async def test_pauses_and_resumptions_alternate(loop, kind, tmp_path) -> None:
    async with connected(loop, kind, tmp_path) as (a, b):
        for n in range(3):
            b.transport.pause_reading()
            a.transport.write(BIG)
            b.transport.resume_reading()
            await a.until(lambda n=n: a.trace.count("resume") == n + 1)
        assert a.trace == ["made", *["pause", "resume"] * 3]


@test_of_both
async def test_below_the_mark_nothing_is_said(loop, kind, tmp_path) -> None:
    async with connected(loop, kind, tmp_path) as (a, b):
        a.transport.set_write_buffer_limits(high=2 * len(BIG))
        b.transport.pause_reading()
        a.transport.write(BIG)
        assert a.transport.get_write_buffer_size() > 0
        b.transport.resume_reading()
        await b.until_data(len(BIG))
        assert a.trace == ["made"]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, (16_384, 65_536)),
        ({"high": 1_000}, (250, 1_000)),
        ({"low": 1_000}, (1_000, 4_000)),
        ({"high": 1_000, "low": 10}, (10, 1_000)),
        ({"high": 0}, (0, 0)),
        ({"high": 0, "low": 0}, (0, 0)),
    ],
    ids=str,
)
@test_of_both
async def test_limits(loop, tmp_path, limits, expected) -> None:
    async with connected(loop, "tcp", tmp_path) as (a, _):
        assert a.transport.get_write_buffer_limits() == (16_384, 65_536)
        a.transport.set_write_buffer_limits(high=7)
        a.transport.set_write_buffer_limits(**limits)
        assert a.transport.get_write_buffer_limits() == expected


@pytest.mark.parametrize("limits", [{"high": 1, "low": 2}, {"high": -1}, {"low": -1}, {"high": 10, "low": -5}], ids=str)
@test_of_both
async def test_impossible_limits(loop, tmp_path, limits) -> None:
    async with connected(loop, "tcp", tmp_path) as (a, _):
        with pytest.raises(ValueError):
            a.transport.set_write_buffer_limits(**limits)
        assert a.transport.get_write_buffer_limits() == (16_384, 65_536)


@test_of_both
async def test_a_mark_of_zero_pauses_at_the_first_byte_that_waits(loop, kind, tmp_path) -> None:
    async with connected(loop, kind, tmp_path) as (a, b):
        a.transport.set_write_buffer_limits(high=0)
        a.transport.write(b"taken at once")
        assert a.trace == ["made"]
        b.transport.pause_reading()
        a.transport.write(BIG)
        assert a.trace == ["made", "pause"]
        b.transport.resume_reading()
        await a.until(lambda: "resume" in a.trace)
        assert a.transport.get_write_buffer_size() == 0


@test_of_both
async def test_lower_limits_pause_at_once(loop, kind, tmp_path) -> None:
    async with connected(loop, kind, tmp_path) as (a, b):
        a.transport.set_write_buffer_limits(high=2 * len(BIG))
        b.transport.pause_reading()
        a.transport.write(BIG)
        assert a.trace == ["made"]
        a.transport.set_write_buffer_limits(high=1_000)
        assert a.trace == ["made", "pause"]
        b.transport.resume_reading()
        await a.until(lambda: "resume" in a.trace)


@test_of_both
async def test_higher_limits_resume_with_the_next_byte_that_is_sent(loop, kind, tmp_path) -> None:
    """COMPAT(asyncio): set_write_buffer_limits() itself resumes nothing."""
    async with connected(loop, kind, tmp_path) as (a, b):
        b.transport.pause_reading()
        a.transport.write(BIG)
        a.transport.set_write_buffer_limits(high=4 * len(BIG), low=2 * len(BIG))
        assert a.trace == ["made", "pause"]
        b.transport.resume_reading()
        await a.until(lambda: "resume" in a.trace)


@test_of_both
async def test_writelines_that_the_kernel_takes_at_once_does_not_pause(loop, kind, tmp_path) -> None:
    """The mark is about what waits after the attempt to send."""
    async with connected(loop, kind, tmp_path) as (a, b):
        a.transport.set_write_buffer_limits(high=10)
        a.transport.writelines([b"x" * 8, b"y" * 8])
        assert await b.until_data(16) == b"x" * 8 + b"y" * 8
        assert a.trace == ["made"]


@test_of_both
async def test_writelines_past_the_mark_pauses(loop, kind, tmp_path) -> None:
    if isinstance(loop, asyncio.SelectorEventLoop) and not isinstance(loop, treadle.EventLoop) and sys.version_info >= (3, 12):
        pytest.skip("asyncio's writelines() did not look at the marks in some releases of CPython 3.12 and 3.13")
    async with connected(loop, kind, tmp_path) as (a, b):
        b.transport.pause_reading()
        a.transport.writelines([BIG, BIG])
        assert a.trace == ["made", "pause"]
        b.transport.resume_reading()
        await b.until_data(2 * len(BIG))
        await a.until(lambda: "resume" in a.trace)
        assert a.trace == ["made", "pause", "resume"]


@pytest.mark.parametrize("how", ["close", "abort"])
@test_of_both
async def test_a_paused_protocol_whose_connection_ends(loop, kind, tmp_path, how) -> None:
    async with connected(loop, kind, tmp_path) as (a, b):
        b.transport.pause_reading()
        a.transport.write(BIG)
        getattr(a.transport, how)()
        b.transport.resume_reading()
        await a.until_lost()
        assert a.trace == ["made", "pause", *(["resume"] if how == "close" else []), ("lost", None)]


@test_of_both
async def test_writing_again_from_within_resume_writing(loop, kind, tmp_path) -> None:
    class Feeds(Recorder):
        rounds = 0

        def resume_writing(self) -> None:
            super().resume_writing()
            self.rounds += 1
            if self.rounds < 3:
                self.transport.write(BIG)
            else:
                loop.call_soon(self.transport.close)  # asyncio's transport takes no close() from within

    async with connected(loop, kind, tmp_path, Feeds) as (a, b):
        a.transport.write(BIG)
        await b.until_lost()
        assert bytes(b.data) == BIG * 3
        assert a.trace == ["made", *["pause", "resume"] * 3, ("lost", None)]


@test_of_both
async def test_a_pump_with_back_pressure_keeps_little_in_memory(loop, kind, tmp_path) -> None:
    """StreamWriter.drain() is the protocol's pause and resume; a reader that is slow holds the writer up."""
    most = 0

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())

    async def write() -> None:
        nonlocal most
        for start in range(0, len(BIG), 100_000):
            writer.write(BIG[start : start + 100_000])
            most = max(most, writer.transport.get_write_buffer_size())
            await writer.drain()
        writer.write_eof()

    _, answer = await asyncio.gather(write(), reader.read())
    assert answer == BIG
    assert most <= 65_536 + 100_000
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()
