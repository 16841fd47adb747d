"""Declarations of http1_deadlines.pyx: what other native units may touch."""
from libc.stdint cimport int64_t

from treadle._native.http1_exchange cimport ANSWERING_IN_TIME, ARRIVAL, SENDING, DeadlineKind, Wire
from treadle._native.timers cimport Timer


cdef class Deadline(Timer):
    cdef Wire wire                  # None once that is closed
    cdef DeadlineKind kind

    cdef int run(self, int64_t duration_ms) except -1


cdef class SendDeadline(Deadline):
    cdef int64_t window_ms
    cdef int64_t bytes_min          # that the peer has to take in a window
    cdef int64_t taken              # by it in this one, as far as the kernel has taken more for it
    cdef int64_t acknowledged       # by it, of all there ever was, at the first look; -1: there was none in this window
    cdef int64_t left_ms            # of the clock, while that stands still; 0: a window begins next
    cdef int64_t waiting            # bytes, when it began to run last
    cdef int64_t in_all             # taken since the connection began, for whoever counts on with it

    cdef int wait(self, int64_t sent, int64_t waiting) except -1
    cdef int hold(self, int64_t sent) except -1
    cdef void reset(self) noexcept
    cdef int begin(self) except -1
    cdef int64_t first_look_ms(self) noexcept
    cdef bint is_over(self) except -1


cdef SendDeadline new_send_deadline(Wire wire, int64_t window_ms, int64_t bytes_min)
cdef Deadline new_deadline(Wire wire, DeadlineKind kind)
