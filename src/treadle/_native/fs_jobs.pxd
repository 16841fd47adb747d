"""Declarations of fs_jobs.pyx: what other native units may touch."""
from cpython.object cimport PyObject

from treadle._native.fs_job cimport FsJob, Perform
from treadle._native.open_files cimport Descriptor
from treadle._native.pool cimport Pool, Request

cdef enum Answer:
    # What a job's callback gets, beside None for no error.
    NOTHING     # None
    COUNT       # the number of bytes
    FILE        # a Descriptor
    STATUS      # Stats
    PATH        # str or bytes, as the path that it was asked with; None where there is no text
    NAMES       # a list of paths
    DIRENTS     # a list of Dirents
    CONTENT     # bytes


cdef class Operation:
    cdef readonly str kind      # "fs.stat"
    cdef Perform perform
    cdef Answer answer

cdef Operation new_operation(str kind, Perform perform, Answer answer)


cdef class FsRequest(Request):
    cdef Operation operation
    cdef Descriptor descriptor  # that it counts for, until it is settled or let go of; None: none
    cdef object make            # None, or what makes the result out of the answer
    cdef object filename        # as the user gave it: for errors, and for the kind of the paths that come out
    cdef object filename2
    cdef PyObject *target       # OWNER: the bytes object that a read fills; NULL: none
    cdef Py_buffer *buffers     # OWNER: the memory that the job reads or writes; NULL: none
    cdef Py_ssize_t buffer_count
    cdef bytes directory        # of the file that a stat is about, as it was written; None where that was not looked at

    cdef bint do_at_once(self, FsJob *job, Pool pool) except -1
    cdef bint stat_at_once(self, FsJob *job, Pool pool) except -1
    cdef int hold(self, FsJob *job, list data, bint is_written) except -1
    cdef int make_room(self, FsJob *job) except -1
    cdef object answer_of(self, FsJob *job)
    cdef object error_of(self, FsJob *job)
    cdef object path_of(self, const char *text, Py_ssize_t size)
    cdef object below(self, name)
    cdef object take_content(self, FsJob *job)
    cdef list names_of(self, FsJob *job, bint are_dirents)
    cdef void release_memory(self) noexcept
    cdef int leave_descriptor(self) except -1
