"""Streams of asyncio's readers and writers and of files, and the other way round: bytes, back-pressure, ends, errors, and that
what is bridged is closed once."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import os
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import treadle
from tests.unit.streams.support import Boom, Sink, code_of, listen, settle, source_of, turns
from treadle import TreadleError
from treadle.streams import Duplex, Readable, Writable, finished, pipeline

BIG = bytes(range(256)) * 8192  # 2 MiB: more than a socket takes that nobody reads


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter, socket.socket]]:
    """asyncio's streams, and the socket at the other end, which does not block."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=ours)
    try:
        yield reader, writer, theirs
    finally:
        theirs.close()
        writer.transport.abort()
        await turns(3)


class Noted:
    """A file that counts how often it is closed, and fails where it is told to."""

    def __init__(self, data: bytes = b"", fails: str = "") -> None:
        self.file = io.BytesIO(data)
        self.fails = fails
        self.closed_times = 0
        self.threads: set[int] = set()
        self.written: list[bytes] = []
        self.boom = Boom()
        self.gate = threading.Event()
        self.gate.set()

    def _step(self, name: str) -> None:
        self.threads.add(threading.get_ident())
        assert self.gate.wait(20)
        if name == self.fails:
            raise self.boom

    def read(self, size: int) -> bytes:
        self._step("read")
        return self.file.read(size)

    def write(self, data: bytes) -> int:
        self._step("write")
        self.written.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        self._step("flush")

    def close(self) -> None:
        self.closed_times += 1
        self._step("close")


# ---- asyncio's into streams


async def test_a_reader_is_read() -> None:
    async with connected() as (reader, _, peer):
        peer.send(b"some bytes")
        peer.shutdown(socket.SHUT_WR)
        assert b"".join(await Readable.from_(reader).to_list()) == b"some bytes"


async def test_a_reader_that_nobody_reads_is_paused() -> None:
    async with connected() as (reader, _, peer):
        stream = Readable.from_(reader, high_water_mark=1000)
        stream.read(0)
        sent = 0
        for _ in range(100):
            try:
                sent += peer.send(BIG[sent:])
            except BlockingIOError:
                await turns(2)
        assert sent < len(BIG) and stream.readable_length <= 1000 + 1000
        peer.shutdown(socket.SHUT_WR)
        assert b"".join(await stream.to_list()) == BIG[:sent]


async def test_a_reader_that_fails() -> None:
    async with connected() as (reader, _, _peer):
        boom = Boom()
        stream = Readable.from_(reader)
        stream.resume()
        trace = listen(stream, "error", "close")
        await turns()
        reader.set_exception(boom)
        await settle()
        assert trace == [("error", boom), ("close",)]


@pytest.mark.parametrize("error", [None, Boom()], ids=["no error", "an error"])
@pytest.mark.parametrize("is_duplex", [False, True], ids=["reader", "both"])
async def test_destroyed_while_it_waits_for_bytes(is_duplex: bool, error: BaseException | None) -> None:
    async with connected() as (reader, writer, peer):
        stream = Duplex.from_({"readable": reader, "writable": writer}) if is_duplex else Readable.from_(reader)
        stream.on("error", lambda error: None)
        stream.read(0)
        await turns(2)
        stream.destroy(error)
        await settle()  # no task waits any more
        assert stream.closed
        if not is_duplex:  # the reader is its owner's: what comes is not lost
            peer.send(b"x")
            assert await reader.readexactly(1) == b"x"


@pytest.mark.parametrize("error", [None, Boom()], ids=["no error", "an error"])
@pytest.mark.parametrize("is_duplex", [False, True], ids=["writer", "both"])
async def test_destroyed_while_it_waits_for_room(is_duplex: bool, error: BaseException | None) -> None:
    async with connected() as (reader, writer, _):
        stream = Duplex.from_({"readable": reader, "writable": writer}) if is_duplex else Writable.from_(writer)
        stream.on("error", lambda error: None)
        told: list[Any] = []
        stream.write(BIG * 2, callback=told.append)
        await turns(5)
        assert told == []
        stream.destroy(error)
        await settle()
        assert stream.closed and len(told) == 1 and writer.transport.get_write_buffer_size() == 0


async def test_a_writer_is_written_and_ended() -> None:
    async with connected() as (_, writer, peer):
        stream = Writable.from_(writer)
        stream.write(b"some ")
        stream.end("bytes")
        await finished(stream)
        assert peer.recv(100) == b"some bytes"
        assert peer.recv(100) == b""
        assert writer.is_closing()


