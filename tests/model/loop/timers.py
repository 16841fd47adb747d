"""The timers phase: Node's timers in lists, one per duration, and asyncio's alarms in the exact order of their time.

A list is looked at when its expiry has come, and runs through before the next one is: late timers go list by list, not by due
time. Its expiry is that of its first timer when the list was last looked at. Where lists expire in the same millisecond, or a
list and an alarm in the same nanosecond, whichever was entered first goes first.

All alarms that are due go as one batch, before the microtasks that they cause: nested timeouts with one deadline depend on it.
After a Timeout, in contrast, the microtasks run at once. An alarm that is made in a pass does not run in it, however long its
time is past.

A list that got due while others ran waits for one ms more, counted from when the clock was last read for a timer: then Node's one
timer of libuv fires, under all its lists.

Where the guard cuts a pass, the rest of the list that it was in, or of the alarms, has its next turn behind all else that was due
by then, without that ms: a flood in one of them starves none.

Source: Node, lib/internal/timers.js, and RunTimers() in src/env.cc; CPython, BaseEventLoop._run_once.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable

from tests.model.loop.callbacks import Callback, Kind
from tests.model.loop.clock import NS_PER_MS, Clock
from tests.model.loop.guard import LOOK_EVERY, OTHERS_MAX, SOON_MAX, PhaseWatch
from tests.model.loop.microtasks import Microtasks

DELAY_MS_MAX = 2**31 - 1


class Timeout:
    """What set_timeout and set_interval return."""

    def __init__(self, timers: Timers, function: Callable[[], object], duration_ms: int, *, is_interval: bool) -> None:
        self.timers, self.function = timers, function
        self.duration_ms, self.is_interval = duration_ms, is_interval
        self.start_ms = 0
        self.list: TimerList | None = None  # None: it does not wait
        self.is_refed = True
        self.is_closed = False

    def ref(self) -> None:
        self.is_refed = True

    def unref(self) -> None:
        self.is_refed = False

    def refresh(self) -> None:
        """Start anew, also after it has fired."""
        if not self.is_closed:
            self.timers.start(self, self.timers.read_clock_ms())

    def close(self) -> None:
        """For good. A list that is empty now is gone: one made next for this duration has an expiry of its own."""
        if not self.is_closed:
            self.is_closed = True
            self.timers.leave(self)
            self.timers.drop_if_empty(self.duration_ms)


class TimerList:
    """The timers of one duration, in the order of their start."""

    def __init__(self, duration_ms: int, expiry_ms: int, order: int) -> None:
        self.duration_ms, self.expiry_ms, self.order = duration_ms, expiry_ms, order
        self.timers: list[Timeout] = []

    def place(self) -> tuple[int, int]:
        return self.expiry_ms * NS_PER_MS, self.order


class Alarm(Callback):
    """What call_later and call_at return."""

    def __init__(self, function: Callable[[], object], due_ns: int, order: int) -> None:
        super().__init__(Kind.ALARM, function)
        self.due_ns, self.order = due_ns, order

    def place(self) -> tuple[int, int]:
        return self.due_ns, self.order


class Timers:
    """All that wait for a time."""

    def __init__(self, clock: Clock, between: Microtasks) -> None:
        self.clock, self.between = clock, between
        self.lists: dict[int, TimerList] = {}  # by duration in ms
        self.alarms: list[Alarm] = []  # by due time, then by creation
        self.pass_ns = -2  # the time of the pass, and until all that was due has run; -2: it has
        self.pass_order = 0  # alarms made in the pass have this order, or one behind it
        self.alarms_turn_ns = -2  # the rest of the alarms has its turn as if it were due then: it was cut; -2: there is none
        self.read_ms = 0  # the clock as last read: at the start of a pass, and for each timer that is made or starts anew
        self.lists_from_ms = 0  # no list is looked at before
        self.order = itertools.count()

    # ---- what waits

    def add_timeout(self, function: Callable[[], object], delay_ms: float, *, is_interval: bool) -> Timeout:
        """Delays are whole ms, and at least one; the clock is read when the timer is made, not once per turn."""
        duration_ms = int(delay_ms) if 1 <= delay_ms <= DELAY_MS_MAX else 1
        timeout = Timeout(self, function, duration_ms, is_interval=is_interval)
        self.start(timeout, self.read_clock_ms())
        return timeout

    def read_clock_ms(self) -> int:
        self.read_ms = self.clock.now_ms
        return self.read_ms

    def add_alarm(self, function: Callable[[], object], when_s: float) -> Alarm:
        """Its turn comes after what was due when the pass began, however long its time is past."""
        due_ns = max(int(when_s * 1e9), -1, self.pass_ns)
        alarm = Alarm(function, due_ns, next(self.order))
        bisect.insort(self.alarms, alarm, key=Alarm.place)
        return alarm

    def start(self, timeout: Timeout, start_ms: int) -> None:
        """To the end of its list; a list that is there keeps its expiry and its place."""
        self.leave(timeout)
        timeout.start_ms = start_ms
        duration_ms = timeout.duration_ms
        if duration_ms not in self.lists:
            self.lists[duration_ms] = TimerList(duration_ms, start_ms + duration_ms, next(self.order))
        timeout.list = self.lists[duration_ms]
        timeout.list.timers.append(timeout)

    def leave(self, timeout: Timeout) -> None:
        if timeout.list is not None:
            timeout.list.timers.remove(timeout)
            timeout.list = None

    def drop_if_empty(self, duration_ms: int) -> None:
        if duration_ms in self.lists and not self.lists[duration_ms].timers:
            del self.lists[duration_ms]

    def waiting(self) -> list[Alarm]:
        return [alarm for alarm in self.alarms if not alarm.is_cancelled]

    def refs(self) -> int:
        """How many hold the program."""
        timeouts = {timeout for timers in self.lists.values() for timeout in timers.timers}
        return len(self.waiting()) + sum(timeout.is_refed for timeout in timeouts)

    def next_due_ns(self) -> int | None:
        """When the poll must end at the latest."""
        lists = [max(timers.expiry_ms, self.lists_from_ms) * NS_PER_MS for timers in self.lists.values()]
        return min(lists + [alarm.due_ns for alarm in self.waiting()], default=None)

    # ---- the phase

    def run(self) -> None:
        """What is due now; `now` is read once, so that nothing made in this phase runs in it."""
        now_ns = self.clock.now_ns
        now_ms = self.read_clock_ms()
        self.pass_ns = now_ns
        self.pass_order = next(self.order)  # which no entry has
        watch = PhaseWatch(self.between.guard, LOOK_EVERY)
        has_run = has_run_list = owes_drain = is_cut = False
        while not is_cut and (entry := self.first_due(now_ns)) is not None:
            if owes_drain:
                owes_drain = False
                self.between.drain()
                continue
            has_run = True
            if watch.is_over(SOON_MAX if isinstance(entry, Alarm) else OTHERS_MAX):
                self.between.guard.cut_phase()
                is_cut = True
            elif isinstance(entry, Alarm):
                is_cut = self.run_alarms(now_ns, watch)
                owes_drain = True
            else:
                has_run_list = True
                is_cut, owes_drain = self.run_list(entry, now_ms, watch, owes_drain=owes_drain)
        if has_run_list and not is_cut:
            self.lists_from_ms = self.read_ms + 1
        if has_run or not self.between.is_cut:
            self.between.drain()
        if not is_cut:
            self.pass_ns = self.alarms_turn_ns = -2

    def first_due(self, now_ns: int) -> TimerList | Alarm | None:
        now_ms = now_ns // NS_PER_MS
        entries: list[TimerList | Alarm] = []
        if now_ms >= self.lists_from_ms:
            entries += [timers for timers in self.lists.values() if timers.expiry_ms <= now_ms]
        alarm = next((alarm for alarm in self.alarms if not alarm.is_cancelled), None)
        if alarm is not None and alarm.place() < (self.pass_ns, self.pass_order):
            entries.append(alarm)
        return min(entries, key=self.turn_of, default=None)

    def turn_of(self, entry: TimerList | Alarm) -> tuple[int, int]:
        """When an entry has its turn, of those that are due."""
        due_ns, order = entry.place()
        if isinstance(entry, Alarm) and due_ns < self.alarms_turn_ns:
            return self.alarms_turn_ns, self.pass_order
        return due_ns, order

    def run_alarms(self, now_ns: int, watch: PhaseWatch) -> bool:
        """A batch: all that are due before the next due list. True: the guard ended the pass here, which it never does between
        two of one time."""
        last_ns = -1
        while isinstance(alarm := self.first_due(now_ns), Alarm):
            if watch.is_over(SOON_MAX) and alarm.due_ns != last_ns:
                self.alarms_turn_ns = self.clock.now_ns
                self.between.guard.cut_phase()
                return True
            last_ns = alarm.due_ns
            watch.ran += 1
            self.alarms.remove(alarm)
            self.between.errors.run(alarm)
        return False

    def run_list(self, timers: TimerList, now_ms: int, watch: PhaseWatch, *, owes_drain: bool) -> tuple[bool, bool]:
        """All of a list that are due. One that failed is followed by the next of the list at once, and by what it queued only
        then. (True, ...): the guard ended the pass here. (..., True): what the last one queued is yet to run."""
        while timers.timers:
            timeout = timers.timers[0]
            if now_ms - timeout.start_ms < timers.duration_ms:
                self.put_back(timers, max(timeout.start_ms + timers.duration_ms, now_ms + 1))
                return False, True
            if owes_drain:
                owes_drain = False
                self.between.drain()
                if timeout.list is None:  # cleared by that; one that was refreshed by it fires all the same
                    continue
            if watch.is_over(OTHERS_MAX):
                self.put_back(timers, self.clock.now_ms)
                self.between.guard.cut_phase()
                return True, owes_drain
            watch.ran += 1
            owes_drain = self.fire(timeout)
        if self.lists.get(timers.duration_ms) is timers:
            self.drop_if_empty(timers.duration_ms)
            return False, True
        return False, owes_drain  # its last timer was cleared: if that one failed as well, what it queued waits

    def put_back(self, timers: TimerList, due_ms: int) -> None:
        timers.expiry_ms = due_ms
        timers.order = next(self.order)

    def fire(self, timeout: Timeout) -> bool:
        """True unless it failed. An interval starts anew once its callback is through, counted from before it."""
        self.leave(timeout)
        if timeout.is_interval:
            start_ms = self.read_clock_ms()
        try:
            timeout.function()
        except Exception as error:
            self.between.errors.failed(Kind.TIMEOUT, error)
            return False
        finally:
            if timeout.is_interval and not timeout.is_closed:
                self.start(timeout, start_ms)
        return True
