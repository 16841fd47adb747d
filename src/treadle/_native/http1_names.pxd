"""Declarations of http1_names.pyx: what other native units may touch."""
from cpython.object cimport PyObject

from treadle._native.http1_grammar cimport Field

cdef enum:
    SETS = 128              # a power of two
    WAYS = 2


cdef struct KnownName:
    PyObject *spelt         # OWNER: bytes, as it came; NULL: the place is free
    PyObject *name          # OWNER: bytes, as it is handed out
    Field field             # what it means to a connection


cdef class FieldNames:
    cdef readonly bint lowers       # names are handed out in lower case
    cdef KnownName known[SETS][WAYS]

    cdef KnownName *find(self, const char *text, Py_ssize_t size) noexcept
    cdef bytes learn(self, const char *text, Py_ssize_t size)
