"""Declarations of beneath.pyx: what other native units may touch."""
from libc.stdint cimport int64_t

from treadle._native.open_files cimport Descriptor
from treadle._native.pool cimport Request


cdef class FileSearch(Request):
    cdef object filename
    cdef bytes directory        # of the file, from the root on

cdef class FoundFile:
    cdef readonly int64_t size
    cdef readonly int64_t mtime_ns
    cdef readonly int suffix
    cdef readonly bytes content         # None: it is too large, or was not wanted
    cdef readonly Descriptor descriptor     # None: it was read