async def test_a_writer_that_is_full_holds_back() -> None:
    async with connected() as (_, writer, peer):
        stream = Writable.from_(writer, high_water_mark=1000)
        told: list[Any] = []
        for index in range(0, len(BIG), 64 * 1024):
            stream.write(BIG[index : index + 64 * 1024], callback=told.append)
        stream.end()
        await turns(20)
        assert len(told) < 32 and stream.writable_length > 1000
        got = bytearray()
        while len(got) < len(BIG):
            try:
                got += peer.recv(1 << 20)
            except BlockingIOError:
                await turns()
        await finished(stream)
        assert bytes(got) == BIG and told == [None] * 32


async def test_destroying_with_an_error_aborts_the_writer() -> None:
    async with connected() as (_, writer, _peer):
        stream = Writable.from_(writer)
        stream.on("error", lambda error: None).destroy(Boom())
        await settle()
        assert writer.transport.is_closing() and stream.closed


async def test_a_reader_and_a_writer_are_a_duplex() -> None:
    async with connected() as (reader, writer, peer):
        stream = Duplex.from_({"readable": reader, "writable": writer})
        stream.end(b"there")
        peer.send(b"back")
        peer.shutdown(socket.SHUT_WR)
        assert b"".join([chunk async for chunk in stream]) == b"back"
        assert peer.recv(100) == b"there"
        await finished(stream)
        await settle()
        assert writer.is_closing() and stream.closed


async def test_in_a_pipeline() -> None:
    async with connected() as (reader, writer, peer):
        peer.send(b"echo")
        peer.shutdown(socket.SHUT_WR)
        await pipeline(reader, writer)
        assert peer.recv(100) == b"echo"
        assert peer.recv(100) == b""


# ---- files into streams


async def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(BIG)
    with open(tmp_path / "data", "rb") as file:
        stream = Readable.from_(file)
        assert b"".join(await stream.to_list()) == BIG
        await settle()
        assert file.closed


async def test_a_file_of_text(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("aé€😀z" * 1000, encoding="utf8")
    with open(tmp_path / "data", encoding="utf8") as file:
        assert "".join(await Readable.from_(file, high_water_mark=7).to_list()) == "aé€😀z" * 1000


async def test_a_pipe_is_read() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"some bytes")
    os.close(writer)
    with os.fdopen(reader, "rb", 0) as file:
        assert await Readable.from_(file).to_list() == [b"some bytes"]


async def test_a_file_is_read_by_other_threads_and_closed_once() -> None:
    file = Noted(BIG[:100_000])
    stream = Readable.from_(file, high_water_mark=1000)
    assert b"".join(await stream.to_list()) == BIG[:100_000]
    await settle()
    assert file.closed_times == 1
    assert threading.get_ident() not in file.threads


async def test_a_file_is_read_up_to_the_mark() -> None:
    file = Noted(BIG)
    stream = Readable.from_(file, high_water_mark=1000)
    stream.read(0)
    await settle()
    assert file.file.tell() == stream.readable_length == 1000
    stream.destroy()
    await settle()
    assert file.closed_times == 1


@pytest.mark.parametrize("fails", ["read", "close"])
async def test_a_file_that_fails_to_be_read(fails: str) -> None:
    file = Noted(b"some bytes", fails)
    stream = Readable.from_(file)
    trace = listen(stream, "error", "close")
    stream.resume()
    await settle()
    assert trace == [("error", file.boom), ("close",)]
    assert file.closed_times == 1


async def test_a_file_is_closed_behind_the_call_that_is_under_way() -> None:
    file = Noted(b"some bytes")
    file.gate.clear()
    stream = Readable.from_(file)
    stream.read(0)
    await turns(3)
    stream.destroy()
    await turns(3)
    assert file.closed_times == 0 and not stream.closed
    file.gate.set()
    await settle()
    assert file.closed_times == 1 and stream.closed


async def test_a_file_is_written(tmp_path: Path) -> None:
    with open(tmp_path / "data", "wb") as file:
        await pipeline(source_of([BIG[:1000], BIG[1000:5000], b"end"]), file)
        assert file.closed
    assert (tmp_path / "data").read_bytes() == BIG[:5000] + b"end"


async def test_a_file_that_takes_only_some(tmp_path: Path) -> None:
    class Some(Noted):
        def write(self, data: bytes) -> int:
            return super().write(data[:3])

    file = Some()
    stream = Writable.from_(file)
    stream.end(b"0123456789")
    await finished(stream)
    assert file.written == [b"012", b"345", b"678", b"9"]
    assert file.closed_times == 1


async def test_a_file_of_text_is_written(tmp_path: Path) -> None:
    with open(tmp_path / "data", "w", encoding="latin-1") as file:
        stream = Writable.from_(file)
        stream.write("é")
        stream.end("à".encode())
        await finished(stream)
    assert (tmp_path / "data").read_bytes() == b"\xe9\xe0"


