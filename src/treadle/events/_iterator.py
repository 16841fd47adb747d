"""events.on: a stream of events as an async iterator.

    emitter --listener--> _Inbox (queue of argument lists, waiters) <-- EventIterator (what the user holds)

OWNER: the emitter's listeners hold the inbox, only the user holds the iterator. So an iterator that is dropped, as
`async for ... break` drops it, takes its listeners off. Not here: one event only (_once.py).
"""

from collections import deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self, cast

from treadle.events._listeners import Listener
from treadle.events._loop import running_loop
from treadle.events.emitter import EventEmitter, error_of

if TYPE_CHECKING:
    from asyncio import Future

__all__ = ["EventIterator", "EventIteratorStatistics", "on"]


class _Pausable(Protocol):
    def pause(self) -> object: ...
    def resume(self) -> object: ...


@dataclass(frozen=True, slots=True)
class EventIteratorStatistics:
    """Figures of one iterator now: events not yet taken, consumers that wait, whether it has stopped listening."""

    queued: int
    waiting: int
    is_closed: bool


class _Inbox:
    """Events that arrived and were not taken. Invariant: nobody waits on while something is queued: each arrival wakes
    one waiter."""

    def __init__(self, emitter: EventEmitter, high_water_mark: int | None, low_water_mark: int) -> None:
        self.emitter = emitter
        self.high_water_mark = high_water_mark
        self.low_water_mark = low_water_mark
        self.queue: deque[list[Any]] = deque()
        self.waiters: deque[Future[None]] = deque()
        self.listening: list[tuple[Hashable, Listener]] = []
        self.error: BaseException | None = None  # set by an 'error' event, cleared by the consumer that it is raised to
        self.is_paused = False  # set past the high-water mark, cleared below the low one
        self.is_closed = False  # set by close(), never cleared

    def listen(self, event: Hashable, listener: Listener) -> None:
        self.emitter.on(event, listener)
        self.listening.append((event, listener))

    def put(self, *args: Any) -> None:
        self.queue.append(list(args))
        self.wake_one()
        if self.high_water_mark is not None and not self.is_paused and len(self.queue) > self.high_water_mark:
            self.is_paused = True
            cast(_Pausable, self.emitter).pause()

    def fail(self, *args: object) -> None:
        self.error = error_of(args)
        self.close()

    def close(self, *_: object) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        for event, listener in self.listening:
            self.emitter.remove_listener(event, listener)
        self.listening.clear()
        for _waiter in range(len(self.waiters)):
            self.wake_one()

    def wake_one(self) -> None:
        while self.waiters:
            waiter = self.waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    async def take(self) -> list[Any]:
        while not self.queue:
            if self.error is not None:
                error, self.error = self.error, None
                self.emitter._note_raised(error)
                raise error
            if self.is_closed:
                raise StopAsyncIteration
            await self.wait_for_arrival()
        args = self.queue.popleft()
        if self.is_paused and len(self.queue) < self.low_water_mark:
            self.is_paused = False
            cast(_Pausable, self.emitter).resume()
        return args

    async def wait_for_arrival(self) -> None:
        waiter = running_loop().create_future()
        self.waiters.append(waiter)
        try:
            await waiter
        except BaseException:
            if waiter in self.waiters:
                self.waiters.remove(waiter)
            elif self.queue or self.error is not None:
                self.wake_one()  # cancelled after it was woken: what came must not be left lying
            raise


class EventIterator:
    """What on() returns: `async for args in iterator`, each time the arguments of one event as a list.

    Python's `break` does not call aclose(). Dropping the iterator does the same as soon as nothing refers to it; where
    it is kept in a variable, use `async with contextlib.aclosing(events.on(...)) as iterator`.
    """

    __slots__ = ("__weakref__", "_inbox")

    def __init__(self, inbox: _Inbox) -> None:
        self._inbox = inbox

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Any]:
        return await self._inbox.take()

    async def aclose(self) -> None:
        """Stop listening. Events that came before are still delivered, then the iteration ends."""
        self._inbox.close()

    def __del__(self) -> None:
        self._inbox.close()

    def statistics(self) -> EventIteratorStatistics:
        inbox = self._inbox
        return EventIteratorStatistics(len(inbox.queue), len(inbox.waiters), inbox.is_closed)

    def __repr__(self) -> str:
        now = self.statistics()
        return f"<EventIterator {'closed' if now.is_closed else 'open'} queued={now.queued} waiting={now.waiting}>"


def on(
    emitter: EventEmitter,
    event: Hashable,
    /,
    *,
    close: Iterable[Hashable] = (),
    high_water_mark: int | None = None,
    low_water_mark: int = 1,
) -> EventIterator:
    """The events named `event` from now on, as an async iterator of argument lists.

    It ends after one of the events in `close`; an 'error' event is raised after the events before it, and ends it.
    Events wait without limit for the consumer, unless `high_water_mark` is given: then the emitter, which must have
    pause() and resume(), is paused with more than that many waiting, and resumed with fewer than `low_water_mark`.
    """
    inbox = _Inbox(emitter, high_water_mark, low_water_mark)
    inbox.listen(event, inbox.put)
    if event != "error":
        inbox.listen("error", inbox.fail)
    for name in close:
        inbox.listen(name, inbox.close)
    return EventIterator(inbox)
