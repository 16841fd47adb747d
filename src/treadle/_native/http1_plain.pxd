"""Declarations of http1_plain.pyx: what other native units may touch."""


cdef str usual_method(const char *line, Py_ssize_t size)
cdef tuple plain_head(const char *text, Py_ssize_t size, Py_ssize_t fields_max, bint lowers_names)
