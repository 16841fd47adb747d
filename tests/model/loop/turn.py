"""The turn: timers, poll, check, and between any two callbacks the microtasks.

The pending and close phases are left out: they hold nothing that a program schedules. Descriptors are reduced to what matters for
the order: a callback that waits for I/O which is ready.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine

from tests.model.loop.callbacks import Callback, Errors, Kind
from tests.model.loop.clock import NS_PER_MS, Clock
from tests.model.loop.guard import HANDLES_MAX, PhaseWatch
from tests.model.loop.immediates import Immediate, Immediates
from tests.model.loop.microtasks import Microtasks
from tests.model.loop.tasks import Future, Task
from tests.model.loop.timers import Alarm, Timeout, Timers

EVENTS_MAX = 1_024  # one poll; what is ready beyond that is found by the next


class ModelLoop:
    """treadle.EventLoop, as far as its order goes, with the same names."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.errors = Errors()
        self.between = Microtasks(clock, self.errors)
        self.timers = Timers(clock, self.between)
        self.immediates = Immediates(self.between)
        # There is a check phase behind each of them, where what a failed tick left behind runs at the latest. Source: Node,
        # createOnGlobalUncaughtException() in lib/internal/process/execution.js.
        self.errors.after_uncaught = lambda: self.set_immediate(lambda: None)
        self.ready: deque[Callback] = deque()
        self.left = 0  # of ready: those that a cut poll has found

    @property
    def turns(self) -> int:
        return self.between.guard.turn

    # ---- Node's face

    def next_tick(self, function: Callable[[], object]) -> None:
        self.between.add(Kind.TICK, function)

    def queue_microtask(self, function: Callable[[], object]) -> None:
        self.between.add(Kind.MICROTASK, function)

    def set_immediate(self, function: Callable[[], object]) -> Immediate:
        return self.immediates.add(Kind.IMMEDIATE, function)

    def set_timeout(self, function: Callable[[], object], delay_ms: float) -> Timeout:
        return self.timers.add_timeout(function, delay_ms, is_interval=False)

    def set_interval(self, function: Callable[[], object], delay_ms: float) -> Timeout:
        return self.timers.add_timeout(function, delay_ms, is_interval=True)

    # ---- asyncio's face

    def call_soon(self, function: Callable[..., object], *args: object) -> Callback:
        return self.between.add(Kind.SOON, lambda: function(*args))

    call_soon_threadsafe = call_soon  # one queue, in the order of arrival

    def call_later(self, delay_s: float, function: Callable[[], object]) -> Alarm:
        return self.call_at(self.time() + delay_s, function)

    def call_at(self, when_s: float, function: Callable[[], object]) -> Alarm:
        return self.timers.add_alarm(function, when_s)

    def time(self) -> float:
        return self.clock.now_ns / 1e9

    def create_future(self) -> Future:
        return Future(self)

    def create_task(self, coroutine: Coroutine[Future | None, None, None]) -> Task:
        return Task(self, coroutine)

    def resume_in_check(self, step: Callable[[], object]) -> Immediate:
        """The next step of a task that yielded nothing."""
        return self.immediates.add(Kind.SOON, step)

    def stop(self) -> None:
        """End the run after the microtasks that are queued now."""
        self.between.stop()

    # ---- I/O

    def when_ready(self, function: Callable[[], object]) -> None:
        """Run it once, in the poll phase: what it waits for is ready already."""
        self.ready.append(Callback(Kind.READY, function))

    # ---- the run

    def is_alive(self) -> bool:
        """True while something is left that can call back and holds the program. A pending task alone does not."""
        is_rest_due = self.between.guard.is_rest_due()
        return bool(self.timers.refs() or self.immediates.refs() or self.ready or self.between or is_rest_due)

    def run_while_alive(self) -> None:
        self.run(while_alive=True)

    def run_forever(self) -> None:
        self.run(while_alive=False)

    def run(self, *, while_alive: bool) -> None:
        """Turn until stop(), or also until nothing is left alive: that is asked before the first turn, which is then a whole one,
        and behind the timers of every other. What nobody takes care of comes out; nothing queued is lost."""
        between, guard = self.between, self.between.guard
        if between.stop_budget is not None:  # stop() came before the run: what was queued since still belongs to it
            between.stop_budget = len(between.microtasks)
        try:
            between.drain()
            is_first = True
            while not (is_first and while_alive) or self.is_alive():
                guard.turn += 1
                if guard.flooded_by is None and not between.is_cut:
                    between.drain()
                is_forced = guard.flooded_by is not None  # this is the turn that a cut drain makes room for
                self.timers.run()
                is_over = while_alive and between.stop_budget is None and not self.is_alive()
                if is_over and not is_first:
                    return
                is_first = False
                self.poll(may_wait=not is_over)
                self.immediates.run()
                if is_forced:
                    guard.flooded_by = None
                if between.stop_budget is not None and (between.stop_budget == 0 or not between.microtasks):
                    return
        finally:
            between.stop_budget = None
            guard.flooded_by = None
            self.left = 0

    def poll(self, *, may_wait: bool) -> None:
        """Wait for I/O, not at all where something else is to be done, and no longer than until the next timer is due; then run
        what was found. What a cut poll left behind comes first, and nothing beside it."""
        if not self.left:
            self.left = min(len(self.ready), EVENTS_MAX)
            if not self.left and may_wait:
                self.clock.spin(self.wait_ms() * NS_PER_MS)
        watch = PhaseWatch(self.between.guard, HANDLES_MAX)
        while self.left:
            if watch.is_over(HANDLES_MAX):
                self.between.guard.cut_phase()
                self.between.drain()
                return
            self.left -= 1
            watch.ran += 1
            self.errors.run(self.ready.popleft())
            self.between.drain()

    def wait_ms(self) -> int:
        """In whole ms, rounded up: a poll that ends too early would be one in vain."""
        between = self.between
        if between.stop_budget is not None or self.immediates.refs() or between or between.guard.is_rest_due():
            return 0
        due_ns = self.timers.next_due_ns()
        if due_ns is None:
            raise AssertionError("nothing would ever end this poll")
        return max(0, -((self.clock.now_ns - due_ns) // NS_PER_MS))

    def statistics(self) -> dict[str, int]:
        """What waits now, under the native loop's names."""
        return {
            "ticks_queued": len(self.between.ticks),
            "microtasks_queued": len(self.between.microtasks),
            "immediates_queued": len(self.immediates.queue),
            "immediates_refed": self.immediates.refs(),
            "alarms_waiting": len(self.timers.waiting()),
            "timer_lists": len(self.timers.lists),
            "timers_refed": self.timers.refs(),
            "guard_turns": self.between.guard.turns,
        }
