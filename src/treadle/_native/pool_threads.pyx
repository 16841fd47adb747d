"""The threads of a pool and the jobs that they run: plain C, without any GIL, thread state or interpreter.

    loop's thread     enqueue                           take_finished
                        |                                     ^
    Shared       queues[]  ----->  running  ----->  finished, event_fd
                    ^                 |
    threads         +----- MORE ---- run

    Shared       queues[ALONE]  -->  running  ----->  finished, event_fd        of any pool, one at a time in the process
    one thread                        run

Invariants: a job stands in exactly one list. Of the idle threads as many have been woken as queued jobs want nothing but a
thread, if there are that many: who queues a job wakes one or starts one, and who has run a job looks at the queues before it idles.
Closing waits for no thread but one that undoes what it has half done, and for that a second at most: one that is stuck in the
kernel is left alone, and cleans up once it comes back. Jobs begin in the order in which they came, but for those of a group that
has as many threads as it may (NAMES, COMPUTING, LONG), which the others overtake, and those that run alone: they belong to one thread of
the process, which goes from pool to pool, takes one job of each in turn and ends when there is none. So they wait without a thread
of a pool, and none of two pools overtakes the other.
Lock order: Shared.lock, then that of the list of pools, or of a job. Not here: who waits for a job, and Python (pool.pyx); forks,
after which nothing of a pool may be touched in the child: it knows whether a job that runs alone was under way.
Source: libuv's thread pool.
"""
from libc.limits cimport INT_MAX
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy
from posix.signal cimport sigdelset, sigfillset, sigset_t
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec
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
    ctypedef struct pthread_condattr_t:
        pass
    int pthread_condattr_init(pthread_condattr_t *attributes)
    int pthread_condattr_setclock(pthread_condattr_t *attributes, int clock)
    int pthread_condattr_destroy(pthread_condattr_t *attributes)
    int pthread_cond_init(pthread_cond_t *condition, const pthread_condattr_t *attributes)
    int pthread_cond_destroy(pthread_cond_t *condition)
    int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
    int pthread_cond_signal(pthread_cond_t *condition)
    int pthread_cond_broadcast(pthread_cond_t *condition)
    int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const timespec *end)

cdef extern from "<signal.h>" nogil:
    int SIG_SETMASK, SIGSEGV, SIGBUS, SIGFPE, SIGILL
    int pthread_sigmask(int how, const sigset_t *new, sigset_t *old)


cdef enum:
    UNDO_S = 1      # that the end of a pool waits for jobs that undo: a copy looks up every 4 MiB


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


cdef inline Queue *queue_of(Shared *shared, Job *job) noexcept nogil:
    return &shared.queues[job.group]


cdef inline void put_in_queue(Shared *shared, Job *job) noexcept nogil:
    job.since_ns = clock_ns()
    kind_of(shared, job).queued += 1
    append(&queue_of(shared, job).jobs, job, QUEUED)


cdef inline void take_from_queue(Shared *shared, Job *job) noexcept nogil:
    cdef Queue *queue = queue_of(shared, job)
    kind_of(shared, job).queued -= 1
    unlink(&queue.jobs, job)
    queue.is_saturated = queue.is_saturated and queue.jobs.size != 0


cdef inline Job *older(Job *job, Job *other) noexcept nogil:
    # Either may be NULL.
    return other if job is NULL or (other is not NULL and other.since_ns < job.since_ns) else job


cdef inline bint has_room(Queue *queue) noexcept nogil:
    return queue.running < queue.running_max


cdef inline Job *next_job(Shared *shared) noexcept nogil:
    # The oldest of those that want nothing but a thread of the pool, or NULL.
    cdef Job *job = NULL
    cdef int group
    for group in range(GROUPS_OF_POOL):
        if has_room(&shared.queues[group]):
            job = older(job, shared.queues[group].jobs.first)
    return job


cdef inline Job *oldest_queued(Shared *shared, int groups) noexcept nogil:
    # Of the first so many groups.
    cdef Job *job = NULL
    cdef int group
    for group in range(groups):
        job = older(job, shared.queues[group].jobs.first)
    return job


cdef Py_ssize_t queued_in(Shared *shared, int groups) noexcept nogil:
    cdef Py_ssize_t size = 0
    cdef int group
    for group in range(groups):
        size += shared.queues[group].jobs.size
    return size


