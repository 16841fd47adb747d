"""The native thread pool of one loop, and its first job: reading a file.

    loop's thread     submit                                poll phase: on_ready, settle, callback
                        |                                     ^
    Shared            queued  ----->  running  ----->  finished, eventfd
                        ^               |
    threads             +---- MORE ---- run                 no GIL, no thread state, nothing of Python

Invariants: a job stands in exactly one list; a request is owned by its pool while it has a job, and holds the program
that long; closing waits for no thread: one that is stuck in the kernel is left alone, and cleans up once it comes back.
Lock order: Shared.lock, then the lock of a job. Not here: how many threads (treadle.fs), threads for callables of the
user. Source: libuv's thread pool for the number of threads and the order of jobs.
"""
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_SetFromErrno
from cpython.object cimport PyObject
from libc.errno cimport EFBIG, EINTR, ENOMEM, errno
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memset, strerror
from posix.fcntl cimport O_RDONLY, open
from posix.signal cimport sigdelset, sigfillset, sigset_t
from posix.stat cimport S_ISREG, fstat, struct_stat
from posix.types cimport pid_t
from posix.unistd cimport close, getpid, read, write

from treadle._native.loop cimport LoopCore
from treadle._native.poll_epoll cimport READABLE, PollHandle
from treadle._native.queues cimport COMPLETION, Handle, disown, own
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
    int pthread_mutex_init(pthread_mutex_t *mutex, void *attributes)
    int pthread_mutex_destroy(pthread_mutex_t *mutex)
    int pthread_mutex_lock(pthread_mutex_t *mutex)
    int pthread_mutex_unlock(pthread_mutex_t *mutex)
    int pthread_cond_init(pthread_cond_t *condition, void *attributes)
    int pthread_cond_destroy(pthread_cond_t *condition)
    int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
    int pthread_cond_signal(pthread_cond_t *condition)
    int pthread_cond_broadcast(pthread_cond_t *condition)

cdef extern from "<signal.h>" nogil:
    int SIG_SETMASK, SIGSEGV, SIGBUS, SIGFPE, SIGILL
    int pthread_sigmask(int how, const sigset_t *new, sigset_t *old)

cdef extern from "<sys/eventfd.h>" nogil:
    int EFD_NONBLOCK, EFD_CLOEXEC
    int eventfd(unsigned int value, int flags)

cdef extern from "<fcntl.h>" nogil:
    int O_CLOEXEC

cdef extern from "Python.h":
    object PyContext_CopyCurrent()
    object PyUnicode_DecodeLocale(const char *text, const char *errors)
    PyObject *new_bytes "PyBytes_FromStringAndSize"(const char *data, Py_ssize_t size) except NULL
    Py_ssize_t PY_SSIZE_T_MAX
    int _PyBytes_Resize(PyObject **data, Py_ssize_t size) except -1

cdef enum:
    THREADS_MAX = 1024                      # libuv, MAX_THREADPOOL_SIZE
    HEAD_BYTES_MAX = 256 * 1024             # a file read as one job, and copied on the loop's thread: some 20 us
    UNSIZED_BYTES = 16 * 1024               # the first read of a file that does not tell its size
    STEP_BYTES = 128 * 1024                 # one read of a larger file; it stays in a core's cache
    TURN_BYTES = 4 * 1024 * 1024            # read in one go, then jobs that wait go first: some 3 ms
    GROWTH_BYTES_MAX = 2_147_483_647        # past the size it told, or in all; Node, kIoMaxLength


class PoolSaturated(Exception):
    """The queue is full: `args[0]` jobs wait, and no more are taken."""


cdef object os_error(int error, filename):
    return OSError(error, PyUnicode_DecodeLocale(strerror(error), "surrogateescape"), filename)


# ---- jobs and threads: plain C, run without any GIL


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


cdef inline Job *take_first(Jobs *jobs) noexcept nogil:
    # NULL: there is none.
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


cdef Shared *new_shared(int event_fd) noexcept nogil:
    # NULL: no memory.
    cdef Shared *shared = <Shared *>calloc(1, sizeof(Shared))
    if shared is not NULL:
        pthread_mutex_init(&shared.lock, NULL)
        pthread_cond_init(&shared.work, NULL)
        shared.owners = 1
        shared.event_fd = event_fd
    return shared


