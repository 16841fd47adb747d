"""Declarations of http1_head.pyx: what other native units may touch."""


cdef enum FieldFault:
    FIELD_FINE
    BAD_NAME
    BAD_VALUE


cdef class HeadWriter:
    cdef char *data
    cdef Py_ssize_t size
    cdef Py_ssize_t room
    cdef long long date_s           # the second that date_line shows
    cdef char date_line[37]         # Date: Sun, 06 Nov 1994 08:49:37 GMT, CR LF
    cdef dict status_lines          # status -> bytes, without the version

    cdef int reserve(self, Py_ssize_t more) except -1
    cdef int add(self, const char *data, Py_ssize_t size) except -1
    cdef int start(self, int status, message) except -1
    cdef int add_field(self, const char *name, Py_ssize_t name_size, const char *value, Py_ssize_t value_size,
                       bint is_known) except -1
    cdef int add_date(self) except -1
    cdef int add_length(self, unsigned long long length) except -1
    cdef int add_chunk_size(self, Py_ssize_t size) except -1
    cdef int add_number(self, unsigned long long number, unsigned int base) except -1
    cdef bytes take(self, const char *body, Py_ssize_t body_size, const char *suffix, Py_ssize_t suffix_size)


cpdef str phrase_of(int status)