cdef inline Py_ssize_t runnable(Shared *shared) noexcept nogil:
    # How many queued jobs want nothing but a thread of the pool.
    cdef Py_ssize_t size = 0
    cdef Queue *queue
    cdef int group
    for group in range(GROUPS_OF_POOL):
        queue = &shared.queues[group]
        size += min(queue.jobs.size, <Py_ssize_t>(queue.running_max - queue.running))
    return size


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
    pthread_setname_np(pthread_self(), "treadle-pool")
    pthread_mutex_lock(&shared.lock)
    while not shared.is_closed:
        job = next_job(shared)
        if job is NULL:
            shared.idle += 1
            pthread_cond_wait(&shared.work, &shared.lock)
            shared.idle -= 1
            continue
        begin(shared, job)
        pthread_mutex_unlock(&shared.lock)
        outcome = job.run(job)
        pthread_mutex_lock(&shared.lock)
        give_back(shared, job, outcome)
    shared.threads -= 1
    let_go(shared)
    return NULL


cdef inline void give_back(Shared *shared, Job *job, Outcome outcome) noexcept nogil:
    cdef uint64_t one = 1
    cdef bint undoes = job.undoes
    if shared.is_closed:
        unlink(&shared.running, job)
        pthread_mutex_unlock(&shared.lock)
        job.discard(job)
        pthread_mutex_lock(&shared.lock)
        if undoes:
            shared.undoing -= 1
            pthread_cond_broadcast(&shared.work)    # to leave_shared
    elif pause(shared, job, outcome):
        append(&shared.finished, job, FINISHED)
        if shared.finished.size == 1:
            write(shared.event_fd, &one, 8)     # ORDER: under the lock, since the pool closes the descriptor


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
    queue_of(shared, job).running += 1
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
    queue_of(shared, job).running -= 1
    if outcome == MORE:
        put_in_queue(shared, job)           # this very thread takes the next one
        return False
    if outcome == DONE:
        record(&kind.run, job.run_ns)
    return True


cdef inline Py_ssize_t busy_threads(Shared *shared) noexcept nogil:
    return shared.running.size - shared.queues[ALONE].running


cdef void note_saturation(Shared *shared, int64_t now_ns) noexcept nogil:
    cdef Queue *queue
    cdef bint is_held
    cdef int group
    for group in range(GROUPS_OF_POOL):
        queue = &shared.queues[group]
        if queue.is_saturated or queue.jobs.first is NULL or now_ns - queue.jobs.first.since_ns < SATURATED_NS:
            continue
        is_held = not has_room(queue)
        if is_held or busy_threads(shared) >= shared.threads:   # else a thread is about to take it: the machine is busy
            queue.is_saturated = True
            remember(shared, queue.jobs.first, now_ns, group if is_held and queue.running_max < shared.threads_max else ANY)


cdef void remember(Shared *shared, Job *oldest, int64_t now_ns, int group) noexcept nogil:
    cdef Saturation *saturation = &shared.saturations[oldest.group]
    cdef Job *job = shared.running.first
    cdef int kind
    shared.counters.saturations += 1
    shared.untold[oldest.group] = True
    shared.told = oldest.group
    saturation.kind = oldest.kind
    saturation.group = group
    saturation.waited_ns = now_ns - oldest.since_ns
    for kind in range(shared.kinds_size):
        saturation.active[kind] = 0
        saturation.queued[kind] = shared.kinds[kind].queued
    while job is not NULL:
        if job.group == group or group == ANY and job.group != ALONE:
            saturation.active[job.kind] += 1
        job = job.after


cdef bint has_unnoticed(Shared *shared) noexcept nogil:
    cdef int group
    for group in range(GROUPS_OF_POOL):
        if shared.queues[group].jobs.size and not shared.queues[group].is_saturated:
            return True
    return False


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


# ---- jobs that run alone in the process


cdef extern from *:
    """
    #include <pthread.h>

    /* Of the process, not of a loop: however many loops and interpreters there are, one such job runs. */
    static struct {
        pthread_mutex_t lock;
        void *first, *last;     /* pools that have such jobs, each of which it owns a part of */
        int has_thread;         /* one has been started that has not found the list empty yet */
        int is_running;         /* it is inside a job */
        int is_held;            /* it was, in the parent, when this process was forked off */
        int atfork_error;
    } treadle_alone = { .lock = PTHREAD_MUTEX_INITIALIZER };
    static pthread_once_t treadle_alone_once = PTHREAD_ONCE_INIT;

    /* With the lock, no such job begins or ends amid a fork. */
    static void treadle_alone_before_fork(void) { pthread_mutex_lock(&treadle_alone.lock); }
    static void treadle_alone_in_parent(void) { pthread_mutex_unlock(&treadle_alone.lock); }
    static void treadle_alone_in_child(void) {
        pthread_mutex_init(&treadle_alone.lock, NULL);
        treadle_alone.first = treadle_alone.last = NULL;
        treadle_alone.has_thread = 0;
        treadle_alone.is_held |= treadle_alone.is_running;
        treadle_alone.is_running = 0;
    }
    static void treadle_alone_heed_forks(void) {
        treadle_alone.atfork_error = pthread_atfork(
            treadle_alone_before_fork, treadle_alone_in_parent, treadle_alone_in_child);
    }

    /* Once per process. 0, or the errno. */
    static int treadle_alone_begin(void) {
        pthread_once(&treadle_alone_once, treadle_alone_heed_forks);
        return treadle_alone.atfork_error;
    }
    """
    cdef struct Alone "treadle_alone":
        pthread_mutex_t lock
        void *first
        void *last
        bint has_thread
        bint is_running
        bint is_held
    Alone alone "treadle_alone"
    int heed_forks "treadle_alone_begin"() nogil