cdef void let_go(Shared *shared) noexcept nogil:
    # Under its lock, which ends here.
    shared.owners -= 1
    cdef bint is_last = shared.owners == 0
    pthread_mutex_unlock(&shared.lock)
    if is_last:
        pthread_cond_destroy(&shared.work)
        pthread_mutex_destroy(&shared.lock)
        free(shared)


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
        append(&shared.running, job, RUNNING)
        count_wait(&shared.counters, clock_ns() - job.queued_ns)
        pthread_mutex_unlock(&shared.lock)
        outcome = job.run(job)
        pthread_mutex_lock(&shared.lock)
        unlink(&shared.running, job)
        if shared.is_closed:
            pthread_mutex_unlock(&shared.lock)
            job.discard(job)
            pthread_mutex_lock(&shared.lock)
        elif outcome == MORE:
            job.queued_ns = clock_ns()
            append(&shared.queued, job, QUEUED)
        else:
            append(&shared.finished, job, FINISHED)
            if shared.finished.size == 1:
                write(shared.event_fd, &one, 8)     # ORDER: under the lock, since close() ends the descriptor
    shared.threads -= 1
    let_go(shared)
    return NULL


cdef inline void count_wait(PoolCounters *counters, uint64_t wait_ns) noexcept nogil:
    counters.waits += 1
    counters.wait_total_ns += wait_ns
    if wait_ns > counters.wait_max_ns:
        counters.wait_max_ns = wait_ns


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


cdef int enqueue(Shared *shared, Job *job, int threads_max) noexcept nogil:
    # 0, or the errno with which the first thread could not be started: then the job is not in the queue.
    cdef bint needs_thread
    cdef int error
    job.queued_ns = clock_ns()
    pthread_mutex_lock(&shared.lock)
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


# ---- the pool, on the loop's thread


@cython.no_gc       # see Handle
cdef class Request(Handle):
    """A job under way, and the callback that ends it. Made by the pool only.

    ``cancel()`` lets the program go, too: a job that still waits for a thread will not run; of one that runs the
    result is dropped.
    """

    def cancel(self):
        """Keep the callback from running, and the job if it waits."""
        self.is_cancelled = True
        if self.job is not NULL:
            (<Pool>self.pool).cancel(self)
        else:
            self.release()

    cdef bint settle(self, Job *job) except -1:
        return True


