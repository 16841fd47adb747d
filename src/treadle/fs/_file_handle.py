"""An open file: what open() gives. Source: Node, "Class: FileHandle".

Invariants: what is under way when close() is called is let through first, as in Node; the descriptor is closed once, and not
while a thread is inside a call on it, even if nobody waits for that call any more. Not here: streams over a file
(_streaming.py).
"""

from __future__ import annotations

import asyncio
import errno
import sys
import warnings
from collections.abc import AsyncGenerator, Callable, Sequence
from contextvars import Context, copy_context
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, overload
from weakref import WeakSet, ref

from treadle._base.arguments import require_callable
from treadle._base.errors import TreadleError
from treadle._native.file_facts import Stats
from treadle._native.open_files import Descriptor
from treadle.events import AbortSignal
from treadle.fs._arguments import (
    Data,
    Time,
    bytes_of,
    id_of,
    in_range,
    length_of,
    mode_of,
    position_of,
    text_maker,
    time_ns_of,
)  # fmt: skip
from treadle.fs._starting import AbortableCallback, Callback, start
from treadle.loop.current import get_loop

if TYPE_CHECKING:
    from treadle.fs._read_stream import ReadStream
    from treadle.fs._write_stream import WriteStream
    from treadle.streams._block import OuterBlock

__all__ = ["FileHandle"]

READ_BYTES: Final = 16 * 1024  # of a read() that names no size; Node
READ_BYTES_MAX: Final = 2**31 - 1  # of one read; Node
VIEWS_MAX: Final = 1024  # buffers of one call; IOV_MAX of Linux
LINE_LENGTH_MAX: Final = 16 * 1024 * 1024  # characters; a line that long is none, and would only fill the memory


