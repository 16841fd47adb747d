"""Calling a function inside a context. Invariants: a context is entered by one call only, so that it never is twice at once, and
what the callback sets stays in it; a coroutine that it returns runs there to its end. COMPAT(node): there what it sets of another
storage comes out of a run, which a coroutine that begins later could not do. Not here: how steps are driven (_steps.py)."""

from collections.abc import Callable, Coroutine
from contextvars import Context
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, ParamSpec, TypeVar

from treadle.context._steps import stepped

__all__ = ["bound", "call_in"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


def call_in(own: Context, callback: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """callback(*args, **kwargs) in a context that is this call's own."""
    result = own.run(callback, *args, **kwargs)
    if result is not None and isinstance(result, Coroutine):
        return stepped(result, own.run)  # type: ignore[return-value]  # a coroutine of the same result
    return result


def bound(context: Context, callback: Callable[_P, _T]) -> Callable[_P, _T]:
    """A function that calls callback in a copy of context, whoever calls it from wherever."""
    if iscoroutinefunction(callback):  # so that it is seen to be one, by those who look

        @wraps(callback)
        async def call_async(*args: Any, **kwargs: Any) -> Any:
            return await call_in(context.copy(), callback, *args, **kwargs)

        return call_async  # type: ignore[return-value]

    @wraps(callback)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        return call_in(context.copy(), callback, *args, **kwargs)

    return call
