"""The check phase: the immediates that were there when it began.

One that an immediate queues waits for the next turn. A task that yields goes on here too: it asked to let I/O run. Source: Node,
processImmediate() in lib/internal/timers.js.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from tests.model.loop.callbacks import Callback, Kind
from tests.model.loop.guard import LOOK_EVERY, OTHERS_MAX, SOON_MAX, PhaseWatch
from tests.model.loop.microtasks import Microtasks


class Immediate(Callback):
    """What set_immediate returns. While it waits and is ref'd it holds the program, and keeps the poll from waiting."""

    def __init__(self, kind: Kind, function: Callable[[], object]) -> None:
        super().__init__(kind, function)
        self.is_refed = True

    def close(self) -> None:
        self.cancel()

    def ref(self) -> None:
        self.is_refed = True

    def unref(self) -> None:
        self.is_refed = False


class Immediates:
    """Those that wait."""

    def __init__(self, between: Microtasks) -> None:
        self.between = between
        self.queue: deque[Immediate] = deque()

    def add(self, kind: Kind, function: Callable[[], object]) -> Immediate:
        immediate = Immediate(kind, function)
        self.queue.append(immediate)
        return immediate

    def refs(self) -> int:
        return sum(immediate.is_refed and not immediate.is_cancelled for immediate in self.queue)

    def run(self) -> None:
        """One that failed is followed by the next one at once, and by what it queued only then; where it was the last
        one of the phase, by the immediates that are queued by then. The guard looks at the next one: a yield waits sooner."""
        if not self.queue:
            return
        guard = self.between.guard
        watch = PhaseWatch(guard, LOOK_EVERY)
        if self.between.is_cut:  # what a failed tick left behind waits no longer
            self.between.drain()
        count = len(self.queue)
        drains = False
        while count:
            if drains:
                drains = False
                self.between.drain()  # this may clear the next one
            if watch.is_over(SOON_MAX if self.queue[0].kind is Kind.SOON else OTHERS_MAX):
                guard.cut_phase()
                break
            count -= 1
            immediate = self.queue.popleft()
            if immediate.is_cancelled:
                continue
            watch.ran += 1
            drains = self.between.errors.run(immediate)
            if not drains and count == 0:
                count = len(self.queue)
        self.between.drain()
