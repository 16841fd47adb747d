"""Declarations of unread.pyx: what other native units may touch."""
from libc.stdint cimport int64_t

cdef void limit_unsent(int fd) noexcept
cdef void lift_limit(int fd) noexcept
cdef void drop_on_close(int fd) noexcept
cdef int64_t acknowledged_bytes(int fd) noexcept