@cython.no_gc       # Safe: it owns requests under way only, which are no garbage.
cdef class Pool(PollHandle):
    """Up to `size` native threads that work for one loop, started when they are needed.

    Use it on the loop's thread only. Callbacks run in the poll phase, in the order in which their jobs finished, each
    in the context that was current when it was handed over. A request holds the program. When the loop closes,
    requests under way are let go of without their callback; in a forked child, those of the parent.
    """

    def __cinit__(self, LoopCore loop not None, int size, *, Py_ssize_t queue_max=65536):
        if not 1 <= size <= THREADS_MAX:
            raise ValueError(f"a pool has from 1 to {THREADS_MAX} threads, not {size}")
        if queue_max < 1:
            raise ValueError(f"queue_max must be at least 1, not {queue_max}")
        if loop.is_closed_native:
            raise RuntimeError("the loop is closed")
        self.loop = <PyObject *>loop
        self.size = size
        self.queue_max = queue_max
        self.requests = set()
        self.is_refed = False
        self.begin()

    def __dealloc__(self):
        self.end()
        if self.requests is not None:
            release_all(self.requests)

    def __repr__(self):
        cdef Shared *shared = self.shared
        if shared is NULL:
            return f"<{type(self).__name__} closed>"
        return f"<{type(self).__name__} requests={len(self.requests)} threads={shared.threads}/{self.size}>"

    def read_file(self, bytes path not None, filename, callback):
        """Read a file to its end; callback(error, data) in the poll phase: an OSError with `filename`, or None, bytes.

        A file of up to 256 KiB is one job. Raises ValueError (a NUL in the path), PoolSaturated, RuntimeError (the loop
        is closed), OSError (not even one thread can be started).
        """
        cdef FileRead request
        cdef Job *job
        if b"\0" in path:
            raise ValueError("embedded null byte")
        self.admit()
        request = FileRead.__new__(FileRead)
        request.kind = COMPLETION
        request.callback = callback
        request.context = PyContext_CopyCurrent()
        request.filename = filename
        job = new_file_job(path)
        if job is NULL:
            raise MemoryError()
        self.submit(request, job)
        return request

    def cancel(self, Request request not None):
        """Keep the request's callback from running. True: its job still waited for a thread, and will not run."""
        cdef bint has_waited = False
        self.renew_if_forked()
        if request.job is not NULL:
            if request.pool is not <PyObject *>self:
                raise ValueError("the request is another pool's")
            has_waited = self.drop(request)
        request.is_cancelled = True
        request.release()
        return has_waited

    def statistics(self):
        """A dict: threads, jobs by where they are, and how long they have waited for a thread so far."""
        cdef Shared *shared
        cdef Shared now
        self.renew_if_forked()
        shared = self.shared
        memset(&now, 0, sizeof(now))
        if shared is not NULL:
            pthread_mutex_lock(&shared.lock)
            now = shared[0]
            pthread_mutex_unlock(&shared.lock)
        result = dict(now.counters)
        result.update(size=self.size, threads=now.threads, active=now.running.size, queued=now.queued.size,
                      queue_max=self.queue_max, requests=len(self.requests), completed=self.completed)
        return result

    def close(self):
        """Let go of every request, without its callback, and of the threads. Waits for none; twice is no harm."""
        cdef set requests = self.requests
        cdef LoopCore loop
        if self.shared is NULL:
            return
        if self.interest:
            loop = <LoopCore>self.loop
            loop.request_refs -= len(requests)
            if getpid() == self.pid:
                loop.poller.unwatch(self)
            else:
                loop.poller.forget(self)    # the kernel's side of it is the parent's, too
        self.requests = set()
        self.end()
        release_all(requests)

    # ---- inside

    cdef int begin(self) except -1:
        self.pid = getpid()
        self.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
        if self.fd < 0:
            PyErr_SetFromErrno(OSError)
        self.shared = new_shared(self.fd)
        if self.shared is NULL:
            raise MemoryError()
        (<LoopCore>self.loop).poller.watch(self, READABLE)
        return 0

    cdef int admit(self) except -1:
        # May one more request be submitted?
        cdef Py_ssize_t queued
        self.renew_if_forked()
        if self.shared is NULL or not self.interest:
            raise RuntimeError("the loop is closed")
        pthread_mutex_lock(&self.shared.lock)
        queued = self.shared.queued.size
        pthread_mutex_unlock(&self.shared.lock)
        if queued >= self.queue_max:
            raise PoolSaturated(queued)
        return 0

    cdef int submit(self, Request request, Job *job) except -1:
        # After admit(). OWNER: the job is the pool's from here on, also when this raises.
        cdef int error
        self.requests.add(request)
        job.request = <PyObject *>request
        request.job = job
        request.pool = <PyObject *>self
        (<LoopCore>self.loop).request_refs += 1
        error = enqueue(self.shared, job, self.size)
        if error:
            self.forget(request)
            job.discard(job)
            raise os_error(error, None)
        return 0

    cdef int on_ready(self, int ready) except -1:
        cdef uint64_t count
        if self.renew_if_forked():
            return 0
        read(self.fd, &count, 8)    # ORDER: before the jobs are taken, so that none is overlooked
        pthread_mutex_lock(&self.shared.lock)
        move_all(&self.shared.finished, &self.taken)
        pthread_mutex_unlock(&self.shared.lock)
        try:
            while self.taken.size:
                self.finish(take_first(&self.taken))
        finally:
            if self.taken.size:     # an exception has come out: the others have their turn in the next poll
                count = 1
                write(self.fd, &count, 8)
        return 0

    cdef int finish(self, Job *job) except -1:
        cdef Request request
        if job.request is NULL:
            job.discard(job)
            return 0
        request = <Request>job.request
        try:
            if not request.settle(job):
                enqueue(self.shared, job, self.size)    # cannot fail: there is a thread, it has just had the job
                return 0
        except Exception as error:
            request.args = (error, None)
        self.forget(request)
        self.completed += 1
        job.discard(job)
        return (<LoopCore>self.loop).complete(request)

    cdef bint drop(self, Request request) except -1:
        # Nobody waits for its job any more. True: no thread had it.
        cdef Job *job = request.job
        cdef bint has_waited
        pthread_mutex_lock(&self.shared.lock)
        has_waited = job.place == QUEUED
        if has_waited:
            unlink(&self.shared.queued, job)
        elif job.place == RUNNING:
            job.abandon(job)
        job.request = NULL
        pthread_mutex_unlock(&self.shared.lock)
        self.forget(request)
        if has_waited:
            job.discard(job)
        return has_waited

    cdef int forget(self, Request request) except -1:
        request.job = NULL
        self.requests.discard(request)
        if self.interest:       # else the loop is gone, closed or not
            (<LoopCore>self.loop).request_refs -= 1
        return 0

    cdef int renew_if_forked(self) except -1:
        # In a forked child there are no threads, and the lock may be held by one that is not there: all they have in
        # common is left as it is, untouched. True: so it was.
        cdef set requests = self.requests
        cdef bint is_of_use
        if self.shared is NULL or getpid() == self.pid:
            return False
        self.requests = set()
        memset(&self.taken, 0, sizeof(self.taken))
        self.shared = NULL
        is_of_use = self.interest != 0
        if is_of_use:
            (<LoopCore>self.loop).request_refs -= len(requests)
            (<LoopCore>self.loop).poller.forget(self)   # ORDER: it goes by the descriptor
        close(self.fd)
        self.fd = -1
        if is_of_use:
            self.begin()
        release_all(requests)
        return True

    cdef void end(self) noexcept:
        # The threads end, each after the job that it has, and clean up behind themselves. Nothing of Python runs here.
        cdef Shared *shared = self.shared
        cdef Job *job
        self.shared = NULL
        if shared is not NULL and getpid() == self.pid:
            pthread_mutex_lock(&shared.lock)
            shared.is_closed = True
            shared.event_fd = -1
            job = shared.running.first
            while job is not NULL:
                job.abandon(job)
                job = job.after
            move_all(&shared.queued, &self.taken)
            move_all(&shared.finished, &self.taken)
            pthread_cond_broadcast(&shared.work)
            let_go(shared)
            discard_all(&self.taken)
        if self.fd >= 0:
            close(self.fd)
            self.fd = -1


