"""The starvation guard: when a drain is cut short, so that the loop turns although callbacks keep feeding themselves.

Node's rule knows no bound: an endless chain of ticks starves everything else. Here such a drain ends after 1,000 ticks and
microtasks that took 10 ms, or after 128 callbacks of asyncio's kind, which are promised no more than "the next iteration". Then
one whole turn runs, in which each callback is followed by what is queued by then, and nothing beyond; so are the timers, where
none of them is due. Below the bounds the guard is not noticed.
"""

from __future__ import annotations

from tests.model.loop.callbacks import Kind
from tests.model.loop.clock import NS_PER_MS, Clock

OTHERS_MAX = 1_000  # ticks and microtasks in one drain
OTHERS_NS = 10 * NS_PER_MS  # ... that also took this long
LOOK_EVERY = 64  # the clock is read after so many of them only, and the time counts from the first reading
SOON_MAX = 128  # asyncio's callbacks in one drain


class Guard:
    """Of one loop. is_flooded: a drain was cut short, and the turn that it made room for is not over."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.is_on = True
        self.is_flooded = False
        self.turns = 0
        self.drain_begins()

    def drain_begins(self) -> None:
        self.others = self.soon = 0
        self.since_ns = 0

    def cuts(self, kind: Kind, left: int) -> bool:
        """Count a callback that ran, after which `left` are queued. True: the drain ends here."""
        if kind is Kind.SOON:
            self.soon += 1
            is_enough = self.soon == SOON_MAX
        else:
            self.others += 1
            is_enough = self.others % LOOK_EVERY == 0 and self.is_too_long()
        if not (is_enough and self.is_on):
            return False
        if left:
            self.is_flooded = True
            self.turns += 1
        return True

    def is_too_long(self) -> bool:
        if self.others == LOOK_EVERY:
            self.since_ns = self.clock.now_ns
            return False
        return self.others >= OTHERS_MAX and self.clock.now_ns - self.since_ns > OTHERS_NS
