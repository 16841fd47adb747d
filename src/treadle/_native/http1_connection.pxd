"""Declarations of http1_connection.pyx: what other native units may touch."""
from libc.stdint cimport int64_t

from treadle._native.http1_deadlines cimport Deadline, SendDeadline
from treadle._native.http1_exchange cimport Site
from treadle._native.http1_messages cimport Messages
from treadle._native.http1_request cimport RequestCore
from treadle._native.http1_response cimport ResponseCore
from treadle._native.tcp cimport sockaddr_in6


cdef enum:
    FIRST_REQUEST_MS = 1000         # for what is on its way on a new connection when the server stops: some round trips


cdef class Connection(Messages):
    cdef SendDeadline send_deadline     # None until the kernel did not take everything
    cdef Deadline answer_deadline   # None until an answer had one
    cdef list flushing              # complete answers that want to know when all was sent; None: none
    cdef object observer            # called when it is closed; None: nobody looks on
    cdef bint is_answer_waiting     # the kernel did not take all of one; set by on_backlog(), cleared by on_flushed()

    cdef bint is_ended_by_close(self) noexcept
    cdef int request_answered(self, RequestCore request, ResponseCore response) except -1
    cdef int drop_rest(self) except -1
    cdef bint close_idle(self, bint may_wait) except -1
    cdef int hurry(self, int64_t left_ms) except -1
    cdef int mark_cut(self) except -1
    cdef bint is_request_near(self, bint may_shake) except -1
    cdef bint is_record_near(self, bint may_shake, bint is_there) except -1
    cdef int drop_message(self) except -1
    cdef int answer_overdue(self) except -1


cdef Connection new_connection(Site server, int fd, sockaddr_in6 *peer)
