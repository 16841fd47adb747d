"""The wheel: one turn is timers, pending, poll, check, close, and between any two callbacks the microtasks.

`LoopCore` owns scheduling and polling, and imports no asyncio: an isolate runs it as it is. `treadle.EventLoop` gives it asyncio's
face and tells it, by `adopt_asyncio`, what a task's step looks like. Invariants: callbacks run on one thread, never inside one
another; nothing scheduled is dropped unless it was cancelled. The order is restated, with the reasons, in docs/design/loop.md and
pinned by the recorded programs of Node in tests/conformance/. Not here: the microtasks and how a callback is run (microtasks.pyx),
logging and other policy (treadle.loop), sockets (tcp.pyx).
"""
from collections.abc import Coroutine
from types import MappingProxyType

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject
from libc.math cimport isnan
from libc.stdint cimport INT64_MAX, int64_t, uint64_t
from posix.unistd cimport close, read, write

from treadle._native.counters cimport CHECK, CLOSE, OUTSIDE, PENDING, POLL, TIMERS, idle_ns, ran_ns, read_counters
from treadle._native.forks cimport fork_count
from treadle._native.microtasks cimport (
    CUT_CHECK, CUT_CLOSE, CUT_PENDING, CUT_POLL, CUT_TIMERS, GUARD_CALLBACKS, GUARD_HANDLES, GUARD_SOON, LOOK_EVERY,
    SPIN_CALLBACKS, Microtasks, PhaseWatch, Stopwatch, tell_ignored,
)
from treadle._native.poll_epoll cimport READABLE, WRITABLE, PollHandle, Poller, open_eventfd
from treadle._native.queues cimport (
    ALARM, CLOSING, DEFERRED, EVENT, FLUSH, IMMEDIATE, MICROTASK, READY, SOON, TICK, TIMER, DebugHandle, Handle, HeapEntry, Kind,
    Ring, show_by, show_handle, visitproc,
)
from treadle._native.timers cimport NS_PER_MS, Alarm, DebugAlarm, Timeout, Timer, TimerList, Timers, clock_ns

cdef enum:
    IO_BUFFER_BYTES = 256 * 1024           # one receive; asyncio and uvloop alike
    GATHER_MAX = 16                        # events that call nobody, before what they queued runs: some 20 us
    BATCH_MAX = 32                         # handles whose sends leave together; see LoopCore.batch_max
    BATCH_NS = 100 * 1000                  # ... or once the first of them has waited so long
    BATCH_PAUSE = 16 * 1024                # handles that wait for nobody after that: at most 0.2 % are held up, p99 is not
    POLL_MS_MAX = 24 * 3600 * 1000         # one wait; longer ones are cut, which is harmless


@cython.no_gc_clear     # as Handle, it lets go of everything once it has run or was cancelled, or its loop is closed
cdef class Immediate(Handle):
    """What set_immediate returns. Source: Node, class Immediate."""

    def ref(self):
        """Let it hold the program again while it waits (the default). Returns self."""
        self.is_refed = True
        self.count(self.callback is not None)
        return self

    def unref(self):
        """Let the program end although it still waits. Returns self."""
        self.is_refed = False
        self.count(False)
        return self

    def has_ref(self):
        """True when it holds the program while it waits."""
        return self.is_refed and self.callback is not None

    def cancel(self):
        """Keep it from running."""
        self.count(False)
        Handle.cancel(self)

    def close(self):
        """Keep it from running: what clear_immediate does. Returns self."""
        self.cancel()
        return self

    cdef int count(self, bint holds) except -1:
        if holds != self.is_counted:
            self.is_counted = holds
            self.loop.immediate_refs += 1 if holds else -1
        return 0

    cdef void release(self) noexcept:
        self.count(False)
        self.loop = None
        Handle.release(self)

    cdef int show(self, visitproc visit, void *state) noexcept:
        return Handle.show(self, visit, state) or visit(<PyObject *>self.loop, state)


cdef int show_immediate(PyObject *immediate, visitproc visit, void *state) noexcept:
    return (<Immediate>immediate).show(visit, state)


show_by(Immediate, show_immediate)


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


cdef class FdWatcher(PollHandle):
    """The reader and the writer callback of one descriptor. Invariant: watched exactly while it has one of them."""

    cdef int on_ready(self, int ready) except -1:
        if ready & READABLE and self.reader is not None:
            self.loop.run_watch(self.reader)
            if ready & WRITABLE:
                self.loop.drain_if_any()    # after the last callback of an event, take_events() does
        if ready & WRITABLE and self.writer is not None:
            self.loop.run_watch(self.writer)
        return 0

    cpdef int abandon(self) except -1:
        # The descriptor is its user's.
        self.loop.poller.unwatch(self)
        for handle in (self.reader, self.writer):
            if handle is not None:
                (<Handle>handle).cancel()
        self.reader = self.writer = None
        return 0

    cdef int rewatch(self) except -1:
        cdef int interest = 0
        if self.reader is not None:
            interest |= READABLE
        if self.writer is not None:
            interest |= WRITABLE
        if interest:
            self.loop.poller.watch(self, interest)
        else:
            self.loop.poller.unwatch(self)
        return 0


