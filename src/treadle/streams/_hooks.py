"""Hooks that are coroutine functions: `async def` instead of a callback.

    hook                              instead of                                    what it returns
    read(size)                        the same; it pushes                           nothing
    write(chunk, encoding)            write(chunk, encoding, callback)              nothing
    writev(requests)                  writev(requests, callback)                    nothing
    final(), construct()              final(callback), construct(callback)          nothing
    destroy(error)                    destroy(error, callback)                      nothing; `error` is emitted after it
    transform(chunk, encoding)        transform(chunk, encoding, callback)          data to push, or None
    flush()                           flush(callback)                               data to push, or None

What it raises is what the callback would get. Invariants: destroying the stream cancels those that are at work, but for destroy
itself; what a stream keeps of its hooks does not hold it. Not here: when a hook is called (_native).
"""

from asyncio import CancelledError
from collections.abc import Callable, Coroutine
from functools import wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from typing import Any, Final
from weakref import ref

from treadle._base.arguments import require_callable
from treadle._base.errors import TreadleError
from treadle.loop.current import get_loop
from treadle.streams._tasks import cancel_begun, has_begun

__all__ = ["adapt_methods", "adapted"]

_WITH_DATA: Final = ("transform", "flush")
_HOOKS: Final = ("read", "write", "writev", "final", "construct", "destroy", *_WITH_DATA)


def adapted(stream: Any, name: str, hook: Callable[..., Any] | None) -> Callable[..., object] | None:
    """The hook of an option as the native core calls it."""
    if hook is None:
        return None
    require_callable(hook, name)
    _require_no_generator(hook, name)
    if not _is_coroutine_function(hook):
        return hook
    stream_of: Callable[[], Any] = ref(stream)  # it is there: it calls

    if name == "read":
        return lambda size: _run(stream_of(), name, hook(size), stream_of()._end_read)
    return lambda *arguments: _run(stream_of(), name, hook(*arguments[:-1]), _told(name, arguments))


def _require_no_generator(hook: Any, name: str) -> None:
    if isgeneratorfunction(hook) or isasyncgenfunction(hook):
        raise TreadleError(
            "ERR_INVALID_ARG_TYPE",
            name=name,
            expected="a function or a coroutine function; what a hook yields nobody hears: push() it",
            received="a generator function" if isgeneratorfunction(hook) else "an async generator function",
        )


def _is_coroutine_function(hook: Callable[..., Any]) -> bool:
    # Also of an object that is called by an `async def __call__`.
    return iscoroutinefunction(hook) or iscoroutinefunction(getattr(hook, "__call__", None))  # noqa: B004


def adapt_methods(cls: type) -> None:
    """The same for the methods of a subclass."""
    for name in _HOOKS:
        method = cls.__dict__.get(f"_{name}")
        _require_no_generator(method, f"_{name}")
        if method is not None and iscoroutinefunction(method):
            setattr(cls, f"_{name}", _adapted_method(name, method))


def _adapted_method(name: str, method: Callable[..., Any]) -> Callable[..., object]:
    if name == "read":

        @wraps(method)
        def read(self: Any, size: int) -> None:
            _run(self, name, method(self, size), self._end_read)

        return read

    @wraps(method)
    def call(self: Any, *arguments: Any) -> None:
        _run(self, name, method(self, *arguments[:-1]), _told(name, arguments))

    return call


def _told(name: str, arguments: tuple[Any, ...]) -> Callable[..., object]:
    # The callback. What a stream is destroyed with remains its error, unless the hook fails with another.
    callback: Callable[..., object] = arguments[-1]
    if name != "destroy":
        return callback
    return lambda failure=None: callback(arguments[0] if failure is None else failure)


def _run(stream: Any, name: str, coroutine: Coroutine[Any, Any, Any], callback: Callable[..., object]) -> None:
    task = get_loop().begin_task(_await(stream, name, coroutine, callback))
    if name != "destroy" and not task.done():
        if stream._hook_tasks is None:
            stream._hook_tasks = set()
        stream._hook_tasks.add(task)
        task.add_done_callback(lambda task: _end(stream, name, task, coroutine, callback))
        if stream.destroyed:  # before its construct hook was called
            cancel_begun(task)


def _end(stream: Any, name: str, task: Any, coroutine: Coroutine[Any, Any, Any], callback: Callable[..., object]) -> None:
    stream._hook_tasks.discard(task)
    if task.cancelled() and not has_begun(coroutine):
        # ORDER: what it works with may be closed by now, so that it is not begun; but who waits for it, as a destroy hook waits
        # for the construct hook, is told.
        coroutine.close()
        callback(_error_of_cancelling(stream, name))


async def _await(stream: Any, name: str, coroutine: Coroutine[Any, Any, Any], callback: Callable[..., object]) -> None:
    try:
        data = await coroutine
    except CancelledError:
        callback(_error_of_cancelling(stream, name))
        raise
    except Exception as error:
        callback(error)
    else:
        if name in _WITH_DATA:
            callback(None, data)
        else:
            callback()
    finally:
        del stream, callback  # an error that has passed here keeps this frame, and a stream its error


def _error_of_cancelling(stream: Any, name: str) -> TreadleError | None:
    # A stream that was destroyed while it was constructed has failed with what it was destroyed with, or with nothing.
    return None if name == "construct" and stream.destroyed else TreadleError("ABORT_ERR", reason=None)
