"""How every function of this package begins: at once, on the pool, with a callback or a future.

Not here: what is done (_native.fs_jobs), what is checked before (the functions themselves).
"""

import os
from collections.abc import Callable
from functools import partial
from typing import Any, AnyStr, Final, TypeAlias, TypeVar

from treadle._base.errors import TreadleError
from treadle._native import fs_jobs
from treadle._native.open_files import Descriptor
from treadle._native.pool import PoolSaturated, Request
from treadle.events import AbortSignal
from treadle.fs._aborting import begin_abortable, cancel
from treadle.fs._arguments import require_callback
from treadle.loop.current import get_loop
from treadle.pool import RequestFuture, pool_of

__all__ = ["AbortableCallback", "Callback", "Path", "PathOf", "pool_saturated", "start", "start_transfer", "text_of"]

T = TypeVar("T")
Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]
PathOf: TypeAlias = AnyStr | os.PathLike[AnyStr]  # of which paths come out as they went in
Callback = Callable[[OSError | None, T | None], object]
AbortableCallback = Callable[[OSError | TreadleError | None, T | None], object]  # of what takes a signal

OPERATIONS: Final = fs_jobs.OPERATIONS
STOPS: Final = dict.fromkeys(("write_file", "write_file_atomic"), fs_jobs.FsRequest.stop)  # the others are cancelled


def start(
    name: str,
    callback: Callback[Any] | None,
    signal: AbortSignal | None = None,
    *,
    future_class: type[RequestFuture[Any]] = RequestFuture,
    **arguments: Any,
) -> Any:
    """Begin an operation of the table. With a callback: None, and callback(error, result) in the poll phase. Without: a
    future. signal: aborted, it ends it."""
    loop = get_loop()
    pool = loop.pool
    if pool is None:
        pool = pool_of(loop)
    operation = OPERATIONS[name]
    future: RequestFuture[Any] | None = None
    request: Request | None
    try:
        if signal is not None:
            begin = partial(fs_jobs.start, pool, operation, **arguments)
            request, future = begin_abortable(loop, begin, callback, signal, STOPS.get(name, cancel))
        elif callback is None:
            future = future_class(loop=loop)
            request = future.request = fs_jobs.start(pool, operation, future.settle, is_awaited=True, **arguments)
        else:
            require_callback(callback)
            request = fs_jobs.start(pool, operation, callback, **arguments)
    except PoolSaturated as saturated:
        raise pool_saturated(saturated) from None
    if loop.tracer is not None and request is not None:
        loop.tracer.scheduled(request, operation.kind.removeprefix("fs."))
    return future


def start_transfer(
    name: str,
    callback: Callback[Any],
    descriptor: Descriptor,
    path: str | bytes,
    position: int,
    size: int,
    data: list[Any] | None,
) -> None:
    """As start(), of a stream's: for each chunk, without a dict of arguments. Raises ValueError if the descriptor was closed."""
    loop = get_loop()
    pool = loop.pool
    if pool is None:
        pool = pool_of(loop)
    operation = OPERATIONS[name]
    try:
        request = fs_jobs.start(
            pool, operation, callback, descriptor=descriptor, path=path, position=position, size=size, data=data
        )
    except PoolSaturated as saturated:
        raise pool_saturated(saturated) from None
    if loop.tracer is not None:
        loop.tracer.scheduled(request, operation.kind.removeprefix("fs."))


def pool_saturated(saturated: PoolSaturated) -> TreadleError:
    """What the user hears of it."""
    return TreadleError("ERR_POOL_SATURATED", limit=saturated.args[0])


def text_of(path: Path) -> str | bytes:
    """A path as the file system knows it. Raises TypeError."""
    return path if type(path) is str else os.fspath(path)
