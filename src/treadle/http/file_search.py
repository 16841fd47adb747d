"""Awaiting _native.beneath: a file below a directory, found at once or by one job of the pool. Not here: what is done with it."""

from __future__ import annotations

import errno
import os
from typing import Final

from treadle._native.beneath import FoundFile, find_file, find_now
from treadle._native.pool import PoolSaturated
from treadle.loop.current import get_loop
from treadle.pool import RequestFuture, pool_of

__all__ = ["SMALL_BYTES", "find"]

SMALL_BYTES: Final = 64 * 1024  # read by the job that opens the file, and sent with the head; a connection's mark


async def find(
    root: bytes, path: bytes, *, links: str, suffixes: tuple[bytes, ...] = (), read_max: int = SMALL_BYTES
) -> FoundFile:
    """See find_file(). A file that is found when nobody waits any more is closed. Raises OSError, EAGAIN where the pool takes
    nothing more; ValueError (a NUL in the path)."""
    loop = get_loop()
    pool = pool_of(loop)
    found = find_now(pool, root, path, links=links, suffixes=suffixes, read_max=read_max)
    if found is not None:
        return found
    future: RequestFuture[FoundFile] = RequestFuture(loop=loop)
    try:
        future.request = find_file(
            pool, root, path, future.settle, links=links, suffixes=suffixes, read_max=read_max, is_awaited=True
        )
    except PoolSaturated:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN), os.fsdecode(path)) from None
    if loop.tracer is not None:
        loop.tracer.scheduled(future.request, "find_file")
    return await future
