"""Declarations of microtasks.pyx: what other native units may touch."""
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t

from treadle._native.counters cimport LoopCounters
from treadle._native.queues cimport Handle, Kind, Ring, is_unshared, new_handle


cdef extern from "Python.h":
    PyObject *type_of "(PyObject *)Py_TYPE"(object callback)


cdef enum:
    GUARD_CALLBACKS = 1_000     # of Node's kind, in one drain or phase, before the clock decides: below, its order holds
    GUARD_SOON = 128            # of asyncio's kind: it promises only "the next iteration". In a drain no clock is asked at all
    GUARD_HANDLES = 16          # descriptors in one phase before the clock decides: nobody promises how many one poll finds
    LOOK_EVERY = 64             # callbacks between two looks at the clock
    SPARES_MAX = 1_024          # handles that are kept to be used again: 96 KiB, once so many were queued at the same time
    SPIN_CALLBACKS = 10_000     # the same, for immediates which leave the loop no rest

cdef enum Cut:                  # what the guard cut short
    CUT_TICKS
    CUT_SOON
    CUT_TIMERS
    CUT_PENDING
    CUT_POLL
    CUT_CHECK
    CUT_CLOSE
    CUTS

cdef struct Flood:
    int64_t since_ns            # when it was cut first; 0: there is none
    int64_t report_ns           # how long it has to be to be reported, next
    uint64_t turn               # in which it was cut last
    bint is_counted
    bint is_reported

cdef struct PhaseWatch:         # of one phase, while it lasts
    uint64_t ran                # callbacks of the phase itself
    uint64_t drained            # how many ticks and microtasks had run when it began
    uint64_t look_at            # callbacks of both kinds, before the clock is looked at
    int64_t since_ns            # its first look at the clock; 0: none yet

cdef struct Stopwatch:          # of one callback, in debug mode
    int64_t start_ns
    int64_t inner_ns            # Microtasks.inner_ns when it began


cdef class Microtasks:
    cdef Ring ticks
    cdef Ring microtasks            # ORDER: asyncio's; a None stands for one of plain
    cdef Ring plain                 # queue_microtask's, as many as there are Nones that are not overtaken
    cdef Py_ssize_t overtaken       # the first Nones of microtasks whose callback has run, ahead of what stands before it
    cdef Ring spares                # OWNER: Handles that have run and that nobody else has, for make_handle()
    cdef PyObject *handle_type      # Handle itself, not what derives from it
    cdef LoopCounters *counters         # own_counters, or wherever else they are to be read
    cdef LoopCounters own_counters
    cdef bint is_stopping           # set by stop(), cleared when the run ends
    cdef Py_ssize_t stop_budget     # microtasks that still run before a stopping loop returns
    cdef bint is_flooded            # the guard has cut a drain short: drains are bounded until one whole turn has run
    cdef Cut flood_cut              # ... by what, and with it what is bounded
    cdef bint is_cut                # a tick that failed has ended the latest drain
    cdef Flood drain_flood          # ends when the queues are drained to the end
    cdef Flood phase_floods[CUTS]   # end with a turn in which that phase is not cut
    cdef Flood spin_flood           # immediates which leave the loop no rest
    cdef uint64_t spins             # immediates since spin_look_ns, in turns that all left some behind
    cdef uint64_t spin_turn         # the last of these turns
    cdef int64_t spin_look_ns       # 0: not looked yet
    cdef int64_t cut_turn           # the last turn of which a phase was cut; long past where it does not matter any more
    cdef object flood_culprit       # what starvation_hook called the last one it was told of
    cdef public bint starvation_guard
    cdef readonly bint is_debug         # asyncio's debug mode: calls are checked, and remember where they were made
    cdef readonly object tracer         # None, or who is told of every callback: treadle.trace
    cdef bint is_observed               # is_debug, or there is a tracer: callbacks go the long way
    cdef int64_t inner_ns               # in debug mode: how long callbacks took, each only once, although one may run inside another
    cdef public object uncaught_hook    # (exception) -> bool: True when somebody took care of it
    cdef public object starvation_hook  # (what, suspects, flood_ns) -> str, who it is, or None: too early

    cdef int run_handle(self, Handle handle) except -1
    cdef int run_observed(self, Kind kind, Handle handle) except -1
    cdef int run_timed(self, Kind kind, Handle handle) except -1
    cdef int run_watch(self, Handle handle) except -1
    cdef void start_watch(self, Stopwatch *watch) noexcept
    cdef int stop_watch(self, Stopwatch *watch, callback, subject) except -1
    cdef int begin_traced(self, Kind kind, subject, callback, int64_t detail) except -1
    cdef int run_returned(self, Kind kind, returned, context) except -1
    cdef int failed(self, Kind kind, Handle handle) except -1
    cdef int uncaught(self, exception) except -1
    cdef int drain(self) except -1
    cdef int drain_others(self, suspect, int others, int64_t start_ns) except -1
    cdef int drain_bounded(self) except -1
    cdef int drop_overtaken(self) except -1
    cdef int guard(self, Cut cut, suspect) except -1
    cdef int flood_over(self) except -1
    cdef bint is_too_long(self, int others, int64_t *start_ns) noexcept
    cdef int cut_phase(self, Cut cut, suspect, args) except -1
    cdef int note_flood(self, Flood *flood, Cut cut, suspect, args, int64_t now_ns) except -1
    cdef bint is_reportable(self, Flood *flood, int64_t now_ns) noexcept
    cdef int report(self, Flood *flood, Cut cut, list suspects, int64_t now_ns) except -1
    cdef int count_cut(self, Cut cut) except -1
    cdef bint is_over(self, PhaseWatch *phase, uint64_t least) noexcept
    cdef int look_at_spin(self, suspect, args) except -1

    cdef inline Handle make_handle(self, Kind kind, callback, args, context):
        cdef Handle handle
        if self.spares.size == 0:
            return new_handle(kind, callback, args, context)
        handle = <Handle>self.spares.pop_last()
        handle.kind = kind
        handle.callback = callback
        handle.args = args
        handle.context = context
        return handle

    cdef inline int spare(self, Handle handle) except -1:
        # It has run. PERF: bench/loop, a callback: making and freeing it cost a tenth of it.
        if is_unshared(handle) and type_of(handle) == self.handle_type and self.spares.size < SPARES_MAX:
            handle.is_cancelled = False
            self.spares.push(handle)
        return 0

    cdef inline int drain_if_any(self) except -1:
        if self.ticks.size or self.microtasks.size:
            self.drain()
        return 0

    cdef inline void watch_phase(self, PhaseWatch *phase, uint64_t look_at) noexcept:
        # A phase begins. Whoever runs it counts phase.ran, and asks is_long() before each of its callbacks.
        phase.ran = phase.since_ns = 0
        phase.drained = self.counters.ticks + self.counters.microtasks + self.counters.soon
        phase.look_at = look_at

    cdef inline uint64_t ran_in(self, PhaseWatch *phase) noexcept:
        return phase.ran + self.counters.ticks + self.counters.microtasks + self.counters.soon - phase.drained

    cdef inline bint is_long(self, PhaseWatch *phase) noexcept:
        # Time to ask is_over().
        return self.ran_in(phase) >= phase.look_at

    cdef inline bint is_rest_due(self) noexcept:
        # What a cut phase left behind is yet to run: no poll may wait, and the program has not ended.
        return self.cut_turn + 1 >= <int64_t>self.counters.turns


cdef int tell_ignored(error, subject) except -1
