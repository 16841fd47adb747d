"""Declarations of readable_buffer.pyx: what other native units may touch."""
from cpython.object cimport PyObject

from treadle._native.stream_core cimport Half, length_of


cdef class ReadableBuffer(Half):
    cdef Py_ssize_t first_offset    # how much of the first chunk in the buffer was read
    cdef object decoder             # has decode(chunk) and finish(), both -> str; None: chunks are bytes
    cdef str encoding               # of the decoder
    cdef bint has_pairs             # text with characters beyond U+FFFF was buffered; never cleared

    cdef object in_units(self, text)
    cdef int keep_text(self, text, bint is_first) except -1
    cdef int keep_first(self, chunk) except -1
    cdef object take_first(self)
    cdef object take_some(self, Py_ssize_t count)
    cdef str joined_text(self, list pieces)
    cdef object told(self, chunk)
    cdef int set_decoder(self, decoder, str encoding) except -1

    cdef inline int keep(self, chunk, bint is_first) except -1:
        return self.keep_first(chunk) if is_first else self.buffer.push(chunk)


cdef inline Py_ssize_t first_length(ReadableBuffer held) except -1:
    # What is left of the first chunk, which there is.
    cdef PyObject *first = held.buffer.slots[held.buffer.head]
    return length_of(<object>first) - held.first_offset


cdef inline object take(ReadableBuffer held, Py_ssize_t count):
    # Out of the buffer, which has that much; length is the caller's to correct.
    if held.object_mode or (held.first_offset == 0 and first_length(held) == count):
        return held.buffer.pop()
    return held.take_some(count)