cdef int show_watcher(PyObject *watcher, visitproc visit, void *state) noexcept:
    # To the garbage collector: also what its handles refer to.
    return (visit(<PyObject *>(<FdWatcher>watcher).loop, state) or visit(<PyObject *>(<FdWatcher>watcher).file, state)
            or show_handle(<PyObject *>(<FdWatcher>watcher).reader, visit, state)
            or show_handle(<PyObject *>(<FdWatcher>watcher).writer, visit, state))


show_by(FdWatcher, show_watcher)


cdef class LoopCore(Microtasks):
    """Scheduling and polling. One thread runs it; only ``call_soon_threadsafe`` and ``wake`` may be called from others."""

    def __cinit__(self):
        self.timers = Timers()
        self.immediates = Ring()
        self.spare_immediates = Ring()
        self.pending = Ring()
        self.closing = Ring()
        self.batch = Ring()
        self.batch_max = BATCH_MAX
        self.tasks = set()
        self.listeners = set()
        self.owners = set()
        self.pass_ns = self.alarms_turn_ns = -2
        self.has_own_faces = has_own_faces(type(self))
        self.forks = fork_count()
        self.task_ended = object()      # nobody's callback, until adopt_asyncio()
        self.io_buffer_size = IO_BUFFER_BYTES
        self.io_buffer = <char *>PyMem_Malloc(IO_BUFFER_BYTES)
        if self.io_buffer is NULL:
            raise MemoryError()
        self.poller = Poller()
        self.waker = Waker()
        self.waker.is_refed = False
        self.waker.fd = open_eventfd(-1)
        self.poller.watch(self.waker, READABLE)

    def __del__(self):
        # INVARIANT: what the garbage collector takes apart is closed, and nothing waits in it any more.
        self.close_core()

    def __dealloc__(self):
        PyMem_Free(self.io_buffer)

    def __repr__(self):
        state = "closed" if self.is_closed_native else "stopping" if self.is_stopping else "open"
        return (f"<{type(self).__name__} {state} turns={self.counters.turns} ticks={self.ticks.size} "
                f"microtasks={self.microtasks.size - self.overtaken} immediates={self.immediates.size} {self.poller!r}>")

    # ---- scheduling: Node's face

    def next_tick(self, callback, *args):
        """Run callback(*args) before anything else, also before the microtasks. Phase: between any two callbacks."""
        self.add_tick(callback, args)

    def queue_microtask(self, callback):
        """Run callback() once the ticks are through. Phase: between any two callbacks."""
        self.add_microtask(callback)

    def set_immediate(self, callback, *args):
        """Run callback(*args) in the check phase: after the I/O of this turn. Returns an Immediate."""
        return self.add_node_immediate(callback, args)

    def set_timeout(self, callback, delay_ms, *args):
        """Run callback(*args) in the timers phase, delay_ms from now at the soonest (at least 1 ms). Returns a Timeout."""
        return self.add_timeout(callback, delay_ms, args, False)

    def set_interval(self, callback, delay_ms, *args):
        """Like set_timeout, again and again until closed. Returns a Timeout."""
        return self.add_timeout(callback, delay_ms, args, True)

    # ---- scheduling: asyncio's face

    def call_soon(self, callback, *args, context=None):
        """Run callback(*args) as a microtask; the step after a task's bare yield runs in the check phase. Returns a Handle."""
        cdef Handle handle
        self.admit(callback)
        if callback is self.task_ended:     # a held task is let go of at once, without a turn through the queue
            self.tasks.discard(args[0])
            return None
        if context is None:
            context = PyContext_CopyCurrent()
        if self.is_step(callback):
            if self.is_making_task:
                self.is_making_task = False
            elif callback.__self__ is self.current_task(self):
                # A task's next step, scheduled while that very task runs: a bare yield, or sleep(0). It asks to let I/O run.
                return self.add_immediate(SOON, callback, args if args else None, context)
        if self.is_debug:
            return self.push_checked(callback, args, context, True)
        handle = self.make_handle(SOON, callback, args if args else None, context)
        self.microtasks.push(handle)
        return handle

    def call_soon_threadsafe(self, callback, *args, context=None):
        """call_soon from any thread, or from a signal handler: in the same queue, and it wakes the poll."""
        cdef Handle handle
        self.admit(callback)
        if context is None:
            context = PyContext_CopyCurrent()
        if self.is_debug:
            handle = self.push_checked(callback, args, context, False)
        else:
            handle = self.make_handle(SOON, callback, args if args else None, context)
            self.microtasks.push(handle)
        self.wake()
        return handle

    def call_later(self, delay, callback, *args, context=None):
        """Run callback(*args) delay seconds from now, in the exact order of such times. Returns an Alarm (TimerHandle)."""
        if delay is None:
            raise TypeError("delay must not be None")
        return self.add_alarm(self.alarms_now_s() + <double>delay, callback, args, context)

    def call_at(self, when, callback, *args, context=None):
        """Run callback(*args) at `when`, in s on the clock of time(). Returns an Alarm (TimerHandle)."""
        if when is None:
            raise TypeError("when cannot be None")
        cdef Alarm alarm = self.add_alarm(<double>when, callback, args, context)
        alarm.is_whole = isinstance(when, int)
        return alarm

    def time(self):
        """The loop's clock: CLOCK_MONOTONIC, in s."""
        return clock_ns() / 1e9

    def stop(self):
        """End the run after what is queued now. Before a run: that run makes one turn."""
        if not self.is_stopping:
            self.is_stopping = True
            self.stop_budget = self.microtasks.size

    cpdef int wake(self) except -1:
        """End a blocked poll, from any thread."""
        cdef uint64_t one = 1
        if self.is_polling and not self.waker.is_set:
            self.waker.is_set = True
            write(self.waker.fd, &one, 8)
        return 0

    # ---- descriptors, under asyncio's private names: BaseSelectorEventLoop's code calls them

    def _add_reader(self, fd, callback, *args):
        self.admit(callback)
        return self.watch_fd(fd, READABLE, callback, args)

    def _add_writer(self, fd, callback, *args):
        self.admit(callback)
        return self.watch_fd(fd, WRITABLE, callback, args)

    def _remove_reader(self, fd):
        return not self.is_closed_native and self.unwatch_fd(self.watched_fileno(fd), READABLE)

    def _remove_writer(self, fd):
        return not self.is_closed_native and self.unwatch_fd(self.watched_fileno(fd), WRITABLE)

    def _check_closed(self):
        """Raises RuntimeError once closed."""
        if self.is_closed_native:
            raise RuntimeError("Event loop is closed")

    def watcher(self, int fd):
        """The handle that watches fd, or None."""
        return self.poller.watcher_of(fd)

    def set_fd_ref(self, int fd, bint is_refed):
        """Say whether the watch on fd holds the program (the default)."""
        cdef PollHandle handle = self.poller.watcher_of(fd)
        if handle is not None:
            handle.is_refed = is_refed
            self.poller.count(handle)

    # ---- tasks

    def adopt_asyncio(self, step_type, python_step, current_task, task_ended, future_type, task_type):
        """Tell the loop how asyncio's tasks look: the type of the callable that makes a step, and the function of the bound
        method that does so in a pure-Python task; asyncio.current_task; the done-callback that lets a task go; its futures and
        its tasks."""
        self.step_type = step_type
        self.python_step = python_step
        self.current_task = current_task
        self.task_ended = task_ended
        self.future_type = future_type
        self.task_type = task_type
        self.add_done_callback = task_type.add_done_callback
        self.by_loop = {"loop": self}

    def create_future(self):
        """A new asyncio.Future of this loop."""
        return PyObject_Call(self.future_type, (), self.arguments_of(None, None))

    def create_task(self, coro, *, name=None, context=None, **kwargs):
        """Run a coroutine as a task, which the loop holds until it is done. asyncio's; further arguments are those of its task
        factory and, where it knows them, of asyncio.Task: `eager_start`."""
        if self._task_factory is not None or self.is_debug or kwargs:
            task = self._make_task(coro, name, context, kwargs)
            if not task.done():
                self.hold(task)
            return task
        if self.is_closed_native:
            self._check_closed()
        self.is_making_task = True
        try:
            task = PyObject_Call(self.task_type, (coro,), self.arguments_of(name, context))
        finally:
            self.is_making_task = False
        self.hold(task)
        return task

    def _make_task(self, coro, name, context, kwargs):
        """The long way: in debug mode, with a task factory, or with arguments of a newer asyncio. `treadle.EventLoop` asks
        asyncio."""
        raise NotImplementedError

    def get_debug(self):
        """asyncio's debug mode: a future asks for it when it is made."""
        return self.is_debug

    # ---- the run

    def ref_request(self):
        """A request is under way that holds the program; unref_request() once it is through."""
        self.request_refs += 1

    def unref_request(self):
        """The request is through."""
        self.request_refs -= 1

    def is_alive(self):
        """True while something is left that can call back: what `treadle.run` waits for."""
        return (self.poller.refs + self.timers.refs + self.immediate_refs + self.request_refs + self.ticks.size
                + self.microtasks.size + self.pending.size + self.closing.size) > 0 or self.is_rest_due()

    def held_fds(self):
        """The descriptors that are watched and hold the program, in a list."""
        return [(<PollHandle>handle).fd for handle in self.poller.handles() if (<PollHandle>handle).is_counted]

    def run_turns(self, bint while_alive):
        """Turn until stop(), or also until nothing is left alive. Exceptions nobody handles come out, and it may be called
        again: nothing queued is lost."""
        # ORDER: a lone unref'd immediate never runs. What was alive at the beginning gets one whole turn; from the second one on it
        # is asked behind the timers whether anything is left.
        cdef bint is_first = True
        cdef bint is_over
        cdef bint is_forced         # a drain was cut before this turn: once it is through, the next one may go to the end again
        if self.is_stopping:        # COMPAT(asyncio): stop() came before the run, and what was queued since belongs to its turn
            self.stop_budget = self.microtasks.size
        self.counters.run_since_ns = clock_ns()
        if self.counters.started_ns == 0:
            self.counters.started_ns = self.counters.run_since_ns
        try:
            self.drain_if_any()
            while not (is_first and while_alive) or self.is_alive():
                self.counters.turns += 1
                self.counters.phase = TIMERS
                if not self.is_flooded and not self.is_cut:     # else this is the turn that a cut drain waits for
                    self.drain_if_any()
                is_forced = self.is_flooded
                self.run_timers()
                is_over = while_alive and not self.is_stopping and not self.is_alive()
                if is_over and not is_first:
                    break
                is_first = False
                if self.pending.size:
                    self.run_pending()
                self.poll(not is_over)
                if self.immediates.size:
                    self.run_check()
                if self.closing.size:
                    self.run_close()
                if is_forced:
                    self.is_flooded = False
                if self.is_stopping and (self.stop_budget == 0 or not self.microtasks.size):
                    break
        finally:
            self.is_stopping = self.is_flooded = False
            self.flood_over()
            self.counters.ran_ns += clock_ns() - self.counters.run_since_ns
            self.counters.run_since_ns = 0
            self.counters.phase = OUTSIDE
            self.poller.drop_events()

    @property
    def turns(self):
        """Turns so far."""
        return self.counters.turns

    def idle_and_active_ns(self):
        """How long the runs so far waited in the poll, and how long they did anything else: (idle, active). May be asked while it
        waits."""
        cdef int64_t now_ns = clock_ns()
        cdef int64_t idle = idle_ns(self.counters, now_ns)
        return idle, ran_ns(self.counters, now_ns) - idle

    def drop_waiting(self):
        """Let go of all ticks, microtasks, immediates, timers and requests of Node's kind, unrun: the program has ended. What
        asyncio scheduled stays: tasks that are cancelled still want to clean up."""
        cdef Ring kept = Ring()
        cdef Handle handle
        self.ticks.clear()
        self.plain.clear()
        self.overtaken = 0
        for ring in (self.microtasks, self.immediates):
            while (<Ring>ring).size:
                handle = <Handle>(<Ring>ring).pop()     # None: one of self.plain, let go of above
                if handle is None:
                    continue
                if handle.kind == SOON:
                    kept.push(handle)
                else:
                    handle.cancel()
            while kept.size:
                (<Ring>ring).push(kept.pop())
        self.timers.drop_timers()
        if self.pool is not None:
            self.pool.drop_waiting()

    def forked(self):
        """A forked child goes on with this loop: in its first poll phase. Here: nothing more to do; `treadle.EventLoop` lets go
        of what is the parent's."""

    def stop_accepting(self):
        """The program ends: listeners leave new connections in the kernel's backlog, for good."""
        for listener in self.listeners:
            (<PollHandle>listener).stop_accepting()

    def statistics(self):
        """Counters, and what waits now: a read-only mapping."""
        result = read_counters(self.counters)
        result.update(
            ticks_queued=self.ticks.size, microtasks_queued=self.microtasks.size - self.overtaken, immediates_queued=self.immediates.size,
            alarms_waiting=self.timers.due_alarms.size, timer_lists=self.timers.due_lists.size,
            handles_refed=self.poller.refs, timers_refed=self.timers.refs, immediates_refed=self.immediate_refs,
            requests=self.request_refs, tasks=len(self.tasks), flood_culprit=self.flood_culprit,
        )
        return MappingProxyType(result)

    def close_core(self):
        """Let go of everything that waits, and close the descriptors: listeners, and the connections that are watched or were
        about to close. Not while it runs; a second time is no harm."""
        cdef Handle waiting
        if self.is_closed_native:
            return
        self.is_closed_native = True
        if self.pool is not None:
            self.pool.close()
            self.pool = None
        for queue in (self.microtasks, self.immediates):
            while (<Ring>queue).size:       # somebody may hold them still, and they would hold what they were to call
                waiting = <Handle>(<Ring>queue).pop()       # None: one of self.plain
                if waiting is not None:
                    waiting.cancel()
        self.overtaken = 0
        for queue in (self.ticks, self.plain, self.spares, self.spare_immediates):
            (<Ring>queue).clear()
        for owner in list(self.owners):
            at_any_rate(owner.abandon)
        for handle in self.poller.handles() + list(self.listeners):
            if handle is not self.waker:
                at_any_rate(handle.abandon)
        for ring in (self.pending, self.closing, self.batch):
            while (<Ring>ring).size:
                at_any_rate((<Ring>ring).pop().abandon)
        self.timers.close()
        self.poller.close()
        self.waker.abandon()        # last: the poller has let go of it
        self.tasks.clear()
        self.by_loop = None
        self.uncaught_hook = self.starvation_hook = self.alarm_clock = None

    # ---- inside

    cdef dict arguments_of(self, name, context):
        # Of asyncio.Future, and of asyncio.Task. PERF: bench/loop, wake_up and task: the usual ones are made once.
        cdef dict arguments
        if name is None and context is None and self.by_loop is not None:
            return self.by_loop
        arguments = {"loop": self}
        if name is not None:
            arguments["name"] = name
        if context is not None:
            arguments["context"] = context
        return arguments

    cdef int hold(self, task) except -1:
        # Keep task alive until it is done: a task that nobody else refers to does not vanish.
        self.tasks.add(task)
        if type_of(task) == <PyObject *>self.task_type:
            self.add_done_callback(task, self.task_ended)
        else:
            task.add_done_callback(self.task_ended)
        return 0

    cdef int refuse(self, callback) except -1:
        self._check_closed()
        raise TypeError("a callback must be callable, not None")

    cdef Handle push_checked(self, callback, tuple args, context, bint is_on_loop_thread):
        # call_soon in debug mode.
        cdef DebugHandle handle = DebugHandle.__new__(DebugHandle)
        handle.origin = self.check_call(callback, "call_soon" if is_on_loop_thread else "call_soon_threadsafe", is_on_loop_thread)
        handle.kind = SOON
        handle.callback = callback
        handle.args = args if args else None
        handle.context = context
        self.microtasks.push(handle)
        return handle

    def check_call(self, callback, method, is_on_loop_thread):
        """Debug mode: raise what is wrong with a call of `method`, else return a traceback of where it was made. Here: nothing is
        wrong, and None; `treadle.EventLoop` asks asyncio."""

    def trace_call(self):
        """Debug mode: a traceback of where a call was made. Here: None."""

    cdef Immediate add_immediate(self, Kind kind, callback, args, context):
        cdef Immediate immediate
        if self.spare_immediates.size:
            immediate = <Immediate>self.spare_immediates.pop_last()
        else:
            immediate = Immediate.__new__(Immediate)
        immediate.kind = kind
        immediate.callback = callback
        immediate.args = args
        immediate.context = context
        immediate.loop = self
        immediate.is_refed = immediate.is_counted = True
        self.immediate_refs += 1
        self.immediates.push(immediate)
        return immediate

    cdef Timeout add_timeout(self, callback, double delay_ms, tuple args, bint is_interval):
        cdef Timeout timeout = Timeout.__new__(Timeout)
        self.admit(callback)
        if isnan(delay_ms) or delay_ms < 1 or delay_ms > DELAY_MS_MAX:
            delay_ms = 1
        timeout.timers = self.timers
        timeout.callback = callback
        timeout.args = args if args else None
        timeout.context = PyContext_CopyCurrent()
        timeout.is_interval = is_interval
        timeout.start(<int64_t>delay_ms, clock_ns() // NS_PER_MS)
        return timeout

    cdef double alarms_now_s(self) except? -1:
        return clock_ns() / 1e9 if self.alarm_clock is None else <double>self.alarm_clock()

    cdef Alarm add_alarm(self, double when_s, callback, tuple args, context):
        cdef Alarm alarm
        if isnan(when_s):
            raise ValueError("a time must not be NaN")
        self.admit(callback)
        if self.is_debug:
            origin = self.check_call(callback, "call_at", True)
            alarm = DebugAlarm.__new__(DebugAlarm)
            (<DebugAlarm>alarm).origin = origin
        else:
            alarm = Alarm.__new__(Alarm)
        alarm.kind = ALARM
        alarm.callback = callback
        alarm.args = args if args else None
        alarm.context = PyContext_CopyCurrent() if context is None else context
        alarm.timers = self.timers
        alarm.when_s = when_s
        alarm.due.key = due_key(when_s)
        if alarm.due.key < self.pass_ns and (self.alarm_clock is None or self.counters.phase == TIMERS):
            alarm.due.key = self.pass_ns    # its turn comes after what was due when the pass began
        self.timers.add_alarm(alarm)
        return alarm

    cdef Handle watch_fd(self, file, int interest, callback, tuple args):
        cdef int fd = fileno_of(file)
        cdef PollHandle known = self.poller.watcher_of(fd)
        cdef FdWatcher watcher
        cdef Handle handle = DebugHandle.__new__(DebugHandle) if self.is_debug else Handle.__new__(Handle)
        cdef Handle replaced
        if self.is_debug:
            (<DebugHandle>handle).origin = self.trace_call()
        handle.kind = READY
        handle.callback = callback
        handle.args = args if args else None
        handle.context = PyContext_CopyCurrent()
        if isinstance(known, FdWatcher):
            watcher = known
        else:
            watcher = FdWatcher()
            watcher.loop = self
            watcher.fd = fd
        watcher.file = file
        if interest == READABLE:
            replaced, watcher.reader = watcher.reader, handle
        else:
            replaced, watcher.writer = watcher.writer, handle
        if replaced is not None:
            replaced.cancel()
        watcher.rewatch()
        return handle

    cdef int watched_fileno(self, file) except? -1:
        # COMPAT(asyncio): an object that was closed while it was watched is still known by itself, as to the selectors module.
        try:
            return fileno_of(file)
        except ValueError:
            for handle in self.poller.handles():
                if isinstance(handle, FdWatcher) and (<FdWatcher>handle).file is file:
                    return (<FdWatcher>handle).fd
            raise

    cdef bint unwatch_fd(self, int fd, int interest) except -1:
        cdef PollHandle known
        cdef FdWatcher watcher
        cdef Handle removed
        known = self.poller.watcher_of(fd)
        if not isinstance(known, FdWatcher):
            return False
        watcher = known
        if interest == READABLE:
            removed, watcher.reader = watcher.reader, None
        else:
            removed, watcher.writer = watcher.writer, None
        if removed is None:
            return False
        removed.cancel()
        watcher.rewatch()
        return True

    # ---- for other units

    cdef int complete(self, Handle handle) except -1:
        self.counters.completions += 1
        self.run_handle(handle)
        self.drain_if_any()
        return 0

    cdef int defer(self, PollHandle handle) except -1:
        return self.pending.push(handle)

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

    # ---- phases

    cdef int run_returned(self, Kind kind, returned, context) except -1:
        # COMPAT(node): there a coroutine function that is called runs. The context is None where the callback closed its own timer.
        if kind != SOON and kind != ALARM and kind != READY and isinstance(returned, Coroutine) and self.task_type is not None:
            self.create_task(returned, context=PyContext_CopyCurrent() if context is None else PyContext_Copy(context))
        return 0

    cdef int uncaught(self, exception) except -1:
        # COMPAT(node): an exception that a listener took is followed by a check phase, where what a failed tick left behind runs.
        Microtasks.uncaught(self, exception)
        self.add_immediate(IMMEDIATE, int, None, PyContext_CopyCurrent())     # int(): it does nothing
        return 0

    cdef int run_timers(self) except -1:
        # ORDER: lists and alarms by due time, then by creation; a due list runs through before the next is looked at. A timer
        # that failed is followed by the next one of its list at once, and only then by what it queued, as in Node. What a cut
        # leaves of a list, or of the alarms, has its next turn behind all else that was due by then.
        cdef int64_t now_ns
        cdef int64_t now_ms
        cdef HeapEntry *timers
        cdef HeapEntry *alarm
        cdef bint drain_first = False
        cdef bint has_run = False
        cdef bint is_cut_short = False
        cdef PhaseWatch phase
        if self.timers.due_lists.size == 0 and self.timers.due_alarms.size == 0:    # PERF: bench/loop, a turn: no clock is read
            self.pass_ns = self.alarms_turn_ns = -2
            return 0 if self.is_cut else self.drain_if_any()
        now_ns = clock_ns()
        now_ms = now_ns // NS_PER_MS
        self.pass_ns = now_ns if self.alarm_clock is None else due_key(self.alarms_now_s())
        self.pass_order = self.timers.next_order
        self.watch_phase(&phase, LOOK_EVERY)
        while not is_cut_short:
            timers = self.timers.due_lists.first()
            if timers is not NULL and timers.key > now_ms:
                timers = NULL
            alarm = self.first_due_alarm()
            if timers is NULL and alarm is NULL:
                break
            if drain_first:
                drain_first = False
                self.drain_if_any()
                continue        # which may have cleared what was due
            has_run = True
            if timers is NULL or (alarm is not NULL and self.goes_first(alarm, timers)):
                if self.is_long(&phase) and self.is_over(&phase, GUARD_SOON):
                    self.cut_phase(CUT_TIMERS, (<Alarm>alarm.item).callback, (<Alarm>alarm.item).args)
                    break
                is_cut_short = self.run_alarms(&phase)
                drain_first = True
            else:
                if self.is_long(&phase) and self.is_over(&phase, GUARD_CALLBACKS):
                    self.cut_phase(CUT_TIMERS, callback_of(<TimerList>timers.item), None)
                    break
                is_cut_short = self.run_list(<TimerList>timers.item, now_ms, &drain_first, &phase)
        if has_run or not self.is_cut:
            self.drain_if_any()
        if timers is NULL and alarm is NULL:
            self.pass_ns = self.alarms_turn_ns = -2
        return 0

    cdef int run_alarms(self, PhaseWatch *phase) except -1:
        # COMPAT(asyncio): all that are due in this pass run as one batch before the microtasks they cause; nested timeouts with
        # one deadline depend on it. The guard never parts those of one time. True: it ended the pass here.
        cdef HeapEntry *alarm
        cdef HeapEntry *timers
        cdef int64_t last_ns = -1
        while True:
            alarm = self.first_due_alarm()
            if alarm is NULL:
                return False
            timers = self.timers.due_lists.first()
            if timers is not NULL and self.alarm_clock is None and not self.goes_first(alarm, timers):
                return False
            if self.is_long(phase) and self.is_over(phase, GUARD_SOON) and alarm.key != last_ns:
                self.alarms_turn_ns = clock_ns()
                self.cut_phase(CUT_TIMERS, (<Alarm>alarm.item).callback, (<Alarm>alarm.item).args)
                return True
            last_ns = alarm.key
            phase.ran += 1
            self.counters.timers += 1
            self.run_handle(self.timers.take_alarm())

    cdef int run_list(self, TimerList timers, int64_t now_ms, bint *drain_first, PhaseWatch *phase) except -1:
        # True: the guard ended the pass here.
        cdef Timer timer
        cdef int64_t start_ms = 0
        cdef bint is_interval
        while timers.first is not NULL:
            timer = <Timer>timers.first
            if now_ms - timer.start_ms < timers.duration_ms:
                self.timers.put_back(timers, max(timer.start_ms + timers.duration_ms, now_ms + 1))
                drain_first[0] = True
                return False
            if drain_first[0]:
                drain_first[0] = False
                self.drain_if_any()
                if timer.list is None:      # cleared by a tick
                    continue
            if self.is_long(phase) and self.is_over(phase, GUARD_CALLBACKS):
                self.timers.put_back(timers, clock_ns() // NS_PER_MS)
                self.cut_phase(CUT_TIMERS, callback_of(timers), None)
                return True
            timer.list.unlink(timer)
            is_interval = isinstance(timer, Timeout) and (<Timeout>timer).is_interval
            if is_interval:
                start_ms = clock_ns() // NS_PER_MS
            phase.ran += 1
            self.counters.timers += 1
            drain_first[0] = True
            try:
                returned = self.fire_observed(timer) if self.is_observed else timer.fire()
                if returned is not None:
                    self.run_returned(TIMER, returned, (<Timeout>timer).context)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as exception:
                drain_first[0] = False
                self.uncaught(exception)
            finally:
                if is_interval and not (<Timeout>timer).is_closed:
                    if timer.list is not None:
                        timer.list.unlink(timer)
                    self.timers.schedule(timer, start_ms)
                elif timer.list is None:
                    timer.count(False)
        if timers.due.index >= 0:       # else it was dropped by clearing its last timer, and what that queued waits if it failed
            drain_first[0] = True
            self.timers.drop_if_empty(timers)
        return False

    cdef object fire_observed(self, Timer timer):
        cdef object tracer = self.tracer
        cdef object callback = (<Timeout>timer).callback if isinstance(timer, Timeout) else None
        cdef Stopwatch watch
        if tracer is not None:
            self.begin_traced(TIMER, timer, callback, (timer.start_ms + timer.duration_ms) * NS_PER_MS)
        try:
            self.start_watch(&watch)
            returned = timer.fire()
            self.stop_watch(&watch, callback, timer)
            return returned
        finally:
            if tracer is not None:
                tracer.end()

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

    cdef int poll(self, bint may_wait) except -1:
        cdef bint is_new_child
        cdef bint is_through
        self.counters.phase = POLL
        is_new_child = self.forks != fork_count()       # then what held the program may be gone: no wait
        if is_new_child:
            self.forks = fork_count()
            self.poller.renew_if_forked()
            self.forked()
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

    cdef int poll_timeout_ms(self) except -2:
        # Not at all while something waits for a later phase; else until the next timer is due.
        cdef int64_t due_ns
        cdef int64_t now_ns
        if (self.is_stopping or self.immediate_refs or self.closing.size or self.pending.size or self.ticks.size
                or self.microtasks.size or self.is_rest_due()):
            return 0
        due_ns = self.timers.next_due_ns()
        if due_ns == INT64_MAX:
            return -1
        if self.alarm_clock is not None and self.timers.due_alarms.size:    # nobody says when it moves on
            return 1
        now_ns = clock_ns()
        if due_ns <= now_ns:
            return 0
        return <int>min((due_ns - now_ns + NS_PER_MS - 1) // NS_PER_MS, POLL_MS_MAX)

    cdef int run_check(self) except -1:
        # ORDER: those queued when the phase began; nested ones wait for the next turn, unless the last one failed (Node's rule).
        cdef Py_ssize_t count
        cdef bint drain_first = False
        cdef Handle handle
        cdef PhaseWatch phase
        self.counters.phase = CHECK
        self.watch_phase(&phase, LOOK_EVERY)
        if self.is_cut:     # what a failed tick left behind waits no longer
            self.drain_if_any()
        count = self.immediates.size
        while count:
            if drain_first:
                drain_first = False
                self.drain_if_any()     # which may clear the next ones
            if self.is_long(&phase):
                handle = <Handle>self.immediates.first()
                if self.is_over(&phase, GUARD_SOON if handle.kind == SOON else GUARD_CALLBACKS):
                    self.cut_phase(CUT_CHECK, handle.callback, handle.args)
                    return self.drain_if_any()
            count -= 1
            handle = <Handle>self.immediates.pop()
            if handle.callback is None:
                continue
            (<Immediate>handle).count(False)
            phase.ran += 1
            self.counters.immediates += 1
            drain_first = self.run_handle(handle)
            self.spare_immediate(<Immediate>handle)
            if not drain_first and count == 0:
                count = self.immediates.size
        self.drain_if_any()
        return self.note_spin(phase.ran) if self.immediates.size else 0

    cdef int note_spin(self, uint64_t ran) except -1:
        # The check phase leaves immediates behind, as in the turn before: the loop has no rest.
        cdef Handle first
        if self.spin_turn + 1 != self.counters.turns:
            self.spins = 0
            self.spin_look_ns = 0
        self.spin_turn = self.counters.turns
        self.spins += ran
        if self.spins < SPIN_CALLBACKS:
            return 0
        first = <Handle>self.immediates.first()
        return self.look_at_spin(first.callback, first.args)

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


def at_any_rate(close, *args):
    """Call close(*args). What it raises keeps nothing else from being closed: it goes to sys.unraisablehook, as on asyncio's loop,
    whose finalizers close what is open."""
    try:
        close(*args)
    except Exception as error:
        tell_ignored(error, close)


cdef bint has_own_faces(type made) except -1:
    for name in ("next_tick", "queue_microtask", "set_immediate", "set_timeout", "set_interval"):
        if getattr(made, name) is not getattr(LoopCore, name):
            return True
    return False


cdef int fileno_of(descriptor) except? -1:
    # A number, or an object with fileno(). Raises ValueError where it is neither, or closed; as the selectors module.
    cdef int fd
    try:
        fd = descriptor if isinstance(descriptor, int) else int(descriptor.fileno())
    except (AttributeError, TypeError, ValueError):
        raise ValueError(f"Invalid file object: {descriptor!r}") from None
    if fd < 0:
        raise ValueError(f"file descriptor cannot be a negative integer ({fd})")
    return fd


cdef object callback_of(TimerList timers):
    # Of its first timer; None where that is a deadline of treadle's own.
    timer = <Timer>timers.first if timers.first is not NULL else None
    return (<Timeout>timer).callback if isinstance(timer, Timeout) else None


cdef inline int64_t due_key(double when_s) noexcept:
    cdef double when_ns = when_s * 1e9
    return INT64_MAX if when_ns >= 9.2e18 else -1 if when_ns < 0 else <int64_t>when_ns
