"""A channel, and the registry of channels by name.

    _by_name   name -> channel, weakly: one that nobody uses vanishes
    _in_use    the channels that have a subscriber or a store, strongly: they stay although nobody else holds them

Invariants: of one name there is one channel; publish() calls those who had subscribed when it began, in that order, each one
whatever the others raise. Subscribing is thread-safe; subscribers run on the thread that publishes.
Not here: spans of time (_tracing.py).
"""

from collections.abc import Callable, Coroutine
from functools import partial
from threading import RLock
from typing import Any, Final, ParamSpec, TypeAlias, TypeVar
from weakref import WeakValueDictionary

from treadle._base.arguments import require_callable
from treadle._base.errors import TreadleError
from treadle.context import AsyncLocalStorage
from treadle.diagnostics_channel._failures import report
from treadle.events._loop import as_task

__all__ = ["Channel", "Subscriber", "Transform", "channel", "has_subscribers", "subscribe", "unsubscribe"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

Subscriber: TypeAlias = Callable[[Any, str], object]
"""(message, name of the channel); a coroutine function runs as a task"""
Transform: TypeAlias = Callable[[Any], Any]
"""message -> the store to run with"""


class Channel:
    """Made by channel(). Source: Node, class Channel.

    `has_subscribers` is to be read only: whether publish() and run_stores() have anybody to tell.
    """

    # PERF: has_subscribers is a slot and no property, since every publisher reads it; bench/diagnostics_channel.py
    __slots__ = ("__weakref__", "_name", "_stores", "_subscribers", "has_subscribers")

    def __init__(self, name: str) -> None:
        self._name = name
        self._subscribers: tuple[Subscriber, ...] = ()  # replaced, never changed: publish() may be at it
        self._stores: dict[AsyncLocalStorage[Any], Transform] = {}  # the same
        self.has_subscribers = False  # derived of the two by _keep

    def __repr__(self) -> str:
        return f"<Channel {self._name!r} subscribers={len(self._subscribers)} stores={len(self._stores)}>"

    @property
    def name(self) -> str:
        """As given to channel()."""
        return self._name

    def publish(self, message: Any, /) -> None:
        """Call every subscriber with (message, name), now; the coroutine of one runs as a task. What one raises is an uncaught
        exception of the next tick; where no loop runs, it is printed."""
        for subscriber in self._subscribers:
            try:
                result = subscriber(message, self._name)
                if result is not None and isinstance(result, Coroutine):
                    as_task(result)
            except Exception as error:
                report(error)

    def subscribe(self, subscriber: Subscriber, /) -> None:
        """Call subscriber(message, name) at every publish(); twice subscribed, twice called. Raises ERR_INVALID_ARG_TYPE."""
        require_callable(subscriber, "subscriber")
        with _lock:
            self._subscribers = (*self._subscribers, subscriber)
            self._keep()

    def unsubscribe(self, subscriber: Subscriber, /) -> bool:
        """Undo one subscribe(), the first that equals it; False if there is none."""
        with _lock:
            if subscriber not in self._subscribers:
                return False
            position = self._subscribers.index(subscriber)
            self._subscribers = self._subscribers[:position] + self._subscribers[position + 1 :]
            self._keep()
        return True

    def bind_store(self, store: AsyncLocalStorage[Any], transform: Transform | None = None, /) -> None:
        """Have run_stores() run with `store` set to transform(message), or to the message itself. Binding it again replaces the
        transform. Raises ERR_INVALID_ARG_TYPE."""
        if not isinstance(store, AsyncLocalStorage):
            raise TreadleError(
                "ERR_INVALID_ARG_TYPE", name="store", expected="an AsyncLocalStorage", received=type(store).__name__
            )
        if transform is not None:
            require_callable(transform, "transform")
        with _lock:
            self._stores = {**self._stores, store: _as_it_is if transform is None else transform}
            self._keep()

    def unbind_store(self, store: AsyncLocalStorage[Any], /) -> bool:
        """Undo bind_store(); False if it was not bound."""
        with _lock:
            if store not in self._stores:
                return False
            self._stores = {bound: transform for bound, transform in self._stores.items() if bound is not store}
            self._keep()
        return True

    def run_stores(self, message: Any, callback: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """publish(message), then callback(*args, **kwargs), both with the bound stores set; returns what it returns. A coroutine
        that it returns keeps the stores. A transform that raises is reported as a subscriber is, and its store left alone."""
        run: Callable[[], _T] = partial(self._publish_and_call, message, partial(callback, *args, **kwargs))
        for store, transform in self._stores.items():
            run = partial(_run_with, store, transform, message, run)
        return run()

    def _publish_and_call(self, message: Any, call: Callable[[], _T]) -> _T:
        self.publish(message)
        return call()

    def _keep(self) -> None:
        self.has_subscribers = bool(self._subscribers or self._stores)
        if self.has_subscribers:
            _in_use.add(self)
        else:
            _in_use.discard(self)


_lock: Final = RLock()  # a finalizer or a signal handler that subscribes must not find itself locked out
_by_name: Final[WeakValueDictionary[str, Channel]] = WeakValueDictionary()
_in_use: Final[set[Channel]] = set()


def channel(name: str, /) -> Channel:
    """The channel of this name, the same for everybody. Keep it in a variable of your module: looking it up is no part of the
    promise that it costs nothing. Raises TreadleError: ERR_INVALID_ARG_TYPE."""
    found = _find(name)
    if found is not None:
        return found
    with _lock:
        return _by_name.setdefault(name, Channel(name))


def has_subscribers(name: str, /) -> bool:
    """Whether the channel of this name has any. Where it matters what that costs, keep the channel and ask it."""
    found = _find(name)
    return found is not None and found.has_subscribers


def subscribe(name: str, subscriber: Subscriber, /) -> None:
    """channel(name).subscribe(subscriber): it stays subscribed although nobody holds the channel."""
    channel(name).subscribe(subscriber)


def unsubscribe(name: str, subscriber: Subscriber, /) -> bool:
    """channel(name).unsubscribe(subscriber)."""
    found = _find(name)
    return found is not None and found.unsubscribe(subscriber)


def _find(name: str) -> Channel | None:
    if not isinstance(name, str):
        raise TreadleError("ERR_INVALID_ARG_TYPE", name="name", expected="a str", received=type(name).__name__)
    return _by_name.get(name)


def _as_it_is(message: Any) -> Any:
    return message


def _run_with(store: AsyncLocalStorage[Any], transform: Transform, message: Any, run: Callable[[], _T]) -> _T:
    try:
        value = transform(message)
    except Exception as error:
        report(error)
        return run()
    return store.run(value, run)
