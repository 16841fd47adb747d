"""Who waits for an answer: a future, or a callback. Several may wait for one.

Invariant: an asker is told once, or never: what was cancelled hears nothing. Not here: how an answer is found (_lookup.py,
_channel.py).
"""

import asyncio
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any, Protocol, TypeVar

from treadle._base.arguments import require_callable
from treadle.loop.event_loop import EventLoop

__all__ = ["AnswerFuture", "Asker", "CallbackAsker", "asker_of", "told_at_once"]

_T = TypeVar("_T")

Callback = Callable[[Any, Any], object]


class Asker(Protocol):
    """One who waits."""

    def answer(self, result: Any) -> None: ...
    def fail(self, error: BaseException) -> None: ...


class AnswerFuture(asyncio.Future[_T]):
    """What is awaited. left, if it is set, is called when this is cancelled, with it."""

    left: Callable[["Asker"], None] | None = None

    def answer(self, result: _T) -> None:
        """Done."""
        self.left = None
        if not self.done():
            self.set_result(result)

    def fail(self, error: BaseException) -> None:
        """Failed."""
        self.left = None
        if not self.done():
            self.set_exception(error)

    def cancel(self, msg: Any | None = None) -> bool:
        """Wait no more; whoever else waits for the same goes on. See asyncio.Future.cancel."""
        is_cancelled = super().cancel(msg)
        left, self.left = self.left, None
        if is_cancelled and left is not None:
            left(self)
        return is_cancelled


class CallbackAsker:
    """callback(error, result), in the context of the call. In a tick of its own: what one raises is no other's affair."""

    def __init__(self, loop: EventLoop, callback: Callback) -> None:
        self._loop = loop
        self._callback = callback
        self._context: Context = copy_context()

    def answer(self, result: Any) -> None:
        """Done."""
        self._loop.next_tick(self._context.run, self._callback, None, result)

    def fail(self, error: BaseException) -> None:
        """Failed."""
        self._loop.next_tick(self._context.run, self._callback, error, None)


def asker_of(loop: EventLoop, callback: Callback | None) -> tuple[Asker, AnswerFuture[Any] | None]:
    """The asker, and the future to return if it is one. Raises TreadleError: ERR_INVALID_ARG_TYPE."""
    if callback is None:
        future: AnswerFuture[Any] = AnswerFuture(loop=loop)
        return future, future
    require_callable(callback, "callback")
    return CallbackAsker(loop, callback), None


def told_at_once(asker: Asker, future: AnswerFuture[Any] | None, outcome: Any) -> AnswerFuture[Any] | None:
    """Where nothing needs to be asked: answers, or fails if that is an exception, and returns the future."""
    if isinstance(outcome, BaseException):
        asker.fail(outcome)
    else:
        asker.answer(outcome)
    return future
