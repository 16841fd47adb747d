"""One job of the pool, in the form that the caller asks for. Not here: the jobs."""

from asyncio import Future
from collections.abc import Callable
from typing import Any, Final

from treadle import pool
from treadle._base.arguments import require_callable

__all__ = ["begin", "begin_lanes"]

SEVERAL_LANES: Final = " of several lanes"


def begin(
    kind: str,
    callback: Callable[[Any, Any], object] | None,
    function: Callable[..., Any],
    *arguments: Any,
    is_long: bool = False,
) -> Future[Any] | None:
    """function(*arguments) on a thread: callback(error, result) in the poll phase and None, or a future of the result.

    is_long: as in pool.run().

    Raises TreadleError: ERR_INVALID_ARG_TYPE, ERR_NO_LOOP, ERR_POOL_SATURATED.
    """
    if callback is None:
        future: Future[Any] = pool.run(kind, function, *arguments, is_long=is_long)
        return future
    require_callable(callback, "callback")
    pool.run(kind, function, *arguments, callback=callback, is_long=is_long)
    return None


def begin_lanes(
    kind: str, lanes: int, callback: Callable[[Any, Any], object] | None, function: Callable[..., Any], *arguments: Any
) -> Future[Any] | None:
    """As begin(), of a derivation by Argon2: with several lanes it is alone in the process.

    OpenSSL, behind cryptography, fills lanes by threads, of which the process may have as many as there are cores: a derivation
    takes them one by one and keeps what it has, so that two at a time may wait for each other for ever. One lane needs none.

    Raises TreadleError: as begin(), and ERR_POOL_FORKED.
    """
    if lanes == 1:
        return begin(kind, callback, function, *arguments, is_long=True)
    kind += SEVERAL_LANES
    if callback is None:
        future: Future[Any] = pool.run_alone(kind, function, *arguments)
        return future
    require_callable(callback, "callback")
    pool.run_alone(kind, function, *arguments, callback=callback)
    return None