cdef int release_all(set requests) except -1:
    # Their jobs are gone. ORDER: all of them first, since what is released may be code that cancels another.
    cdef Request request
    for request in requests:
        request.job = NULL
    for request in requests:
        request.release()
    return 0


# ---- reading a file


cdef struct FileJob:
    Job job
    pthread_mutex_t lock    # around is_abandoned, and every write to the target
    bint is_abandoned       # set by abandon, never cleared: the target is gone
    bint is_at_end          # everything is read
    int fd                  # -1: not open
    int error               # errno; 0: none so far
    Py_ssize_t told         # its size, by fstat; 0: it does not tell
    char *head              # what is read, while there is no target
    char *target            # where the rest goes, in memory of the request, which has `room` from here on
    char *step              # one read. OWNER of head and step: the job
    Py_ssize_t filled
    Py_ssize_t room
    Py_ssize_t wanted       # the room that it needs to go on
    # the path follows


cdef inline bint is_abandoned(FileJob *job) noexcept nogil:
    pthread_mutex_lock(&job.lock)
    cdef bint abandoned = job.is_abandoned
    pthread_mutex_unlock(&job.lock)
    return abandoned


cdef inline char *path_of(FileJob *job) noexcept nogil:
    return <char *>(job + 1)


cdef Job *new_file_job(bytes path) except? NULL:
    # NULL without an exception: no memory.
    cdef Py_ssize_t path_bytes = len(path)
    cdef FileJob *job = <FileJob *>calloc(1, sizeof(FileJob) + path_bytes + 1)
    if job is not NULL:
        memcpy(path_of(job), PyBytes_AS_STRING(path), path_bytes)
        pthread_mutex_init(&job.lock, NULL)
        job.fd = -1
        job.job.run = run_file_job
        job.job.abandon = abandon_file_job
        job.job.discard = discard_file_job
    return <Job *>job


cdef Outcome run_file_job(Job *base) noexcept nogil:
    # DONE with neither is_at_end nor an error: it goes on once it is given `wanted` bytes of room.
    cdef FileJob *job = <FileJob *>base
    if job.fd < 0 and not open_file(job):
        return DONE
    if job.target is NULL:
        read_head(job)
        return DONE
    return read_on(job)


cdef void abandon_file_job(Job *base) noexcept nogil:
    cdef FileJob *job = <FileJob *>base
    pthread_mutex_lock(&job.lock)
    job.is_abandoned = True
    pthread_mutex_unlock(&job.lock)


cdef void discard_file_job(Job *base) noexcept nogil:
    cdef FileJob *job = <FileJob *>base
    end_file(job, 0)
    pthread_mutex_destroy(&job.lock)
    free(job.head)
    free(job.step)
    free(job)


cdef bint end_file(FileJob *job, int error) noexcept nogil:
    # Nothing is read from it any more. Always False.
    if job.fd >= 0:
        close(job.fd)       # frees the descriptor whatever it returns, see close(2)
        job.fd = -1
    job.error = error
    return False


