"""Declarations of http1_answer_head.pyx: what other native units may touch."""
from treadle._native.http1_exchange cimport Site, Wire
from treadle._native.http1_head cimport HeadWriter
from treadle._native.writable cimport WritableCore


cdef class AnswerHead(WritableCore):
    cdef Site server
    cdef Wire connection            # None once complete or lost
    cdef public int status_code
    cdef object message             # str or None
    cdef dict fields                # lower-case name -> (name, value as str or list of str)
    cdef readonly bint headers_sent
    cdef public bint send_date
    cdef bint is_for_head           # the request is HEAD
    cdef bint is_head_only          # likewise, or the head that was begun last has a status without a body
    cdef bint is_1_0
    cdef bint is_chunked
    cdef bint keeps_alive
    cdef bint has_length            # Content-Length is given, in `length`
    cdef bint has_date
    cdef bint has_close             # the application has written Connection: close, among other things
    cdef bint announces_trailers    # the application has written Trailer
    cdef bytes trailers             # whole lines, which follow the last chunk; None: there are none
    cdef bint is_event_stream       # its Content-Type says so
    cdef long long length
    cdef bytes id_line              # a field that tells the request's id; None: none is told

    cdef int check_status(self, int status) except -1
    cdef int check_name(self, name) except -1
    cdef int check_value(self, name, value) except -1
    cdef bytes latin_1(self, name, value)
    cdef HeadWriter begin_head(self)
    cdef int write_field(self, HeadWriter writer, name, value) except -1
    cdef int write_text_field(self, HeadWriter writer, const char *name, Py_ssize_t name_size, const char *value,
                              Py_ssize_t value_size) except -1
    cdef int refuse_value(self, const char *name, Py_ssize_t name_size, const char *value, Py_ssize_t value_size) except -1
    cdef int set_length(self, long long length) except -1
    cdef int finish_head(self, HeadWriter writer, Py_ssize_t size, bint is_last) except -1
