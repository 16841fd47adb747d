"""read_file, with a callback or to be awaited. Source: Node, fs.readFile and fsPromises.readFile."""

import asyncio
import os
from collections.abc import Callable
from typing import overload

from treadle._base.arguments import require_callable
from treadle._base.errors import TreadleError
from treadle._native import file_jobs
from treadle._native.loop import LoopCore
from treadle._native.pool import PoolSaturated
from treadle.loop.current import get_loop
from treadle.pool import RequestFuture, pool_of

__all__ = ["read_file"]

Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]
Callback = Callable[[OSError | None, bytes | None], object]


@overload
def read_file(path: Path, callback: None = None) -> asyncio.Future[bytes]: ...
@overload
def read_file(path: Path, callback: Callback) -> None: ...
def read_file(path: Path, callback: Callback | None = None) -> asyncio.Future[bytes] | None:
    """Read a whole file as bytes, from its start to its end, on a thread of the pool. It begins at once.

    With a callback: callback(error, data) in the poll phase and in the caller's context; either error is None, or data
    is. It runs no more once the program has ended. Without: a future of the data, to be awaited or not; cancelling it
    drops the data, and the job too if no thread has taken it yet. Until then the read holds the program. Reads may end in
    another order than they began. Use it on the loop's thread only.

    The error is an OSError (FileNotFoundError and the like) with errno, strerror and filename. Raised at once are
    ValueError (a NUL in the path), TypeError (no path), and TreadleError: ERR_NO_LOOP, ERR_INVALID_ARG_TYPE,
    ERR_POOL_SATURATED.

    Today: up to 256 KiB cost one job; larger files are read in turns of 4 MiB, between which other jobs go first.
    """
    loop = get_loop()
    if callback is None:
        future: RequestFuture[bytes] = RequestFuture(loop=loop)
        future.request = _start(loop, path, future.settle, is_awaited=True)
        return future
    require_callable(callback, "callback")
    _start(loop, path, callback, is_awaited=False)
    return None


def _start(loop: LoopCore, path: Path, callback: Callback, *, is_awaited: bool) -> file_jobs.FileRead:
    pool = loop.pool
    if pool is None:
        pool = pool_of(loop)
    filename = path if type(path) is str else os.fspath(path)
    try:
        request = file_jobs.read_file(pool, filename, callback, is_awaited=is_awaited)
    except PoolSaturated as saturated:
        raise TreadleError("ERR_POOL_SATURATED", limit=saturated.args[0]) from None
    if loop.tracer is not None:
        loop.tracer.scheduled(request, "read_file")
    return request
