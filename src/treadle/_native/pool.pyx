"""The native thread pool of one loop, as the loop's thread sees it: requests, and the jobs that threads do for them.

Invariants: a request is owned by its pool while it has a job, and holds the program that long; its callback runs in the poll
phase, or never. What a job does is not known here: native units above submit one with a request of their own class, and say of
which kind it is, by name. Not here: the threads and their lists (pool_threads), how many threads, and what is said of a pool that
is saturated (treadle.pool), threads for callables of the user.
"""
cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport uint64_t
from libc.string cimport memset, strerror
from posix.unistd cimport close, read, write

from treadle._native.forks cimport fork_count
from treadle._native.loop cimport LoopCore
from treadle._native.poll_epoll cimport READABLE, PollHandle, open_eventfd
from treadle._native.histogram cimport Histogram
from treadle._native.pool_threads cimport (
    ANY, HELD_IN_PARENT, KINDS_MAX, NAMES, QUEUE_FULL, WAITS, Job, Jobs, Kind as KindFigures, Saturation, ThreadFigures,
    add_kind, close_shared, discard_all, enqueue, forsake, has_unnoticed, leave_shared, look, look_at_kind,
    look_at_saturation, look_for_saturation, new_shared, next_untold, put_finished, take_finished, take_first, take_queued,
)
from treadle._native.queues cimport COMPLETION, Handle, Kind, show_by, visitproc

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX
    object PyContext_CopyCurrent()
    object PyDictProxy_New(object mapping)
    object PyUnicode_DecodeLocale(const char *text, const char *errors)

cdef enum:
    THREADS_MAX = 1024      # libuv, MAX_THREADPOOL_SIZE
    AT_ONCE_PER_TURN = 64       # jobs that the loop's thread does itself: each some us
    FINISHED_PER_EVENT = 64     # callbacks in one turn, so that a flood of them starves nobody; as tcp.pyx accepts


class PoolSaturated(Exception):
    """The queue is full: `args[0]` jobs wait, and no more are taken."""


class HeldInParent(Exception):
    """A job that runs alone in its process was under way when this one was forked off: none can run here."""


cdef object os_error(int error, filename):
    return OSError(error, PyUnicode_DecodeLocale(strerror(error), "surrogateescape"), filename)


