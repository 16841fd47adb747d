"""Declarations of http1_plain.pyx: what other native units may touch."""


cdef enum:
    VERSION_BYTES = 11      # of " HTTP/1.1" and its line end


cdef str usual_method(const char *line, Py_ssize_t size)
cdef Py_ssize_t plain_target(const char *text, Py_ssize_t size) noexcept nogil
cdef list plain_fields(const char *text, Py_ssize_t size)
