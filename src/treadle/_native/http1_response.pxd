"""Declarations of http1_response.pyx: what other native units may touch."""
from treadle._native.http1_answer_head cimport AnswerHead
from treadle._native.http1_head cimport HeadWriter
from treadle._native.readable cimport ReadableCore
from treadle._native.writable cimport WritableState


cdef class ResponseWritable(WritableState):
    # Of an answer that is used as a stream; there is none until then.
    cdef bytes last                 # what end() was given while writes waited: it leaves behind them. None: nothing
    cdef object final_done          # what the final hook is to call back, once all was sent; None: not yet, or it has
    cdef object torn_down           # what the destroy hook is to call back, once the connection is closed
    cdef tuple request_line         # method and target, for logs; None: the exchange was over before
    cdef ReadableCore unread        # the request, if somebody listens: it ends behind 'finish'
    cdef bint is_direct             # set while write() calls the hook: what that raises reaches who writes
    cdef bint is_held               # the write hook calls back when the peer has read on; cleared then
    cdef bint is_flushing           # complete, and the kernel has not taken all of it; cleared when it has

    cdef int send_some(self, list chunks) except -1


cdef class ResponseCore(AnswerHead):
    cdef readonly bint writable_ended
    cdef readonly bint finished     # handed over to the kernel or to the connection's buffer, completely
    cdef readonly bint _is_given_up  # destroyed here, while there was a connection; never cleared
    cdef long long sent             # body bytes so far
    cdef HeadWriter writer          # holds the head that is written, but not sent: it leaves with the first piece of the body
    cdef list waiters               # futures of those who wait in ready(); None: nobody

    cdef bytes as_bytes(self, chunk, encoding)
    cdef int send_body(self, bytes chunk, bint is_last) except -1
    cdef bint end_event_stream(self) except -1
    cdef int complete(self) except -1
    cdef int lose(self) except -1
    cdef int drained(self) except -1
    cdef bint tell_timeout(self) except -1
    cdef int wake_writer(self) except -1
    cdef bint renew(self) except -1

    # as a stream
    cdef bint takes_more(self) except -1
    cdef bint write_as_stream(self, bytes data, callback) except -1
    cdef int end_as_stream(self, bytes data, callback) except -1
    cdef int tell_finished(self) except -1
    cdef int tell_failure(self, error) except -1

    cdef inline bint has_lost_peer(self) noexcept:
        return not self.finished and (self.connection is None or self.connection.closing)

    cdef inline bint is_plain(self) noexcept:
        # Nobody uses it as a stream, and nobody listens: there is nobody to tell.
        return self.writable_half is None and self._events is None
