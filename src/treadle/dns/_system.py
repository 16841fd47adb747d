"""What the system says of a name, found out on a thread of the pool. Not here: who waits for it (_lookup.py)."""

from treadle._base.errors import TreadleError
from treadle._native import name_jobs
from treadle._native.pool import PoolSaturated
from treadle.loop.event_loop import EventLoop
from treadle.pool import RequestFuture, pool_of

__all__ = ["ask_system"]


def ask_system(loop: EventLoop, name: bytes, family: int, hints: int) -> RequestFuture[list[tuple[str, int]]]:
    """Begin, and return a future of (address, 4 or 6) each; it fails with NoAnswer or OSError. family: 4, 6, or 0 for both.

    Raises TreadleError: ERR_POOL_SATURATED.
    """
    future: RequestFuture[list[tuple[str, int]]] = RequestFuture(loop=loop)
    try:
        future.request = name_jobs.look_up(pool_of(loop), name, family, hints, future.settle, is_awaited=True)
    except PoolSaturated as saturated:
        raise TreadleError("ERR_POOL_SATURATED", limit=saturated.args[0]) from None
    if loop.tracer is not None:
        loop.tracer.scheduled(future.request, "dns.lookup")
    return future
