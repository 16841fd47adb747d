"""The starvation guard: when a drain or a phase is cut short, so that the loop turns although callbacks keep feeding themselves.

Node's rule knows no bound: an endless chain of ticks starves everything else. Here a drain ends after 1,000 ticks and microtasks
that took 10 ms. Then one whole turn runs, in which each callback is followed by what is queued by then, and nothing beyond; so
are the timers, where none of them is due. asyncio's callbacks, which are promised no more than "the next iteration", wait for
such a turn after 128 of them in one drain, and they alone: see microtasks.py. A phase ends after so many callbacks of its kind
that also took 10 ms. Below the bounds the guard is not noticed.
"""

from __future__ import annotations

from tests.model.loop.callbacks import Kind
from tests.model.loop.clock import NS_PER_MS, Clock

OTHERS_MAX = 1_000  # ticks and microtasks in one drain; timers or immediates in one phase
SOON_MAX = 128  # asyncio's callbacks in one drain, and its alarms and yields in one phase
HANDLES_MAX = 16  # events in one poll
TOO_LONG_NS = 10 * NS_PER_MS  # ... that also took this long; in a drain, of asyncio's callbacks no clock is asked
LOOK_EVERY = 64  # the clock is read after so many of them only, and the time counts from the first reading


class Guard:
    """Of one loop. flooded_by: callbacks of that kind cut a drain short, and the turn that it made room for is not over."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.is_on = True
        self.flooded_by: Kind | None = None
        self.turns = 0  # that it forced
        self.turn = 0  # the one that runs
        self.cut_turn = -2  # the last one with a phase that was cut
        self.drained = 0  # ticks and microtasks so far
        self.drain_begins()

    # ---- drains

    def drain_begins(self) -> None:
        self.others = 0
        self.since_ns = 0

    def is_enough(self) -> bool:
        """Count a tick or microtask that ran. True: the drain ends here."""
        self.others += 1
        return self.others % LOOK_EVERY == 0 and self.is_too_long() and self.is_on

    def is_too_long(self) -> bool:
        if self.others == LOOK_EVERY:
            self.since_ns = self.clock.now_ns
            return False
        return self.others >= OTHERS_MAX and self.clock.now_ns - self.since_ns > TOO_LONG_NS

    def cut(self, kind: Kind) -> None:
        """A drain ends before its time, by callbacks of that kind. In a turn that asyncio's forced, they do not force another."""
        if kind is Kind.SOON and self.flooded_by is not None:
            return
        self.flooded_by = kind
        self.turns += 1

    # ---- phases

    def cut_phase(self) -> None:
        self.turns += 1
        self.cut_turn = self.turn

    def is_rest_due(self) -> bool:
        """A phase was cut in this turn or the one before."""
        return self.cut_turn + 1 >= self.turn


class PhaseWatch:
    """Of one phase, while it lasts. The ticks and microtasks behind its callbacks count like them."""

    def __init__(self, guard: Guard, look_at: int) -> None:
        self.guard = guard
        self.ran = 0
        self.drained_before = guard.drained
        self.look_at = look_at
        self.since_ns = 0

    def is_over(self, least: int) -> bool:
        """Asked in front of each callback. True: the rest of the phase waits for the next turn."""
        ran = self.ran + self.guard.drained - self.drained_before
        if ran < self.look_at:
            return False
        now_ns = self.guard.clock.now_ns
        if not self.since_ns:
            self.since_ns = now_ns
        elif ran >= least and self.guard.is_on and now_ns - self.since_ns > TOO_LONG_NS:
            self.look_at = 0
            return True
        self.look_at = ran + min(least, LOOK_EVERY)
        return False
