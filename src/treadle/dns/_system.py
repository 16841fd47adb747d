"""What the system says of a name or an address, found out on a thread of the pool. Not here: who waits for it (_lookup.py)."""

from collections.abc import Callable
from typing import Any

from treadle._base.errors import TreadleError
from treadle._native import name_jobs
from treadle._native.pool import PoolSaturated, Request
from treadle.loop.event_loop import EventLoop
from treadle.pool import RequestFuture, pool_of

__all__ = ["ask_system", "ask_system_for_service"]


def ask_system(loop: EventLoop, name: bytes, family: int, hints: int) -> RequestFuture[list[tuple[str, int]]]:
    """Begin, and return a future of (address, 4 or 6) each; it fails with NoAnswer or OSError. family: 4, 6, or 0 for both.

    Raises TreadleError: ERR_POOL_SATURATED.
    """
    future: RequestFuture[list[tuple[str, int]]] = RequestFuture(loop=loop)
    future.request = _begin(loop, "dns.lookup", name_jobs.look_up, name, family, hints, future.settle, is_awaited=True)
    return future


def ask_system_for_service(
    loop: EventLoop, address: str, port: int, settle: Callable[[Any, Any], object], *, is_awaited: bool
) -> Request:
    """Begin; settle(error, (hostname, service)) is called in the poll phase. is_awaited: also when the program has ended.

    Raises TreadleError: ERR_POOL_SATURATED.
    """
    ask = name_jobs.look_up_service
    return _begin(loop, "dns.lookup_service", ask, address.encode("ascii"), port, settle, is_awaited=is_awaited)


def _begin(loop: EventLoop, kind: str, ask: Callable[..., Request], *arguments: Any, is_awaited: bool) -> Request:
    try:
        request = ask(pool_of(loop), *arguments, is_awaited=is_awaited)
    except PoolSaturated as saturated:
        raise TreadleError("ERR_POOL_SATURATED", limit=saturated.args[0]) from None
    if loop.tracer is not None:
        loop.tracer.scheduled(request, kind)
    return request
