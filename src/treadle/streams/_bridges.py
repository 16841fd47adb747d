"""Streams of what is not a stream: asyncio's readers and writers, file objects; and the other way round.

    into streams   Readable.from_(reader | file), Writable.from_(writer | file)
    out of them    readable.to_stream_reader(), writable.to_stream_writer(), readable.to_file(),
                   writable.to_writable_file()

Invariants: back-pressure crosses in both directions; a file is read and written by threads of lane 2, one call at a time, and
closed with its stream. Not here: iterables (_from.py), sockets (treadle.net).
"""

import asyncio
import io
import os
import stat
from collections.abc import Callable
from typing import Any, Final

from treadle._base.errors import TreadleError
from treadle._native.sendfile import send_file
from treadle.loop.current import get_loop
from treadle.loop.pool import pool_of
from treadle.streams._duplex import Duplex
from treadle.streams._finished import watch
from treadle.streams._readable import Readable
from treadle.streams._writable import Writable

__all__ = [
    "ReaderWriter", "from_file", "from_reader", "is_file", "to_file", "to_reader", "to_writable_file", "to_writer", "writable_of",
]  # fmt: skip


def is_file(thing: object) -> bool:
    """Whether it can be read like a file: open(), BytesIO, a pipe of subprocess, a temporary file."""
    return callable(getattr(thing, "read", None)) and callable(getattr(thing, "close", None))


def _call(step: Any, callback: Callable[..., None]) -> None:
    """Await a coroutine, then call back with its error, or None."""

    async def run() -> None:
        try:
            await step
        except Exception as error:
            callback(error)
        else:
            callback()

    get_loop().begin_task(run())


# ---- reading


def from_reader(reader: asyncio.StreamReader, **options: Any) -> Readable:
    """What an asyncio.StreamReader receives."""

    async def read(size: int) -> None:
        stream.push(await reader.read(max(size, 1)) or None)

    stream = Readable(read=read, **options)
    return stream


def from_file(file: Any, **options: Any) -> Readable:
    """What a file object gives: bytes, or text if that is what it has."""
    return _FileSource(file, **options)


class _FileSource(Readable):
    def __init__(self, file: Any, **options: Any) -> None:
        if isinstance(file, io.TextIOBase):
            options = {"encoding": "utf8", **options}
        super().__init__(**options)
        self._file = file
        self._step: Any = None
        self._move_in: Any = None

    def _read(self, size: int) -> None:
        if self._move_in is not None:
            return  # the kernel reads
        self._step = get_loop().run_in_executor(None, self._file.read, max(size, 1))
        self._step.add_done_callback(self._on_read)

    def _on_read(self, step: Any) -> None:
        self._step = None
        if step.cancelled():
            return
        if (error := step.exception()) is not None:
            self.destroy(error)
        else:
            self.push(step.result() or None, "utf8" if isinstance(step.result(), str) else None)

    # -- zero copy: see _zero_copy.py

    def _zero_copy_source(self) -> bool:
        return (
            self._step is None
            and self._supply() == "SUPPLYING"
            and self.readable
            and self.readable_encoding is None
            and not any(map(self.listener_count, ("data", "readable", "pause", "resume")))
            and _is_regular(self._file)
        )

    def _await_zero_copy(self) -> None:
        pass  # see _read()

    def _begin_zero_copy(self, stream: Any, callback: Callable[..., object]) -> Any:
        return send_file(pool_of(get_loop()), stream, self._file.fileno(), callback, offset=self._file.tell())

    def _end_zero_copy(self, moved: int, *, is_complete: bool) -> None:
        try:
            self._file.seek(moved, os.SEEK_CUR)
        except (OSError, ValueError) as error:  # whoever has opened it has closed it
            self.destroy(error)
            return
        if is_complete:
            self.push(None)
        else:
            self._read(self.readable_high_water_mark)

    def _heard(self, event: Any) -> None:
        if self._move_in is not None:
            self._move_in.interrupt()
        super()._heard(event)

    def _destroy(self, error: BaseException | None, callback: Callable[..., None]) -> None:
        _call(_close_file(self._file, self._step), lambda failure=None: callback(error if failure is None else failure))


