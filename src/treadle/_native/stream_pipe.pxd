"""Declarations of stream_pipe.pyx: what other native units may touch."""
from treadle._native.emitter cimport NativeListener
from treadle._native.readable cimport ReadableState
from treadle._native.stream_core cimport StreamCore


cdef class Pipe(NativeListener):
    cdef readonly StreamCore source
    cdef readonly object destination
    cdef StreamCore core            # the destination, if its write() is WritableCore's
    cdef bint is_over               # cleaned up
    cdef bint hears_drain           # it listens for 'drain', since the destination was full once

    cdef int wait_for_drain(self) except -1
    cdef int fail(self, error) except -1
    cdef int clean_up(self) except -1


cdef Py_ssize_t room_behind(ReadableState state)
