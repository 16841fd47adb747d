"""run(): the runtime's own calls of Python in lane 1."""

from collections.abc import Callable
from typing import Any, TypeVar, overload

from treadle._base.arguments import require_callable
from treadle._base.errors import TreadleError
from treadle._native import python_jobs
from treadle._native.loop import LoopCore
from treadle._native.pool import PoolSaturated
from treadle.loop.current import get_loop
from treadle.pool._loop_pool import pool_of
from treadle.pool._request_future import RequestFuture

__all__ = ["run"]

T = TypeVar("T")
Callback = Callable[[BaseException | None, T | None], object]


@overload
def run(kind: str, function: Callable[..., T], *arguments: Any, callback: None = None) -> RequestFuture[T]: ...
@overload
def run(kind: str, function: Callable[..., T], *arguments: Any, callback: Callback[T]) -> python_jobs.PythonCall: ...
def run(
    kind: str, function: Callable[..., T], *arguments: Any, callback: Callback[T] | None = None
) -> RequestFuture[T] | python_jobs.PythonCall:
    """Call function(*arguments) on a thread of the pool; it begins at once. `kind` is what statistics call it: "zlib.gzip".

    For work that lets go of the GIL: four threads that hold it only take turns with the loop. The function touches neither the
    loop nor a stream. What blocks for long belongs to asyncio.to_thread, whose threads are many.

    With a callback: callback(error, result) in the poll phase and in the caller's context, not any more once the program has
    ended; returned is the request, whose cancel() drops the result. Without: a future of the result, to be awaited or not.
    Cancelling either drops the job, too, if no thread has taken it. Until it is through it holds the program.

    Raises TreadleError: ERR_NO_LOOP, ERR_INVALID_ARG_TYPE, ERR_POOL_SATURATED.
    """
    loop = get_loop()
    if callback is not None:
        require_callable(callback, "callback")
        return _begin(loop, kind, function, arguments, callback, is_awaited=False)
    future: RequestFuture[T] = RequestFuture(loop=loop)
    future.request = _begin(loop, kind, function, arguments, future.settle, is_awaited=True)
    return future


def _begin(
    loop: LoopCore, kind: str, function: Callable[..., Any], arguments: tuple[Any, ...], callback: Any, *, is_awaited: bool
) -> python_jobs.PythonCall:
    try:
        request = python_jobs.run(pool_of(loop), kind, function, arguments, callback, is_awaited=is_awaited)
    except PoolSaturated as saturated:
        raise TreadleError("ERR_POOL_SATURATED", limit=saturated.args[0]) from None
    if loop.tracer is not None:
        loop.tracer.scheduled(request, kind)
    return request
