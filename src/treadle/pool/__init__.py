"""The native thread pool: what the kernel cannot do without blocking, and what libraries compute without the GIL.

    lane 1    TREADLE_THREADPOOL_SIZE native threads (4): files, names, hashes, compression. Jobs of the runtime's own
    lane 2    asyncio's default executor, min(32, cpus + 4) threads: every callable of the user (asyncio.to_thread ...)

In lane 1 names hold half of the threads at most, and what computes as many as there are CPUs. Of jobs that a library cannot do
twice at a time (Argon2 with several lanes) one runs in the whole process, on a thread besides.

Invariants: neither lane starves the other; the queue of lane 1 is bounded, and who is turned away hears it at once. A pool that
makes jobs wait says so, with their kinds (the logger "treadle.pool"). Not here: the threads (_native.pool_threads), the jobs (fs,
dns, crypto, zlib). Source: Node, UV_THREADPOOL_SIZE; libuv, "Thread pool work scheduling".
"""

from treadle.pool._loop_pool import pool_of, pool_size
from treadle.pool._request_future import RequestFuture
from treadle.pool._run import run, run_alone
from treadle.pool._statistics import KindStatistics, LaneStatistics, PoolStatistics, statistics

__all__ = [
    "KindStatistics",
    "LaneStatistics",
    "PoolStatistics",
    "RequestFuture",
    "pool_of",
    "pool_size",
    "run",
    "run_alone",
    "statistics",
]
