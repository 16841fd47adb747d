"""Declarations of fs_replacements.pyx: what other native units may touch. Each is a job's `perform`."""
from treadle._native.fs_job cimport FsJob
from treadle._native.pool_threads cimport Outcome

cdef Outcome perform_write_file_atomic(FsJob *job) noexcept nogil
