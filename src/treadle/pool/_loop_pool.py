"""The native pool of a loop, and how many threads it may have: in all, and of them for what computes, as many as there are CPUs.

Invariant: a loop has one pool, made when it is first needed and closed with the loop. Not here: what runs in it
(_native.file_jobs, _native.sendfile)."""

import os
from typing import Final

from treadle._base.cpus import available_cpus
from treadle._base.errors import TreadleError
from treadle._native.loop import LoopCore
from treadle._native.pool import Pool
from treadle.pool._saturation import SaturationLog

__all__ = ["pool_of", "pool_size"]

VARIABLES: Final = ("TREADLE_THREADPOOL_SIZE", "UV_THREADPOOL_SIZE")  # the first that is set counts
LOOK_AFTER_MS: Final = 100  # that a job waits; as _native.pool_threads
SIZE_DEFAULT: Final = 4  # threads; libuv
SIZE_MAX: Final = 1024  # threads; libuv, MAX_THREADPOOL_SIZE


def pool_of(loop: LoopCore) -> Pool:
    """The loop's pool. Raises TreadleError: ERR_INVALID_ARG_VALUE for a size in the environment that is no number."""
    pool: Pool | None = loop.pool
    if pool is None:
        pool = loop.pool = Pool(loop, pool_size(), computing_max=available_cpus())
        SaturationLog(pool)
        pool.wait_hook = lambda: loop.set_timeout(pool.look_for_saturation, LOOK_AFTER_MS).unref()
    return pool


def pool_size() -> int:
    """The threads that a pool may have, as the environment says now; what is outside 1 to 1024 is cut to that."""
    for name in VARIABLES:
        text = os.environ.get(name, "").strip()
        if text:
            try:
                return min(max(int(text), 1), SIZE_MAX)
            except ValueError:
                raise TreadleError(
                    "ERR_INVALID_ARG_VALUE", name=name, expected=f"an integer from 1 to {SIZE_MAX}", received=text
                ) from None
    return SIZE_DEFAULT
