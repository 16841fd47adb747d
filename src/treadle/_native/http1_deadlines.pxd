"""Declarations of http1_deadlines.pyx: what other native units may touch."""
from libc.stdint cimport int64_t

from treadle._native.http1_exchange cimport ANSWERING_IN_TIME, ARRIVAL, SENDING, DeadlineKind, Wire
from treadle._native.timers cimport Timer


cdef class Deadline(Timer):
    cdef Wire wire                  # None once that is closed
    cdef DeadlineKind kind

    cdef int run(self, int64_t duration_ms) except -1


cdef Deadline new_deadline(Wire wire, DeadlineKind kind)
