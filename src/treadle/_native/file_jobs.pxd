"""Declarations of file_jobs.pyx: what other native units may touch."""
from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from treadle._native.pool cimport Pool, Request


cdef struct FileJob

cdef enum:
    ELSEWHERE = -1      # in place of a device in pool.directories: not of this machine, or it has made the loop wait
    AT_ONCE_NS_MAX = 20_000_000     # that it may wait: whoever holds it up so long will do so again
    AT_ONCE_BYTES = 64 * 1024       # that the loop's thread reads itself: some 15 us

# What may be asked without waiting, and of which directories: for other units that do the same
cdef int open_if_cached(const char *path, int flags) noexcept nogil     # -1: it would have to wait, or cannot be opened
cdef bint is_of_this_machine(int fd) noexcept nogil
cdef bytes encoded(path)        # a path as the system takes it; ValueError: a NUL in it
cdef Py_ssize_t read_if_cached(int fd, char *to, size_t room, int64_t position) noexcept nogil     # -1 as a position: as read(2)
cdef bytes directory_of(const char *path)       # as it is written: the key of pool.directories
cdef int note_directory(Pool pool, bytes directory, int64_t device) except -1
cdef int64_t waits_so_far(Pool pool) noexcept       # of this thread, where that is counted; before a call that should not wait
cdef bint has_waited(Pool pool, int64_t begun_ns, int64_t waits) noexcept       # behind it: for too long


cdef class FileRead(Request):
    cdef object filename
    cdef object make            # None, or what makes the result out of the bytes
    cdef bytes directory        # of the file, as it was written; None where that was not looked at
    cdef PyObject *target       # OWNER: the bytes object that the job fills; NULL: the job keeps what is read

    cdef int make_room(self, FileJob *job) except -1
    cdef bytes take_data(self, FileJob *job)
    cdef void release_target(self) noexcept
