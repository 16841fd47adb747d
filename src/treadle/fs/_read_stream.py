"""A file, read as a stream. Source: Node, fs.createReadStream and fs.ReadStream.

Invariants: one read is under way at most, of one chunk, so that memory is bounded by the mark; in a pipeline to a socket the
kernel moves the bytes where it can (streams/_zero_copy.py). Not here: opening and closing (_file_stream.py).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import Any, Final

from treadle._base.errors import TreadleError
from treadle._native.sendfile import send_file
from treadle.fs._arguments import INT64_MAX, in_range
from treadle.fs._file_handle import READ_BYTES_MAX, FileHandle
from treadle.fs._file_stream import FileStream
from treadle.fs._starting import Path
from treadle.loop.current import get_loop
from treadle.pool import pool_of
from treadle.streams import Readable

__all__ = ["MARK_BYTES", "ReadStream"]

MARK_BYTES: Final = 64 * 1024  # one chunk; Node


class ReadStream(FileStream, Readable):  # type: ignore[misc]  # a hook that is there, or not
    """Made by create_read_stream(). Events: 'open' (the descriptor), 'ready', and a Readable's."""

    bytes_read: int = 0

    def __init__(
        self,
        path: Path | FileHandle,
        flags: str | int,
        mode: int | str,
        start: int | None,
        end: int | None,
        auto_close: bool,
        options: dict[str, Any],
    ) -> None:
        self._position = None if start is None else in_range(start, "start", 0, INT64_MAX)
        self._end = None if end is None else in_range(end, "end", 0, INT64_MAX)
        if start is not None and end is not None and start > end:
            raise TreadleError("ERR_OUT_OF_RANGE", name="start", expected=f"at most {end}, which is the end", received=start)
        mark = options["high_water_mark"]
        if isinstance(mark, int) and mark >= 0:  # else Readable says what is wrong with it
            in_range(mark, "high_water_mark", 1, READ_BYTES_MAX)  # of 0 no byte would ever come, as in Node
        self._move_in: Any = None
        self._take_file(path, flags, mode, auto_close, options.pop("signal"))
        super().__init__(auto_destroy=auto_close, **options)
        self._is_made()

    def close(self, callback: Callable[..., object] | None = None) -> None:
        """Destroy the stream, and so close the file. callback(): behind 'close'."""
        if callback is not None:
            if self.closed:
                get_loop().next_tick(callback)
            else:
                self.once("close", callback)
        self.destroy()

    def _left(self) -> int | None:
        # How many bytes are still to be read; None: to the end of the file.
        if self._end is None:
            return None
        return max(self._end + 1 - (self.bytes_read if self._position is None else self._position), 0)

    # ---- hooks

    def _read(self, size: int) -> None:
        if self._move_in is not None:
            return  # the kernel reads
        left = self._left()
        if left is not None:
            size = min(size, left)
        if size <= 0 or self._handle is None:
            self.push(None)
            return
        self._work("read", self._on_read, -1 if self._position is None else self._position, size=size)

    def _on_read(self, error: OSError | None, data: bytes | None) -> None:
        self._has_worked()
        if self.destroyed:
            return
        if error is not None:
            self._fail(error)
        elif data:
            self._has_moved(len(data))
            self.push(data)
        else:
            self.push(None)

    def _has_moved(self, size: int) -> None:
        if self._position is not None:
            self._position += size
        self.bytes_read += size

    def _destroy(self, error: BaseException | None, callback: Callable[..., None]) -> None:
        if self._move_in is not None:
            self._move_in.interrupt()
        self._close_file(error, callback)

    # ---- zero copy: see streams/_zero_copy.py

    @property
    def _opens_by(self) -> str | None:
        return "ready" if self._handle is None and not self.destroyed else None

    def _zero_copy_source(self) -> bool:
        return (
            not self._is_working
            and self._supply() == "SUPPLYING"
            and self.readable
            and self.readable_encoding is None
            and not any(map(self.listener_count, ("data", "readable", "pause", "resume")))
            and (self._handle is None or stat.S_ISREG(os.fstat(self._handle.fd).st_mode))
        )

    def _await_zero_copy(self) -> None:
        pass  # see _read()

    def _begin_zero_copy(self, stream: Any, callback: Callable[..., object]) -> Any:
        assert self._handle is not None
        fd, left = self._handle.fd, self._left()
        offset = os.lseek(fd, 0, os.SEEK_CUR) if self._position is None else self._position
        return send_file(pool_of(get_loop()), stream, fd, callback, offset=offset, size=-1 if left is None else left)

    def _end_zero_copy(self, moved: int, *, is_complete: bool) -> None:
        if self._handle is None:
            return
        if self._position is None:
            os.lseek(self._handle.fd, moved, os.SEEK_CUR)
        self._has_moved(moved)
        if is_complete:
            self.push(None)
        else:
            self._read(self.readable_high_water_mark)

    def _heard(self, event: Any) -> None:
        if self._move_in is not None:
            self._move_in.interrupt()
        super()._heard(event)
