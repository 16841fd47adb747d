"""Declarations of http1_request.pyx: what other native units may touch."""
from treadle._native.http1_exchange cimport Site, Wire


cdef class RequestCore:
    cdef Site server
    cdef Wire connection            # None once the message is over for the connection
    cdef readonly str method
    cdef tuple addresses            # of a connection that it has left, if they were known
    cdef bytes target               # as it came in the request line
    cdef readonly str http_version
    cdef readonly list raw_headers
    cdef list trailers              # raw; None: none came
    cdef readonly bint complete     # all of it has arrived
    cdef readonly bint aborted      # the peer left before that
    cdef bint keeps_alive           # the peer wants the connection to go on
    cdef bint expects_continue      # 100 Continue was asked for, and not sent yet
    cdef bint is_dropped            # set by drop_body(), never cleared
    cdef bint is_read               # somebody has begun to read the body
    cdef bint is_handler_over       # whoever was called for it has returned
    cdef list body                  # chunks that wait for the reader
    cdef Py_ssize_t body_bytes
    cdef Py_ssize_t body_next       # index of the first of them
    cdef list readers               # futures of those who wait for news; None: nobody
    cdef object __weakref__

    cdef int add_body(self, bytes chunk) except -1
    cdef bytes take_chunk(self)
    cdef int drop_body(self) except -1
    cdef object wait_among_others(self)
    cdef bint has_news(self) noexcept
    cdef int wake_readers(self) except -1
    cdef int ask_to_continue(self) except -1
    cdef int leave(self) except -1
    cdef int abort(self) except -1
    cdef int on_over(self) except -1
