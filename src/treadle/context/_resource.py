"""AsyncResource: the context of one moment, for callbacks that something else calls later: a pool, a queue, a driver of your own.
Not here: the ids and hooks of Node's async_hooks, which Python has no use for."""

from collections.abc import Callable
from contextvars import Context, copy_context
from typing import ParamSpec, TypeVar

from treadle._base.arguments import require_callable
from treadle._base.errors import TreadleError
from treadle.context._scope import bound, call_in

__all__ = ["AsyncResource"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


class AsyncResource:
    """Remembers the context that it is made in. Source: Node, class AsyncResource."""

    __slots__ = ("__weakref__", "_context", "_name")

    def __init__(self, name: str, /) -> None:
        """name: what kind of thing it is, for whoever looks. Raises TreadleError: ERR_INVALID_ARG_TYPE."""
        if not isinstance(name, str):
            raise TreadleError("ERR_INVALID_ARG_TYPE", name="name", expected="a str", received=type(name).__name__)
        self._name = name
        self._context: Context = copy_context()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name!r}>"

    def run_in_async_scope(self, callback: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """callback(*args, **kwargs) in the remembered context; what it sets there stays in this one call. A coroutine that it
        returns runs there as well. Raises TreadleError: ERR_INVALID_ARG_TYPE."""
        require_callable(callback, "callback")
        return call_in(self._context.copy(), callback, *args, **kwargs)

    def bind(self, callback: Callable[_P, _T], /) -> Callable[_P, _T]:
        """A function that does run_in_async_scope(callback, ...). Raises TreadleError: ERR_INVALID_ARG_TYPE."""
        require_callable(callback, "callback")
        return bound(self._context, callback)
