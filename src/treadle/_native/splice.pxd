"""Declarations of splice.pyx: what other native units may touch."""
from treadle._native.movers cimport Mover
from treadle._native.poll_epoll cimport PollHandle
from treadle._native.tcp cimport Stream

cdef enum:
    SPARE_PIPES_MAX = 32    # some 10 KiB each in the kernel, and two descriptors

cdef struct Pipe:
    int reader      # -1: there is none
    int writer


cdef class SparePipes(PollHandle):
    # The empty pipes of a loop, for whoever has something to move next.
    cdef Pipe pipes[SPARE_PIPES_MAX]
    cdef int count
    cdef unsigned int forks         # fork_count() where they were made

    cdef bint take(self, Pipe *pipe) except -1
    cdef void put_back(self, Pipe *pipe) noexcept
    cdef void forget_if_forked(self) noexcept
    cdef void abandon_all(self) noexcept


cdef class Splice(Mover):
    cdef Stream source
    cdef Stream sink
    cdef SparePipes spares
    cdef Pipe pipe              # OWNER: its own, while something is in it
    cdef Py_ssize_t held        # bytes in the pipe
    cdef bytes rest             # bytes that were received by hand, and that the sink has not taken; or None
    cdef Py_ssize_t rest_offset
    cdef bint is_at_end         # of the source
    cdef bint is_by_hand        # these sockets cannot be spliced

    cdef int fill(self) except -1
    cdef int fill_by_hand(self) except -1
    cdef int received_nothing(self, ssize_t size) except -1
    cdef bint drain(self) except -1
    cdef bint drain_by_hand(self) except -1
    cdef bint sink_took_nothing(self) except -1
    cdef int pump(self, bint may_fill) except -1
    cdef int watch_both(self, bint source, bint sink) except -1