class FileHandle:
    """An open file. Made by open(); `async with` closes it. Its positions are in bytes; None is where the file stands.

    Each method begins at once, and returns a future, or with a callback None; callback(error, result) comes in the poll phase.
    Errors are OSError with errno, strerror and the path as filename. Raised at once: OSError EBADF where it was closed,
    TypeError, BufferError (memory that is read-only, or in pieces), and TreadleError (ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE,
    ERR_POOL_SATURATED, ERR_NO_LOOP). Cancelling a future drops the result, and the operation if no thread has taken it. Several
    reads or writes without a position may be done in any order: await one before the next. Use it in the loop's thread only.
    """

    def __init__(self) -> None:
        raise TreadleError("ERR_ILLEGAL_CONSTRUCTOR", name="FileHandle", hint="await fs.open(path) gives one")

    _descriptor: Descriptor
    _path: str | bytes
    _streams: WeakSet[Any] | None  # that read or write it: closed before it is
    _waiting: list[Callable[[OSError | None, None], object]] | None  # None: close() was not called yet
    _blocks: list[OuterBlock] | None  # of the streams made in its block; None: it is in none
    _task_of: Callable[[], Any]  # the one whose block it is

    @classmethod
    def _over(cls, descriptor: Descriptor, path: str | bytes) -> Self:
        handle = cls.__new__(cls)
        handle._descriptor = descriptor
        handle._path = path
        handle._waiting = None
        handle._streams = None
        handle._blocks = None
        return handle

    def __repr__(self) -> str:
        state = "closing" if self._waiting is not None else f"fd={self.fd}" if self.fd >= 0 else "closed"
        return f"<FileHandle {state} {self._path!r}>"

    def __del__(self) -> None:
        if hasattr(self, "_descriptor") and self.fd >= 0 and self._waiting is None:
            warnings.warn(f"never closed: {self!r}. Use async with, or await close()", ResourceWarning, stacklevel=2, source=self)

    async def __aenter__(self) -> Self:
        if self._blocks is None:
            self._blocks = []
            task = asyncio.current_task()
            self._task_of = ref(task) if task is not None else lambda: None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it, behind what its streams still have to write. Raises, behind a block that has not failed, the first that one
        of them has failed with and that was not raised in the block; behind one that has failed that is the context of its
        exception."""
        blocks, self._blocks = self._blocks, None
        if not blocks:
            await self.close()
            return
        from treadle.streams._block import first_failure, note_raised, raise_over

        before = first_failure(blocks)
        try:
            await self.close()
            failure = first_failure(blocks)
        except BaseException as reason:  # cancelled, or the system cannot close it
            raise_over(reason, first_failure(blocks))
            raise
        finally:
            for block in blocks:
                block.left()
        if error is not None:
            raise_over(error, before)
        elif failure is not None:
            note_raised(failure)
            del self, blocks, before  # its error keeps this frame
            try:
                raise failure
            finally:
                del failure

    @property
    def fd(self) -> int:
        """The number of its descriptor; -1 once it is closed. It stays the handle's."""
        return self._descriptor.fd

    @property
    def path(self) -> str | bytes:
        """What it was opened by."""
        return self._path

    # ---- reading

    @overload
    def read(
        self, buffer: int = READ_BYTES, offset: int = 0, length: int | None = None, position: int | None = None,
        callback: None = None,
    ) -> asyncio.Future[bytes]: ...  # fmt: skip
    @overload
    def read(
        self, buffer: int = READ_BYTES, offset: int = 0, length: int | None = None, position: int | None = None, *,
        callback: Callback[bytes],
    ) -> None: ...  # fmt: skip
    @overload
    def read(
        self, buffer: bytearray | memoryview, offset: int = 0, length: int | None = None, position: int | None = None,
        callback: None = None,
    ) -> asyncio.Future[int]: ...  # fmt: skip
    @overload
    def read(
        self, buffer: bytearray | memoryview, offset: int = 0, length: int | None = None, position: int | None = None, *,
        callback: Callback[int],
    ) -> None: ...  # fmt: skip
    def read(
        self,
        buffer: Any = READ_BYTES,
        offset: int = 0,
        length: int | None = None,
        position: int | None = None,
        callback: Callback[Any] | None = None,
    ) -> Any:
        """Read up to so many bytes: read(4096, position=0) gives them, b"" at the end of the file. Or read into a buffer, at
        `offset`, up to `length` bytes: that gives how many. A regular file gives fewer only at its end, a pipe whatever is there.

        With a position where the file stands does not move. The buffer cannot change its size meanwhile."""
        if isinstance(buffer, int):
            if not 0 <= buffer <= READ_BYTES_MAX:
                raise _no_size(buffer)
            size = in_range(buffer, "buffer", 0, READ_BYTES_MAX)
            if offset or length is not None:
                raise TreadleError(
                    "ERR_INVALID_ARG_VALUE", name="offset" if offset else "length", expected="left out without a buffer",
                    received=offset or length,
                )  # fmt: skip
            return self._start("read", callback, size=size, position=position_of(position))
        return self._start("read_into", callback, data=[_part(buffer, offset, length)], position=position_of(position))

    @overload
    def readv(
        self, buffers: Sequence[bytearray | memoryview], position: int | None = None, callback: None = None
    ) -> asyncio.Future[int]: ...
    @overload
    def readv(
        self, buffers: Sequence[bytearray | memoryview], position: int | None = None, *, callback: Callback[int]
    ) -> None: ...
    def readv(
        self, buffers: Sequence[bytearray | memoryview], position: int | None = None, callback: Callback[int] | None = None
    ) -> Any:
        """Read into one buffer after the other. The result is how many bytes."""
        return self._start("read_into", callback, data=_list_of(buffers), position=position_of(position))

    @overload
    def read_file(
        self, callback: None = None, *, encoding: None = None, signal: AbortSignal | None = None
    ) -> asyncio.Future[bytes]: ...
    @overload
    def read_file(self, callback: None = None, *, encoding: str, signal: AbortSignal | None = None) -> asyncio.Future[str]: ...
    @overload
    def read_file(self, callback: Callback[Any], *, encoding: str | None = None, signal: None = None) -> None: ...
    @overload
    def read_file(self, callback: AbortableCallback[Any], *, encoding: str | None = None, signal: AbortSignal) -> None: ...
    def read_file(self, callback: Any = None, *, encoding: str | None = None, signal: AbortSignal | None = None) -> Any:
        """All that there is from where the file stands, as bytes, or as text of an encoding of Node's (utf8 ...). At most
        2 GiB: OSError EFBIG. signal: aborted, it ends it with ABORT_ERR at once; where the file stands then is open."""
        return self._start("read_file", callback, signal, make=text_maker(encoding))

    # ---- writing

    @overload
    def write(
        self, data: Data, offset: int = 0, length: int | None = None, position: int | None = None, callback: None = None, *,
        encoding: str | None = None,
    ) -> asyncio.Future[int]: ...  # fmt: skip
    @overload
    def write(
        self, data: Data, offset: int = 0, length: int | None = None, position: int | None = None, *, callback: Callback[int],
        encoding: str | None = None,
    ) -> None: ...  # fmt: skip
    def write(
        self,
        data: Data,
        offset: int = 0,
        length: int | None = None,
        position: int | None = None,
        callback: Callback[int] | None = None,
        *,
        encoding: str | None = None,
    ) -> Any:
        """Write bytes, or text in an encoding of Node's (utf8); the result is how many bytes were written, which may be fewer:
        where the disk is full, the next write raises. Up to 512 KiB is one system call.

        With a position where the file stands does not move; a file opened by "a" is written to at its end all the same.
        write_file() writes all, or raises."""
        return self._start(
            "write", callback, data=[_part(bytes_of(data, encoding), offset, length)], position=position_of(position)
        )

    @overload
    def writev(
        self, buffers: Sequence[bytes | bytearray | memoryview], position: int | None = None, callback: None = None
    ) -> asyncio.Future[int]: ...
    @overload
    def writev(
        self, buffers: Sequence[bytes | bytearray | memoryview], position: int | None = None, *, callback: Callback[int]
    ) -> None: ...
    def writev(
        self,
        buffers: Sequence[bytes | bytearray | memoryview],
        position: int | None = None,
        callback: Callback[int] | None = None,
    ) -> Any:
        """Write one buffer after the other. As write()."""
        return self._start("write", callback, data=_list_of(buffers), position=position_of(position))

    @overload
    def write_file(
        self, data: Data, callback: None = None, *, encoding: str | None = None, flush: bool = False,
        signal: AbortSignal | None = None,
    ) -> asyncio.Future[None]: ...  # fmt: skip
    @overload
    def write_file(
        self, data: Data, callback: Callback[None], *, encoding: str | None = None, flush: bool = False, signal: None = None
    ) -> None: ...
    @overload
    def write_file(
        self, data: Data, callback: AbortableCallback[None], *, encoding: str | None = None, flush: bool = False,
        signal: AbortSignal,
    ) -> None: ...  # fmt: skip
    def write_file(
        self,
        data: Data,
        callback: Any = None,
        *,
        encoding: str | None = None,
        flush: bool = False,
        signal: AbortSignal | None = None,
    ) -> Any:
        """Write all of it from where the file stands, or raise. flush: until the disk has it (fsync). What stands behind it
        stays: see truncate(). signal: as fs.write_file's."""
        return self._start("write_file", callback, signal, data=[bytes_of(data, encoding)], is_flushed=flush)

    append_file = write_file

    # ---- streams

    def create_read_stream(self, **options: Any) -> ReadStream:
        """A Readable of the file, from where it stands or from a `start`; as create_read_stream(handle, ...). The handle is
        closed with the stream, and close() closes the stream."""
        from treadle.fs._streaming import create_read_stream

        return create_read_stream(self, **options)

    def create_write_stream(self, **options: Any) -> WriteStream:
        """A Writable to the file; as create_write_stream(handle, ...). Closed as by create_read_stream()."""
        from treadle.fs._streaming import create_write_stream

        return create_write_stream(self, **options)

    @overload
    def read_lines(
        self, *, encoding: str = "utf8", length_max: int = LINE_LENGTH_MAX, **options: Any
    ) -> AsyncGenerator[str, None]: ...
    @overload
    def read_lines(self, *, encoding: None, length_max: int = LINE_LENGTH_MAX, **options: Any) -> AsyncGenerator[bytes, None]: ...
    def read_lines(
        self, *, encoding: str | None = "utf8", length_max: int = LINE_LENGTH_MAX, **options: Any
    ) -> AsyncGenerator[Any, None]:
        """Its lines, for `async for`, without their ends (LF, CR LF, CR). The handle is closed behind the last one, or when the
        generator is closed. encoding: None gives bytes. options: as create_read_stream()'s. Raised at once: as by that;
        ERR_OUT_OF_RANGE (length_max). In the loop: OSError, TreadleError ERR_OUT_OF_RANGE (a line of more than length_max
        characters, or bytes)."""
        from treadle.fs._lines import lines_of

        in_range(length_max, "length_max", 1, sys.maxsize)
        return lines_of(self.create_read_stream(encoding=encoding, **options), length_max)

    # ---- the file itself

    @overload
    def stat(self, callback: None = None) -> asyncio.Future[Stats]: ...
    @overload
    def stat(self, callback: Callback[Stats]) -> None: ...
    def stat(self, callback: Callback[Stats] | None = None) -> Any:
        """What is known of it."""
        return self._start("stat", callback)

    @overload
    def truncate(self, length: int = 0, callback: None = None) -> asyncio.Future[None]: ...
    @overload
    def truncate(self, length: int = 0, *, callback: Callback[None]) -> None: ...
    def truncate(self, length: int = 0, callback: Callback[None] | None = None) -> Any:
        """Cut it to so many bytes, or fill it up with zeros to them."""
        return self._start("truncate", callback, size=length_of(length))

    @overload
    def sync(self, callback: None = None) -> asyncio.Future[None]: ...
    @overload
    def sync(self, callback: Callback[None]) -> None: ...
    def sync(self, callback: Callback[None] | None = None) -> Any:
        """Wait until the disk has what was written: fsync(2)."""
        return self._start("fsync", callback)

    @overload
    def datasync(self, callback: None = None) -> asyncio.Future[None]: ...
    @overload
    def datasync(self, callback: Callback[None]) -> None: ...
    def datasync(self, callback: Callback[None] | None = None) -> Any:
        """The same but for times and the like: fdatasync(2)."""
        return self._start("fdatasync", callback)

    @overload
    def chmod(self, mode: int | str, callback: None = None) -> asyncio.Future[None]: ...
    @overload
    def chmod(self, mode: int | str, callback: Callback[None]) -> None: ...
    def chmod(self, mode: int | str, callback: Callback[None] | None = None) -> Any:
        """Set its permissions: 0o640, or "640"."""
        return self._start("chmod", callback, mode=mode_of(mode))

    @overload
    def chown(self, uid: int, gid: int, callback: None = None) -> asyncio.Future[None]: ...
    @overload
    def chown(self, uid: int, gid: int, callback: Callback[None]) -> None: ...
    def chown(self, uid: int, gid: int, callback: Callback[None] | None = None) -> Any:
        """Set its user and group; -1: as it is."""
        return self._start("chown", callback, mode=id_of(uid, "uid"), group=id_of(gid, "gid"))

    @overload
    def utimes(self, atime: Time, mtime: Time, callback: None = None) -> asyncio.Future[None]: ...
    @overload
    def utimes(self, atime: Time, mtime: Time, callback: Callback[None]) -> None: ...
    def utimes(self, atime: Time, mtime: Time, callback: Callback[None] | None = None) -> Any:
        """Set when it was last read and changed: seconds since 1970, or datetimes."""
        return self._start("utimes", callback, atime_ns=time_ns_of(atime, "atime"), mtime_ns=time_ns_of(mtime, "mtime"))

    # ---- closing

    @overload
    def close(self, callback: None = None) -> asyncio.Future[None]: ...
    @overload
    def close(self, callback: Callback[None]) -> None: ...
    def close(self, callback: Callback[None] | None = None) -> Any:
        """Close it, behind the operations under way; what is begun from now on is refused. A second call waits for the same; of
        one that is closed already the callback is a microtask. Cancelling the future changes nothing: the file is closed.

        A thread that is stuck in an operation that was cancelled is not waited for: the descriptor goes when it comes back. Where
        there is no loop any more it is closed on the spot, before ERR_NO_LOOP is raised."""
        try:
            loop = get_loop()
        except TreadleError:  # ERR_NO_LOOP: nobody can wait for it
            self._close_at_once()
            raise
        future: asyncio.Future[None] | None = None
        if callback is None:
            future = loop.create_future()
            callback = _settler(future)
        else:
            require_callable(callback, "callback")
            in_context = _InContext(callback)
            in_context.context = copy_context()
            callback = in_context
        if self.fd < 0 and self._waiting is None:
            loop.call_soon(callback, None, None)
            return future
        if self._waiting is not None:
            self._waiting.append(callback)
            return future
        self._waiting = [callback]
        if self._streams:
            for stream in tuple(self._streams):
                stream.close()  # what was written to it is written first
        else:
            self._close_when_idle()
        return future

    def _close_when_idle(self) -> None:
        if self._descriptor.under_way:
            self._descriptor.on_idle = self._close_behind_others
        else:
            self._close()

    def _close(self) -> None:
        try:
            start("close", self._on_closed, descriptor=self._descriptor, path=self._path)
        except BaseException:  # nobody is to wait for it, and close() may be called again
            self._waiting = None
            raise

    def _close_behind_others(self) -> None:
        try:
            self._close()
        except (TreadleError, RuntimeError):  # they were let go of as the loop was closed
            self._close_at_once()

    def _close_at_once(self) -> None:
        # Where no loop is left. What a thread has under way still ends.
        self._descriptor.close()

    def _discard(self) -> None:
        # Nobody has got it.
        try:
            self.close(lambda error, result: None)
        except TreadleError:
            pass  # ERR_NO_LOOP: it is closed

    def _on_closed(self, error: OSError | None, result: None) -> None:
        waiting, self._waiting = self._waiting, None
        _tell(waiting or [], error)

    # ---- inside

    def _require_open(self) -> None:
        if self._waiting is not None or self.fd < 0:
            raise self._was_closed()

    def _was_closed(self) -> OSError:
        return OSError(errno.EBADF, "The file was closed", self._path)

    def _start(self, operation: str, callback: Callback[Any] | None, signal: AbortSignal | None = None, **arguments: Any) -> Any:
        self._require_open()
        return start(operation, callback, signal, descriptor=self._descriptor, path=self._path, **arguments)

    # ---- to its streams

    def _add_stream(self, stream: Any) -> None:
        if self._streams is None:
            self._streams = WeakSet()
        self._streams.add(stream)
        if self._blocks is not None:
            from treadle.streams._block import OuterBlock

            self._blocks.append(OuterBlock(stream, self._task_of()))

    def _drop_stream(self, stream: Any) -> None:
        # It works no more.
        if self._streams is not None and stream in self._streams:
            self._streams.discard(stream)
            if self._waiting is not None and not self._streams:
                self._close_when_idle()


