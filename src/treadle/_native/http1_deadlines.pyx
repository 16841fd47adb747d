"""The clocks of a connection: one for what has to arrive next, whose meaning its phase gives, one for what the peer has to take,
and one for the answer under way, if that has a deadline.

Invariant: absolute, so a byte now and then extends nothing; whoever sets one anew says why. Not here: how long each is
(treadle.http.limits), and what follows when one runs out (Wire.expired).
"""
from libc.stdint cimport int64_t

from treadle._native.http1_exchange cimport SENDING, DeadlineKind, Wire
from treadle._native.timers cimport NS_PER_MS, Timer, clock_ns
from treadle._native.unread cimport acknowledged_bytes

cdef enum:
    FIRST_LOOK_MS = 1000            # until what was on its way when the kernel took no more has come, or never will
    LOOKS = 8                       # of a window: the first look comes after an eighth at most


cdef class Deadline(Timer):
    cdef int run(self, int64_t duration_ms) except -1:
        # From now on.
        return self.start(duration_ms, clock_ns() // NS_PER_MS)

    cdef object fire(self):
        if self.wire is not None:
            self.wire.expired(self.kind)
        return None


cdef class SendDeadline(Deadline):
    # A peer for which something waits takes bytes_min in each window, or is cut. A window begins when it has taken as many, as far
    # as we see: the kernel takes more for it in lumps, which may be a megabyte. So before it is cut the kernel is asked what has come
    # to it. The clock stands still while nothing waits for the peer.

    cdef int wait(self, int64_t sent, int64_t waiting) except -1:
        # So many bytes wait for it, and it has just taken so many.
        self.taken += sent
        self.waiting = waiting
        if self.taken >= self.bytes_min or (self.list is None and self.left_ms == 0):
            return self.begin()
        return self.run(self.left_ms) if self.list is None else 0

    cdef int hold(self, int64_t sent) except -1:
        # It has taken so many bytes, and what comes next is not its fault.
        self.taken += sent
        self.waiting = 0
        if self.list is not None:
            self.left_ms = max(self.start_ms + self.duration_ms - clock_ns() // NS_PER_MS, 1)
            self.stop()
        if self.taken >= self.bytes_min:
            self.taken = self.left_ms = 0
        return 0

    cdef void reset(self) noexcept:
        # It has taken all there was and will be.
        self.stop()
        self.taken = self.left_ms = 0

    cdef int begin(self) except -1:
        self.taken = self.left_ms = 0
        self.acknowledged = -1
        return self.run(self.first_look_ms())

    cdef int64_t first_look_ms(self) noexcept:
        return max(min(FIRST_LOOK_MS, self.window_ms // LOOKS), 1)

    cdef bint is_over(self) except -1:
        # It has fired: was that the end of a window in which too little was taken?
        cdef int64_t acknowledged = acknowledged_bytes(self.wire.fd)
        cdef int64_t rest_ms = max(self.window_ms - self.first_look_ms(), 1)
        if self.acknowledged < 0:
            self.acknowledged = acknowledged
            self.run(rest_ms)
            return False
        if acknowledged - self.acknowledged < max(self.bytes_min * rest_ms // self.window_ms, 1):
            return True
        self.taken = 0
        self.acknowledged = acknowledged
        self.run(self.window_ms)
        return False


cdef SendDeadline new_send_deadline(Wire wire, int64_t window_ms, int64_t bytes_min):
    cdef SendDeadline deadline = SendDeadline.__new__(SendDeadline)
    deadline.timers = wire.loop.timers
    deadline.is_refed = False
    deadline.wire = wire
    deadline.kind = SENDING
    deadline.window_ms = window_ms
    deadline.bytes_min = bytes_min
    return deadline


cdef Deadline new_deadline(Wire wire, DeadlineKind kind):
    cdef Deadline deadline = Deadline.__new__(Deadline)
    deadline.timers = wire.loop.timers
    deadline.is_refed = False           # the connection itself holds the program
    deadline.wire = wire
    deadline.kind = kind
    return deadline
