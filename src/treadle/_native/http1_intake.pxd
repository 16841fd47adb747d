"""Declarations of http1_intake.pyx: what other native units may touch."""
from libc.stdint cimport uint64_t

from treadle._native.http1_connection cimport Connection
from treadle._native.http1_exchange cimport Intake, Wire


cdef class RequestIntake(Intake):
    cdef object origin_of           # (scheme, connection's origin, addresses, values of FORWARDED_FIELDS) -> origin
    cdef object variable            # the ContextVar of the current request's id; None: requests get none
    cdef bint is_echoed             # answers tell it
    cdef uint64_t first, second     # where the ids stand

    cdef int find_origin(self, Connection connection) except -1
    cdef int name(self, Connection connection) except -1
    cdef bytes next_id(self)
