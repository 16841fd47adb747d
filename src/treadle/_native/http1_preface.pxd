"""Declarations of http1_preface.pyx: what other native units may touch."""
from treadle._native.http1_exchange cimport Site
from treadle._native.poll_epoll cimport PollHandle
from treadle._native.tcp cimport sockaddr_in6
from treadle._native.timers cimport Timer


cdef class Preface(PollHandle):
    cdef Site server
    cdef sockaddr_in6 peer
    cdef bytes begun                # what was taken of it so far
    cdef PrefaceDeadline deadline

    cdef int read_on(self) except -1
    cdef int hand_over(self, tuple said) except -1
    cdef int let_go(self) except -1
    cdef int release(self) except -1
    cdef int end(self) except -1
    cdef int hurry(self) except -1
    cdef int fail(self, str why) except -1


cdef class PrefaceDeadline(Timer):
    cdef Preface preface            # None once it is over


cdef int new_preface(Site server, int fd, sockaddr_in6 *peer) except -1
