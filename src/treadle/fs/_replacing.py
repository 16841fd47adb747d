"""A file that is replaced as a whole: never half written, whatever happens.

The name: who looks for such a thing looks for "atomic" (write-file-atomic of npm, atomicwrites of PyPI, os.replace's
documentation), and it is write_file otherwise. That it also outlives a loss of power is part of it, as it is of theirs.
Not here: the job (_native.fs_replacements), writing in place (_whole_files.py).
"""

import asyncio
from typing import Any, overload

from treadle.events import AbortSignal
from treadle.fs._arguments import Data, bytes_of, mode_of
from treadle.fs._starting import AbortableCallback, Callback, Path, start, text_of

__all__ = ["write_file_atomic"]


@overload
def write_file_atomic(
    path: Path, data: Data, callback: None = None, *, encoding: str | None = None, mode: int | str | None = None,
    signal: AbortSignal | None = None,
) -> asyncio.Future[None]: ...  # fmt: skip
@overload
def write_file_atomic(
    path: Path, data: Data, callback: Callback[None], *, encoding: str | None = None, mode: int | str | None = None,
    signal: None = None,
) -> None: ...  # fmt: skip
@overload
def write_file_atomic(
    path: Path, data: Data, callback: AbortableCallback[None], *, encoding: str | None = None, mode: int | str | None = None,
    signal: AbortSignal,
) -> None: ...  # fmt: skip
def write_file_atomic(
    path: Path,
    data: Data,
    callback: Any = None,
    *,
    encoding: str | None = None,
    mode: int | str | None = None,
    signal: AbortSignal | None = None,
) -> Any:
    """Replace a file by one with these bytes, in one step: whoever opens it finds the old content or all of the new one, also
    behind a crash or a loss of power at any time. Once it is through the disk has it.

    It is written to a file beside it, `.treadle-` and 32 random digits and `.tmp`, which is then renamed. An error, a cancelled
    future or an aborted `signal` leaves the target as it was, and removes that file, unless that was renamed by then; a process
    that is killed leaves it, and nobody removes it for you. Of an error of the directory's own fsync the new content is there
    already, and may be lost by a loss of power.

    data: as write_file's. mode: the permissions, less the umask; None: those that the target has, or 0o666 less the umask. Its
    owner and group are kept where this process may, else the group may do no more than all others; other attributes and further
    hard links are not. A symbolic link stays, what it leads to is replaced; one that leads nowhere raises ENOENT. What is there
    and no regular file raises EISDIR or EINVAL. The directory has to be readable and writable, and is a PermissionError's
    filename where it is not. Otherwise as read_file: begins
    at once, on the pool; the same errors.
    Today: one job; every 4 MiB other jobs go first. Source: rename(2), fsync(2).
    """
    return start(
        "write_file_atomic",
        callback,
        signal,
        path=text_of(path),
        data=[bytes_of(data, encoding)],
        mode=0o666 if mode is None else mode_of(mode),
        is_forced=mode is not None,
    )
