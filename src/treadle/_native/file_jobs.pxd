"""Declarations of file_jobs.pyx: what other native units may touch."""
from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from treadle._native.pool cimport Pool, Request


cdef struct FileJob


cdef class FileRead(Request):
    cdef object filename
    cdef bytes directory        # of the file, as it was written; None where that was not looked at
    cdef PyObject *target       # OWNER: the bytes object that the job fills; NULL: the job keeps what is read

    cdef int note_directory(self, Pool pool, int64_t device) except -1
    cdef int make_room(self, FileJob *job) except -1
    cdef void release_target(self) noexcept
