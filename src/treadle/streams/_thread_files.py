"""File objects of streams, for code that wants one and runs in another thread: tarfile, csv, zipfile.

    readable.to_file()             each read waits, in that thread, for the stream
    writable.to_writable_file()    each write waits there while the stream is full

Invariant: the loop's thread never waits. Not here: streams of file objects (_file_bridge.py).
"""

import asyncio
import contextlib
import io
from typing import Any

from treadle._base.errors import TreadleError
from treadle.loop.current import get_loop
from treadle.streams._finished import finished
from treadle.streams._readable import Readable
from treadle.streams._writable import Writable

__all__ = ["to_file", "to_writable_file"]


def to_file(stream: Readable) -> io.BufferedReader:
    """A file object that reads the stream, for another thread than the loop's: each read waits there."""
    return io.BufferedReader(_ReadingThread(stream, get_loop()))


def to_writable_file(stream: Writable) -> io.BufferedWriter:
    """A file object that writes to the stream, for another thread than the loop's: it waits there while the stream is full."""
    return _WritableFile(_WritingThread(stream, get_loop()))


class _OtherThread(io.RawIOBase):
    def __init__(self, stream: Any, loop: Any) -> None:
        self._stream = stream
        self._loop = loop

    def _is_on_loop(self) -> bool:
        return asyncio._get_running_loop() is self._loop

    def require_other_thread(self) -> None:
        if self._is_on_loop():
            raise TreadleError("ERR_INVALID_STATE", state="a file made of a stream blocks, and the loop's thread may not")

    def _wait(self, step: Any) -> Any:
        try:
            self.require_other_thread()
            outcome = asyncio.run_coroutine_threadsafe(step, self._loop)
        except (TreadleError, RuntimeError):  # the latter: the loop is closed
            step.close()
            raise
        return outcome.result()


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
            with contextlib.suppress(RuntimeError):  # the loop is closed: nothing is left to be destroyed
                self._loop.call_soon_threadsafe(self._stream.destroy)


class _WritableFile(io.BufferedWriter):
    raw: "_WritingThread"

    def write(self, data: Any, /) -> int:
        self.raw.require_other_thread()  # also where the buffer would take it: its last bytes could not be written
        return super().write(data)


class _WritingThread(_OtherThread):
    def __init__(self, stream: Any, loop: Any) -> None:
        super().__init__(stream, loop)
        self._error: BaseException | None = None  # what was lost: its reader must not see a clean end

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        try:
            self._wait(self._write(bytes(data)))
        except BaseException as error:
            self._error = error
            raise
        if isinstance(self._error, TreadleError):  # refused before anything was written: the buffer has kept it until now
            self._error = None
        return len(data)

    async def _write(self, data: bytes) -> None:
        await self._stream.ready()
        self._stream.write(data)

    def close(self) -> None:
        if self.closed:
            return
        super().close()
        if self._loop.is_closed():  # nothing is left to be ended; of what the buffer had still, its flush has told
            return
        if not self._is_on_loop():
            self._wait(self._end())
        elif self._error is not None:
            self._stream.destroy(self._error)
        elif not self._stream.writable_ended:  # the last reference to it has gone there
            self._stream.end()

    async def _end(self) -> None:
        if self._error is not None:
            self._stream.destroy(self._error)
        elif not self._stream.writable_ended:
            self._stream.end()
        await finished(self._stream, readable=False)
