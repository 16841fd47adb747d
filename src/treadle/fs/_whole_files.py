"""Whole files: read, written, appended to, copied. Source: Node, fsPromises.readFile, writeFile, appendFile, copyFile.

Not here: the jobs (_native.file_jobs, _native.fs_transfers, _native.fs_copies); a file that is never half written
(_replacing.py).
"""

import asyncio
from functools import partial
from typing import Any, overload

from treadle._native import file_jobs
from treadle._native.pool import PoolSaturated, Request
from treadle.events import AbortSignal
from treadle.fs._aborting import begin_abortable, cancel
from treadle.fs._arguments import Data, bytes_of, flags_of, in_range, mode_of, require_callback, text_maker
from treadle.fs._file_handle import FileHandle
from treadle.fs._starting import AbortableCallback, Callback, Path, pool_saturated, start, text_of
from treadle.loop.current import get_loop
from treadle.pool import RequestFuture, pool_of

__all__ = ["append_file", "copy_file", "read_file", "write_file"]


@overload
def read_file(
    path: Path | FileHandle, callback: None = None, *, encoding: None = None, flag: str | int = "r",
    signal: AbortSignal | None = None,
) -> asyncio.Future[bytes]: ...  # fmt: skip
@overload
def read_file(
    path: Path | FileHandle, callback: None = None, *, encoding: str, flag: str | int = "r", signal: AbortSignal | None = None
) -> asyncio.Future[str]: ...
@overload
def read_file(
    path: Path | FileHandle, callback: Callback[bytes], *, encoding: None = None, flag: str | int = "r", signal: None = None
) -> None: ...
@overload
def read_file(
    path: Path | FileHandle, callback: Callback[str], *, encoding: str, flag: str | int = "r", signal: None = None
) -> None: ...
@overload
def read_file(
    path: Path | FileHandle, callback: AbortableCallback[bytes], *, encoding: None = None, flag: str | int = "r",
    signal: AbortSignal,
) -> None: ...  # fmt: skip
@overload
def read_file(
    path: Path | FileHandle, callback: AbortableCallback[str], *, encoding: str, flag: str | int = "r", signal: AbortSignal
) -> None: ...
def read_file(
    path: Path | FileHandle,
    callback: Any = None,
    *,
    encoding: str | None = None,
    flag: str | int = "r",
    signal: AbortSignal | None = None,
) -> Any:
    """Read a whole file, from its start to its end, on a thread of the pool. It begins at once.

    encoding: None gives bytes, one of Node's (utf8, utf16le, latin1, base64, hex ...) text, with U+FFFD for what is
    none. flag: as open()'s. Of a FileHandle all is read from where it stands.

    With a callback: callback(error, data) in the poll phase and in the caller's context; either error is None, or data
    is. It runs no more once the program has ended. Without: a future of the data, to be awaited or not; cancelling it
    drops the data, and the job too if no thread has taken it yet. Until then the read holds the program. Reads may end in
    another order than they began. Use it on the loop's thread only.

    signal: aborted before all is read, it ends the read with a TreadleError ABORT_ERR, told at once, or to a callback in a tick.

    The error is an OSError (FileNotFoundError and the like) with errno, strerror and filename. Raised at once are
    ValueError (a NUL in the path), TypeError (no path), and TreadleError: ERR_NO_LOOP, ERR_INVALID_ARG_TYPE,
    ERR_INVALID_ARG_VALUE (flag), ERR_UNKNOWN_ENCODING, ERR_POOL_SATURATED.

    Today: up to 256 KiB cost one job; larger files are read in turns of 4 MiB, between which other jobs go first.
    """
    if flag != "r" or isinstance(path, FileHandle):
        return _read_otherwise(path, callback, encoding, flag, signal)
    make = None if encoding is None else text_maker(encoding)
    loop = get_loop()
    pool = loop.pool
    if pool is None:
        pool = pool_of(loop)
    name = path if type(path) is str else text_of(path)  # PERF: bench/pool
    future: RequestFuture[Any] | None = None
    request: Request | None
    try:
        if signal is not None:
            request, future = begin_abortable(loop, partial(file_jobs.read_file, pool, name, make=make), callback, signal, cancel)
        elif callback is None:
            future = RequestFuture(loop=loop)
            request = future.request = file_jobs.read_file(pool, name, future.settle, is_awaited=True, make=make)
        else:
            require_callback(callback)
            request = file_jobs.read_file(pool, name, callback, make=make)
    except PoolSaturated as saturated:
        raise pool_saturated(saturated) from None
    if loop.tracer is not None and request is not None:
        loop.tracer.scheduled(request, "read_file")
    return future


