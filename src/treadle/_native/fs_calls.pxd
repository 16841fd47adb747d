"""Declarations of fs_calls.pyx: what other native units may touch. Each is a job's `perform`."""
from treadle._native.fs_job cimport FsJob
from treadle._native.pool_threads cimport Outcome

cdef Outcome perform_open(FsJob *job) noexcept nogil
cdef Outcome perform_close(FsJob *job) noexcept nogil
cdef Outcome perform_stat(FsJob *job) noexcept nogil
cdef Outcome perform_access(FsJob *job) noexcept nogil
cdef Outcome perform_chmod(FsJob *job) noexcept nogil
cdef Outcome perform_chown(FsJob *job) noexcept nogil
cdef Outcome perform_utimes(FsJob *job) noexcept nogil
cdef Outcome perform_truncate(FsJob *job) noexcept nogil
cdef Outcome perform_fsync(FsJob *job) noexcept nogil
cdef Outcome perform_fdatasync(FsJob *job) noexcept nogil
cdef Outcome perform_rename(FsJob *job) noexcept nogil
cdef Outcome perform_link(FsJob *job) noexcept nogil
cdef Outcome perform_symlink(FsJob *job) noexcept nogil
cdef Outcome perform_unlink(FsJob *job) noexcept nogil
cdef Outcome perform_rmdir(FsJob *job) noexcept nogil
cdef Outcome perform_readlink(FsJob *job) noexcept nogil
cdef Outcome perform_realpath(FsJob *job) noexcept nogil
cdef Outcome perform_mkdtemp(FsJob *job) noexcept nogil
