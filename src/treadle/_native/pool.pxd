"""Declarations of pool.pyx: what other native units may touch."""
from cpython.object cimport PyObject
from libc.stdint cimport uint64_t

from treadle._native.poll_epoll cimport PollHandle
from treadle._native.pool_threads cimport Job, Jobs, Shared
from treadle._native.queues cimport Handle, Kind

cdef object os_error(int error, filename)


cdef class Request(Handle):
    cdef Job *job           # NULL: it is through, or was never submitted
    cdef PyObject *pool     # borrowed; valid while there is a job
    cdef object unused      # with it the garbage collector knows of requests

    cdef int set_callback(self, Kind kind, callback) except -1
    cdef bint settle(self, Job *job) except -1  # the job is back: fill args. False: it has to go on


cdef class Pool(PollHandle):
    cdef PyObject *loop     # the LoopCore, borrowed; valid while the pool is watched
    cdef Shared *shared     # NULL once closed
    cdef Jobs taken         # finished jobs whose turn comes in this poll phase
    cdef set requests       # OWNER: every request that has a job
    cdef unsigned int forks     # fork_count() where its threads are
    cdef int size           # threads at most
    cdef uint64_t completed     # requests whose callback had its turn
    cdef Py_ssize_t queue_max

    cdef int submit(self, Request request, Job *job, bint is_admitted=*) except -1
    cdef bint withdraw(self, Request request) except -1
    cdef int finish(self, Job *job) except -1
    cdef bint drop(self, Request request) except -1
    cdef int forget(self, Request request) except -1
    cdef bint renew_if_forked(self) except -1
    cdef void end(self) noexcept
