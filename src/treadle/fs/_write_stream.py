"""A file, written as a stream. Source: Node, fs.createWriteStream and fs.WriteStream.

Invariants: one write is under way at most; chunks that wait meanwhile go together. Not one byte is counted that the kernel has
not taken. Not here: opening and closing (_file_stream.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from treadle._base.errors import TreadleError
from treadle.fs._arguments import INT64_MAX, in_range
from treadle.fs._file_handle import VIEWS_MAX, FileHandle
from treadle.fs._file_stream import FileStream
from treadle.fs._starting import Path
from treadle.loop.current import get_loop
from treadle.streams import Writable

__all__ = ["WriteStream"]


class WriteStream(FileStream, Writable):  # type: ignore[misc]  # a hook that is there, or not
    """Made by create_write_stream(). Events: 'open' (the descriptor), 'ready', and a Writable's."""

    bytes_written: int = 0
    _under_way: tuple[list[Any], Callable[..., None]] | None = None  # what is being written, and who hears when all of it is

    def __init__(
        self,
        path: Path | FileHandle,
        flags: str | int,
        mode: int | str,
        start: int | None,
        flush: bool,
        auto_close: bool,
        options: dict[str, Any],
    ) -> None:
        self._position = None if start is None else in_range(start, "start", 0, INT64_MAX)
        if not isinstance(flush, bool):
            raise TreadleError("ERR_INVALID_ARG_TYPE", name="flush", expected="a bool", received=type(flush).__name__)
        self._is_flushed = flush
        self._take_file(path, flags, mode, auto_close, options.pop("signal"))
        super().__init__(auto_destroy=auto_close, **options)
        self._is_made()

    def close(self, callback: Callable[..., object] | None = None) -> None:
        """End the stream: what was written is written, then the file is closed, whatever auto_close says, also where a write
        fails. callback(): behind 'close'."""
        if callback is not None:
            if self.closed:
                get_loop().next_tick(callback)
                return
            self.once("close", callback)
        if self.writable_finished or self.errored is not None:
            self.destroy()
            return
        self._destroy_when_through()
        if not self.writable_ended:
            self.end()

    # ---- hooks

    def _write(self, chunk: Any, encoding: str, callback: Callable[..., None]) -> None:
        self._write_all([chunk], callback)

    def _writev(self, requests: list[dict[str, Any]], callback: Callable[..., None]) -> None:
        self._write_all([request["chunk"] for request in requests], callback)

    def _write_all(self, chunks: list[Any], callback: Callable[..., None]) -> None:
        # Of any number of chunks. What a write leaves over the next one takes, or says why it cannot.
        if self._handle is None:
            callback(TreadleError("ERR_STREAM_DESTROYED", operation="write"))
            return
        chunks = list(filter(len, chunks))
        if not chunks:
            callback()
            return
        self._under_way = chunks, callback
        self._work("write", self._on_written, -1 if self._position is None else self._position, data=chunks[:VIEWS_MAX])

    def _on_written(self, error: OSError | None, count: int | None) -> None:
        assert self._under_way is not None
        (chunks, callback), self._under_way = self._under_way, None
        rest: list[Any] = []
        if error is None:
            rest = self._has_written(chunks, count or 0)
        self._has_worked()
        if error is not None:
            callback(error)
        elif not rest:
            callback()
        elif self.destroyed:
            callback(TreadleError("ERR_STREAM_DESTROYED", operation="write"))
        else:
            self._write_all(rest, callback)

    def _has_written(self, chunks: list[Any], count: int) -> list[Any]:
        # What is left of them.
        self.bytes_written += count
        if self._position is not None:
            self._position += count
        if count == sum(map(len, chunks)):
            return []
        for index, chunk in enumerate(chunks):
            if count < len(chunk):
                return [memoryview(chunk)[count:], *chunks[index + 1 :]] if count else chunks[index:]
            count -= len(chunk)
        return []

    def _destroy(self, error: BaseException | None, callback: Callable[..., None]) -> None:
        if self._is_working:
            self._behind_work = lambda: self._destroy(error, callback)
        elif self._is_flushed and self._handle is not None:  # COMPAT(node): also behind an error
            self._work("fsync", lambda failure, _: self._synchronised(error or failure, callback))
        else:
            self._close_file(error, callback)

    def _synchronised(self, error: BaseException | None, callback: Callable[..., None]) -> None:
        self._has_worked()
        self._close_file(error, callback)
