"""Declarations of reader_feed.pyx: what other native units may touch."""
from libc.stdint cimport uint64_t

cdef enum:
    NO_TEXT = 0


cdef uint64_t known_text(protocol) except? NO_TEXT
cdef uint64_t text_now() noexcept
cdef bint feed(protocol, const char *data, Py_ssize_t size) except -1
