"""Declarations of name_jobs.pyx: what other native units may touch."""
from treadle._native.pool cimport Request


cdef class NameLookup(Request):
    pass


cdef class ServiceLookup(Request):
    pass