if heed_forks():
    raise MemoryError()


cdef inline void list_alone(Shared *shared) noexcept nogil:
    # At the end, under both locks.
    shared.next_alone = NULL
    if alone.last is NULL:
        alone.first = shared
    else:
        (<Shared *>alone.last).next_alone = shared
    alone.last = shared


cdef inline Shared *take_listed() noexcept nogil:
    # NULL: there is none, and the thread ends.
    cdef Shared *shared
    pthread_mutex_lock(&alone.lock)
    shared = <Shared *>alone.first
    if shared is NULL:
        alone.has_thread = False
    else:
        alone.first = shared.next_alone
        if alone.first is NULL:
            alone.last = NULL
    pthread_mutex_unlock(&alone.lock)
    return shared


cdef inline void set_running(bint is_running) noexcept nogil:
    pthread_mutex_lock(&alone.lock)
    alone.is_running = is_running
    pthread_mutex_unlock(&alone.lock)


cdef void *work_alone(void *argument) noexcept nogil:
    cdef Shared *shared
    cdef Job *job
    cdef Outcome outcome
    pthread_setname_np(pthread_self(), "treadle-alone")
    while True:
        shared = take_listed()
        if shared is NULL:
            return NULL
        pthread_mutex_lock(&shared.lock)
        job = shared.queues[ALONE].jobs.first       # NULL: cancelled, or closed
        if job is not NULL:
            begin(shared, job)
            pthread_mutex_unlock(&shared.lock)
            set_running(True)
            outcome = job.run(job)
            set_running(False)
            pthread_mutex_lock(&shared.lock)
            give_back(shared, job, outcome)
        if shared.queues[ALONE].jobs.first is not NULL:
            pthread_mutex_lock(&alone.lock)
            list_alone(shared)
            pthread_mutex_unlock(&alone.lock)
            pthread_mutex_unlock(&shared.lock)
        else:
            shared.is_listed_alone = False
            let_go(shared)


cdef int enqueue_alone(Shared *shared, Job *job) noexcept nogil:
    # Under shared.lock. 0, an errno or HELD_IN_PARENT: then it is not in the queue.
    cdef int error = 0
    pthread_mutex_lock(&alone.lock)
    if alone.is_held:
        error = HELD_IN_PARENT
    elif not alone.has_thread:
        error = start_thread(work_alone, NULL)
        alone.has_thread = error == 0
    if error == 0:
        put_in_queue(shared, job)
        if not shared.is_listed_alone:
            shared.is_listed_alone = True
            shared.owners += 1
            list_alone(shared)
    pthread_mutex_unlock(&alone.lock)
    return error


# ---- on the loop's thread


cdef inline void init_condition(pthread_cond_t *condition) noexcept nogil:
    # Whose times are those of a clock that nobody sets.
    cdef pthread_condattr_t attributes
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(condition, &attributes)
    pthread_condattr_destroy(&attributes)


cdef Shared *new_shared(int event_fd, int threads_max, int computing_max) noexcept nogil:
    cdef Shared *shared = <Shared *>calloc(1, sizeof(Shared))
    if shared is not NULL:
        pthread_mutex_init(&shared.lock, NULL)
        init_condition(&shared.work)
        shared.owners = 1
        shared.event_fd = event_fd
        shared.threads_max = threads_max
        shared.queues[ANY].running_max = shared.queues[ALONE].running_max = INT_MAX
        shared.queues[NAMES].running_max = (threads_max + 1) // 2       # libuv, slow_work_thread_threshold
        shared.queues[COMPUTING].running_max = shared.queues[LONG].running_max = computing_max
        add_kind(shared)
        if shared.kinds_size == 0:
            pthread_mutex_lock(&shared.lock)
            let_go(shared)
            return NULL
    return shared


