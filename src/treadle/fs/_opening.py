"""open(): a file, to work with. Source: Node, fsPromises.open. Not here: what is done with it (_file_handle.py)."""

import asyncio
from typing import Any, overload

from treadle.fs._arguments import flags_of, mode_of
from treadle.fs._file_handle import FileHandle
from treadle.fs._starting import Callback, Path, start, text_of

__all__ = ["open"]


@overload
def open(path: Path, flags: str | int = "r", mode: int | str = 0o666, callback: None = None) -> asyncio.Future[FileHandle]: ...
@overload
def open(path: Path, flags: str | int = "r", mode: int | str = 0o666, *, callback: Callback[FileHandle]) -> None: ...
@overload
def open(path: Path, flags: str | int, mode: int | str, callback: Callback[FileHandle]) -> None: ...
def open(path: Path, flags: str | int = "r", mode: int | str = 0o666, callback: Callback[FileHandle] | None = None) -> Any:
    """Open a file: `async with await open("a", "w") as file`. It begins at once, on a thread of the pool.

    flags: Node's strings ("r", "r+", "w", "wx", "w+", "a", "ax", "a+" ...), or a number of constants.O_...; mode: the
    permissions of a file that is made, less the umask. The descriptor is not inherited by programs that are started.

    The future, or callback(error, handle) in the poll phase. Cancelling the future closes a file that is opened none the less.
    The error is an OSError with errno, strerror and filename. Raised at once: ValueError (a NUL in the path), TypeError (no
    path), TreadleError: ERR_INVALID_ARG_VALUE (flags), ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE, ERR_POOL_SATURATED, ERR_NO_LOOP.
    Source: open(2); Node, fsPromises.open.
    """
    name = text_of(path)

    def make(descriptor: Any) -> FileHandle:
        return FileHandle._over(descriptor, name)

    return start("open", callback, path=name, flags=flags_of(flags), mode=mode_of(mode), make=make)
