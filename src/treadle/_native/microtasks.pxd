"""Declarations of microtasks.pyx: what other native units may touch."""
from libc.stdint cimport int64_t

from treadle._native.counters cimport LoopCounters
from treadle._native.queues cimport Handle, Kind, Ring


cdef class Microtasks:
    cdef Ring ticks
    cdef Ring microtasks
    cdef LoopCounters *counters         # own_counters, or wherever else they are to be read
    cdef LoopCounters own_counters
    cdef bint is_stopping           # set by stop(), cleared when the run ends
    cdef Py_ssize_t stop_budget     # microtasks that still run before a stopping loop returns
    cdef bint is_flooded            # the guard has cut a drain short: drains are bounded until one whole turn has run
    cdef bint is_cut                # a tick that failed has ended the latest drain
    cdef int64_t flood_since_ns     # 0: no flood, the queue was drained to the end
    cdef bint flood_is_reported
    cdef public bint starvation_guard
    cdef readonly bint is_debug         # asyncio's debug mode: calls are checked, and remember where they were made
    cdef readonly object tracer         # None, or who is told of every callback: treadle.trace
    cdef bint is_observed               # is_debug, or there is a tracer: callbacks go the long way
    cdef public object uncaught_hook    # (exception) -> bool: True when somebody took care of it
    cdef public object starvation_hook  # (callback, flood_ns) -> None

    cdef int run_handle(self, Handle handle) except -1
    cdef int run_observed(self, Kind kind, Handle handle) except -1
    cdef int run_timed(self, Kind kind, Handle handle) except -1
    cdef int run_watch(self, Handle handle) except -1
    cdef int call_watch(self, Handle handle) except -1
    cdef int begin_traced(self, Kind kind, subject, callback, int64_t detail) except -1
    cdef int failed(self, Kind kind, Handle handle) except -1
    cdef int uncaught(self, exception) except -1
    cdef int drain(self) except -1
    cdef int drain_bounded(self) except -1
    cdef int guard(self, suspect) except -1
    cdef int flood_over(self) except -1
    cdef bint is_too_long(self, int others, int64_t *start_ns) noexcept

    cdef inline int drain_if_any(self) except -1:
        if self.ticks.size or self.microtasks.size:
            self.drain()
        return 0
