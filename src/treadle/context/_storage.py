"""AsyncLocalStorage: a value that follows the flow of control, over one contextvars.ContextVar each.

Invariant: nothing but contexts holds a store: once no callback, task or timer of a run is left, its store is freed.
Not here: how a coroutine stays in its context (_scope.py).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import Any, Generic, ParamSpec, TypeVar

from treadle._base.arguments import require_callable
from treadle._base.errors import TreadleError
from treadle.context._scope import bound, call_in

__all__ = ["AsyncLocalStorage"]

_P = ParamSpec("_P")
_S = TypeVar("_S")
_T = TypeVar("_T")


class AsyncLocalStorage(Generic[_S]):
    """A store for each flow of control. Source: Node, class AsyncLocalStorage.

    Every callback that is scheduled, by Node's names or asyncio's, every task and `asyncio.to_thread` sees the store that was
    current where it was scheduled. `loop.run_in_executor` and threads of your own do not, as with any context variable: hand them
    `AsyncLocalStorage.bind(function)`. Make one per purpose, at module level, not one per request.
    """

    __slots__ = ("__weakref__", "_default", "_name", "_variable")

    def __init__(self, *, default_value: _S | None = None, name: str = "") -> None:
        """default_value: what get_store() returns outside of a run. name: for whoever looks. Raises TreadleError:
        ERR_INVALID_ARG_TYPE."""
        if not isinstance(name, str):
            raise TreadleError("ERR_INVALID_ARG_TYPE", name="name", expected="a str", received=type(name).__name__)
        self._default = default_value
        self._name = name
        self._variable: ContextVar[_S | None] = ContextVar(name)

    def __repr__(self) -> str:
        return f"<AsyncLocalStorage {self._name!r} store={self.get_store()!r}>"

    @property
    def name(self) -> str:
        """As given, for whoever looks."""
        return self._name

    def get_store(self) -> _S | None:
        """The store of the innermost run around this, whenever that began; default_value outside of any."""
        return self._variable.get(self._default)

    def run(self, store: _S | None, callback: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """callback(*args, **kwargs) with `store`, and so all that it schedules. Returns what it returns; a coroutine, as a
        coroutine function returns it, keeps the store to its end, wherever it is awaited or made a task.

        What the callback sets of other context variables stays inside, too. Raises TreadleError: ERR_INVALID_ARG_TYPE.
        """
        require_callable(callback, "callback")
        context = copy_context()
        context.run(self._variable.set, store)
        return call_in(context, callback, *args, **kwargs)

    def exit(self, callback: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """As run, with no store: None, also where there is a default_value."""
        return self.run(None, callback, *args, **kwargs)

    @contextmanager
    def scope(self, store: _S | None) -> Iterator[None]:
        """`with storage.scope(store):` the block, and all that it schedules, has the store. For blocks that may await."""
        variable = self._variable
        token = variable.set(store)
        try:
            yield
        finally:
            variable.reset(token)

    def enter_with(self, store: _S | None, /) -> None:
        """Have the store from here to the end of the callback or task that runs, and in all that it schedules from now on.
        run() and scope() cannot leak out of a block; this can."""
        self._variable.set(store)

    def disable(self) -> None:
        """Leave every run, also those that others are in, and let go of their stores as they end. The next run() or enter_with()
        starts anew."""
        self._variable = ContextVar(self._name)

    @staticmethod
    def bind(callback: Callable[_P, _T], /) -> Callable[_P, _T]:
        """A function that calls `callback` in the context of this moment: all storages, and all context variables. Raises
        TreadleError: ERR_INVALID_ARG_TYPE."""
        require_callable(callback, "callback")
        return bound(copy_context(), callback)

    @staticmethod
    def snapshot() -> Callable[..., Any]:
        """A function (callback, *args) that calls any callback in the context of this moment."""
        context = copy_context()

        def run(callback: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
            require_callable(callback, "callback")
            return call_in(context.copy(), callback, *args, **kwargs)

        return run
