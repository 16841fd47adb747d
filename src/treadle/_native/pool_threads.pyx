"""The threads of a pool and the jobs that they run: plain C, without any GIL, thread state or interpreter.

    loop's thread     enqueue                           take_finished
                        |                                     ^
    Shared       queued, slow  --->  running  ----->  finished, event_fd
                        ^               |
    threads             +---- MORE ---- run

Invariants: a job stands in exactly one list. Of the idle threads as many have been woken as jobs are queued, if there are
that many: who queues a job wakes one or starts one, and who has run a job looks at the queue before it idles.
Closing waits for no thread: one that is stuck in the kernel is left alone, and cleans up once it comes back. Jobs begin in the
order in which they came, but for those of a slow kind (looking up names), which hold half of the threads at most.
Lock order: Shared.lock, then the lock of a job. Not here: who waits for a job, and Python (pool.pyx); forks, after which
nothing here may be touched in the child. Source: libuv's thread pool.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy
from posix.signal cimport sigdelset, sigfillset, sigset_t
from posix.unistd cimport write

from treadle._native.histogram cimport record
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


cdef inline Kind *kind_of(Shared *shared, Job *job) noexcept nogil:
    return shared.kinds[job.kind]


cdef inline void put_in_queue(Shared *shared, Job *job) noexcept nogil:
    cdef Kind *kind = kind_of(shared, job)
    job.since_ns = clock_ns()
    kind.queued += 1
    append(&shared.slow if kind.is_slow else &shared.queued, job, QUEUED)


cdef inline void take_from_queue(Shared *shared, Job *job) noexcept nogil:
    cdef Kind *kind = kind_of(shared, job)
    kind.queued -= 1
    unlink(&shared.slow if kind.is_slow else &shared.queued, job)


cdef inline Job *oldest_queued(Shared *shared, bint may_be_slow) noexcept nogil:
    cdef Job *job = shared.queued.first
    cdef Job *slow = shared.slow.first if may_be_slow else NULL
    if slow is NULL or (job is not NULL and job.since_ns <= slow.since_ns):
        return job
    return slow


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
        job = oldest_queued(shared, shared.slow_running < shared.slow_max)
        if job is NULL:
            shared.is_saturated = shared.is_saturated and shared.slow.size != 0
            shared.idle += 1
            pthread_cond_wait(&shared.work, &shared.lock)
            shared.idle -= 1
            continue
        begin(shared, job)
        pthread_mutex_unlock(&shared.lock)
        outcome = job.run(job)
        pthread_mutex_lock(&shared.lock)
        if shared.is_closed:
            unlink(&shared.running, job)
            pthread_mutex_unlock(&shared.lock)
            job.discard(job)
            pthread_mutex_lock(&shared.lock)
        elif pause(shared, job, outcome):
            append(&shared.finished, job, FINISHED)
            if shared.finished.size == 1:
                write(shared.event_fd, &one, 8)     # ORDER: under the lock, since the pool closes the descriptor
    shared.threads -= 1
    let_go(shared)
    return NULL


cdef inline void begin(Shared *shared, Job *job) noexcept nogil:
    cdef ThreadCounters *counters = &shared.counters
    cdef Kind *kind = kind_of(shared, job)
    cdef int64_t now_ns = clock_ns()
    cdef uint64_t wait_ns = now_ns - job.since_ns
    counters.waits += 1
    counters.wait_total_ns += wait_ns
    if wait_ns > counters.wait_max_ns:
        counters.wait_max_ns = wait_ns
    record(&kind.wait, wait_ns)
    take_from_queue(shared, job)
    kind.active += 1
    shared.slow_running += kind.is_slow
    job.since_ns = now_ns
    append(&shared.running, job, RUNNING)


cdef inline bint pause(Shared *shared, Job *job, Outcome outcome) noexcept nogil:
    # A thread has worked on it. True: it goes back to the loop.
    cdef Kind *kind = kind_of(shared, job)
    cdef int64_t now_ns = clock_ns()
    note_saturation(shared, now_ns)         # ORDER: while it still stands among those that are the reason
    job.run_ns += now_ns - job.since_ns
    unlink(&shared.running, job)
    kind.active -= 1
    shared.slow_running -= kind.is_slow
    if outcome == MORE:
        put_in_queue(shared, job)           # this very thread takes the next one
        return False
    if outcome == DONE:
        record(&kind.run, job.run_ns)
    return True


cdef inline bint has_thread(Shared *shared, Job *job) noexcept nogil:
    # One that is about to take it: if it has waited all the same, it is the machine that is busy, and not the pool.
    return shared.running.size < shared.threads and (not kind_of(shared, job).is_slow or shared.slow_running < shared.slow_max)


cdef inline void note_saturation(Shared *shared, int64_t now_ns) noexcept nogil:
    cdef Job *oldest
    cdef Saturation *saturation = &shared.saturation
    cdef int kind
    if not shared.is_saturated:
        oldest = oldest_queued(shared, True)
        if oldest is not NULL and now_ns - oldest.since_ns >= SATURATED_NS and not has_thread(shared, oldest):
            shared.is_saturated = True
            shared.counters.saturations += 1
            saturation.kind = oldest.kind
            saturation.waited_ns = now_ns - oldest.since_ns
            for kind in range(shared.kinds_size):
                saturation.active[kind] = shared.kinds[kind].active
                saturation.queued[kind] = shared.kinds[kind].queued


cdef void let_go(Shared *shared) noexcept nogil:
    # Under its lock, which ends here.
    shared.owners -= 1
    cdef bint is_last = shared.owners == 0
    pthread_mutex_unlock(&shared.lock)
    if is_last:
        while shared.kinds_size:
            shared.kinds_size -= 1
            free(shared.kinds[shared.kinds_size])
        pthread_cond_destroy(&shared.work)
        pthread_mutex_destroy(&shared.lock)
        free(shared)


# ---- on the loop's thread


cdef Shared *new_shared(int event_fd, int threads_max) noexcept nogil:
    cdef Shared *shared = <Shared *>calloc(1, sizeof(Shared))
    if shared is not NULL:
        pthread_mutex_init(&shared.lock, NULL)
        pthread_cond_init(&shared.work, NULL)
        shared.owners = 1
        shared.event_fd = event_fd
        shared.slow_max = (threads_max + 1) // 2    # libuv, slow_work_thread_threshold
        add_kind(shared, False)
        if shared.kinds_size == 0:
            pthread_mutex_lock(&shared.lock)
            let_go(shared)
            return NULL
    return shared


cdef int add_kind(Shared *shared, bint is_slow) noexcept nogil:
    cdef Kind *kind
    cdef int number = 0
    if shared.kinds_size < KINDS_MAX:
        kind = <Kind *>calloc(1, sizeof(Kind))
        if kind is not NULL:
            kind.is_slow = is_slow
            pthread_mutex_lock(&shared.lock)
            number = shared.kinds_size
            shared.kinds[number] = kind
            shared.kinds_size += 1
            pthread_mutex_unlock(&shared.lock)
    return number


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
    move_all(&shared.slow, &left)
    move_all(&shared.finished, &left)
    pthread_cond_broadcast(&shared.work)
    let_go(shared)
    discard_all(&left)


cdef int enqueue(Shared *shared, Job *job, int threads_max, Py_ssize_t queue_max) noexcept nogil:
    # 0: a thread will run it. WAITS: once one is free. Else it is not in the queue: QUEUE_FULL, or the errno with which the first
    # thread could not be started.
    cdef bint needs_thread
    cdef bint is_idle
    cdef Py_ssize_t waiting
    cdef int error
    pthread_mutex_lock(&shared.lock)
    waiting = shared.queued.size + shared.slow.size
    if waiting >= queue_max:
        pthread_mutex_unlock(&shared.lock)
        return QUEUE_FULL
    put_in_queue(shared, job)
    waiting += 1
    if waiting > shared.counters.queued_max:
        shared.counters.queued_max = waiting
    is_idle = waiting <= shared.idle
    needs_thread = not is_idle and shared.threads < threads_max
    if needs_thread:
        shared.threads += 1
        shared.owners += 1
    elif shared.idle:
        pthread_cond_signal(&shared.work)
    pthread_mutex_unlock(&shared.lock)
    if not needs_thread:
        return 0 if is_idle else WAITS
    error = start_thread(shared)
    if error == 0:
        return 0
    pthread_mutex_lock(&shared.lock)
    shared.threads -= 1
    shared.owners -= 1
    if shared.threads:
        error = WAITS   # the others will come to it
        if shared.idle:     # woken for jobs of slow kinds that still wait, they may idle again
            pthread_cond_signal(&shared.work)
    else:
        take_from_queue(shared, job)
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
    # True: it was still queued, and is the caller's to discard. Else nothing has changed: also where it needs a thread.
    cdef bint was_queued
    pthread_mutex_lock(&shared.lock)
    was_queued = job.place == QUEUED and not job.needs_thread
    if was_queued:
        take_from_queue(shared, job)
    pthread_mutex_unlock(&shared.lock)
    return was_queued


cdef bint forsake(Shared *shared, Job *job) noexcept nogil:
    # Nobody waits for it any more. True: it was still queued, and is the caller's to discard. Else it runs to its end,
    # and comes back as finished with no request: so does one in the queue that needs a thread to undo what it has begun.
    cdef bint was_queued
    pthread_mutex_lock(&shared.lock)
    was_queued = job.place == QUEUED and not job.needs_thread
    if was_queued:
        take_from_queue(shared, job)
    elif job.place != FINISHED:
        job.abandon(job)
    job.request = NULL
    pthread_mutex_unlock(&shared.lock)
    return was_queued


cdef void put_finished(Jobs *to, Job *job) noexcept nogil:
    append(to, job, FINISHED)


cdef void take_finished(Shared *shared, Jobs *to) noexcept nogil:
    pthread_mutex_lock(&shared.lock)
    move_all(&shared.finished, to)
    pthread_mutex_unlock(&shared.lock)


cdef void look(Shared *shared, ThreadFigures *figures) noexcept nogil:
    cdef int64_t now_ns
    cdef Job *oldest
    pthread_mutex_lock(&shared.lock)
    now_ns = clock_ns()     # ORDER: under the lock, so that nothing in the lists is younger
    figures.counters = shared.counters
    figures.threads = shared.threads
    figures.queued = shared.queued.size + shared.slow.size
    figures.active = shared.running.size
    oldest = oldest_queued(shared, True)
    figures.oldest_queued_ns = 0 if oldest is NULL else now_ns - oldest.since_ns
    figures.oldest_queued_kind = 0 if oldest is NULL else oldest.kind
    oldest = shared.running.first
    figures.oldest_active_ns = 0 if oldest is NULL else now_ns - oldest.since_ns
    figures.oldest_active_kind = 0 if oldest is NULL else oldest.kind
    pthread_mutex_unlock(&shared.lock)


cdef void look_at_kind(Shared *shared, int kind, Kind *figures) noexcept nogil:
    pthread_mutex_lock(&shared.lock)
    memcpy(figures, shared.kinds[kind], sizeof(Kind))
    pthread_mutex_unlock(&shared.lock)


cdef uint64_t look_for_saturation(Shared *shared) noexcept nogil:
    cdef uint64_t saturations
    pthread_mutex_lock(&shared.lock)
    note_saturation(shared, clock_ns())
    saturations = shared.counters.saturations
    pthread_mutex_unlock(&shared.lock)
    return saturations


cdef void look_at_saturation(Shared *shared, Saturation *saturation) noexcept nogil:
    pthread_mutex_lock(&shared.lock)
    memcpy(saturation, &shared.saturation, sizeof(Saturation))
    pthread_mutex_unlock(&shared.lock)
