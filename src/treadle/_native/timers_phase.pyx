"""The timers phase: set_timeout and set_interval, list by list; call_later and call_at, in the exact order of their time.

Invariants: none runs early; lists and alarms go by when they are due, then by when they were made; what is made in a pass has its
turn in a later one. Not here: how timers wait (timers.pyx).
Source: Node, lib/internal/timers.js; asyncio for the alarms.
"""
from libc.math cimport isnan
from libc.stdint cimport INT64_MAX, int64_t

from treadle._native.callbacks cimport PyContext_CopyCurrent, Stopwatch
from treadle._native.counters cimport TIMERS
from treadle._native.microtasks cimport CUT_TIMERS, GUARD_CALLBACKS, GUARD_SOON, LOOK_EVERY, PhaseWatch
from treadle._native.queues cimport ALARM, TIMER, Handle, HeapEntry
from treadle._native.timers cimport NS_PER_MS, Alarm, DebugAlarm, Timeout, Timer, TimerList, Timers, clock_ns


cdef class TimersPhase(Microtasks):
    """Timers and alarms: how they are made, and the pass that runs those that are due."""

    def __cinit__(self):
        self.timers = Timers()
        self.pass_ns = self.alarms_turn_ns = -2

    # ---- Node's face

    def set_timeout(self, callback, delay_ms, *args):
        """Run callback(*args) in the timers phase, delay_ms from now at the soonest (at least 1 ms). Returns a Timeout."""
        return self.add_timeout(callback, delay_ms, args, False)

    def set_interval(self, callback, delay_ms, *args):
        """Like set_timeout, again and again until closed. Returns a Timeout."""
        return self.add_timeout(callback, delay_ms, args, True)

    cdef Timeout add_timeout(self, callback, double delay_ms, tuple args, bint is_interval):
        cdef Timeout timeout = Timeout.__new__(Timeout)
        self.admit(callback)
        if isnan(delay_ms) or delay_ms < 1 or delay_ms > DELAY_MS_MAX:
            delay_ms = 1
        timeout.timers = self.timers
        timeout.callback = callback
        timeout.args = args if args else None
        timeout.context = PyContext_CopyCurrent()
        timeout.is_interval = is_interval
        timeout.start(<int64_t>delay_ms, self.timers.read_clock_ms())
        return timeout

    # ---- asyncio's face

    def call_later(self, delay, callback, *args, context=None):
        """Run callback(*args) delay seconds from now, in the exact order of such times. Returns an Alarm (TimerHandle)."""
        if delay is None:
            raise TypeError("delay must not be None")
        return self.add_alarm(self.alarms_now_s() + <double>delay, callback, args, context)

    def call_at(self, when, callback, *args, context=None):
        """Run callback(*args) at `when`, in s on the clock of time(). Returns an Alarm (TimerHandle)."""
        if when is None:
            raise TypeError("when cannot be None")
        cdef Alarm alarm = self.add_alarm(<double>when, callback, args, context)
        alarm.is_whole = isinstance(when, int)
        return alarm

    def time(self):
        """The loop's clock: CLOCK_MONOTONIC, in s."""
        return clock_ns() / 1e9

    cdef double alarms_now_s(self) except? -1:
        return clock_ns() / 1e9 if self.alarm_clock is None else <double>self.alarm_clock()

    cdef Alarm add_alarm(self, double when_s, callback, tuple args, context):
        cdef Alarm alarm
        if isnan(when_s):
            raise ValueError("a time must not be NaN")
        self.admit(callback)
        if self.is_debug:
            origin = self.check_call(callback, "call_at", True)
            alarm = DebugAlarm.__new__(DebugAlarm)
            (<DebugAlarm>alarm).origin = origin
        else:
            alarm = Alarm.__new__(Alarm)
        alarm.kind = ALARM
        alarm.callback = callback
        alarm.args = args if args else None
        alarm.context = PyContext_CopyCurrent() if context is None else context
        alarm.timers = self.timers
        alarm.when_s = when_s
        alarm.due.key = due_key(when_s)
        if alarm.due.key < self.pass_ns and (self.alarm_clock is None or self.counters.phase == TIMERS):
            alarm.due.key = self.pass_ns    # its turn comes after what was due when the pass began
        self.timers.add_alarm(alarm)
        return alarm

    # ---- the phase

    cdef int run_timers(self) except -1:
        # ORDER: lists and alarms by due time, then by creation; a due list runs through before the next is looked at. A timer
        # that failed is followed by the next one of its list at once, and only then by what it queued, as in Node. What a cut
        # leaves of a list, or of the alarms, has its next turn behind all else that was due by then.
        # COMPAT(node): one timer of libuv stands under all lists, and is set anew once the due ones are through: for the next list,
        # yet one ms from when the clock was last read at the soonest. What got due meanwhile waits so long.
        cdef int64_t now_ns
        cdef int64_t now_ms
        cdef HeapEntry *timers
        cdef HeapEntry *alarm
        cdef bint drain_first = False
        cdef bint has_run = False
        cdef bint has_run_list = False
        cdef bint is_cut_short = False
        cdef PhaseWatch phase
        if self.timers.due_lists.size == 0 and self.timers.due_alarms.size == 0:    # PERF: bench/loop, a turn: no clock is read
            self.pass_ns = self.alarms_turn_ns = -2
            return 0 if self.is_cut else self.drain_if_any()
        now_ns = clock_ns()
        now_ms = self.timers.read_ms = now_ns // NS_PER_MS
        self.pass_ns = now_ns if self.alarm_clock is None else due_key(self.alarms_now_s())
        self.pass_order = self.timers.next_order
        self.watch_phase(&phase, LOOK_EVERY)
        while not is_cut_short:
            timers = self.first_due_list(now_ms)
            alarm = self.first_due_alarm()
            if timers is NULL and alarm is NULL:
                break
            if drain_first:
                drain_first = False
                self.drain_if_any()
                continue        # which may have cleared what was due
            has_run = True
            if timers is NULL or (alarm is not NULL and self.goes_first(alarm, timers)):
                if self.is_long(&phase) and self.is_over(&phase, GUARD_SOON):
                    self.cut_phase(CUT_TIMERS, (<Alarm>alarm.item).callback, (<Alarm>alarm.item).args)
                    break
                is_cut_short = self.run_alarms(now_ms, &phase)
                if phase.was_over and not is_cut_short:     # alarms of one time, which nothing parts
                    phase.was_over = False
                    self.note_long_phase(CUT_TIMERS, None, None)
                drain_first = True
            else:
                if self.is_long(&phase) and self.is_over(&phase, GUARD_CALLBACKS):
                    self.cut_phase(CUT_TIMERS, None, None)
                    break
                has_run_list = True
                is_cut_short = self.run_list(<TimerList>timers.item, now_ms, &drain_first, &phase)
        if has_run_list and timers is NULL and alarm is NULL:       # else it was cut
            self.timers.lists_from_ms = self.timers.read_ms + 1
        if has_run or not self.is_cut:
            self.drain_if_any()
        if timers is NULL and alarm is NULL:
            self.pass_ns = self.alarms_turn_ns = -2
        if phase.since_ns:
            self.suspect = None
        return 0

    cdef int note_overdue(self, int64_t now_ns) except -1:
        # Before the poll, which does not wait: an alarm is due. So it is in each turn where one always makes the next for now.
        cdef HeapEntry *alarm = self.timers.due_alarms.first()
        cdef uint64_t ran = self.counters.timers - self.timers_seen
        self.timers_seen = self.counters.timers
        if ran and alarm is not NULL and alarm.key <= now_ns:
            self.note_spin(CUT_TIMERS, ran, <Handle>alarm.item)
        return 0

    cdef int run_alarms(self, int64_t now_ms, PhaseWatch *phase) except -1:
        # COMPAT(asyncio): all that are due in this pass run as one batch before the microtasks they cause; nested timeouts with
        # one deadline depend on it. The guard never parts those of one time. True: it ended the pass here.
        cdef HeapEntry *alarm
        cdef HeapEntry *timers
        cdef Alarm due
        cdef int64_t last_ns = -1
        while True:
            alarm = self.first_due_alarm()
            if alarm is NULL:
                return False
            timers = self.first_due_list(now_ms)
            if timers is not NULL and self.alarm_clock is None and not self.goes_first(alarm, timers):
                return False
            if self.is_long(phase) and self.is_over(phase, GUARD_SOON) and alarm.key != last_ns:
                self.alarms_turn_ns = clock_ns()
                self.cut_phase(CUT_TIMERS, (<Alarm>alarm.item).callback, (<Alarm>alarm.item).args)
                return True
            last_ns = alarm.key
            due = self.timers.take_alarm()
            phase.ran += 1
            self.counters.timers += 1
            if phase.since_ns:
                self.suspect = due.callback
            self.run_handle(due)

    cdef int run_list(self, TimerList timers, int64_t now_ms, bint *drain_first, PhaseWatch *phase) except -1:
        # True: the guard ended the pass here.
        cdef Timer timer
        cdef int64_t start_ms = 0
        cdef bint is_interval
        while timers.first is not NULL:
            timer = <Timer>timers.first
            if now_ms - timer.start_ms < timers.duration_ms:
                self.timers.put_back(timers, max(timer.start_ms + timers.duration_ms, now_ms + 1))
                drain_first[0] = True
                return False
            if drain_first[0]:
                drain_first[0] = False
                self.drain_if_any()
                if timer.list is None:      # cleared by a tick
                    continue
            if self.is_long(phase) and self.is_over(phase, GUARD_CALLBACKS):
                self.timers.put_back(timers, clock_ns() // NS_PER_MS)
                self.cut_phase(CUT_TIMERS, None, None)
                return True
            timer.list.unlink(timer)
            is_interval = isinstance(timer, Timeout) and (<Timeout>timer).is_interval
            if is_interval:
                start_ms = self.timers.read_clock_ms()
            phase.ran += 1
            self.counters.timers += 1
            if phase.since_ns:
                self.suspect = callback_of(timer)
            drain_first[0] = True
            try:
                if not (self.fire_observed(timer) if self.is_observed else self.fire(timer)):
                    drain_first[0] = False
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as exception:
                drain_first[0] = False
                self.explain_failure("set_interval" if is_interval else "set_timeout", callback_of(timer), exception)
                self.uncaught(exception)
            finally:
                if is_interval and not (<Timeout>timer).is_closed:
                    if timer.list is not None:
                        timer.list.unlink(timer)
                    self.timers.schedule(timer, start_ms)
                elif timer.list is None:
                    timer.count(False)
        if timers.due.index >= 0:       # else it was dropped by clearing its last timer, and what that queued waits if it failed
            drain_first[0] = True
            self.timers.drop_if_empty(timers)
        return False

    cdef int fire(self, Timer timer) except -1:
        # False: what it returned failed.
        cdef object returned = timer.fire()
        return returned is None or self.run_returned(TIMER, returned, self.timers.take_context())

    cdef int fire_observed(self, Timer timer) except -1:
        cdef object tracer = self.tracer
        cdef object callback = (<Timeout>timer).callback if isinstance(timer, Timeout) else None
        cdef Stopwatch watch
        if tracer is not None:
            self.begin_traced(TIMER, timer, callback, (timer.start_ms + timer.duration_ms) * NS_PER_MS)
        self.start_watch(&watch)
        try:
            return self.fire(timer)
        finally:
            self.stop_watch(&watch, callback, timer)
            if tracer is not None:
                tracer.end()


cdef inline object callback_of(Timer timer):
    # None: a deadline of treadle's own.
    return (<Timeout>timer).callback if isinstance(timer, Timeout) else None


cdef inline int64_t due_key(double when_s) noexcept:
    cdef double when_ns = when_s * 1e9
    return INT64_MAX if when_ns >= 9.2e18 else -1 if when_ns < 0 else <int64_t>when_ns
