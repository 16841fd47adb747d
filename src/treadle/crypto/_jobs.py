"""One job of the pool, in the form that the caller asks for. Not here: the jobs."""

from asyncio import Future
from collections.abc import Callable
from typing import Any

from treadle import pool
from treadle._base.arguments import require_callable

__all__ = ["begin"]


def begin(
    kind: str, callback: Callable[[Any, Any], object] | None, function: Callable[..., Any], *arguments: Any
) -> Future[Any] | None:
    """function(*arguments) on a thread: callback(error, result) in the poll phase and None, or a future of the result.

    Raises TreadleError: ERR_INVALID_ARG_TYPE, ERR_NO_LOOP, ERR_POOL_SATURATED.
    """
    if callback is None:
        future: Future[Any] = pool.run(kind, function, *arguments)
        return future
    require_callable(callback, "callback")
    pool.run(kind, function, *arguments, callback=callback)
    return None
