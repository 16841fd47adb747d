"""events.once: the next event as an awaitable. Not here: EventEmitter.once, which calls back."""

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from treadle.events._loop import running_loop
from treadle.events.emitter import EventEmitter, error_of

if TYPE_CHECKING:
    from asyncio import Future

__all__ = ["once"]


def once(emitter: EventEmitter, event: Hashable, /) -> "Future[list[Any]]":
    """A future of the arguments of the next `event`, as a list. It listens from this call on, not from the await.

    An 'error' event fails it, unless `event` is 'error' itself. Cancelling it removes its listeners.
    """
    outcome: Future[list[Any]] = running_loop().create_future()

    def stop_listening(_: object = None) -> None:
        emitter.remove_listener(event, on_event)
        emitter.remove_listener("error", on_error)

    def on_event(*args: Any) -> None:
        stop_listening()  # ORDER: before anything else can be emitted, so that a later 'error' is not swallowed
        if not outcome.done():
            outcome.set_result(list(args))

    def on_error(*args: object) -> None:
        stop_listening()
        if not outcome.done():
            outcome.set_exception(error_of(args))

    emitter.once(event, on_event)
    if event != "error":
        emitter.once("error", on_error)
    outcome.add_done_callback(stop_listening)  # cancelled
    return outcome
