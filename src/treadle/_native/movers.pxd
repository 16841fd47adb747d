"""Declarations of movers.pyx: what other native units may touch."""
from libc.stdint cimport uint64_t

from treadle._native.loop cimport LoopCore
from treadle._native.poll_epoll cimport PollHandle
from treadle._native.queues cimport Kind


cdef class Mover(PollHandle):
    cdef LoopCore loop
    cdef bint wants_source          # it waits for the source to have bytes. Who changes it calls rewatch() of the stream
    cdef bint wants_sink            # it waits for the sink to take bytes; likewise
    cdef readonly bint is_over      # nothing is moved any more; set by end_move() and let_go(), never cleared
    cdef readonly bint is_complete  # the source has ended, or its range: all of it was moved. Set with is_over
    cdef bint is_stopping           # it ends where it stands; set by stop(), never cleared
    cdef Kind kind
    cdef object callback            # None once it has run, or never will
    cdef object context
    cdef object error
    cdef readonly uint64_t bytes_moved      # that a sink has taken
    cdef readonly uint64_t system_calls     # that moved them, or tried to

    cdef int begin_move(self, LoopCore loop, callback, bint is_awaited) except -1
    cdef int end_move(self, error) except -1
    cdef int let_go(self) except -1
    cdef int let_go_descriptors(self) except -1
    cdef int give_back(self) except -1
    cdef int stop_move(self) except -1

    # What streams tell it. None of these may raise.
    cdef int on_turn(self) except -1                    # all that stood before it in the sink is sent
    cdef int on_source(self) except -1                  # the source has bytes, or has ended
    cdef int on_sink(self) except -1                    # the sink takes bytes
    cdef int on_lost(self, PollHandle stream, error) except -1      # the stream ends, and has let go of it
