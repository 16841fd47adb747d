"""Declarations of unread.pyx: what other native units may touch."""

cdef void limit_unsent(int fd) noexcept
cdef void lift_limit(int fd) noexcept
cdef void drop_on_close(int fd) noexcept
