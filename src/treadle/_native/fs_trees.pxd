"""Declarations of fs_trees.pyx: what other native units may touch. Each is a job's `perform`."""
from treadle._native.fs_job cimport FsJob
from treadle._native.pool_threads cimport Outcome

cdef Outcome perform_mkdir(FsJob *job) noexcept nogil
cdef Outcome perform_readdir(FsJob *job) noexcept nogil
cdef Outcome perform_rm(FsJob *job) noexcept nogil
