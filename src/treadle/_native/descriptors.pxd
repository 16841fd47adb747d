"""Declarations of descriptors.pyx: what other native units may touch."""
from treadle._native.io_phases cimport IoPhases
from treadle._native.poll_epoll cimport PollHandle
from treadle._native.queues cimport Handle


cdef class FdWatcher(PollHandle):
    # asyncio's add_reader and add_writer on one descriptor.
    cdef IoPhases loop
    cdef object file            # what it was asked for with: a number, or an object that has one
    cdef Handle reader
    cdef Handle writer

    cdef int rewatch(self) except -1


cdef class Descriptors(IoPhases):
    cdef Handle watch_fd(self, file, int interest, callback, tuple args)
    cdef int watched_fileno(self, file) except? -1
    cdef bint unwatch_fd(self, int fd, int interest) except -1