def _is_regular(file: Any) -> bool:
    # A file of open(..., "rb"), whose bytes are those of its descriptor. Others have one, too, and read
    # something else: a buffer over a GzipFile.
    try:
        raw = file.raw if type(file) is io.BufferedReader else file
        return type(raw) is io.FileIO and not raw.closed and stat.S_ISREG(os.fstat(raw.fileno()).st_mode)
    except (OSError, ValueError):
        return False


async def _close_file(file: Any, step: Any) -> None:
    # ORDER: after the call that a thread is in.
    if step is not None:
        await asyncio.wait((step,))
    await get_loop().run_in_executor(None, file.close)


# ---- writing


def writable_of(sink: Any, **options: Any) -> Writable:
    """A stream that writes to an asyncio.StreamWriter or a file object. Raises TreadleError: ERR_INVALID_ARG_TYPE."""
    if isinstance(sink, asyncio.StreamWriter):
        return _WriterSink(sink, **options)
    if callable(getattr(sink, "write", None)) and callable(getattr(sink, "close", None)):
        return _FileSink(sink, **options)
    raise TreadleError("ERR_INVALID_ARG_TYPE", name="sink", expected="a StreamWriter or a file", received=type(sink).__name__)


def _close_writer(writer: asyncio.StreamWriter, *, is_well: bool) -> None:
    # What it still holds is sent if all was written; else it is dropped, as what the stream holds, and drain() waits no longer.
    if is_well:
        writer.close()
    else:
        writer.transport.abort()


class _WriterSink(Writable):
    def __init__(self, writer: asyncio.StreamWriter, **options: Any) -> None:
        super().__init__(**options)
        self._writer = writer

    def _write(self, chunk: Any, encoding: str, callback: Callable[..., None]) -> None:
        self._writer.write(chunk)
        _call(self._writer.drain(), callback)

    def _final(self, callback: Callable[..., None]) -> None:
        if self._writer.can_write_eof():
            self._writer.write_eof()
            callback()
        else:
            self._writer.close()
            _call(self._writer.wait_closed(), callback)

    def _destroy(self, error: BaseException | None, callback: Callable[..., None]) -> None:
        _close_writer(self._writer, is_well=error is None and self.writable_finished)
        callback(error)


