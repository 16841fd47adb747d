"""open(): a file, to work with. Source: Node, fsPromises.open. Not here: what is done with it (_file_handle.py)."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from types import TracebackType
from typing import Any, overload

from treadle.fs._arguments import flags_of, mode_of
from treadle.fs._file_handle import FileHandle
from treadle.fs._starting import Callback, Path, start, text_of
from treadle.pool import RequestFuture

__all__ = ["open"]


@overload
def open(path: Path, flags: str | int = "r", mode: int | str = 0o666, callback: None = None) -> OpenFuture: ...
@overload
def open(path: Path, flags: str | int = "r", mode: int | str = 0o666, *, callback: Callback[FileHandle]) -> None: ...
@overload
def open(path: Path, flags: str | int, mode: int | str, callback: Callback[FileHandle]) -> None: ...
def open(path: Path, flags: str | int = "r", mode: int | str = 0o666, callback: Callback[FileHandle] | None = None) -> Any:
    """Open a file: `async with open("a", "w") as file`, or `file = await open("a", "w")`. It begins at once, on a thread of the
    pool.

    flags: Node's strings ("r", "r+", "w", "wx", "w+", "a", "ax", "a+" ...), or a number of constants.O_...; mode: the
    permissions of a file that is made, less the umask. The descriptor is not inherited by programs that are started.

    The future, or callback(error, handle) in the poll phase. Cancelling the future, or who awaits it, leaves nothing open, also
    in the last moment: a file that nobody has got is closed.
    The error is an OSError with errno, strerror and filename. Raised at once: ValueError (a NUL in the path), TypeError (no
    path), TreadleError: ERR_INVALID_ARG_VALUE (flags), ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE, ERR_POOL_SATURATED, ERR_NO_LOOP.
    Source: open(2); Node, fsPromises.open.
    """
    name = text_of(path)

    def make(descriptor: Any) -> FileHandle:
        return FileHandle._over(descriptor, name)

    return start("open", callback, future_class=OpenFuture, path=name, flags=flags_of(flags), mode=mode_of(mode), make=make)


class OpenFuture(RequestFuture[FileHandle]):
    """What is awaited, or entered by `async with`. Invariant: a handle is given to somebody, or closed.

    COMPAT(asyncio): a future that is done cannot be cancelled, and so its result is lost where a task is cancelled whose step is
    still to come, or many that are gathered. This one can be, until somebody has asked for the handle.
    """

    _handle: FileHandle | None = None  # nobody has it yet
    _is_asked = False  # by result(), which a task does as well, right before its step: in an await it says nothing
    _is_given_up = False  # cancelled when it was done
    _entered: FileHandle  # of a block

    def settle(self, error: BaseException | None, handle: FileHandle | None = None) -> None:
        """The request's callback."""
        self._handle = handle
        if self.done():
            self._close_handle()
        super().settle(error, handle)

    def cancel(self, msg: Any | None = None) -> bool:
        """Drop the job if no thread has it yet, else the result: what is open is closed. See asyncio.Future.cancel."""
        if super().cancel(msg):
            return True
        if self._handle is None or self._is_asked:
            return False
        self._is_given_up = True
        self._close_handle()
        return True

    def cancelled(self) -> bool:
        """See asyncio.Future.cancelled."""
        return self._is_given_up or super().cancelled()

    def result(self) -> FileHandle:
        """See asyncio.Future.result. The handle is the caller's."""
        self._require_not_given_up()
        handle = super().result()
        self._is_asked = True
        return handle

    def exception(self) -> BaseException | None:
        """See asyncio.Future.exception."""
        self._require_not_given_up()
        return super().exception()

    def __await__(self) -> Generator[Any, None, FileHandle]:
        try:
            handle = yield from super().__await__()
            self._require_not_given_up()
        except BaseException:  # cancelled, or given up; or what it has failed with
            self._close_handle()
            raise
        self._is_asked = True
        self._handle = None
        return handle

    __iter__ = __await__

    async def __aenter__(self) -> FileHandle:
        self._entered = await (await self).__aenter__()
        return self._entered

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._entered.__aexit__(kind, error, traceback)

    def _require_not_given_up(self) -> None:
        if self._is_given_up:
            raise asyncio.CancelledError

    def _close_handle(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            handle._discard()