@pytest.mark.parametrize("fails", ["write", "flush", "close"])
async def test_a_file_that_fails_to_be_written(fails: str) -> None:
    file = Noted(fails=fails)
    stream = Writable.from_(file)
    trace = listen(stream, "error", "close")
    stream.end(b"x")
    await settle()
    assert trace == [("error", file.boom), ("close",)]
    assert file.closed_times == 1


async def test_a_file_is_written_one_call_at_a_time() -> None:
    file = Noted()
    file.gate.clear()
    stream = Writable.from_(file, high_water_mark=1)
    assert [stream.write(b"x") for _ in range(3)] == [False] * 3
    await turns(3)
    assert file.written == []
    stream.destroy()
    await turns(3)
    assert file.closed_times == 0
    file.gate.set()
    await settle()
    assert file.written == [b"x"] and file.closed_times == 1


@pytest.mark.parametrize("sink", [None, 1, b"x", object()])
def test_what_is_no_sink(sink: Any) -> None:
    with pytest.raises(TreadleError) as caught:
        Writable.from_(sink)
    assert caught.value.code == "ERR_INVALID_ARG_TYPE"


# ---- out of streams: asyncio's


async def test_to_a_stream_reader() -> None:
    reader = source_of([b"a line\nand ", b"another\nrest"]).to_stream_reader()
    assert await reader.readline() == b"a line\n"
    assert await reader.readexactly(4) == b"and "
    assert await reader.read() == b"another\nrest"
    assert reader.at_eof()


@pytest.mark.parametrize("object_mode", [True, False])
async def test_a_stream_reader_of_items(object_mode: bool) -> None:
    items = [b"a line that is longer ", b"than a mark of objects\n"]
    reader = Readable.from_(items, object_mode=object_mode).to_stream_reader()
    assert await reader.readline() == b"a line that is longer than a mark of objects\n"
    assert await reader.read() == b""


async def test_a_stream_reader_holds_no_more_than_it_should() -> None:
    given: list[int] = []

    def read(size: int) -> None:
        given.append(1)
        stream.push(bytes(1000) if len(given) <= 400 else None)

    stream = Readable(high_water_mark=4000, read=read)
    reader = stream.to_stream_reader()
    await settle()
    assert len(given) * 1000 <= 2 * 64 * 1024 + 4000 + 2 * 1000
    assert len(await reader.read()) == 400_000


async def test_a_stream_reader_of_what_fails() -> None:
    boom = Boom()
    stream = Readable(read=lambda size: None)
    reader = stream.to_stream_reader()
    waiting = asyncio.ensure_future(reader.read())
    await turns()
    stream.destroy(boom)
    with pytest.raises(Boom) as caught:
        await waiting
    assert caught.value is boom


async def test_to_a_stream_writer() -> None:
    sink = Sink(is_open=True)
    writer = sink.to_stream_writer()
    writer.write(b"a")
    writer.writelines([b"b", b"c"])
    await writer.drain()
    assert writer.can_write_eof()
    writer.close()
    assert writer.is_closing()
    await writer.wait_closed()
    assert b"".join(sink.chunks) == b"abc" and sink.writable_finished


async def test_drain_waits_for_the_stream() -> None:
    sink = Sink(high_water_mark=1)
    writer = sink.to_stream_writer()
    writer.write(b"a")
    waiting = asyncio.ensure_future(writer.drain())
    await turns(3)
    assert not waiting.done()
    sink.take()
    await waiting
    sink.open()
    writer.close()
    await writer.wait_closed()
    await settle()


async def test_drain_of_what_is_destroyed() -> None:
    sink = Sink(high_water_mark=1)
    writer = sink.to_stream_writer()
    writer.write(b"a")
    waiting = asyncio.ensure_future(writer.drain())
    await turns()
    sink.destroy(Boom())
    with pytest.raises((Boom, ConnectionError)):
        await waiting
    await settle()


# ---- out of streams: files, for other threads


async def test_to_a_file_that_is_read_elsewhere() -> None:
    def read(file: Any) -> list[bytes]:
        with file:
            return list(file)

    file = source_of([b"a line\nand ", b"another\nrest"]).to_file()
    assert await asyncio.to_thread(read, file) == [b"a line\n", b"and another\n", b"rest"]
    await settle()


async def test_a_file_that_is_closed_early_destroys_the_stream() -> None:
    stream = source_of([b"x" * 1000] * 100, high_water_mark=1000)
    stream.on("error", lambda error: None)
    file = stream.to_file()
    assert await asyncio.to_thread(file.read, 10) == b"x" * 10
    await asyncio.to_thread(file.close)
    del file
    await settle()
    assert stream.closed


