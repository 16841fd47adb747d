"""Declarations of faces.pyx: what other native units may touch."""
from treadle._native.loop cimport LoopCore


cdef class Faces:
    cdef object get_running_loop    # asyncio's
    cdef object no_loop             # () -> the exception to raise where no loop of treadle's runs
    cdef object require_callable    # (callback, name of the parameter): raises where it cannot be called
    cdef object require_number      # (delay, name of the parameter): raises where it is none
    cdef object warn_of_overflow    # (delay_ms): it is longer than a timer can wait

    cdef LoopCore loop_here(self)
    cdef int require(self, callback) except -1
    cdef object add_timeout(self, callback, delay_ms, tuple args, bint is_interval)
