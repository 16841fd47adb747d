"""Declarations of fs_transfers.pyx: what other native units may touch. Each `perform` is a job's."""
from treadle._native.fs_job cimport FsJob
from treadle._native.pool_threads cimport Outcome

cdef Outcome perform_read(FsJob *job) noexcept nogil
cdef bint is_regular(int fd) noexcept nogil
cdef void go_on(FsJob *job, Py_ssize_t moved) noexcept nogil      # so many bytes of the views are done
cdef Outcome perform_read_file(FsJob *job) noexcept nogil
cdef Outcome perform_write(FsJob *job) noexcept nogil
cdef Outcome perform_write_file(FsJob *job) noexcept nogil
cdef Py_ssize_t write_step(FsJob *job) noexcept nogil      # one system call; 0: nobody waits for it, or it has failed
cdef bint write_all(int fd, const char *bytes, Py_ssize_t size) noexcept nogil
