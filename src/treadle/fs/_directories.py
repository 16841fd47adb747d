"""Directories, and what is in them. Source: Node, fsPromises.mkdir, mkdtemp, readdir, rmdir, rm.

All of these begin at once, on a thread of the pool. They return a future; or, with a callback, None, and callback(error, result)
comes in the poll phase. Errors are OSError with errno, strerror and filename, which may be that of a file below; wrong arguments
are raised at once, see open(). A path that comes out is bytes if bytes went in, else str. Not here: how trees are walked through
(_native.fs_trees).
"""

import asyncio
from typing import Any, AnyStr, Literal, overload

from treadle._native.file_facts import Dirent
from treadle.fs._arguments import mode_of
from treadle.fs._starting import Callback, Path, PathOf, start, text_of

__all__ = ["mkdir", "mkdtemp", "readdir", "rm", "rmdir"]

MKDTEMP_LETTERS = 6  # mkdtemp(3)


@overload
def mkdir(
    path: PathOf[AnyStr], callback: None = None, *, mode: int | str = 0o777, recursive: bool = False
) -> asyncio.Future[AnyStr | None]: ...
@overload
def mkdir(path: PathOf[AnyStr], callback: Callback[AnyStr], *, mode: int | str = 0o777, recursive: bool = False) -> None: ...
def mkdir(path: PathOf[Any], callback: Callback[Any] | None = None, *, mode: int | str = 0o777, recursive: bool = False) -> Any:
    """Make a directory. recursive: its parents, too, and none that is there is an error; the result is the path of the first that
    was made, or None. mode: of all of them, less the umask."""
    return start("mkdir", callback, path=text_of(path), mode=mode_of(mode), is_recursive=recursive)


@overload
def mkdtemp(prefix: PathOf[AnyStr], callback: None = None) -> asyncio.Future[AnyStr]: ...
@overload
def mkdtemp(prefix: PathOf[AnyStr], callback: Callback[AnyStr]) -> None: ...
def mkdtemp(prefix: PathOf[Any], callback: Callback[Any] | None = None) -> Any:
    """Make a directory that nobody else has, and only its user may enter, with six letters behind the prefix: "/tmp/upload-"
    gives "/tmp/upload-a8Ft2x". Nobody removes it for you, not even where it is cancelled when it was made already."""
    return start("mkdtemp", callback, path=text_of(prefix), spare=MKDTEMP_LETTERS)


@overload
def readdir(
    path: PathOf[AnyStr], callback: None = None, *, with_file_types: Literal[False] = False, recursive: bool = False
) -> asyncio.Future[list[AnyStr]]: ...
@overload
def readdir(
    path: PathOf[AnyStr], callback: None = None, *, with_file_types: Literal[True], recursive: bool = False
) -> asyncio.Future[list[Dirent[AnyStr]]]: ...
@overload
def readdir(
    path: PathOf[AnyStr], callback: Callback[list[AnyStr]], *, with_file_types: Literal[False] = False, recursive: bool = False
) -> None: ...
@overload
def readdir(
    path: PathOf[AnyStr], callback: Callback[list[Dirent[AnyStr]]], *, with_file_types: Literal[True], recursive: bool = False
) -> None: ...
def readdir(
    path: PathOf[Any], callback: Callback[list[Any]] | None = None, *, with_file_types: bool = False, recursive: bool = False
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
