"""Declarations of pool.pyx: what other native units may touch."""
from cpython.object cimport PyObject
from libc.stdint cimport uint64_t

from treadle._native.poll_epoll cimport PollHandle
from treadle._native.pool_threads cimport Job, Jobs, Shared
from treadle._native.queues cimport Handle, Kind

cdef enum Delay:        # turns until the callback of what the loop's thread has done itself. COMPAT(node):
    TURNS_OF_ONE_CALL = 2   # immediates that were made at the same time come first
    TURNS_OF_A_FILE = 4     # open, fstat, read and close take so many at least

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
    cdef Jobs done_soon     # jobs that the loop's thread has done itself, whose callbacks wait for their turn,
    cdef Jobs done_later    # ... each list in the order of their turns
    cdef set requests       # OWNER: every request that has a job
    cdef unsigned int forks     # fork_count() where its threads are
    cdef readonly int size              # threads at most
    cdef readonly int computing_max     # of them: for what computes
    cdef uint64_t completed     # requests whose callback had its turn
    cdef Py_ssize_t queue_max
    cdef dict kinds         # name -> its number; the first is ""
    cdef dict directories       # what file_jobs knows of them: path -> the device, if it is of this machine
    cdef bint counts_waits      # ... whether such a call has taken too long once: from then on it looks whether it has waited
    cdef bytes asked            # the directory of which a job was to find out in asked_turn where it is
    cdef uint64_t asked_turn
    cdef int at_once_left   # jobs that may yet be done on the loop's thread before the next completions
    cdef uint64_t at_once   # jobs that were done so
    cdef bint is_finishing  # inside on_ready
    cdef uint64_t saturations_told
    cdef bint is_waiting_to_look    # wait_hook was called; cleared by look_for_saturation()
    cdef public object saturation_hook  # called as saturation_hook(): jobs have waited too long; or None
    cdef public object wait_hook        # called as wait_hook(): a job waits behind others, look_for_saturation() soon; or None

    cdef int kind(self, str name, int left_free=*) except -1
    cdef bint is_to_ask(self, bytes directory) except -1
    cdef int finish_at_once(self, Request request, Job *job, Delay delay) except -1
    cdef int take_due(self, Jobs *done) except -1
    cdef int wake(self) except -1
    cdef int begin(self, Request request, Job *job) except -1
    cdef int tell_saturation(self) except -1
    cdef int wait(self) except -1
    cdef int submit(self, Request request, Job *job, bint is_admitted=*) except -1
    cdef bint withdraw(self, Request request) except -1
    cdef int finish(self, Job *job) except -1
    cdef bint drop(self, Request request) except -1
    cdef int forget(self, Request request) except -1
    cdef bint renew_if_forked(self) except -1
    cdef void end(self) noexcept
