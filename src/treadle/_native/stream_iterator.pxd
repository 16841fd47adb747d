"""Declarations of stream_iterator.pyx: what other native units may touch."""
from treadle._native.ready cimport Ready
from treadle._native.stream_core cimport StreamCore


cdef class IteratorCore:
    cdef readonly StreamCore stream
    cdef public bint has_begun      # its listeners are there
    cdef public bint is_over        # they are gone
    cdef Ready ready                # the latest step's
    cdef int in_a_row               # chunks since the last suspension
