"""The phases of I/O: pending, poll and close. In each of them watched handles are visited, and their microtasks run behind each.

A handle says what it does when it is ready, and what it puts off: `defer` to the pending phase, `end` to the close phase,
`join_batch` to the end of this poll. Invariants: no wake-up is lost; no poll waits while anything waits for a later phase; what
was answered in a poll leaves in that poll. Not here: which descriptors are ready (poll_epoll.pyx), what a handle is (tcp.pyx,
descriptors.pyx).
"""
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport INT64_MAX, int64_t, uint64_t
from posix.unistd cimport close, read, write

from treadle._native.callbacks cimport Stopwatch
from treadle._native.counters cimport CLOSE, PENDING, POLL
from treadle._native.forks cimport fork_count
from treadle._native.microtasks cimport CUT_CLOSE, CUT_PENDING, CUT_POLL, GUARD_CALLBACKS, GUARD_HANDLES, LOOK_EVERY, PhaseWatch
from treadle._native.poll_epoll cimport READABLE, PollHandle, Poller, open_eventfd
from treadle._native.queues cimport CLOSING, DEFERRED, EVENT, FLUSH, Handle, Kind, Ring
from treadle._native.timers cimport NS_PER_MS, clock_ns

cdef enum:
    IO_BUFFER_BYTES = 256 * 1024           # one receive; asyncio and uvloop alike
    GATHER_MAX = 16                        # events that call nobody, before what they queued runs: some 20 us
    BATCH_MAX = 32                         # handles whose sends leave together; see IoPhases.batch_max
    BATCH_NS = 100 * 1000                  # ... or once the first of them has waited so long
    BATCH_PAUSE = 16 * 1024                # handles that wait for nobody after that: at most 0.2 % are held up, p99 is not
    POLL_MS_MAX = 24 * 3600 * 1000         # one wait; longer ones are cut, which is harmless


cdef class Waker(PollHandle):
    """Ends a blocked poll, from any thread."""

    cdef int on_ready(self, int ready) except -1:
        cdef uint64_t count
        read(self.fd, &count, 8)
        self.is_set = False
        return 0

    cdef int on_fork(self) except -1:
        # The parent would sleep for ever if its wake-up were read here.
        open_eventfd(self.fd)
        self.is_set = False
        return 0

    cpdef int abandon(self) except -1:
        if self.fd >= 0:
            close(self.fd)
            self.fd = -1
        return 0

    def __dealloc__(self):
        # Where its loop was dropped unclosed.
        if self.fd >= 0:
            close(self.fd)


