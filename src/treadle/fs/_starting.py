"""How every function of this package begins: at once, on the pool, with a callback or a future.

Not here: what is done (_native.fs_jobs), what is checked before (the functions themselves).
"""

import asyncio
import os
from collections.abc import Callable
from typing import Any, Final, TypeVar

from treadle._base.arguments import require_callable
from treadle._base.errors import TreadleError
from treadle._native import fs_jobs
from treadle._native.pool import PoolSaturated, Request
from treadle.loop.current import get_loop
from treadle.pool import pool_of

__all__ = ["Callback", "Path", "RequestFuture", "begin", "start", "text_of"]

T = TypeVar("T")
Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]
Callback = Callable[[OSError | None, T | None], object]

OPERATIONS: Final = fs_jobs.OPERATIONS


def start(operation: str, callback: Callback[Any] | None, **arguments: Any) -> Any:
    """Begin an operation of the table. With a callback: None, and callback(error, result) in the poll phase. Without: a
    future."""
    loop = get_loop()
    return begin(loop, operation, callback, fs_jobs.start, pool_of(loop), OPERATIONS[operation], **arguments)


def begin(
    loop: Any, name: str, callback: Callback[Any] | None, submit: Callable[..., Request], *front: Any, **arguments: Any
) -> Any:
    """The same for any native function that takes a callback behind `front`, and is_awaited."""
    try:
        if callback is None:
            future: RequestFuture = RequestFuture(loop=loop)
            request = future.request = submit(*front, future.settle, is_awaited=True, **arguments)
        else:
            future = None  # type: ignore[assignment]
            require_callable(callback, "callback")
            request = submit(*front, callback, is_awaited=False, **arguments)
    except PoolSaturated as saturated:
        raise TreadleError("ERR_POOL_SATURATED", limit=saturated.args[0]) from None
    if loop.tracer is not None:
        loop.tracer.scheduled(request, name)
    return future


def text_of(path: Path) -> str | bytes:
    """A path as the file system knows it. Raises TypeError."""
    return os.fspath(path)


class RequestFuture(asyncio.Future[Any]):
    """What is awaited. Invariant: once it is done, it and its request know nothing of each other."""

    request: Request | None = None
    on_over: Callable[[], object] | None = None  # called once, before it is done

    def settle(self, error: OSError | None, result: Any) -> None:
        self.request = None
        self._tell()
        if error is None:
            self.set_result(result)
        else:
            self.set_exception(error)

    def cancel(self, msg: Any | None = None) -> bool:
        """Drop the result. See asyncio.Future.cancel."""
        is_cancelled = super().cancel(msg)
        if is_cancelled and self.request is not None:
            self.request.cancel()
            self.request = None
            self._tell()
        return is_cancelled

    def _tell(self) -> None:
        on_over, self.on_over = self.on_over, None
        if on_over is not None:
            on_over()
