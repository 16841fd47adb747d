"""The names of files, and links. Source: Node, fsPromises.rename, unlink, link, symlink, readlink, realpath.

All of these begin at once, on a thread of the pool. They return a future; or, with a callback, None, and callback(error, result)
comes in the poll phase. Errors are OSError with errno, strerror, filename, and of two paths filename2; wrong arguments are raised
at once, see open(). A path that comes out is bytes if bytes went in, else str. Not here: directories (_directories.py).
"""

import asyncio
from typing import Any, AnyStr, overload

from treadle.fs._starting import Callback, Path, PathOf, start, text_of

__all__ = ["link", "readlink", "realpath", "rename", "symlink", "unlink"]


@overload
def rename(old_path: Path, new_path: Path, callback: None = None) -> asyncio.Future[None]: ...
@overload
def rename(old_path: Path, new_path: Path, callback: Callback[None]) -> None: ...
def rename(old_path: Path, new_path: Path, callback: Callback[None] | None = None) -> Any:
    """Give a file or directory another name, in place of what had it: in one step, nobody sees neither."""
    return start("rename", callback, path=text_of(old_path), path2=text_of(new_path))


@overload
def unlink(path: Path, callback: None = None) -> asyncio.Future[None]: ...
@overload
def unlink(path: Path, callback: Callback[None]) -> None: ...
def unlink(path: Path, callback: Callback[None] | None = None) -> Any:
    """Remove a file, or a link."""
    return start("unlink", callback, path=text_of(path))


@overload
def link(existing_path: Path, new_path: Path, callback: None = None) -> asyncio.Future[None]: ...
@overload
def link(existing_path: Path, new_path: Path, callback: Callback[None]) -> None: ...
def link(existing_path: Path, new_path: Path, callback: Callback[None] | None = None) -> Any:
    """Give a file a second name."""
    return start("link", callback, path=text_of(existing_path), path2=text_of(new_path))


@overload
def symlink(target: Path, path: Path, callback: None = None) -> asyncio.Future[None]: ...
@overload
def symlink(target: Path, path: Path, callback: Callback[None]) -> None: ...
def symlink(target: Path, path: Path, callback: Callback[None] | None = None) -> Any:
    """Make a symbolic link at `path` that says `target`, which need not be there."""
    return start("symlink", callback, path=text_of(target), path2=text_of(path))


@overload
def readlink(path: PathOf[AnyStr], callback: None = None) -> asyncio.Future[AnyStr]: ...
@overload
def readlink(path: PathOf[AnyStr], callback: Callback[AnyStr]) -> None: ...
def readlink(path: PathOf[Any], callback: Callback[Any] | None = None) -> Any:
    """What a symbolic link says."""
    return start("readlink", callback, path=text_of(path))


@overload
def realpath(path: PathOf[AnyStr], callback: None = None) -> asyncio.Future[AnyStr]: ...
@overload
def realpath(path: PathOf[AnyStr], callback: Callback[AnyStr]) -> None: ...
def realpath(path: PathOf[Any], callback: Callback[Any] | None = None) -> Any:
    """The path without links, `.` and `..`, from the root on. Source: realpath(3)."""
    return start("realpath", callback, path=text_of(path))
