"""What is known of a file by its path, and what changes it. Source: Node, fsPromises.stat, access, chmod, chown, utimes,
truncate.

All of these begin at once, on a thread of the pool. They return a future; or, with a callback, None, and callback(error, result)
comes in the poll phase. Errors are OSError with errno, strerror and filename; wrong arguments are raised at once, see
open(). Not here: the same of an open file (_file_handle.py).
"""

import asyncio
from typing import Any, overload

from treadle._native.file_facts import Stats
from treadle.events import AbortSignal
from treadle.fs._arguments import Time, id_of, in_range, length_of, mode_of, time_ns_of
from treadle.fs._starting import AbortableCallback, Callback, Path, start, text_of

__all__ = ["access", "chmod", "chown", "lchown", "lstat", "lutimes", "stat", "truncate", "utimes"]


@overload
def stat(path: Path, callback: None = None, *, signal: AbortSignal | None = None) -> asyncio.Future[Stats]: ...
@overload
def stat(path: Path, callback: Callback[Stats], *, signal: None = None) -> None: ...
@overload
def stat(path: Path, callback: AbortableCallback[Stats], *, signal: AbortSignal) -> None: ...
def stat(path: Path, callback: Any = None, *, signal: AbortSignal | None = None) -> Any:
    """What is known of a file; of what a link leads to. signal: aborted, it ends it with ABORT_ERR. Source: statx(2)."""
    return start("stat", callback, signal, path=text_of(path))


@overload
def lstat(path: Path, callback: None = None) -> asyncio.Future[Stats]: ...
@overload
def lstat(path: Path, callback: Callback[Stats]) -> None: ...
def lstat(path: Path, callback: Callback[Stats] | None = None) -> Any:
    """The same, of a link itself."""
    return start("stat", callback, path=text_of(path), is_followed=False)


@overload
def access(path: Path, mode: int = 0, callback: None = None) -> asyncio.Future[None]: ...
@overload
def access(path: Path, mode: int = 0, *, callback: Callback[None]) -> None: ...
def access(path: Path, mode: int = 0, callback: Callback[None] | None = None) -> Any:
    """Fail unless this process may: constants.F_OK (it is there), R_OK, W_OK, X_OK, together by |. To ask before an open() is a
    race: open it, and see."""
    return start("access", callback, path=text_of(path), mode=in_range(mode, "mode", 0, 7))


@overload
def chmod(path: Path, mode: int | str, callback: None = None) -> asyncio.Future[None]: ...
@overload
def chmod(path: Path, mode: int | str, callback: Callback[None]) -> None: ...
def chmod(path: Path, mode: int | str, callback: Callback[None] | None = None) -> Any:
    """Set its permissions: 0o640, or "640"."""
    return start("chmod", callback, path=text_of(path), mode=mode_of(mode))


@overload
def chown(path: Path, uid: int, gid: int, callback: None = None) -> asyncio.Future[None]: ...
@overload
def chown(path: Path, uid: int, gid: int, callback: Callback[None]) -> None: ...
def chown(path: Path, uid: int, gid: int, callback: Callback[None] | None = None) -> Any:
    """Set its user and group; -1: as it is."""
    return start("chown", callback, path=text_of(path), mode=id_of(uid, "uid"), group=id_of(gid, "gid"))


@overload
def lchown(path: Path, uid: int, gid: int, callback: None = None) -> asyncio.Future[None]: ...
@overload
def lchown(path: Path, uid: int, gid: int, callback: Callback[None]) -> None: ...
def lchown(path: Path, uid: int, gid: int, callback: Callback[None] | None = None) -> Any:
    """The same, of a link itself."""
    return start("chown", callback, path=text_of(path), mode=id_of(uid, "uid"), group=id_of(gid, "gid"), is_followed=False)


@overload
def utimes(path: Path, atime: Time, mtime: Time, callback: None = None) -> asyncio.Future[None]: ...
@overload
def utimes(path: Path, atime: Time, mtime: Time, callback: Callback[None]) -> None: ...
def utimes(path: Path, atime: Time, mtime: Time, callback: Callback[None] | None = None) -> Any:
    """Set when it was last read and changed: seconds since 1970, or datetimes."""
    return start("utimes", callback, path=text_of(path), atime_ns=time_ns_of(atime, "atime"), mtime_ns=time_ns_of(mtime, "mtime"))


@overload
def lutimes(path: Path, atime: Time, mtime: Time, callback: None = None) -> asyncio.Future[None]: ...
@overload
def lutimes(path: Path, atime: Time, mtime: Time, callback: Callback[None]) -> None: ...
def lutimes(path: Path, atime: Time, mtime: Time, callback: Callback[None] | None = None) -> Any:
    """The same, of a link itself."""
    return start(
        "utimes",
        callback,
        path=text_of(path),
        atime_ns=time_ns_of(atime, "atime"),
        mtime_ns=time_ns_of(mtime, "mtime"),
        is_followed=False,
    )


@overload
def truncate(path: Path, length: int = 0, callback: None = None) -> asyncio.Future[None]: ...
@overload
def truncate(path: Path, length: int = 0, *, callback: Callback[None]) -> None: ...
def truncate(path: Path, length: int = 0, callback: Callback[None] | None = None) -> Any:
    """Cut a file to so many bytes, or fill it up with zeros to them."""
    return start("truncate", callback, path=text_of(path), size=length_of(length))
