"""Streams of file objects: Readable.from_(file), Writable.from_(file).

Invariants: a file is read and written by threads of lane 2, one call at a time, and closed with its stream. Not here: file
objects of streams (_thread_files.py), files by name (treadle.fs).
"""

import asyncio
import io
import os
import stat
from collections.abc import Callable
from typing import Any

from treadle._native.sendfile import send_file
from treadle.loop.current import get_loop
from treadle.pool import pool_of
from treadle.streams._readable import Readable
from treadle.streams._tasks import call_back_after
from treadle.streams._writable import Writable

__all__ = ["from_file", "into_file", "is_file", "is_writable_file"]


def is_file(thing: object) -> bool:
    """Whether it can be read like a file: open(), BytesIO, a pipe of subprocess, a temporary file."""
    return callable(getattr(thing, "read", None)) and callable(getattr(thing, "close", None))


def is_writable_file(thing: object) -> bool:
    """Whether it can be written like one."""
    return callable(getattr(thing, "write", None)) and callable(getattr(thing, "close", None))


# ---- reading


def from_file(file: Any, **options: Any) -> Readable:
    """What a file object gives: bytes, or text if that is what it has. A handle of treadle.fs makes a stream of its own."""
    make = getattr(file, "create_read_stream", None)
    return _FileSource(file, **options) if make is None else make(**options)


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
        call_back_after(_close_file(self._file, self._step), lambda failure=None: callback(error if failure is None else failure))


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


def into_file(file: Any, **options: Any) -> Writable:
    """A stream that writes to a file object, or that of a handle of treadle.fs."""
    make = getattr(file, "create_write_stream", None)
    return FileSink(file, **options) if make is None else make(**options)


class FileSink(Writable):
    """A stream that writes to a file object: bytes, or text if that is what it takes."""

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
        call_back_after(_close_file(self._file, self._step), lambda failure=None: callback(error if failure is None else failure))


def _write_all(file: Any, chunk: Any) -> None:
    # An unbuffered file may take less.
    while len(chunk):
        taken = file.write(chunk)
        if taken is None or taken >= len(chunk):
            return
        chunk = chunk[taken:]
