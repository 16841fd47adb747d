"""Declarations of http1_plain.pyx: what other native units may touch."""


from treadle._native.http1_names cimport FieldNames

cdef enum:
    PLAIN_FIELDS_MAX = 256      # a head of more is not plain


cdef str usual_method(const char *line, Py_ssize_t size)
cdef tuple plain_head(const char *text, Py_ssize_t *size, Py_ssize_t fields_max, FieldNames names, unsigned char *fields)
