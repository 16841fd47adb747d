"""run() and run_alone(): the runtime's own calls of Python in lane 1."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, overload

from treadle._base.arguments import require_callable
from treadle._base.errors import TreadleError
from treadle._native import python_jobs
from treadle._native.pool import HeldInParent, PoolSaturated
from treadle.loop.current import get_loop
from treadle.pool._loop_pool import pool_of
from treadle.pool._request_future import RequestFuture

__all__ = ["run", "run_alone"]

T = TypeVar("T")
Callback = Callable[[BaseException | None, T | None], object]


@overload
def run(
    kind: str, function: Callable[..., T], *arguments: Any, callback: None = None, is_long: bool = False
) -> RequestFuture[T]: ...
@overload
def run(
    kind: str, function: Callable[..., T], *arguments: Any, callback: Callback[T], is_long: bool = False
) -> python_jobs.PythonCall: ...
def run(
    kind: str, function: Callable[..., T], *arguments: Any, callback: Callback[T] | None = None, is_long: bool = False
) -> RequestFuture[T] | python_jobs.PythonCall:
    """Call function(*arguments) on a thread of the pool; it begins at once. `kind` is what statistics call it: "zlib.gzip".

    For work that lets go of the GIL and computes: as many calls as there are CPUs run at once. is_long: it takes more than some
    ms, as a derivation of keys does; as many of those run besides, and none of the others waits for them. The function touches
    neither the loop nor a stream. What blocks for long belongs to asyncio.to_thread, whose threads are many.

    With a callback: callback(error, result) in the poll phase and in the caller's context, not any more once the program has
    ended; returned is the request, whose cancel() drops the result. Without: a future of the result, to be awaited or not.
    Cancelling either drops the job, too, if no thread has taken it. Until it is through it holds the program.

    Raises TreadleError, at once: ERR_NO_LOOP, ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE (a coroutine function),
    ERR_POOL_SATURATED.
    """
    return _begin(kind, function, arguments, callback, is_long=is_long)


@overload
def run_alone(kind: str, function: Callable[..., T], *arguments: Any, callback: None = None) -> RequestFuture[T]: ...
@overload
def run_alone(kind: str, function: Callable[..., T], *arguments: Any, callback: Callback[T]) -> python_jobs.PythonCall: ...
def run_alone(
    kind: str, function: Callable[..., T], *arguments: Any, callback: Callback[T] | None = None
) -> RequestFuture[T] | python_jobs.PythonCall:
    """As run(), for what must not be done twice at a time: of all that was handed to run_alone(), by whatever loop, one call runs
    in the whole process. The others wait without a thread of the pool, and loops with such calls have their turns one by one.

    Raises TreadleError, at once: what run() raises, and ERR_POOL_FORKED.
    """
    return _begin(kind, function, arguments, callback, is_alone=True)


def _begin(
    kind: str,
    function: Callable[..., T],
    arguments: tuple[Any, ...],
    callback: Callback[T] | None,
    *,
    is_long: bool = False,
    is_alone: bool = False,
) -> RequestFuture[T] | python_jobs.PythonCall:
    loop = get_loop()
    if not isinstance(kind, str):
        raise TreadleError("ERR_INVALID_ARG_TYPE", name="kind", expected="str", received=type(kind).__name__)
    require_callable(function, "function")
    if (code := getattr(function, "__code__", None)) is not None and code.co_flags & inspect.CO_COROUTINE:
        hint = "It would be made on a thread, and awaited nowhere: await it on the loop, and give run() what computes"
        raise TreadleError(
            "ERR_INVALID_ARG_VALUE", name="function", expected="no coroutine function", received=function, hint=hint
        )
    future: RequestFuture[T] | None = None
    if callback is None:
        future = RequestFuture(loop=loop)
        settle: Any = future.settle
    else:
        require_callable(callback, "callback")
        settle = callback
    try:
        pool = pool_of(loop)
        request = python_jobs.run(
            pool, kind, function, arguments, settle, is_awaited=future is not None, is_long=is_long, is_alone=is_alone
        )
    except PoolSaturated as saturated:
        raise TreadleError("ERR_POOL_SATURATED", limit=saturated.args[0]) from None
    except HeldInParent:
        raise TreadleError("ERR_POOL_FORKED", kind=kind) from None
    if loop.tracer is not None:
        loop.tracer.scheduled(request, kind)
    if future is None:
        return request
    future.request = request
    return future
