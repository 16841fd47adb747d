"""Declarations of pool_threads.pyx: what other native units may touch."""
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t

from treadle._native.histogram cimport HistogramCounts

cdef extern from "<pthread.h>" nogil:
    ctypedef struct pthread_mutex_t:
        pass
    ctypedef struct pthread_cond_t:
        pass
    int pthread_mutex_init(pthread_mutex_t *mutex, void *attributes)
    int pthread_mutex_destroy(pthread_mutex_t *mutex)
    int pthread_mutex_lock(pthread_mutex_t *mutex)
    int pthread_mutex_unlock(pthread_mutex_t *mutex)


cdef enum Place:
    QUEUED      # in shared.queues[group]
    RUNNING     # in shared.running: a thread has it
    FINISHED    # in shared.finished, or in the list that take_finished filled

cdef enum:              # groups of jobs: how many threads each may hold at once
    ANY         # all of them
    NAMES       # half of them
    COMPUTING   # as many as there are CPUs: more would only take turns, and hold up the loop. Some ms each
    LONG        # the same, of what takes longer: it holds up none of the former
    ALONE       # none of the pool's: of such jobs one runs at a time in the whole process, whatever pool has it; never MORE
    GROUPS
    GROUPS_OF_POOL = ALONE      # the first so many are those that the pool's threads work for

cdef enum Outcome:
    DONE        # back to the loop, and through
    ASKS        # back to the loop, which has to give it something before it goes on
    MORE        # to the end of the queue: others go first

cdef enum:
    QUEUE_FULL = -1
    WAITS = -2          # it is in the queue, and no thread is free
    HELD_IN_PARENT = -3     # a job that runs alone was under way when this process was forked off: here it never ends
    KINDS_MAX = 128     # 0 is what has no kind of its own
    SATURATED_NS = 100_000_000      # a job that has waited so long for a thread: the pool is what holds it up

cdef struct Job
ctypedef Outcome (*RunJob)(Job *job) noexcept nogil
ctypedef void (*EndJob)(Job *job) noexcept nogil

cdef struct Job:
    # The first member of whatever a thread works on. From malloc, since it may outlive the interpreter.
    Job *before         # its neighbours in the list that `place` names
    Job *after
    Place place         # under shared.lock
    int group           # one of those above
    int kind            # a number that add_kind() gave
    bint undoes         # set by `run`, where `abandon` cannot come between: given up, it takes back what it has done so far
    int64_t since_ns    # when it came to that place; not kept for FINISHED
    int64_t run_ns      # what threads have worked on it so far
    uint64_t due_turn   # of the loop, for the callback of what its own thread has done; of such jobs only
    bint needs_thread   # set by `run`, unless it is through: a thread lets go of what it holds, also where nobody waits for it
    RunJob run          # on a thread, without any GIL: it touches nothing of Python
    EndJob abandon      # while it runs, or needs a thread, under shared.lock: nobody waits for it any more
    EndJob discard      # free it and all that it holds; on any thread
    PyObject *request   # borrowed; NULL: nobody waits for it. The loop's thread only

cdef struct Jobs:
    Job *first
    Job *last
    Py_ssize_t size

cdef struct Queue:
    # Of one group.
    Jobs jobs
    int running         # jobs that threads have
    int running_max
    bint is_saturated   # a job has waited for SATURATED_NS; cleared when none waits

cdef struct Kind:
    # What is known of the jobs of one kind.
    Py_ssize_t queued
    Py_ssize_t active
    HistogramCounts wait    # for a thread, each time that it waited
    HistogramCounts run     # on threads, of each job that is through

cdef struct ThreadCounters:
    Py_ssize_t queued_max   # how long the queue has been at most
    uint64_t waits          # times that a thread took a job from the queue, and how long they had stood there
    uint64_t wait_total_ns
    uint64_t wait_max_ns
    uint64_t saturations    # times that a job of a group had waited for SATURATED_NS, until none of it waited once

cdef struct Saturation:
    # Of the last one of a group, when it was noticed: whoever tells of it may come when the queue is empty again.
    int kind                # of the job that had waited, and for how long
    int64_t waited_ns
    int group               # that had as many threads as it may; ANY: the whole pool had none left
    Py_ssize_t active[KINDS_MAX]    # jobs of each kind; of a group only its own
    Py_ssize_t queued[KINDS_MAX]

cdef struct Shared:
    # What a pool has in common with its threads. OWNER: all of them, counted; the last one frees it.
    pthread_mutex_t lock    # around everything here
    pthread_cond_t work     # something is queued, or is_closed; then: one that undoes is through
    Queue queues[GROUPS]
    Shared *next_alone      # in the list of pools that have jobs that run alone; under its lock
    bint is_listed_alone    # there, or that thread is with it
    Jobs running            # in the order in which they began
    Jobs finished
    Kind *kinds[KINDS_MAX]  # OWNER: it. NULL from kinds_size on
    int kinds_size
    ThreadCounters counters
    Saturation saturations[GROUPS_OF_POOL]
    bint untold[GROUPS_OF_POOL]     # set by who notices it, cleared by next_untold()
    int told                # the group of the last one that was noticed, or handed out by next_untold()
    int undoing             # once closed: jobs that threads have, and that undo
    int owners
    int threads             # of its own
    int threads_max
    int idle                # threads that wait for `work`
    int event_fd            # -1 once closed; written to when `finished` is no longer empty
    bint is_closed

cdef struct ThreadFigures:
    # How it stands now.
    ThreadCounters counters
    int threads
    Py_ssize_t queued
    Py_ssize_t active
    int64_t oldest_queued_ns    # how long the first in the queue has stood there; 0: the queue is empty
    int oldest_queued_kind
    int64_t oldest_active_ns    # how long a thread has had the same job at most; 0: all are idle
    int oldest_active_kind

cdef Shared *new_shared(int event_fd, int threads_max, int computing_max) noexcept nogil    # NULL: no memory
cdef void close_shared(Shared *shared, Jobs *left) noexcept nogil       # the jobs that no thread has: they are the caller's
cdef void leave_shared(Shared *shared) noexcept nogil
cdef int add_kind(Shared *shared) noexcept nogil        # its number; 0: there are too many, or no memory
cdef int enqueue(Shared *shared, Job *job, Py_ssize_t queue_max) noexcept nogil     # an errno, or as above; 0: well
cdef Py_ssize_t queued_in(Shared *shared, int groups) noexcept nogil    # jobs that wait, of the first so many groups
cdef bint has_unnoticed(Shared *shared) noexcept nogil          # jobs wait of whose group no saturation has been noticed yet
cdef bint take_queued(Shared *shared, Job *job) noexcept nogil
cdef bint forsake(Shared *shared, Job *job) noexcept nogil
cdef void put_finished(Jobs *to, Job *job) noexcept nogil               # of a job that was not queued at all
cdef void take_finished(Shared *shared, Jobs *to) noexcept nogil
cdef void look(Shared *shared, ThreadFigures *figures) noexcept nogil
cdef void look_at_kind(Shared *shared, int kind, Kind *figures) noexcept nogil
cdef uint64_t look_for_saturation(Shared *shared) noexcept nogil        # counters.saturations, of now
cdef bint next_untold(Shared *shared) noexcept nogil            # look_at_saturation() shows it next; False: all were told
cdef void look_at_saturation(Shared *shared, Saturation *saturation) noexcept nogil

cdef Job *take_first(Jobs *jobs) noexcept nogil         # NULL: there is none
cdef void discard_all(Jobs *jobs) noexcept nogil
