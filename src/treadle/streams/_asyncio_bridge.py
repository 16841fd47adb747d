"""Streams of asyncio's readers and writers, and these of streams.

    into streams   Readable.from_(reader), Writable.from_(writer), Duplex.from_({"readable": reader, "writable": writer})
    out of them    readable.to_stream_reader(), writable.to_stream_writer()

Invariants: back-pressure crosses in both directions; a connection is closed with its stream, of a pair when both sides are
through; a stream that is closed is held by none of asyncio's, which it may hold. Not here: files (_file_bridge.py), iterables
(_from.py), sockets (treadle.net).
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from treadle.loop.current import get_loop
from treadle.streams._duplex import Duplex
from treadle.streams._finished import watch
from treadle.streams._readable import Readable
from treadle.streams._tasks import call_back_after
from treadle.streams._weakly import Weakly
from treadle.streams._writable import Writable

__all__ = ["ReaderWriter", "WriterSink", "from_reader", "to_reader", "to_writer"]


# ---- into streams


def from_reader(reader: asyncio.StreamReader, **options: Any) -> Readable:
    """What an asyncio.StreamReader receives."""
    return _ReaderSource(reader, **options)


class _ReaderSource(Readable):
    def __init__(self, reader: asyncio.StreamReader, **options: Any) -> None:
        super().__init__(**options)
        self._reader = reader

    async def _read(self, size: int) -> None:
        self.push(await self._reader.read(max(size, 1)) or None)


class WriterSink(Writable):
    """A stream that writes to an asyncio.StreamWriter."""

    def __init__(self, writer: asyncio.StreamWriter, **options: Any) -> None:
        super().__init__(**options)
        self._writer = writer

    def _write(self, chunk: Any, encoding: str, callback: Callable[..., None]) -> None:
        self._writer.write(chunk)
        call_back_after(self._writer.drain(), callback)

    def _final(self, callback: Callable[..., None]) -> None:
        if self._writer.can_write_eof():
            self._writer.write_eof()
            callback()
        else:
            self._writer.close()
            call_back_after(self._writer.wait_closed(), callback)

    def _destroy(self, error: BaseException | None, callback: Callable[..., None]) -> None:
        # What the writer still holds is sent if all was written; else it is dropped, as what the stream holds, and drain() waits
        # no longer.
        if error is None and self.writable_finished:
            self._writer.close()
        else:
            self._writer.transport.abort()
        callback(error)


class ReaderWriter(WriterSink, Duplex):
    """An asyncio reader and writer of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, **options: Any) -> None:
        super().__init__(writer, **options)
        self._reader = reader

    async def _read(self, size: int) -> None:
        self.push(await self._reader.read(max(size, 1)) or None)

    def _final(self, callback: Callable[..., None]) -> None:
        if self._writer.can_write_eof():  # else the end of our side is that of the connection, which is still read
            self._writer.write_eof()
        callback()


# ---- out of streams

LINE_BYTES: Final = 64 * 1024  # the longest line that readline() finds, at least: asyncio's own limit


def to_reader(stream: Readable) -> asyncio.StreamReader:
    """See Readable.to_stream_reader()."""
    mark = 0 if stream.readable_object_mode else stream.readable_high_water_mark
    reader = asyncio.StreamReader(limit=max(mark, LINE_BYTES), loop=get_loop())
    valve = _Valve(stream)
    reader.set_transport(valve)
    stream.on("data", lambda chunk: reader.feed_data(chunk.encode() if isinstance(chunk, str) else bytes(chunk)))

    def on_finished(error: BaseException | None) -> None:
        if error is None:
            reader.feed_eof()
        else:
            reader.set_exception(_as_exception(error))
        if stream.destroyed:
            valve.let_go()
        else:
            stream.once("close", valve.let_go)

    watch(stream, on_finished, writable=False)
    return reader


class _Valve(asyncio.ReadTransport):
    """What a StreamReader pauses when it holds enough."""

    def __init__(self, stream: Readable) -> None:
        super().__init__()
        self._stream: Readable | None = stream  # None once it is closed

    def let_go(self, *_: object) -> None:
        self._stream = None

    def pause_reading(self) -> None:
        if self._stream is not None:
            self._stream.pause()

    def resume_reading(self) -> None:
        if self._stream is not None:
            self._stream.resume()

    def is_closing(self) -> bool:
        return self._stream is None or self._stream.destroyed

    def close(self) -> None:
        if self._stream is not None:
            self._stream.destroy()


def to_writer(stream: Writable) -> asyncio.StreamWriter:
    """An asyncio.StreamWriter that writes to the stream: drain() waits for its 'drain', close() ends it."""
    loop = get_loop()
    protocol = asyncio.streams.FlowControlMixin(loop=loop)
    closed = loop.create_future()
    protocol._get_close_waiter = lambda _: closed  # type: ignore[attr-defined]  # what StreamWriter.wait_closed() asks for

    def on_finished(error: BaseException | None) -> None:
        protocol.connection_lost(None if error is None else _as_exception(error))
        if not closed.done():
            closed.set_result(None)

    watch(stream, on_finished, readable=False)
    outlet = _Outlet(stream, protocol)
    stream.on("drain", Weakly(outlet, "on_drain"))
    return asyncio.StreamWriter(outlet, protocol, None, loop)


class _Outlet(asyncio.WriteTransport):
    """What a StreamWriter writes to."""

    def __init__(self, stream: Writable, protocol: Any) -> None:
        super().__init__()
        self._stream = stream
        self._protocol = protocol
        self._is_paused = False

    def write(self, data: Any) -> None:
        if not self._stream.write(data) and not self._is_paused and self._stream.writable_need_drain:
            self._is_paused = True
            self._protocol.pause_writing()

    def on_drain(self) -> None:
        if self._is_paused:
            self._is_paused = False
            self._protocol.resume_writing()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._stream.end()

    def close(self) -> None:
        if not self._stream.writable_ended:
            self._stream.end()

    def abort(self) -> None:
        self._stream.destroy()

    def is_closing(self) -> bool:
        return self._stream.writable_ended or self._stream.destroyed

    def get_write_buffer_size(self) -> int:
        return self._stream.writable_length


def _as_exception(error: BaseException) -> Exception:
    return error if isinstance(error, Exception) else ConnectionResetError(str(error))
