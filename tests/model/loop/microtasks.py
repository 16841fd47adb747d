"""What runs between any two callbacks: all ticks, then all microtasks, again until both are empty.

Ticks queued by a microtask wait until the microtasks are through, and microtasks queued by a tick until the ticks are. asyncio's
callbacks (call_soon, call_soon_threadsafe, done callbacks, steps of tasks) are microtasks, in one queue with queue_microtask's.
Not here: how a flood of them is bounded (guard.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from tests.model.loop.callbacks import Callback, Errors, Kind
from tests.model.loop.clock import Clock
from tests.model.loop.guard import SOON_MAX, Guard


class Microtasks:
    """The two queues of a loop."""

    def __init__(self, clock: Clock, errors: Errors) -> None:
        self.errors = errors
        self.ticks: deque[Callback] = deque()
        self.microtasks: deque[Callback] = deque()
        self.guard = Guard(clock)
        self.is_cut = False  # a tick that failed has ended the latest drain
        self.stop_budget: int | None = None  # once stopped: so many microtasks still run

    def __len__(self) -> int:
        return len(self.ticks) + len(self.microtasks)

    def add(self, kind: Kind, function: Callable[[], object]) -> Callback:
        """Queue one more."""
        callback = Callback(kind, function)
        (self.ticks if kind is Kind.TICK else self.microtasks).append(callback)
        return callback

    def stop(self) -> None:
        """Those that are queued now are the last ones."""
        if self.stop_budget is None:
            self.stop_budget = len(self.microtasks)

    def drain(self) -> None:
        """Run all of them, and what they queue in turn, unless the guard cuts it short or a tick fails: what is left then runs
        after the next timer or I/O callback, or when the check phase begins. A microtask that fails is followed by the next."""
        self.is_cut = False
        soon_left = SOON_MAX
        if self.guard.flooded_by is not None:
            if self.guard.flooded_by is not Kind.SOON:
                self.drain_what_is_queued()
                return
            soon_left = min(soon_left, sum(callback.kind is Kind.SOON for callback in self.microtasks))
        self.guard.drain_begins()
        if not soon_left:
            self.drain_others()
            return
        while self:
            while self.ticks:
                if self.run_tick():
                    return
            while self.microtasks:
                if self.is_spent():
                    return
                callback = self.microtasks.popleft()
                if self.run_microtask(callback):
                    return
                soon_left -= callback.kind is Kind.SOON
                if callback.kind is Kind.SOON and soon_left == 0 and self.guard.is_on:
                    self.drain_others()
                    return

    def drain_others(self) -> None:
        """The rest of a drain in which asyncio's callbacks have had their share: ticks, and the microtasks of queue_microtask,
        which overtake asyncio's, to the end. A loop that was stopped is about to return: nothing is overtaken there."""
        while self.ticks or (self.others() and self.stop_budget is None):
            while self.ticks:
                if self.run_tick():
                    if self.is_cut and self:
                        self.guard.cut(Kind.SOON)
                    return
            while (others := self.others()) and self.stop_budget is None:
                self.microtasks.remove(others[0])
                if self.run_microtask(others[0]):
                    return
        if self:
            self.guard.cut(Kind.SOON)

    def others(self) -> list[Callback]:
        return [callback for callback in self.microtasks if callback.kind is Kind.MICROTASK]

    def drain_what_is_queued(self) -> None:
        """During a flood of ticks: so many as are queued now, 128 of each queue at most, and nothing beyond that."""
        ticks, microtasks = min(len(self.ticks), SOON_MAX), min(len(self.microtasks), SOON_MAX)
        while ticks and self.ticks:
            ticks -= 1
            self.guard.drained += 1
            self.errors.run(self.ticks.popleft())
        while microtasks and self.microtasks:
            microtasks -= 1
            if self.is_spent():
                return
            self.guard.drained += 1
            self.errors.run(self.microtasks.popleft())

    def run_tick(self) -> bool:
        """True: the drain ends here."""
        self.guard.drained += 1
        self.is_cut = not self.errors.run(self.ticks.popleft())
        return self.is_cut or self.is_enough()

    def run_microtask(self, callback: Callback) -> bool:
        """True: the drain ends here."""
        self.guard.drained += 1
        self.errors.run(callback)
        return callback.kind is not Kind.SOON and self.is_enough()

    def is_enough(self) -> bool:
        """Count a tick or a microtask that ran. True: the drain ends here."""
        if not self.guard.is_enough():
            return False
        if self:
            self.guard.cut(Kind.TICK)
        return True

    def is_spent(self) -> bool:
        """Count one more microtask of a loop that was stopped. True: it runs no more of them."""
        if self.stop_budget is None:
            return False
        if self.stop_budget == 0:
            return True
        self.stop_budget -= 1
        return False
