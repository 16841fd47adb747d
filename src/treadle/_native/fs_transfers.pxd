"""Declarations of fs_transfers.pyx: what other native units may touch. Each is a job's `perform`."""
from treadle._native.fs_job cimport FsJob
from treadle._native.pool_threads cimport Outcome

cdef Outcome perform_read(FsJob *job) noexcept nogil
cdef Outcome perform_read_file(FsJob *job) noexcept nogil
cdef Outcome perform_write(FsJob *job) noexcept nogil
cdef Outcome perform_write_file(FsJob *job) noexcept nogil
cdef bint write_all(int fd, const char *bytes, Py_ssize_t size) noexcept nogil
