"""Declarations of http1_request.pyx: what other native units may touch."""
from treadle._native.http1_exchange cimport Site, Wire
from treadle._native.readable cimport ReadableCore, ReadableState


cdef class RequestReadable(ReadableState):
    # Of a request that is used as a stream; there is none until then.
    cdef bint is_pulled             # the read hook was called; never cleared
    cdef bint is_handing_soon       # the tick of _hand_over is arranged; cleared in it


cdef class RequestCore(ReadableCore):
    cdef Site server
    cdef Wire connection            # None once the message is over for the connection
    cdef readonly str method
    cdef tuple addresses            # of a connection that it has left, if they were known
    cdef bint was_encrypted         # that connection was; set by leave()
    cdef readonly object id         # str; None: the server names no requests
    cdef tuple origin               # (scheme, client, server) as a trusted proxy says; None: those of the connection
    cdef bytes target               # as it came in the request line
    cdef readonly str http_version
    cdef readonly list raw_headers
    cdef list trailers              # raw; None: none came
    cdef public object _headers     # both as mappings, once asked for
    cdef public object _trailers
    cdef readonly bint complete     # all of it has arrived
    cdef readonly bint aborted      # the peer left before that
    cdef readonly bint _is_given_up  # destroyed here before it was answered, which has cut the connection; never cleared
    cdef public object _controller  # the AbortController of `signal`; None: nobody has asked for that
    cdef readonly str _departure    # the code of why nobody waits for the answer any more; None: somebody does
    cdef object running             # the HandlerEnd of its handler while that is suspended; None: it is not
    cdef public bint cancel_on_disconnect   # its handler is cancelled when the client has left
    cdef bint keeps_alive           # the peer wants the connection to go on
    cdef bint expects_continue      # 100 Continue was asked for, and not sent yet
    cdef bint is_dropped            # set by drop_body(), never cleared
    cdef bint is_read               # somebody has begun to read the body
    cdef bint is_handler_over       # whoever was called for it has returned
    cdef list body                  # chunks that wait for the reader
    cdef Py_ssize_t body_bytes
    cdef Py_ssize_t body_next       # index of the first of them
    cdef list readers               # futures of those who wait for news; None: nobody

    cdef int add_body(self, bytes chunk) except -1
    cdef bytes pop_chunk(self)
    cdef bytes take_chunk(self)
    cdef int drop_body(self) except -1
    cdef object wait_among_others(self)
    cdef bint has_news(self) noexcept
    cdef int wake_readers(self) except -1
    cdef int ask_to_continue(self) except -1
    cdef int leave(self) except -1
    cdef int message_complete(self) except -1
    cdef int abort(self, bint is_unanswered) except -1
    cdef int depart(self, str code) except -1
    cdef int cancel_soon(self) except -1
    cdef int on_over(self) except -1
    cdef bint renew(self) except -1

    # as a stream
    cdef int hand_over(self) except -1
    cdef int hand_over_soon(self) except -1
    cdef bint has_reader(self) noexcept

    cdef inline bint is_heard(self) noexcept:
        # Somebody uses it as a stream, or listens: there is somebody to tell.
        return self.readable_half is not None or self._events is not None