cdef class IoPhases(CheckPhase):
    """The watched handles of a loop, and the phases in which they have their turn."""

    def __cinit__(self):
        self.pending = Ring()
        self.closing = Ring()
        self.batch = Ring()
        self.batch_max = BATCH_MAX
        self.forks = fork_count()
        self.io_buffer_size = IO_BUFFER_BYTES
        self.io_buffer = <char *>PyMem_Malloc(IO_BUFFER_BYTES)
        if self.io_buffer is NULL:
            raise MemoryError()
        self.poller = Poller()
        self.waker = Waker()
        self.waker.is_refed = False
        self.waker.fd = open_eventfd(-1)
        self.poller.watch(self.waker, READABLE)

    def __dealloc__(self):
        PyMem_Free(self.io_buffer)

    cpdef int wake(self) except -1:
        """End a blocked poll, from any thread."""
        cdef uint64_t one = 1
        if self.is_polling and not self.waker.is_set:
            self.waker.is_set = True
            write(self.waker.fd, &one, 8)
        return 0

    def forked(self):
        """A forked child goes on with this loop: in its first poll phase. Here: nothing more to do; `treadle.EventLoop` lets go
        of what is the parent's."""

    # ---- for other units

    cdef int complete(self, Handle handle) except -1:
        self.counters.completions += 1
        self.run_handle(handle)
        self.drain_if_any()
        return 0

    cdef int defer(self, PollHandle handle) except -1:
        return self.pending.push(handle)

    cdef int put_behind(self, PollHandle handle) except -1:
        # COMPAT(node): what a callback of the poll phase has completed comes before the check phase; libuv, uv_run
        if not self.is_taking:
            return self.pending.push(handle)
        if self.batch.size == 0:
            self.batch_since_ns = clock_ns()
        return self.batch.push(handle)

    cdef int end(self, PollHandle handle) except -1:
        return self.closing.push(handle)

    cdef bint join_batch(self, PollHandle handle) except -1:
        if not self.is_taking:
            return False
        if self.batch_pause:
            self.batch_pause -= 1
            return False
        if self.batch.size == 0:
            self.batch_since_ns = clock_ns()
        self.batch.push(handle)
        return True

    # ---- pending

    cdef int run_pending(self) except -1:
        cdef Py_ssize_t count = self.pending.size
        cdef PhaseWatch phase
        self.counters.phase = PENDING
        self.watch_phase(&phase, GUARD_HANDLES)
        while count:
            if self.is_long(&phase) and self.is_over(&phase, GUARD_HANDLES):
                return self.cut_phase(CUT_PENDING, None, None)
            count -= 1
            phase.ran += 1
            self.counters.pending += 1
            self.visit(DEFERRED, <PollHandle>self.pending.pop(), 0)
            self.drain_if_any()
        return 0

    # ---- poll

    cdef int poll(self, bint may_wait) except -1:
        cdef bint is_new_child
        cdef bint is_through
        self.counters.phase = POLL
        is_new_child = self.forks != fork_count()       # then what held the program may be gone: no wait
        if is_new_child:
            self.poller.renew_if_forked()
            self.forked()
            self.forks = fork_count()       # ORDER: last; where one of them raises, the next run does what is left
        if is_new_child or not self.poller.has_more():      # else the rest of a poll that was cut comes first
            self.is_polling = True      # ORDER: before the queues are looked at, so that no wake-up is lost
            try:
                self.poller.wait(self.poll_timeout_ms() if may_wait and not is_new_child else 0, self.counters)
            finally:
                self.is_polling = False
        self.is_taking = True
        is_through = False
        try:        # PERF: bench/loop, a turn: `except` would save what is raised around it, each time
            self.take_events()
            is_through = True
        finally:
            self.is_taking = False
            if not is_through:      # it ends the run: what was answered leaves, and nothing of the user's runs before
                while self.batch.size:
                    (<PollHandle>self.batch.pop()).on_batch()
        return self.end_batch()

    cdef int take_events(self) except -1:
        # ORDER: between any two callbacks the microtasks run. Events that call nobody are no callbacks: those in a row are taken
        # first, and what all of them queued runs then. PERF: bench/loop, tcp_streams. The interpreter stays in the cache
        cdef PollHandle handle
        cdef int ready
        cdef int gathered = 0       # events in a row that called nobody
        cdef bint calls_nobody
        cdef PhaseWatch phase
        self.watch_phase(&phase, GUARD_HANDLES)
        while True:
            if self.is_long(&phase) and self.poller.has_more() and self.is_over(&phase, GUARD_HANDLES):
                self.drain_if_any()
                return self.cut_phase(CUT_POLL, None, None)
            handle = self.poller.take(&ready)
            calls_nobody = handle is not None and not self.is_observed and not self.is_flooded and handle.calls_nobody(ready)
            if gathered and (gathered == GATHER_MAX or not calls_nobody):
                gathered = 0
                if handle is not None:
                    self.poller.put_back()      # what runs now may end it
                self.follow_up()
                continue
            if handle is None:
                return 0
            phase.ran += 1
            self.counters.events += 1
            if calls_nobody:
                gathered += 1
                handle.on_ready(ready)
                continue
            if self.is_observed:
                self.visit(EVENT, handle, ready)
            else:
                handle.on_ready(ready)
            self.follow_up()

    cdef int follow_up(self) except -1:
        # Behind a callback of the poll phase: its microtasks, and the batch if it is full or has waited long enough.
        self.drain_if_any()
        if self.batch.size:
            if clock_ns() - self.batch_since_ns > BATCH_NS:     # callbacks are slow here: nobody waits for one again soon
                self.batch_pause = BATCH_PAUSE
                self.end_batch()
            elif self.batch.size >= self.batch_max:
                self.end_batch()
        return 0

    cdef int end_batch(self) except -1:
        cdef PollHandle handle
        while self.batch.size:
            handle = <PollHandle>self.batch.pop()
            if self.is_observed:
                self.visit(FLUSH, handle, 0)
            else:
                handle.on_batch()
            self.drain_if_any()
        return 0

    cdef int poll_timeout_ms(self) except -2:
        # Not at all while something waits for a later phase; else until the next timer is due.
        cdef int64_t due_ns
        cdef int64_t now_ns
        if (self.is_stopping or self.immediate_refs or self.closing.size or self.pending.size or self.ticks.size
                or self.microtasks() or self.is_rest_due()):
            return 0
        due_ns = self.timers.next_due_ns()
        if due_ns == INT64_MAX:
            return -1
        if self.alarm_clock is not None and self.timers.due_alarms.size:    # nobody says when it moves on
            return 1
        now_ns = clock_ns()
        if due_ns <= now_ns:
            self.note_overdue(now_ns)
            return 0
        return <int>min((due_ns - now_ns + NS_PER_MS - 1) // NS_PER_MS, POLL_MS_MAX)

    # ---- close

    cdef int run_close(self) except -1:
        cdef Py_ssize_t count = self.closing.size
        cdef PhaseWatch phase
        self.counters.phase = CLOSE
        self.watch_phase(&phase, LOOK_EVERY)
        while count:
            if self.is_long(&phase) and self.is_over(&phase, GUARD_CALLBACKS):
                return self.cut_phase(CUT_CLOSE, None, None)
            count -= 1
            phase.ran += 1
            self.counters.closes += 1
            self.visit(CLOSING, <PollHandle>self.closing.pop(), 0)
            self.drain_if_any()
        return 0

    # ---- a visit

    cdef int visit(self, Kind kind, PollHandle handle, int ready) except -1:
        # What is due for a watched handle, told to the tracer if there is one, and timed in debug mode.
        cdef object tracer = self.tracer
        cdef Stopwatch watch
        if tracer is not None:
            self.begin_traced(kind, handle, None, ready)
        try:
            self.start_watch(&watch)
            if kind == EVENT:
                handle.on_ready(ready)
            elif kind == DEFERRED:
                handle.on_pending()
            elif kind == FLUSH:
                handle.on_batch()
            else:
                handle.on_close()
            return self.stop_watch(&watch, None, handle)
        finally:
            if tracer is not None:
                tracer.end()
