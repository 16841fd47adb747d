"""A part of an open file as a piece of an answer: by sendfile(2) where that can be, else in chunks.

Not here: which part of which file (static.py), the moving itself (_native.http1_file_body).
"""

from __future__ import annotations

import asyncio
import errno
from typing import Final

from treadle._base.errors import TreadleError
from treadle._native import fs_jobs
from treadle._native.http1_file_body import cut, move_file
from treadle._native.http1_response import ResponseCore
from treadle._native.open_files import Descriptor
from treadle._native.pool import Pool, PoolSaturated
from treadle.loop.current import get_loop
from treadle.pool import RequestFuture, pool_of

__all__ = ["write_part"]

CHUNK_BYTES: Final = 64 * 1024  # read and written at once where sendfile(2) cannot; what a connection holds before it is full
CANNOT: Final = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)  # the file system has no such thing, as /proc has not: sendfile(2)


async def write_part(response: ResponseCore, descriptor: Descriptor, offset: int, size: int) -> None:
    """Send `size` bytes of the file from offset on, behind what was written before, and wait until the kernel has them.

    Of an answer to HEAD: only the head. Whatever it raises, the connection is cut. Raises TreadleError: ERR_HTTP_REQUEST_ABORTED
    (the peer has left), ERR_HTTP_FILE_TRUNCATED (the file is shorter), ERR_HTTP_CONTENT_LENGTH_MISMATCH (the answer has said
    less), ERR_STREAM_WRITE_AFTER_END, ERR_POOL_SATURATED; OSError; CancelledError.
    """
    loop = get_loop()
    pool: Pool = pool_of(loop)
    moved: asyncio.Future[tuple[OSError | None, int]] = loop.create_future()

    def settle(error: OSError | None, count: int) -> None:
        if not moved.done():
            moved.set_result((error, count))

    try:
        move = move_file(response, pool, descriptor.fd, offset, size, settle)
        if isinstance(move, bool):
            if not move:
                await _copy(response, pool, descriptor, offset, size)
            return
        try:
            error, count = await moved
        except asyncio.CancelledError:
            move.cancel()
            raise
        if getattr(error, "errno", None) in CANNOT and count == 0 and not response.is_lost:
            await _copy(response, pool, descriptor, offset, size)
        elif response.is_lost:
            raise TreadleError("ERR_HTTP_REQUEST_ABORTED")
        elif error is not None:
            raise error
        elif count < size:
            raise TreadleError("ERR_HTTP_FILE_TRUNCATED", sent=count, expected=size)
    except PoolSaturated as saturated:
        cut(response)
        raise TreadleError("ERR_POOL_SATURATED", limit=saturated.args[0]) from None
    except BaseException:
        cut(response)
        raise


async def _copy(response: ResponseCore, pool: Pool, descriptor: Descriptor, offset: int, size: int) -> None:
    end = offset + size
    while offset < end:
        future: RequestFuture[bytes] = RequestFuture(loop=get_loop())
        future.request = fs_jobs.start(
            pool,
            fs_jobs.OPERATIONS["read"],
            future.settle,
            is_awaited=True,
            descriptor=descriptor,
            position=offset,
            size=min(CHUNK_BYTES, end - offset),
        )
        chunk = await future
        if not chunk:
            raise TreadleError("ERR_HTTP_FILE_TRUNCATED", sent=size - (end - offset), expected=size)
        offset += len(chunk)
        response.write(chunk)
        await response.ready()