class ReaderWriter(Duplex):
    """An asyncio reader and writer of one connection: it is closed when both sides are through."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, **options: Any) -> None:
        super().__init__(**options)
        self._reader, self._writer = reader, writer

    async def _read(self, size: int) -> None:
        self.push(await self._reader.read(max(size, 1)) or None)

    def _write(self, chunk: Any, encoding: str, callback: Callable[..., None]) -> None:
        self._writer.write(chunk)
        _call(self._writer.drain(), callback)

    def _final(self, callback: Callable[..., None]) -> None:
        if self._writer.can_write_eof():
            self._writer.write_eof()
        callback()

    def _destroy(self, error: BaseException | None, callback: Callable[..., None]) -> None:
        _close_writer(self._writer, is_well=error is None and self.writable_finished)
        callback(error)


class _FileSink(Writable):
    def __init__(self, file: Any, **options: Any) -> None:
        self._is_text = isinstance(file, io.TextIOBase)
        super().__init__(decode_strings=not self._is_text, **options)
        self._file = file
        self._step: Any = None

    def _write(self, chunk: Any, encoding: str, callback: Callable[..., None]) -> None:
        if self._is_text and not isinstance(chunk, str):
            chunk = self._decode(chunk, "utf8")
        self._start(_write_all, callback, self._file, chunk)

    def _final(self, callback: Callable[..., None]) -> None:
        self._start(getattr(self._file, "flush", bool), callback)

    def _start(self, call: Callable[..., object], callback: Callable[..., None], *arguments: Any) -> None:
        self._step = get_loop().run_in_executor(None, call, *arguments)
        self._step.add_done_callback(lambda step: self._on_done(step, callback))

    def _on_done(self, step: Any, callback: Callable[..., None]) -> None:
        self._step = None
        if not step.cancelled():
            callback(step.exception())

    def _destroy(self, error: BaseException | None, callback: Callable[..., None]) -> None:
        _call(_close_file(self._file, self._step), lambda failure=None: callback(error if failure is None else failure))


def _write_all(file: Any, chunk: Any) -> None:
    # An unbuffered file may take less.
    while len(chunk):
        taken = file.write(chunk)
        if taken is None or taken >= len(chunk):
            return
        chunk = chunk[taken:]


# ---- out of streams: asyncio

LINE_BYTES: Final = 64 * 1024  # the longest line that readline() finds, at least: asyncio's own limit


def to_reader(stream: Readable) -> asyncio.StreamReader:
    """See Readable.to_stream_reader()."""
    mark = 0 if stream.readable_object_mode else stream.readable_high_water_mark
    reader = asyncio.StreamReader(limit=max(mark, LINE_BYTES), loop=get_loop())
    reader.set_transport(_Valve(stream))
    stream.on("data", lambda chunk: reader.feed_data(chunk.encode() if isinstance(chunk, str) else bytes(chunk)))

    def on_finished(error: BaseException | None) -> None:
        if error is None:
            reader.feed_eof()
        else:
            reader.set_exception(_as_exception(error))

    watch(stream, on_finished, writable=False)
    return reader


class _Valve(asyncio.ReadTransport):
    """What a StreamReader pauses when it holds enough."""

    def __init__(self, stream: Readable) -> None:
        super().__init__()
        self._stream = stream

    def pause_reading(self) -> None:
        self._stream.pause()

    def resume_reading(self) -> None:
        self._stream.resume()

    def is_closing(self) -> bool:
        return self._stream.destroyed

    def close(self) -> None:
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
    stream.on("drain", outlet.on_drain)
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


# ---- out of streams: files, for the threads of libraries that want one


def to_file(stream: Readable) -> io.BufferedReader:
    """A file object that reads the stream, for another thread than the loop's: each read waits there."""
    return io.BufferedReader(_ReadingThread(stream, get_loop()))


def to_writable_file(stream: Writable) -> io.BufferedWriter:
    """A file object that writes to the stream, for another thread than the loop's: it waits there while the stream is full."""
    return io.BufferedWriter(_WritingThread(stream, get_loop()))


class _OtherThread(io.RawIOBase):
    def __init__(self, stream: Any, loop: Any) -> None:
        self._stream = stream
        self._loop = loop

    def _is_on_loop(self) -> bool:
        return asyncio._get_running_loop() is self._loop

    def _wait(self, step: Any) -> Any:
        if self._is_on_loop():
            step.close()
            raise TreadleError("ERR_INVALID_STATE", state="a file made of a stream blocks, and the loop's thread may not")
        return asyncio.run_coroutine_threadsafe(step, self._loop).result()


class _ReadingThread(_OtherThread):
    def __init__(self, stream: Any, loop: Any) -> None:
        super().__init__(stream, loop)
        self._chunks = aiter(stream)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            chunk = self._wait(self._next())
            if chunk is None:
                return 0
            self._rest = memoryview(chunk.encode() if isinstance(chunk, str) else chunk)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    async def _next(self) -> Any:
        return await anext(self._chunks, None)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._loop.call_soon_threadsafe(self._stream.destroy)


class _WritingThread(_OtherThread):
    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._wait(self._write(bytes(data)))
        return len(data)

    async def _write(self, data: bytes) -> None:
        await self._stream.ready()
        self._stream.write(data)

    def close(self) -> None:
        if self.closed:
            return
        super().close()
        if not self._is_on_loop():
            self._wait(self._end())
        elif not self._stream.writable_ended:  # the last reference to it has gone there
            self._stream.end()

    async def _end(self) -> None:
        from treadle.streams._finished import finished

        if not self._stream.writable_ended:
            self._stream.end()
        await finished(self._stream, readable=False)
