"""Between a WSGI application in its thread and the loop that it must not block: events out, pieces of the body in.

    thread                                    loop
    put(events) ──► items, MARK at most ──► carry(): await send(event)
    ask()       ──► ASK                 ──► await receive() ──► the event
    check()     ──► CHECK, one at most  ──► does anybody still wait for the answer?

Invariants: the thread waits for the loop only while more than MARK bytes are on their way, or it has asked; once the exchange is
given up, whatever the thread does next here raises, so that no thread waits for a peer that has left. One exchange, one thread.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from enum import Enum
from typing import Any, Final, Literal

__all__ = ["MARK", "Bridge", "GivenUpError"]

MARK: Final = 64 * 1024  # bytes between the two before the thread waits; as a stream's
CHECK_S: Final = 0.05  # between two: an application may yield nothing as fast as it can, and each is work for the loop

Message = MutableMapping[str, Any]


class Wish(Enum):
    """What a thread may want of the loop, beside that something is sent."""

    ASK = "ask"  # the next event that is received
    CHECK = "check"  # to be told, the next time it comes to the bridge, if nobody waits any more
    NOTHING = "nothing"


class GivenUpError(ConnectionResetError):
    """The exchange is over for the loop: the peer has left, or the server cuts it."""


class Bridge:
    """One exchange's."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._changed = threading.Condition()  # guards what follows, but for _waiter
        self._items: deque[Message | Literal[Wish.ASK, Wish.CHECK]] = deque()
        self._bytes = 0  # of bodies in _items, and in the one that is being sent
        self._answer: Message | None = None  # to ASK
        self._is_checking = False  # a CHECK is under way
        self._next_check_s = 0.0  # when the next one may be; time.monotonic()
        self._is_given_up = False  # set by give_up(), never cleared
        self._must_wake = False  # the loop waits; cleared by who wakes it
        self._waiter: asyncio.Future[None] | None = None  # the loop's own

    # ---- in the thread

    def put(self, *events: Message) -> None:
        """Have the loop send them, in order. Waits while more than MARK bytes are on their way. Raises GivenUpError."""
        with self._changed:
            self._changed.wait_for(lambda: self._bytes <= MARK or self._is_given_up)
            self._bytes += sum(len(event.get("body", b"")) for event in events)
            self._add(events)

    def ask(self) -> Message:
        """The next event that the loop receives. Raises GivenUpError."""
        with self._changed:
            self._add([Wish.ASK])
            self._changed.wait_for(lambda: self._answer is not None or self._is_given_up)
            answer, self._answer = self._answer, None
        if answer is None:
            raise GivenUpError
        return answer

    def check(self) -> None:
        """For a thread that neither sends nor asks: have the loop look whether anybody waits for the answer, now and then. Waits
        for nothing: a later call raises. Raises GivenUpError."""
        now_s = time.monotonic()
        with self._changed:
            is_due = not self._is_checking and now_s >= self._next_check_s
            if is_due:
                self._is_checking = True
                self._next_check_s = now_s + CHECK_S
            self._add([Wish.CHECK] if is_due else [])

    def _add(self, items: Any) -> None:
        if self._is_given_up:
            raise GivenUpError
        self._items.extend(items)
        if self._must_wake and self._items:
            self._must_wake = False
            try:
                self._loop.call_soon_threadsafe(self.wake)
            except RuntimeError:  # the loop is closed
                self._is_given_up = True
                raise GivenUpError from None

    # ---- in the loop

    async def carry(
        self,
        job: asyncio.Future[Any],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Send and receive for the thread, until its job is done and all that it put was sent. Raises what send raises."""
        job.add_done_callback(self.wake)
        sent: Message | None = None  # the last of what was
        while True:
            with self._changed:
                item = self._items.popleft() if self._items else Wish.NOTHING
                self._must_wake = item is Wish.NOTHING
            if item is Wish.ASK:
                message = await receive()
                with self._changed:
                    self._answer = message
                    self._changed.notify_all()
            elif item is Wish.CHECK:
                with self._changed:
                    self._is_checking = False
                if sent is not None and sent.get("more_body", False):
                    await send({**sent, "body": b""})  # nothing: it only fails
                elif sent is None and getattr(send, "is_lost", False):  # the server's own; others fail once there is a piece
                    raise GivenUpError
            elif item is not Wish.NOTHING:
                await send(item)
                sent = item
                with self._changed:
                    self._bytes -= len(item.get("body", b""))
                    self._changed.notify_all()
            elif job.done():
                return
            else:
                self._waiter = self._loop.create_future()
                await self._waiter

    def wake(self, _: object = None) -> None:
        """There is something to carry, or the job is done."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def give_up(self) -> None:
        """Nothing is carried any more: the thread learns of it as soon as it comes here."""
        with self._changed:
            self._is_given_up = True
            self._items.clear()
            self._changed.notify_all()