cdef int add_kind(Shared *shared) noexcept nogil:
    cdef Kind *kind
    cdef int number = 0
    if shared.kinds_size < KINDS_MAX:
        kind = <Kind *>calloc(1, sizeof(Kind))
        if kind is not NULL:
            pthread_mutex_lock(&shared.lock)
            number = shared.kinds_size
            shared.kinds[number] = kind
            shared.kinds_size += 1
            pthread_mutex_unlock(&shared.lock)
    return number


cdef void close_shared(Shared *shared, Jobs *left) noexcept nogil:
    # No job begins any more, nobody waits for one, and event_fd is not written to. The threads end, each after the job that it
    # has, and clean up behind themselves.
    cdef Job *job
    cdef int group
    left.first = left.last = NULL
    left.size = 0
    pthread_mutex_lock(&shared.lock)
    shared.is_closed = True
    shared.event_fd = -1
    job = shared.running.first
    while job is not NULL:
        job.abandon(job)
        shared.undoing += job.undoes
        job = job.after
    for group in range(GROUPS):
        move_all(&shared.queues[group].jobs, left)
    move_all(&shared.finished, left)
    pthread_cond_broadcast(&shared.work)
    pthread_mutex_unlock(&shared.lock)


cdef void leave_shared(Shared *shared) noexcept nogil:
    # OWNER: the caller's part ends here. Once it is closed. Who undoes what it has done so far is waited for, UNDO_S at most: the
    # process may end behind this, and leave half a copy.
    cdef timespec end
    pthread_mutex_lock(&shared.lock)
    if shared.undoing:
        clock_gettime(CLOCK_MONOTONIC, &end)
        end.tv_sec += UNDO_S
        while shared.undoing and pthread_cond_timedwait(&shared.work, &shared.lock, &end) == 0:
            pass
    let_go(shared)


cdef int enqueue(Shared *shared, Job *job, Py_ssize_t queue_max) noexcept nogil:
    # 0: a thread will run it. WAITS: once one is free, or its group may have one. Else it is not in the queue: QUEUE_FULL,
    # HELD_IN_PARENT, or the errno with which the first thread could not be started.
    cdef bint needs_thread = False
    cdef Py_ssize_t ready
    cdef int error = 0
    pthread_mutex_lock(&shared.lock)
    if queue_of(shared, job).jobs.size >= queue_max:
        error = QUEUE_FULL
    elif job.group == ALONE:
        error = enqueue_alone(shared, job)
    else:
        ready = runnable(shared) + 1
        put_in_queue(shared, job)
        if runnable(shared) != ready or (ready > shared.idle and shared.threads == shared.threads_max):
            error = WAITS
        elif ready <= shared.idle:
            pthread_cond_signal(&shared.work)
        else:
            needs_thread = True
            shared.threads += 1
            shared.owners += 1
    if error == 0 or error == WAITS:
        note_length(shared)
    pthread_mutex_unlock(&shared.lock)
    return add_thread(shared, job) if needs_thread else error


cdef int add_thread(Shared *shared, Job *job) noexcept nogil:
    # For a job in the queue; it is counted already. As enqueue.
    cdef int error = start_thread(work, shared)
    if error == 0:
        return 0
    pthread_mutex_lock(&shared.lock)
    shared.threads -= 1
    shared.owners -= 1
    if shared.threads:
        error = WAITS   # the others will come to it
    else:
        take_from_queue(shared, job)
    pthread_mutex_unlock(&shared.lock)
    return error


cdef inline void note_length(Shared *shared) noexcept nogil:
    cdef Py_ssize_t queued = queued_in(shared, GROUPS)
    if queued > shared.counters.queued_max:
        shared.counters.queued_max = queued


cdef int start_thread(Start start, void *argument) noexcept nogil:
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
    error = pthread_create(&thread, &attributes, start, argument)
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
    figures.queued = queued_in(shared, GROUPS)
    figures.active = shared.running.size
    oldest = oldest_queued(shared, GROUPS)
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


cdef bint next_untold(Shared *shared) noexcept nogil:
    cdef bint is_there = False
    cdef int group
    pthread_mutex_lock(&shared.lock)
    for group in range(GROUPS_OF_POOL):
        if shared.untold[group]:
            shared.untold[group] = False
            shared.told = group
            is_there = True
            break
    pthread_mutex_unlock(&shared.lock)
    return is_there


cdef void look_at_saturation(Shared *shared, Saturation *saturation) noexcept nogil:
    pthread_mutex_lock(&shared.lock)
    memcpy(saturation, &shared.saturations[shared.told], sizeof(Saturation))
    pthread_mutex_unlock(&shared.lock)
