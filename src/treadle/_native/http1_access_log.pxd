"""Declarations of http1_access_log.pyx: what other native units may touch."""
from libc.time cimport time_t

from treadle._native.http1_connection cimport Connection
from treadle._native.http1_exchange cimport ExchangeLog
from treadle._native.http1_head cimport HeadWriter


cdef class AccessLines(ExchangeLog):
    cdef HeadWriter line            # the one in the making
    cdef HeadWriter waiting         # whole lines that nobody has taken yet
    cdef Py_ssize_t bytes_max       # of those
    cdef object wake                # called when there is something to take where there was nothing
    cdef object hurry               # called when a quarter of the room is taken
    cdef Py_ssize_t hurry_bytes     # that quarter
    cdef bint is_json
    cdef bint is_combined
    cdef readonly unsigned long long lines      # taken or waiting
    cdef readonly unsigned long long dropped    # for which there was no room
    cdef time_t stamp_s             # the second that stamp shows
    cdef char stamp[48]
    cdef int stamp_size

    cdef int write_text(self, Connection connection, int status, long long size, double duration_ms) except -1
    cdef int write_json(self, Connection connection, int status, long long size, double duration_ms, bint is_whole) except -1
    cdef int add_client(self, Connection connection) except -1
    cdef int add_request(self, Connection connection) except -1
    cdef int add_value(self, bytes value) except -1
    cdef int add_time(self) except -1
    cdef int add_escaped(self, const char *text, Py_ssize_t size, Py_ssize_t size_max) except -1
    cdef int add_word(self, const char *text) except -1
    cdef int add_milliseconds(self, double duration_ms) except -1
