"""What streams over a file have in common: its handle, opened by the construct hook and closed by the destroy hook.

    OPENING ──opened──► OPEN ──through, or destroyed──► CLOSING, behind the job under way ──► CLOSED
       └──it cannot be opened──► destroyed with that error

Invariants: at most one job of a stream is under way; the handle is closed once, when the stream is destroyed, also where it was
given. What a stream has opened and may close, its loop's end closes.
Not here: reading (_read_stream.py), writing (_write_stream.py). Source: Node, fs.ReadStream and fs.WriteStream.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from weakref import WeakSet

from treadle._base.errors import TreadleError
from treadle.events import AbortSignal
from treadle.events.abort import require_signal
from treadle.fs._arguments import flags_of, mode_of
from treadle.fs._file_handle import FileHandle
from treadle.fs._opening import open as open_file
from treadle.fs._starting import Path, start_transfer, text_of
from treadle.loop.current import get_loop
from treadle.loop.event_loop import EventLoop
from treadle.streams._abort import heed

__all__ = ["FileStream"]

PACKAGE: Final = "fs.streams"


class FileStreams:
    """Those of a loop. A Companion of it: whatever they have open, and whoever knows of them, is to go with it."""

    def __init__(self) -> None:
        self.streams: WeakSet[FileStream] = WeakSet()

    def drop_waiting(self) -> None:
        """See Companion. Tasks may still work with them."""

    def forked(self) -> None:
        """See Companion. The child goes on with its own copies of the descriptors."""

    def abandon(self) -> None:
        """See Companion."""
        for stream in tuple(self.streams):
            stream._abandon()


def streams_of(loop: EventLoop) -> WeakSet[FileStream]:
    """Of this loop."""
    found = loop.companions.get(PACKAGE)
    if not isinstance(found, FileStreams):
        found = loop.companions[PACKAGE] = FileStreams()
    return found.streams


class FileStream:
    """Mixed into a Readable and a Writable."""

    _handle: FileHandle | None  # None: not open yet, or not any more
    _closes: bool  # it has opened the file, and its end, or an error, closes it; else that is its user's
    _signal: AbortSignal | None
    _forget_signal: Callable[[], None] | None = None
    _is_working: bool  # a job is under way; set where it begins, cleared by _has_worked()
    _behind_work: Callable[[], object] | None  # the rest of a destroy hook that has met one

    destroyed: bool
    closed: bool
    emit: Callable[..., bool]

    def _take_file(
        self, path: Path | FileHandle, flags: str | int, mode: int | str, auto_close: bool, signal: AbortSignal | None
    ) -> None:
        # ORDER: before the stream is one, since all of this may raise.
        if signal is not None:
            require_signal(signal, "signal")
        self._signal = signal
        self._closes = auto_close and not isinstance(path, FileHandle)
        self._is_working = False
        self._behind_work = None
        if isinstance(path, FileHandle):
            path._require_open()
            self._handle, self._path = path, path.path
        else:
            self._handle, self._path = None, text_of(path)
            self._how = flags_of(flags), mode_of(mode)
            if (b"\0" if isinstance(self._path, bytes) else "\0") in self._path:  # type: ignore[operator]
                raise ValueError("embedded null byte")

    def _is_made(self) -> None:
        # ORDER: behind all that may raise, since close() of the handle calls its streams.
        if self._handle is not None:
            self._handle._add_stream(self)
        streams_of(get_loop()).add(self)
        if self._signal is not None:
            self._forget_signal = heed(self._signal, self)

    def _abandon(self) -> None:
        # Its loop is closed.
        if self._forget_signal is not None:
            self._forget_signal()
        if self._handle is not None and self._closes:
            self._handle._close_at_once()

    @property
    def path(self) -> str | bytes:
        """What is read, or written."""
        return self._path

    @property
    def fd(self) -> int | None:
        """The number of the descriptor; None while it is not open."""
        return None if self._handle is None else self._handle.fd

    @property
    def pending(self) -> bool:
        """Whether it is still to be opened, or closed by now. 'ready' tells."""
        return self._handle is None

    # ---- hooks

    def _construct(self, callback: Callable[..., None]) -> None:
        if self._handle is not None:  # it was given
            callback()
            return
        flags, mode = self._how

        def opened(error: OSError | None, handle: FileHandle | None) -> None:
            if error is not None or handle is None:
                callback(error)
                return
            self._handle = handle
            callback()
            self.emit("open", handle.fd)
            self.emit("ready")

        try:
            open_file(self._path, flags, mode, opened)
        except TreadleError as error:  # ERR_POOL_SATURATED
            callback(error)

    def _work(
        self,
        operation: str,
        callback: Callable[[Any, Any], object],
        position: int = -1,
        *,
        size: int = -1,
        data: list[Any] | None = None,
    ) -> None:
        # A job of the handle's, also while its close() waits for this stream. It is called back in any case, be it at once: the
        # pool is full, or the file was closed.
        handle = self._handle
        assert handle is not None
        self._is_working = True
        try:
            start_transfer(operation, callback, handle._descriptor, handle._path, position, size, data)
        except ValueError:
            callback(handle._was_closed(), None)
        except (OSError, TreadleError) as error:
            callback(error, None)

    def _has_worked(self) -> None:
        self._is_working = False
        behind, self._behind_work = self._behind_work, None
        if behind is not None:
            behind()

    def _close_file(self, error: BaseException | None, callback: Callable[..., None]) -> None:
        # The destroy hook. ORDER: behind the job under way, as in Node.
        if self._is_working:
            self._behind_work = lambda: self._close_file(error, callback)
            return
        handle, self._handle = self._handle, None
        if handle is None:
            callback(error)
            return
        handle._drop_stream(self)
        handle.close(lambda failure, _: callback(error if failure is None else failure))