class _InContext(partial[object]):
    """A callback that is called by another's request, in the context of who gave it."""

    context: Context

    def __call__(self, error: OSError | None, result: None) -> object:
        return self.context.run(super().__call__, error, result)


def _tell(waiting: list[Callable[[OSError | None, None], object]], error: OSError | None) -> None:
    try:
        while waiting:
            waiting.pop(0)(error, None)
    finally:
        if waiting:  # one has failed: the others hear of it all the same
            get_loop().call_soon(_tell, waiting, error)


def _settler(future: asyncio.Future[None]) -> Callback[None]:
    def settle(error: OSError | None, _result: None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)

    return settle


def _no_size(received: int) -> TreadleError:
    # Its name says little of a number: a file object of Python's calls it size, and takes -1.
    return TreadleError(
        "ERR_OUT_OF_RANGE", name="buffer", expected=f"how many bytes to read, from 0 to {READ_BYTES_MAX}", received=received,
        hint="read_file() gives all that there is",
    )  # fmt: skip


def _part(buffer: Any, offset: int, length: int | None) -> Any:
    """Of memory; the whole of it without a copy."""
    if offset == 0 and length is None:
        return buffer
    try:
        view = memoryview(buffer).cast("B")
    except TypeError:
        raise TreadleError(
            "ERR_INVALID_ARG_TYPE", name="buffer", expected="an int or bytes-like", received=type(buffer).__name__
        ) from None
    in_range(offset, "offset", 0, len(view))
    if length is None:
        return view[offset:]
    return view[offset : offset + in_range(length, "length", 0, len(view) - offset)]


def _list_of(buffers: Any) -> list[Any]:
    found = list(buffers)
    if len(found) > VIEWS_MAX:
        raise TreadleError("ERR_OUT_OF_RANGE", name="buffers", expected=f"at most {VIEWS_MAX} buffers", received=len(found))
    return found
