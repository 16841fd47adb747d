"""The threads of a pool and the jobs that they run: plain C, without any GIL, thread state or interpreter.

    loop's thread     enqueue                           take_finished
                        |                                     ^
    Shared            queued  ----->  running  ----->  finished, event_fd
                        ^               |
    threads             +---- MORE ---- run

Invariants: a job stands in exactly one list. Of the idle threads as many have been woken as jobs are queued, if there are
that many: who queues a job wakes one or starts one, and who has run a job looks at the queue before it idles.
Closing waits for no thread: one that is stuck in the kernel is left alone, and cleans up once it comes back.
Lock order: Shared.lock, then the lock of a job. Not here: who waits for a job, and Python (pool.pyx); forks, after which
nothing here may be touched in the child. Source: libuv's thread pool.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free
from posix.signal cimport sigdelset, sigfillset, sigset_t
from posix.unistd cimport write

from treadle._native.timers cimport clock_ns

ctypedef void *(*Start)(void *argument) noexcept nogil

cdef extern from "<pthread.h>" nogil:
    ctypedef unsigned long pthread_t
    ctypedef struct pthread_attr_t:
        pass
    int PTHREAD_CREATE_DETACHED
    int pthread_attr_init(pthread_attr_t *attributes)
    int pthread_attr_setdetachstate(pthread_attr_t *attributes, int state)
    int pthread_attr_destroy(pthread_attr_t *attributes)
    int pthread_create(pthread_t *thread, pthread_attr_t *attributes, Start start, void *argument)
    pthread_t pthread_self()
    int pthread_setname_np(pthread_t thread, const char *name)
    int pthread_cond_init(pthread_cond_t *condition, void *attributes)
    int pthread_cond_destroy(pthread_cond_t *condition)
    int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
    int pthread_cond_signal(pthread_cond_t *condition)
    int pthread_cond_broadcast(pthread_cond_t *condition)

cdef extern from "<signal.h>" nogil:
    int SIG_SETMASK, SIGSEGV, SIGBUS, SIGFPE, SIGILL
    int pthread_sigmask(int how, const sigset_t *new, sigset_t *old)


# ---- lists of jobs


cdef inline void append(Jobs *jobs, Job *job, Place place) noexcept nogil:
    job.place = place
    job.after = NULL
    job.before = jobs.last
    if jobs.last is NULL:
        jobs.first = job
    else:
        jobs.last.after = job
    jobs.last = job
    jobs.size += 1


cdef inline void unlink(Jobs *jobs, Job *job) noexcept nogil:
    if job.before is NULL:
        jobs.first = job.after
    else:
        job.before.after = job.after
    if job.after is NULL:
        jobs.last = job.before
    else:
        job.after.before = job.before
    jobs.size -= 1


cdef Job *take_first(Jobs *jobs) noexcept nogil:
    cdef Job *job = jobs.first
    if job is not NULL:
        unlink(jobs, job)
    return job


cdef inline void move_all(Jobs *jobs, Jobs *to) noexcept nogil:
    # To the end of `to`.
    if jobs.first is NULL:
        return
    jobs.first.before = to.last
    if to.last is NULL:
        to.first = jobs.first
    else:
        to.last.after = jobs.first
    to.last = jobs.last
    to.size += jobs.size
    jobs.first = jobs.last = NULL
    jobs.size = 0


cdef void discard_all(Jobs *jobs) noexcept nogil:
    cdef Job *job
    while jobs.first is not NULL:
        job = take_first(jobs)
        job.discard(job)


# ---- on a thread


cdef void *work(void *argument) noexcept nogil:
    # A thread of the pool, from its first job to the pool's end.
    cdef Shared *shared = <Shared *>argument
    cdef Job *job
    cdef Outcome outcome
    cdef uint64_t one = 1
    pthread_setname_np(pthread_self(), "treadle-pool")
    pthread_mutex_lock(&shared.lock)
    while not shared.is_closed:
        job = take_first(&shared.queued)
        if job is NULL:
            shared.idle += 1
            pthread_cond_wait(&shared.work, &shared.lock)
            shared.idle -= 1
            continue
        begin(shared, job)
        pthread_mutex_unlock(&shared.lock)
        outcome = job.run(job)
        pthread_mutex_lock(&shared.lock)
        unlink(&shared.running, job)
        if shared.is_closed:
            pthread_mutex_unlock(&shared.lock)
            job.discard(job)
            pthread_mutex_lock(&shared.lock)
        elif outcome == MORE:
            job.since_ns = clock_ns()
            append(&shared.queued, job, QUEUED)     # this very thread takes the next one
        else:
            append(&shared.finished, job, FINISHED)
            if shared.finished.size == 1:
                write(shared.event_fd, &one, 8)     # ORDER: under the lock, since the pool closes the descriptor
    shared.threads -= 1
    let_go(shared)
    return NULL


cdef inline void begin(Shared *shared, Job *job) noexcept nogil:
    cdef ThreadCounters *counters = &shared.counters
    cdef int64_t now_ns = clock_ns()
    cdef uint64_t wait_ns = now_ns - job.since_ns
    counters.waits += 1
    counters.wait_total_ns += wait_ns
    if wait_ns > counters.wait_max_ns:
        counters.wait_max_ns = wait_ns
    job.since_ns = now_ns
    append(&shared.running, job, RUNNING)


cdef void let_go(Shared *shared) noexcept nogil:
    # Under its lock, which ends here.
    shared.owners -= 1
    cdef bint is_last = shared.owners == 0
    pthread_mutex_unlock(&shared.lock)
    if is_last:
        pthread_cond_destroy(&shared.work)
        pthread_mutex_destroy(&shared.lock)
        free(shared)


# ---- on the loop's thread


cdef Shared *new_shared(int event_fd) noexcept nogil:
    cdef Shared *shared = <Shared *>calloc(1, sizeof(Shared))
    if shared is not NULL:
        pthread_mutex_init(&shared.lock, NULL)
        pthread_cond_init(&shared.work, NULL)
        shared.owners = 1
        shared.event_fd = event_fd
    return shared


cdef void close_shared(Shared *shared) noexcept nogil:
    # OWNER: the caller's part ends here. event_fd is not written to any more. The threads end, each after the job that it
    # has, and clean up behind themselves.
    cdef Jobs left
    cdef Job *job
    left.first = left.last = NULL
    left.size = 0
    pthread_mutex_lock(&shared.lock)
    shared.is_closed = True
    shared.event_fd = -1
    job = shared.running.first
    while job is not NULL:
        job.abandon(job)
        job = job.after
    move_all(&shared.queued, &left)
    move_all(&shared.finished, &left)
    pthread_cond_broadcast(&shared.work)
    let_go(shared)
    discard_all(&left)


cdef int enqueue(Shared *shared, Job *job, int threads_max, Py_ssize_t queue_max) noexcept nogil:
    # 0: a thread will run it. Else it is not in the queue: QUEUE_FULL, or the errno with which the first thread could not be
    # started.
    cdef bint needs_thread
    cdef int error
    job.since_ns = clock_ns()
    pthread_mutex_lock(&shared.lock)
    if shared.queued.size >= queue_max:
        pthread_mutex_unlock(&shared.lock)
        return QUEUE_FULL
    append(&shared.queued, job, QUEUED)
    if shared.queued.size > shared.counters.queued_max:
        shared.counters.queued_max = shared.queued.size
    needs_thread = shared.queued.size > shared.idle and shared.threads < threads_max
    if needs_thread:
        shared.threads += 1
        shared.owners += 1
    elif shared.idle:
        pthread_cond_signal(&shared.work)
    pthread_mutex_unlock(&shared.lock)
    if not needs_thread:
        return 0
    error = start_thread(shared)
    if error == 0:
        return 0
    pthread_mutex_lock(&shared.lock)
    shared.threads -= 1
    shared.owners -= 1
    if shared.threads:
        error = 0       # the others will come to it
    else:
        unlink(&shared.queued, job)
    pthread_mutex_unlock(&shared.lock)
    return error


cdef int start_thread(Shared *shared) noexcept nogil:
    # 0, or the errno. It blocks signals, so that the main thread gets them, except those that report its own faults.
    cdef pthread_t thread
    cdef pthread_attr_t attributes
    cdef sigset_t blocked
    cdef sigset_t usual
    cdef int error = pthread_attr_init(&attributes)
    if error:
        return error
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED)
    sigfillset(&blocked)
    sigdelset(&blocked, SIGSEGV)
    sigdelset(&blocked, SIGBUS)
    sigdelset(&blocked, SIGFPE)
    sigdelset(&blocked, SIGILL)
    pthread_sigmask(SIG_SETMASK, &blocked, &usual)
    error = pthread_create(&thread, &attributes, work, shared)
    pthread_sigmask(SIG_SETMASK, &usual, NULL)
    pthread_attr_destroy(&attributes)
    return error


cdef bint take_queued(Shared *shared, Job *job) noexcept nogil:
    # True: it was still queued, and is the caller's to discard. Else nothing has changed.
    cdef bint was_queued
    pthread_mutex_lock(&shared.lock)
    was_queued = job.place == QUEUED
    if was_queued:
        unlink(&shared.queued, job)
    pthread_mutex_unlock(&shared.lock)
    return was_queued


cdef bint forsake(Shared *shared, Job *job) noexcept nogil:
    # Nobody waits for it any more. True: it was still queued, and is the caller's to discard. Else it runs to its end,
    # and comes back as finished with no request.
    cdef bint was_queued
    pthread_mutex_lock(&shared.lock)
    was_queued = job.place == QUEUED
    if was_queued:
        unlink(&shared.queued, job)
    elif job.place == RUNNING:
        job.abandon(job)
    job.request = NULL
    pthread_mutex_unlock(&shared.lock)
    return was_queued


cdef void take_finished(Shared *shared, Jobs *to) noexcept nogil:
    pthread_mutex_lock(&shared.lock)
    move_all(&shared.finished, to)
    pthread_mutex_unlock(&shared.lock)


cdef void look(Shared *shared, ThreadFigures *figures) noexcept nogil:
    cdef int64_t now_ns
    pthread_mutex_lock(&shared.lock)
    now_ns = clock_ns()     # ORDER: under the lock, so that nothing in the lists is younger
    figures.counters = shared.counters
    figures.threads = shared.threads
    figures.queued = shared.queued.size
    figures.active = shared.running.size
    figures.oldest_queued_ns = now_ns - shared.queued.first.since_ns if shared.queued.size else 0
    figures.oldest_active_ns = now_ns - shared.running.first.since_ns if shared.running.size else 0
    pthread_mutex_unlock(&shared.lock)