async def test_to_a_file_that_is_written_elsewhere() -> None:
    def write(file: Any) -> None:
        with file:
            for _ in range(100):
                file.write(b"x" * 1000)

    sink = Sink(high_water_mark=1000)
    task = asyncio.create_task(asyncio.to_thread(write, sink.to_writable_file()))
    while not sink.is_busy:
        await turns()
    assert sink.writable_length < 20_000  # the thread waits
    sink.open()
    await task
    await settle()
    assert b"".join(bytes(chunk) for chunk in sink.chunks) == b"x" * 100_000
    assert sink.writable_finished


async def test_the_loops_own_thread_may_not_wait() -> None:
    stream, sink = source_of([b"x"]), Sink(is_open=True)
    with pytest.raises(TreadleError) as caught:
        stream.to_file().read(1)
    assert caught.value.code == "ERR_INVALID_STATE"
    caught = None
    stream.on("error", lambda error: None).destroy()
    sink.destroy()
    await settle()


async def test_a_file_that_is_dropped_lets_go_of_the_stream(recwarn: pytest.WarningsRecorder) -> None:
    stream, sink = source_of([b"x"]), Sink(is_open=True)
    stream.on("error", lambda error: None)
    files = [stream.to_file(), sink.to_writable_file()]
    files.clear()
    await settle()
    assert stream.destroyed and sink.writable_finished


@pytest.mark.parametrize("after", [0, 5])
async def test_a_stream_that_fails_is_an_error_of_the_thread_that_writes(after: int) -> None:
    boom = Boom()
    sink = Sink(is_open=True, high_water_mark=1)
    file = sink.to_writable_file()
    await asyncio.to_thread(file.write, bytes(after * 10_000))
    sink.on("error", lambda error: None).destroy(boom)
    with pytest.raises(Boom) as caught:
        await asyncio.to_thread(lambda: (file.write(bytes(100_000)), file.flush()))
    assert caught.value is boom
    with pytest.raises(Boom):
        await asyncio.to_thread(file.close)
    assert file.closed
    await settle()


async def test_an_error_reaches_the_thread() -> None:
    boom = Boom()
    stream = Readable(read=lambda size: stream.destroy(boom))
    file = stream.to_file()
    with pytest.raises(Boom):
        await asyncio.to_thread(file.read)
    await asyncio.to_thread(file.close)
    await settle()
    assert code_of(stream.errored) == "Boom"


async def test_the_loops_own_thread_may_not_write_what_a_file_would_keep() -> None:
    sink = Sink(is_open=True)
    file = sink.to_writable_file()
    with pytest.raises(TreadleError) as caught:
        file.write(b"x")
    assert caught.value.code == "ERR_INVALID_STATE"
    caught = None
    await asyncio.to_thread(file.close)
    await settle()
    assert (sink.chunks, sink.writable_finished) == ([], True)


async def test_what_a_file_could_not_write_is_no_clean_end_of_its_stream() -> None:
    sink = Sink(is_open=True)
    trace = listen(sink, "finish", "error", "close")
    file = sink.to_writable_file()
    await asyncio.to_thread(file.write, b"x")
    with pytest.raises(TreadleError):
        file.close()  # here, where it may not wait
    await settle()
    assert [event for event, *_ in trace] == ["error", "close"]


async def test_what_was_refused_in_the_loops_thread_and_written_since_is_no_error() -> None:
    sink = Sink(is_open=True)
    trace = listen(sink, "finish", "error", "close")
    file = sink.to_writable_file()
    await asyncio.to_thread(file.write, b"x")
    with pytest.raises(TreadleError):
        file.flush()
    await asyncio.to_thread(file.flush)
    await asyncio.to_thread(file.close)
    await settle()
    assert sink.chunks == [b"x"]
    assert [event for event, *_ in trace] == ["finish", "close"]


@pytest.mark.parametrize("held", [b"", b"x"], ids=["nothing", "something"])
def test_a_writable_file_that_has_outlived_its_loop(held: bytes, recwarn: pytest.WarningsRecorder) -> None:
    """It closes quietly, unless it has bytes that nobody gets any more."""
    files = []

    async def main() -> None:
        file = Sink(is_open=True).to_writable_file()
        await asyncio.to_thread(file.write, held)
        files.append(file)

    treadle.run(main)
    with pytest.raises(RuntimeError, match="closed") if held else contextlib.nullcontext():
        files[0].close()
    assert files[0].closed
    gc.collect()
    assert [str(warning.message) for warning in recwarn if "never awaited" in str(warning.message)] == []
