"""Declarations of http1_server.pyx: what other native units may touch."""
from treadle._native.http1_exchange cimport Site
from treadle._native.http1_request cimport RequestCore
from treadle._native.http1_response cimport ResponseCore
from treadle._native.tcp cimport Listener, sockaddr_in6


cdef class ServerCore(Site):
    cdef public object handler          # (request, response) -> None or a coroutine
    cdef object task_type
    cdef dict task_options              # what each of its tasks is made with
    cdef dict tasks                     # OWNER: of every async handler that is suspended -> its HandlerEnd

    cdef int handler_over(self, RequestCore request, ResponseCore response, result) except -1
    cdef int let_go(self, RequestCore request) except -1
    cdef int keep_spares(self, RequestCore request, ResponseCore response) except -1
    cdef int task_ended(self, task, RequestCore request, ResponseCore response) except -1
    cdef int start_task(self, RequestCore request, ResponseCore response, coroutine, context) except -1


cdef object exception_of(task)


cdef class HandlerEnd:
    cdef ServerCore server          # None once the handler is over
    cdef object task                # None likewise, and once it was cancelled from here: a second time would hit its cleaning up
    cdef RequestCore request
    cdef ResponseCore response


cdef class HTTPListener(Listener):
    cdef Site server
    cdef object exhausted               # called with (self, error)

    cdef int drop(self, int fd, sockaddr_in6 *peer) except -1
