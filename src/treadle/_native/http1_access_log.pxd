"""Declarations of http1_access_log.pyx: what other native units may touch."""
from libc.time cimport time_t

from treadle._native.http1_connection cimport Connection
from treadle._native.http1_exchange cimport ExchangeLog
from treadle._native.http1_head cimport HeadWriter


cdef struct Piece:
    # Borrowed. INVARIANT: nothing calls Python while there is one.
    const char *text                # NULL: there is none, and a line says -
    Py_ssize_t size
    Py_ssize_t size_max             # more is not shown


cdef struct Shown:
    # What a line shows of an exchange.
    Piece client
    Piece method                    # NULL: there is no request line but `target`, as far as it came
    Piece target
    Piece host
    Piece referer
    Piece user_agent
    Piece request_id
    bint is_1_0
    bint is_https


cdef class AccessLines(ExchangeLog):
    cdef HeadWriter line            # the one in the making
    cdef HeadWriter waiting         # whole lines that nobody has taken yet
    cdef Py_ssize_t bytes_max       # of those; 0: shut
    cdef object ring                # called at the first line after take(), and again when a quarter of the room is taken
    cdef Py_ssize_t hurry_bytes     # that quarter
    cdef bint has_rung              # for the first line; cleared by take()
    cdef bint is_hurried            # ... for the quarter
    cdef bint is_json
    cdef bint is_combined
    cdef readonly unsigned long long lines      # taken or waiting
    cdef readonly unsigned long long dropped    # for which there was no room
    cdef time_t stamp_s             # the second that stamp shows
    cdef char stamp[48]
    cdef int stamp_size

    cdef int call_ring(self) except -1
    cdef int write(self, Connection connection, int status, long long size, bint is_whole) except -1
    cdef int look(self, Connection connection, object peer, Shown *shown) except -1
    cdef char *put_text(self, char *out, Shown *shown, int status, long long size) noexcept
    cdef char *put_json(
        self, char *out, Shown *shown, int status, long long size, double duration_ms, bint is_whole
    ) noexcept
    cdef char *put_client(self, char *out, Shown *shown) noexcept
    cdef char *put_request(self, char *out, Shown *shown) noexcept
    cdef char *put_time(self, char *out) noexcept
    cdef char *put_piece(self, char *out, Piece *piece) noexcept
