"""Declarations of forks.pyx: what other native units may touch."""

cdef unsigned int fork_count() noexcept nogil
