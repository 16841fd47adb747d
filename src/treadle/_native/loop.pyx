"""The wheel: one turn is timers, pending, poll, check, close, and between any two callbacks the microtasks.

`LoopCore` is what its bases make it, one concept each: how a callback is run (callbacks.pyx), what runs between two
(microtasks.pyx), the phases (timers_phase.pyx, check_phase.pyx, io_phases.pyx), what asyncio watches and schedules
(descriptors.pyx, tasks.pyx). Here are the turn, what keeps it going, and its end. It imports no asyncio: an isolate runs it as
it is; `treadle.EventLoop` gives it asyncio's face. Invariants: callbacks run on one thread, never inside one another; nothing
scheduled is dropped unless it was cancelled. The order is restated, with the reasons, in docs/design/loop.md and pinned by the
recorded programs of Node in tests/conformance/. Not here: logging and other policy (treadle.loop), sockets (tcp.pyx).
"""
from types import MappingProxyType

from libc.stdint cimport int64_t

from treadle._native.counters cimport OUTSIDE, TIMERS, idle_ns, ran_ns, read_counters
from treadle._native.poll_epoll cimport PollHandle
from treadle._native.queues cimport SOON, Handle, Ring
from treadle._native.timers cimport clock_ns

from treadle._native.callbacks import at_any_rate


cdef class LoopCore(Tasks):
    """Scheduling and polling. One thread runs it; only ``call_soon_threadsafe`` and ``wake`` may be called from others."""

    def __cinit__(self):
        self.listeners = set()
        self.owners = set()
        self.has_own_faces = has_own_faces(type(self))
        self.is_closed_native = False

    def __del__(self):
        # INVARIANT: what the garbage collector takes apart is closed, and nothing waits in it any more.
        self.close_core()

    def __repr__(self):
        state = "closed" if self.is_closed_native else "stopping" if self.is_stopping else "open"
        return (f"<{type(self).__name__} {state} turns={self.counters.turns} ticks={self.ticks.size} "
                f"microtasks={self.microtasks()} immediates={self.immediates.size} {self.poller!r}>")

    # ---- the run

    def run_turns(self, bint while_alive):
        """Turn until stop(), or also until nothing is left alive. Exceptions nobody handles come out, and it may be called
        again: nothing queued is lost."""
        # ORDER: a lone unref'd immediate never runs. What was alive at the beginning gets one whole turn; from the second one on it
        # is asked behind the timers whether anything is left.
        cdef bint is_first = True
        cdef bint is_over
        cdef bint is_forced         # a drain was cut before this turn: once it is through, the next one may go to the end again
        if self.is_stopping:        # COMPAT(asyncio): stop() came before the run, and what was queued since belongs to its turn
            self.stop_budget = self.microtasks()
        self.has_own_faces = self.has_own_faces or has_own_faces(type(self))    # a test may have replaced one meanwhile
        self.counters.run_since_ns = clock_ns()
        self.run_thread = this_thread()
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
                    is_over = is_over or (while_alive and not self.is_alive())      # what ran may have been the last: no wait
                self.poll(not is_over)
                if self.immediates.size:
                    self.run_check()
                if self.closing.size:
                    self.run_close()
                if is_forced:
                    self.is_flooded = False
                if self.is_stopping and (self.stop_budget == 0 or not self.microtasks()):
                    break
        finally:
            self.is_stopping = self.is_flooded = False
            self.suspect = None         # else that of a phase that an exception ended
            self.flood_over()
            self.counters.ran_ns += clock_ns() - self.counters.run_since_ns
            self.counters.run_since_ns = 0
            self.run_thread = 0
            self.counters.phase = OUTSIDE
            self.poller.drop_events()

    def is_running(self):
        """True while somebody runs it. COMPAT(asyncio): as there, of which this is the quick half: each task that is made asks."""
        return self.run_thread != 0

    def stop(self):
        """End the run after what is queued now. Before a run: that run makes one turn."""
        if not self.is_stopping:
            self.is_stopping = True
            self.stop_budget = self.microtasks()

    def ref_request(self):
        """A request is under way that holds the program; unref_request() once it is through."""
        self.request_refs += 1

    def unref_request(self):
        """The request is through."""
        self.request_refs -= 1

    def is_alive(self):
        """True while something is left that can call back: what `treadle.run` waits for."""
        return (self.poller.refs + self.timers.refs + self.immediate_refs + self.request_refs + self.ticks.size
                + self.microtasks() + self.pending.size + self.closing.size) > 0 or self.is_rest_due()

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

    def statistics(self):
        """Counters, and what waits now: a read-only mapping."""
        result = read_counters(self.counters)
        result.update(
            ticks_queued=self.ticks.size, microtasks_queued=self.microtasks(), immediates_queued=self.immediates.size,
            alarms_waiting=self.timers.due_alarms.size, timer_lists=self.timers.due_lists.size,
            handles_refed=self.poller.refs, timers_refed=self.timers.refs, immediates_refed=self.immediate_refs,
            requests=self.request_refs, tasks=len(self.tasks), flood_culprit=self.flood_culprit,
        )
        return MappingProxyType(result)

    # ---- the end

    def drop_waiting(self):
        """Let go of all ticks, microtasks, immediates, timers and requests of Node's kind, unrun: the program has ended. What
        asyncio scheduled stays: tasks that are cancelled still want to clean up."""
        # ORDER: all are taken out before the first is let go of, which may be code that schedules one more each time: those stay.
        cdef Ring dropped = Ring()
        cdef Handle handle
        self.ticks.move_to(dropped)
        self.plain_taken += self.plain.size
        self.plain.move_to(dropped)
        for _ in range(self.immediates.size):
            handle = <Handle>self.immediates.pop()
            (self.immediates if handle.kind == SOON else dropped).push(handle)
        while dropped.size:
            (<Handle>dropped.pop()).cancel()
        self.timers.drop_timers()
        if self.pool is not None:
            self.pool.drop_waiting()

    def stop_accepting(self):
        """The program ends: listeners leave new connections in the kernel's backlog, for good."""
        for listener in self.listeners:
            (<PollHandle>listener).stop_accepting()

    def close_core(self):
        """Let go of everything that waits, and close the descriptors: listeners, and the connections that are watched or were
        about to close. Not while it runs; a second time is no harm."""
        if self.is_closed_native:
            return
        self.is_closed_native = True    # ORDER: first, so that what is let go of here schedules nothing any more
        if self.pool is not None:
            self.pool.close()
            self.pool = None
        for queue in (self.soon, self.immediates):
            while (<Ring>queue).size:       # somebody may hold them still, and they would hold what they were to call
                (<Handle>(<Ring>queue).pop()).cancel()
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


cdef bint has_own_faces(type made) except -1:
    for name in ("next_tick", "queue_microtask", "set_immediate", "set_timeout", "set_interval"):
        if getattr(made, name) is not getattr(LoopCore, name):
            return True
    return False
