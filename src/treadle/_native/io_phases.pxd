"""Declarations of io_phases.pyx: what other native units may touch."""
from libc.stdint cimport int64_t

from treadle._native.check_phase cimport CheckPhase
from treadle._native.poll_epoll cimport PollHandle, Poller
from treadle._native.queues cimport Handle, Kind, Ring


cdef class Waker(PollHandle):
    cdef bint is_set                # a wake-up is under way; under the GIL


cdef class IoPhases(CheckPhase):
    cdef readonly Poller poller
    cdef Ring pending               # PollHandles whose on_pending() waits for the pending phase
    cdef Ring batch                 # PollHandles whose on_batch() waits for others of this poll
    cdef int64_t batch_since_ns     # when the first of them joined
    cdef Py_ssize_t batch_pause     # so many handles do not wait, since callbacks were slow
    cdef public Py_ssize_t batch_max    # how many of them at most; 1: nobody waits
    cdef bint is_taking             # the poll phase hands out events
    cdef Ring closing               # PollHandles whose on_close() waits for the close phase
    cdef Waker waker
    cdef bint is_polling            # the loop's thread may be blocked in the kernel; read by other threads, under the GIL
    cdef unsigned int forks         # fork_count() where it polls
    cdef char *io_buffer            # where streams receive into; valid until the next receive
    cdef Py_ssize_t io_buffer_size

    cpdef int wake(self) except -1

    cdef int complete(self, Handle handle) except -1    # run a finished request's callback, in the poll phase
    cdef int defer(self, PollHandle handle) except -1   # to the pending phase
    cdef int put_behind(self, PollHandle handle) except -1  # on_batch() behind the events of this poll; else on_pending()
    cdef int end(self, PollHandle handle) except -1     # to the close phase
    cdef bint join_batch(self, PollHandle handle) except -1     # False: no events are handed out, so there is no batch

    cdef int run_pending(self) except -1
    cdef int poll(self, bint may_wait) except -1
    cdef int take_events(self) except -1
    cdef int follow_up(self) except -1
    cdef int end_batch(self) except -1
    cdef int poll_timeout_ms(self) except -2
    cdef int run_close(self) except -1
    cdef int visit(self, Kind kind, PollHandle handle, int ready) except -1