@cython.no_gc_clear     # as Handle, it lets go of everything once it is through or was cancelled, or its loop is closed
cdef class Request(Handle):
    """A job under way, and the callback that ends it. Made by native units above the pool only.

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

    cdef int set_callback(self, Kind kind, callback) except -1:
        # Before it is submitted. COMPLETION: the program's end lets go of it; SOON: it is asyncio's, and stays.
        self.kind = kind
        self.callback = callback
        self.context = PyContext_CopyCurrent()
        return 0

    cdef bint settle(self, Job *job) except -1:
        return True


cdef int show_request(PyObject *request, visitproc visit, void *state) noexcept:
    # To the garbage collector.
    return (<Request>request).show(visit, state)


show_by(Request, show_request)


@cython.no_gc_clear     # Its threads write into what requests own, until it is closed: before anything is taken apart
cdef class Pool(PollHandle):
    """Up to `size` native threads that work for one loop, started when they are needed; up to `computing_max` of them compute at once.

    Use it on the loop's thread only. Callbacks run in the poll phase, in the order in which their jobs finished, each
    in the context that was current when it was handed over. A request holds the program. When the loop closes,
    requests under way are let go of without their callback; in a forked child, those of the parent.
    """

    def __cinit__(self, LoopCore loop not None, int size, *, int computing_max=THREADS_MAX, Py_ssize_t queue_max=65536):
        if not 1 <= size <= THREADS_MAX:
            raise ValueError(f"a pool has from 1 to {THREADS_MAX} threads, not {size}")
        if computing_max < 1:
            raise ValueError(f"computing_max must be at least 1, not {computing_max}")
        if queue_max < 1:
            raise ValueError(f"queue_max must be at least 1, not {queue_max}")
        if loop.is_closed_native:
            raise RuntimeError("the loop is closed")
        self.loop = <PyObject *>loop
        self.size = size
        self.computing_max = min(size, computing_max)
        self.queue_max = queue_max
        self.requests = set()
        self.is_refed = False
        self.forks = fork_count()
        self.kinds = {"": 0}
        self.directories = {}
        self.at_once_left = AT_ONCE_PER_TURN
        self.fd = open_eventfd(-1)
        self.shared = new_shared(self.fd, size, self.computing_max)
        if self.shared is NULL:
            raise MemoryError()
        loop.poller.watch(self, READABLE)

    def __del__(self):
        self.close()

    def __dealloc__(self):
        if self.requests is not None:
            lose_jobs(self.requests)
        self.end()
        if self.requests is not None:
            release_all(self.requests)

    def __repr__(self):
        cdef ThreadFigures now
        name = type(self).__name__
        if self.shared is NULL:
            return f"<{name} closed>"
        if self.forks != fork_count():
            return f"<{name} inherited>"
        look(self.shared, &now)
        return (f"<{name} threads={now.threads}/{self.size} active={now.active} queued={now.queued:_}/{self.queue_max:_}"
                f" requests={len(self.requests):_}>")

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

    def drop_waiting(self):
        """Let go of every request of Node's kind, without its callback: the program has ended. Those that a future waits for
        stay: tasks that are cancelled still want to clean up."""
        cdef Request request
        self.renew_if_forked()
        for request in list(self.requests):     # a copy: what is let go of may be code that cancels another
            if request.kind == COMPLETION:
                request.cancel()

    def statistics(self):
        """How it stands now, read-only: threads; jobs by where they are, and for how long the oldest, and of which kind it is; how
        long jobs have waited for a thread so far; how often some have waited so long that the pool was saturated."""
        cdef ThreadFigures now
        cdef list names
        self.renew_if_forked()
        memset(&now, 0, sizeof(now))
        if self.shared is not NULL:
            look(self.shared, &now)
        names = list(self.kinds)
        result = dict(now.counters)
        result.update(size=self.size, threads=now.threads, active=now.active, queued=now.queued, queue_max=self.queue_max,
                      requests=len(self.requests), completed=self.completed, at_once=self.at_once,
                      oldest_active_ns=now.oldest_active_ns, oldest_queued_ns=now.oldest_queued_ns,
                      oldest_active_kind=names[now.oldest_active_kind], oldest_queued_kind=names[now.oldest_queued_kind])
        return PyDictProxy_New(result)

    def statistics_by_kind(self):
        """Name -> (queued, active, wait, run) of the kinds of jobs that there have been; the last two are histograms of ns, of now: how
        long they waited for a thread, and how long a thread had them."""
        cdef KindFigures figures
        cdef Histogram wait, run
        result = {}
        self.renew_if_forked()
        if self.shared is not NULL:
            for name, number in self.kinds.items():
                look_at_kind(self.shared, number, &figures)
                wait, run = Histogram.__new__(Histogram), Histogram.__new__(Histogram)
                wait.own_counts, run.own_counts = figures.wait, figures.run
                if figures.queued or figures.active or wait.own_counts.count:
                    result[name] = (figures.queued, figures.active, wait, run)
        return result

    def saturation(self):
        """The last one, or in saturation_hook the one that it is called for, as it stood when it was noticed: (kind of the job that
        had waited, for how many ns, jobs that held it up, jobs that waited, who held it up), jobs by kind. Who: jobs that have as
        many threads as they may, "names", "computing", or "", the whole pool. Without a meaning where there was none."""
        cdef Saturation saturation
        self.renew_if_forked()
        memset(&saturation, 0, sizeof(saturation))
        if self.shared is not NULL:
            look_at_saturation(self.shared, &saturation)
        names = list(self.kinds)
        return (names[saturation.kind], saturation.waited_ns,
                {name: saturation.active[number] for name, number in self.kinds.items() if saturation.active[number]},
                {name: saturation.queued[number] for name, number in self.kinds.items() if saturation.queued[number]},
                "" if saturation.group == ANY else "names" if saturation.group == NAMES else "computing")

    def look_for_saturation(self):
        """Whether a job has waited for too long by now: then saturation_hook is called, once until none of its group waited.
        While others wait that have not waited so long, wait_hook is called again."""
        self.is_waiting_to_look = False
        if self.shared is NULL or self.renew_if_forked():
            return
        if look_for_saturation(self.shared) != self.saturations_told:
            self.tell_saturation()
        self.wait()

    def close(self):
        """Let go of every request, without its callback, and of the threads. Waits for no thread but those that take back
        what they have half done, and a second at most; twice is no harm."""
        cdef set requests = self.requests
        cdef LoopCore loop
        self.saturation_hook = self.wait_hook = None
        if self.shared is NULL:
            return
        if self.interest:
            loop = <LoopCore>self.loop
            loop.request_refs -= len(requests)
            loop.poller.unwatch(self)
        self.requests = set()
        lose_jobs(requests)
        self.end()
        release_all(requests)

    # ---- inside

    cdef int kind(self, str name, int left_free=0) except -1:
        # The number of a kind of jobs; 0 where there are too many, or only so many left.
        cdef object number = self.kinds.get(name)
        cdef int added
        if number is None:
            self.renew_if_forked()
            added = 0 if self.shared is NULL or len(self.kinds) >= KINDS_MAX - left_free else add_kind(self.shared)
            if added == 0:
                return 0
            number = self.kinds[name] = added
        return number

    cdef bint is_to_ask(self, bytes directory) except -1:
        # Whether a job is to find out where the directory is. One a turn: no answer comes before the next.
        cdef uint64_t turn
        if not self.interest:
            return False        # the loop is gone, closed or not; begin() says so
        turn = (<LoopCore>self.loop).counters.turns
        if self.asked_turn == turn and self.asked == directory:
            return False
        self.asked, self.asked_turn = directory, turn
        return True

    cdef int begin(self, Request request, Job *job) except -1:
        # OWNER: the job is the pool's from here on, also when this raises.
        try:
            self.renew_if_forked()
            if self.shared is NULL or not self.interest:
                raise RuntimeError("the loop is closed")
            self.requests.add(request)
        except BaseException:
            job.discard(job)
            raise
        job.request = <PyObject *>request
        request.job = job
        request.pool = <PyObject *>self
        (<LoopCore>self.loop).request_refs += 1
        return 0

    cdef int submit(self, Request request, Job *job, bint is_admitted=False) except -1:
        # OWNER: the job is the pool's from here on, also when this raises: PoolSaturated, HeldInParent, RuntimeError, OSError.
        # is_admitted: it goes on with what the pool has taken on before, whatever waits now.
        cdef int error
        self.begin(request, job)
        error = enqueue(self.shared, job, PY_SSIZE_T_MAX if is_admitted else self.queue_max)
        if error != 0 and error != WAITS:
            self.forget(request)
            job.discard(job)
            if error == HELD_IN_PARENT:
                raise HeldInParent()
            raise PoolSaturated(self.queue_max) if error == QUEUE_FULL else os_error(error, None)
        if error == WAITS:
            self.wait()
        return 0

    cdef int wait(self) except -1:
        # Somebody looks soon whether what waits has waited for too long. A glance, without the lock.
        if (self.wait_hook is not None and not self.is_waiting_to_look and self.shared is not NULL
                and has_unnoticed(self.shared)):
            self.wait_hook()
            self.is_waiting_to_look = True
        return 0

    cdef int finish_at_once(self, Request request, Job *job, Delay delay) except -1:
        # As submit(), of a job that is done already: its callback runs in the poll phase of a turn that is to come.
        self.begin(request, job)
        self.at_once_left -= 1
        self.at_once += 1
        job.due_turn = (<LoopCore>self.loop).counters.turns + delay
        put_finished(&self.done_soon if delay == TURNS_OF_ONE_CALL else &self.done_later, job)
        if self.done_soon.size + self.done_later.size == 1 and not self.is_finishing:
            self.wake()
        return 0

    cdef int take_due(self, Jobs *done) except -1:
        cdef uint64_t turn = (<LoopCore>self.loop).counters.turns
        while done.size and done.first.due_turn <= turn:
            put_finished(&self.taken, take_first(done))
        return 0

    cdef int wake(self) except -1:
        # The next poll does not wait, and comes to on_ready.
        cdef uint64_t count = 1
        write(self.fd, &count, 8)
        return 0

    cdef int on_ready(self, int ready) except -1:
        cdef uint64_t count
        cdef int left = FINISHED_PER_EVENT
        if self.renew_if_forked():
            return 0
        read(self.fd, &count, 8)    # ORDER: before the jobs are taken, so that none is overlooked
        take_finished(self.shared, &self.taken)
        self.take_due(&self.done_soon)
        self.take_due(&self.done_later)
        self.at_once_left = AT_ONCE_PER_TURN
        self.is_finishing = True
        try:
            while self.taken.size and left and not self.renew_if_forked():  # a callback may fork: its child has other threads
                left -= 1
                self.finish(take_first(&self.taken))
        finally:
            self.is_finishing = False
            # There are too many, or an exception has come out, or the turn of some has not come yet.
            if self.taken.size or self.done_soon.size or self.done_later.size:
                self.wake()
        if self.shared is not NULL and self.shared.counters.saturations != self.saturations_told:   # a glance, without the lock
            self.tell_saturation()
        return 0

    cdef int tell_saturation(self) except -1:
        # Each group's, of which there may be several by now. ORDER: the hook is the user's log, and may close the pool.
        self.saturations_told = look_for_saturation(self.shared)
        while self.shared is not NULL and next_untold(self.shared):
            if self.saturation_hook is not None:
                self.saturation_hook()
        return 0

    cdef int finish(self, Job *job) except -1:
        cdef Request request
        if job.request is NULL:
            job.discard(job)
            return 0
        request = <Request>job.request
        try:
            if not request.settle(job):
                # Whatever else waits: it was admitted once. Cannot fail: there is a thread, which has just had the job.
                if enqueue(self.shared, job, PY_SSIZE_T_MAX) == WAITS:
                    self.wait()
                return 0
        except Exception as error:
            request.args = (error, None)
        except BaseException:       # Ctrl-C amid what makes the result: there is none
            if request.job is job:
                self.forget(request)
                request.release()
            job.discard(job)
            raise
        if request.job is not job:      # what it has let go of was code, which has cancelled it, closed the pool, or forked
            job.discard(job)
            return 0
        self.forget(request)
        self.completed += 1
        job.discard(job)
        return (<LoopCore>self.loop).complete(request)

    cdef bint drop(self, Request request) except -1:
        # Nobody waits for its job any more. True: no thread had it.
        cdef Job *job = request.job
        cdef bint has_waited = forsake(self.shared, job)
        self.forget(request)
        if has_waited:
            job.discard(job)
        return has_waited

    cdef bint withdraw(self, Request request) except -1:
        # True: its job still waited for a thread, and is gone. False: nothing has changed, it will be settled.
        cdef Job *job
        self.renew_if_forked()
        job = request.job
        if job is not NULL:
            if not take_queued(self.shared, job):
                return False
            self.forget(request)
            job.discard(job)
        return True

    cdef int forget(self, Request request) except -1:
        request.job = NULL
        self.requests.discard(request)
        if self.interest:       # else the loop is gone, closed or not
            (<LoopCore>self.loop).request_refs -= 1
        return 0

    cdef bint renew_if_forked(self) except -1:
        # True: this is a forked child, and what came from its parent is gone.
        if self.shared is NULL or self.forks == fork_count():
            return False
        if self.interest:
            (<LoopCore>self.loop).poller.renew_if_forked()      # it calls on_fork
        if self.forks != fork_count():
            self.on_fork()
        return True

    cdef int on_fork(self) except -1:
        # There are no threads here, and the lock may be held by one that is not there: all they have in common is left as it
        # is, untouched.
        cdef set requests = self.requests
        self.forks = fork_count()
        self.requests = set()
        self.shared = NULL
        discard_all(&self.taken)
        discard_all(&self.done_soon)
        discard_all(&self.done_later)
        try:
            if self.interest:
                (<LoopCore>self.loop).request_refs -= len(requests)
                open_eventfd(self.fd)
                self.shared = new_shared(self.fd, self.size, self.computing_max)
                if self.shared is NULL:
                    raise MemoryError()
                self.saturations_told = 0
                for _ in range(1, len(self.kinds)):     # the same numbers as before
                    add_kind(self.shared)
        finally:
            lose_jobs(requests)
            release_all(requests)
        return 0

    cdef void end(self) noexcept:
        # Nothing of Python runs here but other threads. ORDER: no request has a job any more, for they may cancel it.
        cdef Shared *shared = self.shared
        cdef Jobs left
        self.shared = NULL
        if shared is not NULL and self.forks == fork_count():
            close_shared(shared, &left)     # ORDER: a call of Python is abandoned with the GIL held
            with nogil:
                discard_all(&left)
                leave_shared(shared)
        discard_all(&self.taken)
        discard_all(&self.done_soon)
        discard_all(&self.done_later)
        if self.fd >= 0:
            close(self.fd)
            self.fd = -1


cdef int lose_jobs(set requests) except -1:
    # ORDER: of all of them, before any is released: that may be code that cancels another.
    cdef Request request
    for request in requests:
        request.job = NULL
    return 0


cdef int release_all(set requests) except -1:
    # Their jobs are gone.
    cdef Request request
    for request in requests:
        request.release()
    return 0