cdef bint open_file(FileJob *job) noexcept nogil:
    # False: it has failed, or nobody wants it any more.
    cdef struct_stat status
    while True:
        job.fd = open(path_of(job), O_RDONLY | O_CLOEXEC)   # may take for ever: a FIFO, a file server that is gone
        if job.fd >= 0:
            break
        if errno != EINTR:
            return end_file(job, errno)
    if fstat(job.fd, &status) < 0:
        return end_file(job, errno)
    if S_ISREG(status.st_mode):
        job.told = status.st_size
        if job.told > PY_SSIZE_T_MAX - GROWTH_BYTES_MAX:
            return end_file(job, EFBIG)
    # One byte more than it tells: so the read that ends it needs no more room.
    job.wanted = job.told + 1 if job.told else UNSIZED_BYTES
    return not is_abandoned(job)


cdef Py_ssize_t read_some(FileJob *job, char *to, Py_ssize_t room) noexcept nogil:
    # 0: it is at its end, or has failed.
    cdef Py_ssize_t count
    while True:
        count = read(job.fd, to, room)
        if count > 0:
            return count
        if count == 0:
            job.is_at_end = True
            end_file(job, 0)
            return 0
        if errno != EINTR:
            end_file(job, errno)
            return 0


cdef void read_head(FileJob *job) noexcept nogil:
    # Up to HEAD_BYTES_MAX and one more, into memory of the job.
    cdef Py_ssize_t count
    cdef char *head
    while job.wanted <= HEAD_BYTES_MAX + 1:
        head = <char *>realloc(job.head, job.wanted)
        if head is NULL:
            end_file(job, ENOMEM)
            return
        job.head = head
        job.room = job.wanted
        while job.filled < job.room:
            count = read_some(job, job.head + job.filled, job.room - job.filled)
            if count == 0:
                return
            job.filled += count
        job.wanted = 2 * job.room


cdef Outcome read_on(FileJob *job) noexcept nogil:
    # Until the target is full. Each read goes to `step` first: the target may be taken away while a read hangs.
    cdef Py_ssize_t limit = job.told + GROWTH_BYTES_MAX
    cdef Py_ssize_t turn_end = job.filled + TURN_BYTES
    cdef Py_ssize_t count
    cdef bint abandoned
    if job.step is NULL:
        job.step = <char *>malloc(STEP_BYTES)
        if job.step is NULL:
            end_file(job, ENOMEM)
            return DONE
    while job.filled < job.room:
        if job.filled >= turn_end:
            return MORE
        count = read_some(job, job.step, min(job.room - job.filled, <Py_ssize_t>STEP_BYTES))
        if count == 0:
            return DONE
        pthread_mutex_lock(&job.lock)
        abandoned = job.is_abandoned
        if not abandoned:
            memcpy(job.target + job.filled, job.step, count)
        pthread_mutex_unlock(&job.lock)
        if abandoned:
            return DONE
        job.filled += count
    if job.room >= limit:
        end_file(job, EFBIG)
    job.wanted = min(job.room + (job.room >> 1), limit)
    return DONE


@cython.no_gc       # see Handle
cdef class FileRead(Request):
    """One read_file under way."""

    cdef object filename
    cdef PyObject *target       # OWNER: the bytes object that the job fills; NULL: the job keeps what is read

    def __dealloc__(self):
        self.release_target()

    cdef bint settle(self, Job *base) except -1:
        cdef FileJob *job = <FileJob *>base
        if job.error:
            self.args = (os_error(job.error, self.filename), None)
        elif not job.is_at_end:
            try:
                self.make_room(job)
                return False
            except MemoryError:
                self.args = (os_error(ENOMEM, self.filename), None)
        elif self.target is NULL:
            self.args = (None, PyBytes_FromStringAndSize(job.head, job.filled))
        else:
            _PyBytes_Resize(&self.target, job.filled)
            self.args = (None, disown(self.target))
            self.target = NULL
        return True

    cdef int make_room(self, FileJob *job) except -1:
        # No thread has the job: the target may move.
        if self.target is NULL:
            self.target = new_bytes(NULL, job.wanted)
            if job.filled:
                memcpy(PyBytes_AS_STRING(<object>self.target), job.head, job.filled)
            free(job.head)
            job.head = NULL
        else:
            _PyBytes_Resize(&self.target, job.wanted)
        job.target = PyBytes_AS_STRING(<object>self.target)
        job.room = job.wanted
        return 0

    cdef void release_target(self) noexcept:
        cdef PyObject *target = self.target
        self.target = NULL
        if target is not NULL:
            disown(target)

    cdef void release(self) noexcept:
        self.release_target()
        self.filename = None
        Handle.release(self)