def _read_otherwise(
    path: Path | FileHandle, callback: Any, encoding: str | None, flag: str | int, signal: AbortSignal | None
) -> Any:
    if isinstance(path, FileHandle):
        return path.read_file(callback, encoding=encoding, signal=signal)
    flags, make = flags_of(flag, "flag"), text_maker(encoding)
    return start("read_file", callback, signal, path=text_of(path), flags=flags, mode=0o666, make=make)


@overload
def write_file(
    path: Path | FileHandle, data: Data, callback: None = None, *, encoding: str | None = None, mode: int | str = 0o666,
    flag: str | int = "w", flush: bool = False, signal: AbortSignal | None = None,
) -> asyncio.Future[None]: ...  # fmt: skip
@overload
def write_file(
    path: Path | FileHandle, data: Data, callback: Callback[None], *, encoding: str | None = None, mode: int | str = 0o666,
    flag: str | int = "w", flush: bool = False, signal: None = None,
) -> None: ...  # fmt: skip
@overload
def write_file(
    path: Path | FileHandle, data: Data, callback: AbortableCallback[None], *, encoding: str | None = None,
    mode: int | str = 0o666, flag: str | int = "w", flush: bool = False, signal: AbortSignal,
) -> None: ...  # fmt: skip
def write_file(
    path: Path | FileHandle,
    data: Data,
    callback: Any = None,
    *,
    encoding: str | None = None,
    mode: int | str = 0o666,
    flag: str | int = "w",
    flush: bool = False,
    signal: AbortSignal | None = None,
) -> Any:
    """Write a whole file: it is made, or emptied first. All is written, or it raises; then a part may be there.

    data: bytes-like, which must not change meanwhile, or text in `encoding` (utf8). mode: of a file that is made, less the
    umask. flag: as open()'s. flush: until the disk has it (fsync). To a FileHandle it is written where that stands. Cancelling
    the future stops it at the next 512 KiB. So does an aborted `signal`, which is told once nothing is written any more: with
    ABORT_ERR, unless all was written by then. Otherwise as read_file: begins at once, on the pool; the same errors.
    Today: open, write and close are one job; every 4 MiB other jobs go first.
    """
    if isinstance(path, FileHandle):
        return path.write_file(data, callback, encoding=encoding, flush=flush, signal=signal)
    return start(
        "write_file",
        callback,
        signal,
        path=text_of(path),
        data=[bytes_of(data, encoding)],
        flags=flags_of(flag, "flag"),
        mode=mode_of(mode),
        is_flushed=flush,
    )


@overload
def append_file(
    path: Path | FileHandle, data: Data, callback: None = None, *, encoding: str | None = None, mode: int | str = 0o666,
    flag: str | int = "a", flush: bool = False, signal: AbortSignal | None = None,
) -> asyncio.Future[None]: ...  # fmt: skip
@overload
def append_file(
    path: Path | FileHandle, data: Data, callback: Callback[None], *, encoding: str | None = None, mode: int | str = 0o666,
    flag: str | int = "a", flush: bool = False, signal: None = None,
) -> None: ...  # fmt: skip
@overload
def append_file(
    path: Path | FileHandle, data: Data, callback: AbortableCallback[None], *, encoding: str | None = None,
    mode: int | str = 0o666, flag: str | int = "a", flush: bool = False, signal: AbortSignal,
) -> None: ...  # fmt: skip
def append_file(
    path: Path | FileHandle,
    data: Data,
    callback: Any = None,
    *,
    encoding: str | None = None,
    mode: int | str = 0o666,
    flag: str | int = "a",
    flush: bool = False,
    signal: AbortSignal | None = None,
) -> Any:
    """Write to the end of a file, which is made if it is not there. Up to 512 KiB is one system call, between which and other
    processes' nothing mixes. Otherwise as write_file."""
    return write_file(path, data, callback, encoding=encoding, mode=mode, flag=flag, flush=flush, signal=signal)


@overload
def copy_file(source: Path, destination: Path, mode: int = 0, callback: None = None) -> asyncio.Future[None]: ...
@overload
def copy_file(source: Path, destination: Path, mode: int = 0, *, callback: Callback[None]) -> None: ...
def copy_file(source: Path, destination: Path, mode: int = 0, callback: Callback[None] | None = None) -> Any:
    """Copy a file and its permissions, within the kernel where that can; what was there is overwritten.

    mode: constants.COPYFILE_EXCL (fail with EEXIST where something is), COPYFILE_FICLONE (share the blocks if the file
    system can), COPYFILE_FICLONE_FORCE (or fail), together by |. A copy that fails or is cancelled is removed. Errors have
    filename and filename2. Otherwise as read_file. Source: Node, fsPromises.copyFile; copy_file_range(2).
    """
    return start(
        "copy_file",
        callback,
        path=text_of(source),
        path2=text_of(destination),
        flags=in_range(mode, "mode", 0, 7),
    )
