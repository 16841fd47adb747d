"""The clocks of a connection: one for what has to arrive next, whose meaning its phase gives, one for what the peer has to take,
and one for the answer under way, if that has a deadline.

Invariant: absolute, so a byte now and then extends nothing; whoever sets one anew says why. Not here: how long each is
(treadle.http.limits), and what follows when one runs out (Wire.expired).
"""
from libc.stdint cimport int64_t

from treadle._native.http1_exchange cimport DeadlineKind, Wire
from treadle._native.timers cimport NS_PER_MS, Timer, clock_ns


cdef class Deadline(Timer):
    cdef int run(self, int64_t duration_ms) except -1:
        # From now on.
        return self.start(duration_ms, clock_ns() // NS_PER_MS)

    cdef object fire(self):
        if self.wire is not None:
            self.wire.expired(self.kind)
        return None


cdef Deadline new_deadline(Wire wire, DeadlineKind kind):
    cdef Deadline deadline = Deadline.__new__(Deadline)
    deadline.timers = wire.loop.timers
    deadline.is_refed = False           # the connection itself holds the program
    deadline.wire = wire
    deadline.kind = kind
    return deadline
