"""events.once: the next event as an awaitable. Not here: EventEmitter.once, which calls back."""

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from treadle.events.emitter import EventEmitter, error_of

if TYPE_CHECKING:
    from asyncio import Future

__all__ = ["once"]


def once(emitter: EventEmitter, event: Hashable, /) -> "Future[list[Any]]":
    """A future of the arguments of the next `event`, as a list. It listens from this call on, not from the await.

    An 'error' event fails it, unless `event` is 'error' itself. Cancelling it removes its listeners.
    """
    return _Outcome(emitter, event).future


class _Outcome:
    """One event that is waited for. Listeners that name each other would keep the future, and what it got, for the collector."""

    __slots__ = ("emitter", "event", "future")

    def __init__(self, emitter: EventEmitter, event: Hashable) -> None:
        self.emitter = emitter
        self.event = event
        self.future: Future[list[Any]] = emitter._make_future()
        emitter.once(event, self.succeed)
        if event != "error":
            emitter.once("error", self.fail)
        self.future.add_done_callback(self.stop_listening)  # cancelled

    def stop_listening(self, _: object = None) -> None:
        self.emitter.remove_listener(self.event, self.succeed)
        self.emitter.remove_listener("error", self.fail)

    def succeed(self, *args: Any) -> None:
        self.stop_listening()  # ORDER: before anything else can be emitted, so that a later 'error' is not swallowed
        if not self.future.done():
            self.future.set_result(list(args))

    def fail(self, *args: object) -> None:
        self.stop_listening()
        if not self.future.done():
            self.future.set_exception(error_of(args))
