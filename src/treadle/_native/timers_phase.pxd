"""Declarations of timers_phase.pyx: what other native units may touch."""
from libc.stdint cimport int64_t, uint64_t

from treadle._native.microtasks cimport Microtasks, PhaseWatch
from treadle._native.queues cimport HeapEntry
from treadle._native.timers cimport NS_PER_MS, Alarm, Timeout, Timer, TimerList, Timers


cdef enum:
    DELAY_MS_MAX = 2_147_483_647    # longer ones become 1 ms; Node, TIMEOUT_MAX


cdef class TimersPhase(Microtasks):
    cdef readonly Timers timers
    cdef int64_t pass_ns            # the alarms' time of the timers' pass, and until all that was due has run; -2: it has
    cdef uint64_t pass_order        # alarms made in the pass have this order, or one behind it
    cdef int64_t alarms_turn_ns     # their rest has its turn as if it were due then, by clock_ns(): it was cut; -2: there is none
    cdef uint64_t timers_seen       # counters.timers when note_overdue() was asked last
    cdef public object alarm_clock  # COMPAT(asyncio): what replaces time(), in s, for call_later and call_at; None: nothing does

    cdef Timeout add_timeout(self, callback, double delay_ms, tuple args, bint is_interval)
    cdef double alarms_now_s(self) except? -1
    cdef Alarm add_alarm(self, double when_s, callback, tuple args, context)
    cdef int run_timers(self) except -1
    cdef int note_overdue(self, int64_t now_ns) except -1
    cdef int run_alarms(self, int64_t now_ms, PhaseWatch *phase) except -1
    cdef int run_list(self, TimerList timers, int64_t now_ms, bint *drain_first, PhaseWatch *phase) except -1
    cdef int fire(self, Timer timer) except -1
    cdef int fire_observed(self, Timer timer) except -1

    cdef inline HeapEntry *first_due_list(self, int64_t now_ms) noexcept:
        # NULL: none.
        cdef HeapEntry *timers = self.timers.due_lists.first()
        return NULL if timers is NULL or timers.key > now_ms or self.timers.lists_from_ms > now_ms else timers

    cdef inline HeapEntry *first_due_alarm(self) noexcept:
        # NULL: none, or it was made in this very pass, and waits for the next one.
        cdef HeapEntry *alarm = self.timers.due_alarms.first()
        if alarm is NULL or alarm.key > self.pass_ns or (alarm.key == self.pass_ns and alarm.order >= self.pass_order):
            return NULL
        return alarm

    cdef inline bint goes_first(self, HeapEntry *alarm, HeapEntry *timers) noexcept:
        # Alarms are keyed in ns, lists in ms.
        cdef int64_t timers_ns = timers.key * NS_PER_MS
        if alarm.key < self.alarms_turn_ns:
            return self.alarms_turn_ns < timers_ns
        return alarm.key < timers_ns or (alarm.key == timers_ns and alarm.order < timers.order)
