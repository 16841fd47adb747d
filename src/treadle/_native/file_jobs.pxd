"""Declarations of file_jobs.pyx: what other native units may touch."""
from cpython.object cimport PyObject

from treadle._native.pool cimport Request


cdef struct FileJob


cdef class FileRead(Request):
    cdef object filename
    cdef PyObject *target       # OWNER: the bytes object that the job fills; NULL: the job keeps what is read

    cdef int make_room(self, FileJob *job) except -1
    cdef void release_target(self) noexcept
