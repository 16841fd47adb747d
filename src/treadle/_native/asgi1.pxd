"""Declarations of asgi1.pyx: what other native units may touch."""
from treadle._native.http1_request cimport RequestCore
from treadle._native.http1_response cimport ResponseCore
from treadle._native.http1_server cimport ServerCore


cdef class ASGICore(ServerCore):
    cdef readonly object app
    cdef readonly str root_path
    cdef dict template              # what all scopes have in common
    cdef dict extensions            # of which each scope gets a shallow copy
    cdef object local_name_told     # our side of the connection whose name the template has
    cdef public dict state          # each scope gets a shallow copy. None: no lifespan state

    cdef dict scope_of(self, ASGIRequest request)


cdef class ASGIRequest(RequestCore):
    # Also the `receive` of its application.
    cdef bint is_body_told          # the last http.request message was given out
    cdef bint is_over               # http.disconnect is due
    cdef void *vectorcall           # what a call of it calls

    cdef object receive(self)
    cdef bint is_end_due(self) noexcept
    cdef bint is_exchange_over(self) noexcept


cdef class ASGIResponse(ResponseCore):
    # Also the `send` of its application.
    cdef void *vectorcall           # what a call of it calls
    cdef list raw_fields            # of http.response.start: pairs of bytes
    cdef bint is_started
    cdef readonly bint expects_trailers     # http.response.start has said that they will come
    cdef bint is_body_over          # then: the last piece of the body was sent
    cdef public bint is_sending_path    # its body is a file, which is looked for or on its way; set and cleared by send_path()
    cdef list trailer_fields        # then: what has come of them; None: nothing

    cdef object send_event(self, message)
    cdef int send_last(self, bytes last) except -1
    cdef int refuse(self, kind, key, expected, value) except -1
    cdef object type_of(self, message)
    cdef bytes body_of(self, value)
    cdef list fields_of(self, str kind, message)
    cdef tuple pair_of(self, pair)
