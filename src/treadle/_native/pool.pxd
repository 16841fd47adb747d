"""Declarations of pool.pyx: what other native units may touch."""
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t
from posix.types cimport pid_t

from treadle._native.poll_epoll cimport PollHandle
from treadle._native.queues cimport Handle

cdef extern from "<pthread.h>" nogil:
    ctypedef struct pthread_mutex_t:
        pass
    ctypedef struct pthread_cond_t:
        pass


cdef enum Place:
    QUEUED      # in shared.queued
    RUNNING     # in shared.running: a thread has it
    FINISHED    # in shared.finished, then in pool.taken

cdef enum Outcome:
    DONE        # back to the loop
    MORE        # to the end of the queue: others go first

cdef struct Job
ctypedef Outcome (*RunJob)(Job *job) noexcept nogil
ctypedef void (*EndJob)(Job *job) noexcept nogil

cdef struct Job:
    # The first member of whatever a thread works on. From malloc, since it may outlive the interpreter.
    Job *before         # its neighbours in the list that `place` names
    Job *after
    Place place         # under shared.lock
    RunJob run          # on a thread, without any GIL: it touches nothing of Python
    EndJob abandon      # while it runs, under shared.lock: nobody waits for it any more
    EndJob discard      # free it and all that it holds; on any thread
    int64_t queued_ns
    PyObject *request   # borrowed; NULL: nobody waits for it. The loop's thread only

cdef struct Jobs:
    Job *first
    Job *last
    Py_ssize_t size

cdef struct PoolCounters:
    Py_ssize_t queued_max   # how long the queue has been at most
    uint64_t waits          # times that a thread took a job from the queue, and how long they had stood there
    uint64_t wait_total_ns
    uint64_t wait_max_ns

cdef struct Shared:
    # What the pool has in common with its threads. OWNER: all of them, counted; the last one frees it.
    pthread_mutex_t lock    # around everything here
    pthread_cond_t work     # something is queued, or is_closed
    Jobs queued
    Jobs running
    Jobs finished
    PoolCounters counters
    int owners
    int threads
    int idle                # threads that wait for `work`
    int event_fd            # -1 once closed; written to when `finished` is no longer empty
    bint is_closed


cdef class Request(Handle):
    cdef Job *job           # NULL: it is through, or was never submitted
    cdef PyObject *pool     # borrowed; valid while there is a job

    cdef bint settle(self, Job *job) except -1  # the job is back: fill args. False: it has to go on


cdef class Pool(PollHandle):
    cdef PyObject *loop     # the LoopCore, borrowed; valid while the pool is watched
    cdef Shared *shared     # NULL once closed
    cdef Jobs taken         # finished jobs whose turn comes in this poll phase
    cdef set requests       # OWNER: every request that has a job
    cdef pid_t pid          # whose threads they are
    cdef int size           # threads at most
    cdef uint64_t completed     # requests whose callback had its turn
    cdef Py_ssize_t queue_max

    cdef int begin(self) except -1
    cdef int admit(self) except -1
    cdef int submit(self, Request request, Job *job) except -1
    cdef int finish(self, Job *job) except -1
    cdef bint drop(self, Request request) except -1
    cdef int forget(self, Request request) except -1
    cdef int renew_if_forked(self) except -1
    cdef void end(self) noexcept
