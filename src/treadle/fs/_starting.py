"""How every function of this package begins: at once, on the pool, with a callback or a future.

Not here: what is done (_native.fs_jobs), what is checked before (the functions themselves).
"""

import os
from collections.abc import Callable
from typing import Any, Final, TypeVar

from treadle._base.arguments import require_callable
from treadle._base.errors import TreadleError
from treadle._native import fs_jobs
from treadle._native.pool import PoolSaturated, Request
from treadle.loop.current import get_loop
from treadle.loop.event_loop import EventLoop
from treadle.pool import RequestFuture, pool_of

__all__ = ["Callback", "Path", "begin", "start", "text_of"]

T = TypeVar("T")
Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]
Callback = Callable[[OSError | None, T | None], object]

OPERATIONS: Final = fs_jobs.OPERATIONS


def start(
    operation: str,
    callback: Callback[Any] | None,
    *,
    future_type: type[RequestFuture[Any]] = RequestFuture,
    **arguments: Any,
) -> Any:
    """Begin an operation of the table. With a callback: None, and callback(error, result) in the poll phase. Without: a
    future."""
    loop = get_loop()
    native = OPERATIONS[operation]
    return begin(loop, native.kind, callback, future_type, fs_jobs.start, pool_of(loop), native, **arguments)


def begin(
    loop: EventLoop,
    kind: str,
    callback: Callback[Any] | None,
    future_type: type[RequestFuture[Any]],
    submit: Callable[..., Request],
    *front: Any,
    **arguments: Any,
) -> Any:
    """The same for any native function that takes a callback behind `front`, and is_awaited."""
    future = None
    try:
        if callback is None:
            future = future_type(loop=loop)
            request = future.request = submit(*front, future.settle, is_awaited=True, **arguments)
        else:
            require_callable(callback, "callback")
            request = submit(*front, callback, is_awaited=False, **arguments)
    except PoolSaturated as saturated:
        raise TreadleError("ERR_POOL_SATURATED", limit=saturated.args[0]) from None
    if loop.tracer is not None:
        loop.tracer.scheduled(request, kind)
    return future


def text_of(path: Path) -> str | bytes:
    """A path as the file system knows it. Raises TypeError."""
    return os.fspath(path)
