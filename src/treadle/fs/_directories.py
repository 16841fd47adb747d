"""Directories, and what is in them. Source: Node, fsPromises.mkdir, mkdtemp, readdir, rmdir, rm.

All of these begin at once, on a thread of the pool. They return a future; or, with a callback, None, and callback(error, result)
comes in the poll phase. Errors are OSError with errno, strerror and filename, which may be that of a file below; wrong arguments
are raised at once, see open(). A path that comes out is bytes if bytes went in, else str. Not here: how trees are walked through
(_native.fs_trees).
"""

import asyncio
from typing import Any, overload

from treadle.fs._arguments import mode_of
from treadle.fs._starting import Callback, Path, start, text_of

__all__ = ["mkdir", "mkdtemp", "readdir", "rm", "rmdir"]

MKDTEMP_LETTERS = 6  # mkdtemp(3)


@overload
def mkdir(path: Path, callback: None = None, *, mode: int | str = 0o777, recursive: bool = False) -> asyncio.Future[Any]: ...
@overload
def mkdir(path: Path, callback: Callback[Any], *, mode: int | str = 0o777, recursive: bool = False) -> None: ...
def mkdir(path: Path, callback: Callback[Any] | None = None, *, mode: int | str = 0o777, recursive: bool = False) -> Any:
    """Make a directory. recursive: its parents, too, and none that is there is an error; the result is the path of the first that
    was made, or None. mode: of all of them, less the umask."""
    return start("mkdir", callback, path=text_of(path), mode=mode_of(mode), is_recursive=recursive)


@overload
def mkdtemp(prefix: Path, callback: None = None) -> asyncio.Future[Any]: ...
@overload
def mkdtemp(prefix: Path, callback: Callback[Any]) -> None: ...
def mkdtemp(prefix: Path, callback: Callback[Any] | None = None) -> Any:
    """Make a directory that nobody else has, and only its user may enter, with six letters behind the prefix: "/tmp/upload-"
    gives "/tmp/upload-a8Ft2x". Nobody removes it for you."""
    return start("mkdtemp", callback, path=text_of(prefix), spare=MKDTEMP_LETTERS)


@overload
def readdir(
    path: Path, callback: None = None, *, with_file_types: bool = False, recursive: bool = False
) -> asyncio.Future[list[Any]]: ...
@overload
def readdir(path: Path, callback: Callback[list[Any]], *, with_file_types: bool = False, recursive: bool = False) -> None: ...
def readdir(
    path: Path, callback: Callback[list[Any]] | None = None, *, with_file_types: bool = False, recursive: bool = False
) -> Any:
    """What is in a directory, by name: a list of names, or with_file_types of Dirents. recursive: and all below, as names from
    `path` on, breadth first; symbolic links are listed, never followed."""
    return start("readdir_types" if with_file_types else "readdir", callback, path=text_of(path), is_recursive=recursive)


@overload
def rmdir(path: Path, callback: None = None) -> asyncio.Future[None]: ...
@overload
def rmdir(path: Path, callback: Callback[None]) -> None: ...
def rmdir(path: Path, callback: Callback[None] | None = None) -> Any:
    """Remove a directory that is empty."""
    return start("rmdir", callback, path=text_of(path))


@overload
def rm(path: Path, callback: None = None, *, recursive: bool = False, force: bool = False) -> asyncio.Future[None]: ...
@overload
def rm(path: Path, callback: Callback[None], *, recursive: bool = False, force: bool = False) -> None: ...
def rm(path: Path, callback: Callback[None] | None = None, *, recursive: bool = False, force: bool = False) -> Any:
    """Remove a file or a link. recursive: a directory as well, and all in it; no symbolic link is followed, not even one that
    takes a directory's place meanwhile. force: that nothing is there is no error. It ends at the first error; what is gone by
    then is gone."""
    return start("rm", callback, path=text_of(path), is_recursive=recursive, is_forced=force)
