"""What runs between two callbacks: the ticks, then the microtasks, to the end; and the guard that bounds floods.

Invariants: ticks run before microtasks; nothing queued is lost; a drain that the guard cuts is followed by one whole turn, in
which drains are bounded; what a phase that it cuts leaves behind runs first in the next such phase. Not here: how one callback
is run (callbacks.pyx), the phases and their turn (timers_phase.pyx, check_phase.pyx, io_phases.pyx, loop.pyx), who is told of a
flood (treadle.loop.starvation).
Source: Node >= 11 for the order; docs/design/loop.md for the guard, which neither Node nor asyncio has.
"""
from libc.stdint cimport int64_t

from treadle._native.callbacks cimport tell_ignored
from treadle._native.queues cimport Handle, Ring
from treadle._native.timers cimport NS_PER_MS, clock_ns, thread_cpu_ns

cdef enum:
    GUARD_NS = 10 * NS_PER_MS              # how long a drain, or a phase, of many callbacks may take
    FLOOD_REPORT_NS = 100 * NS_PER_MS      # a flood this long is reported to starvation_hook
    REPORT_AGAIN = 10                      # ... and once more when it is so many times as long, if that named nobody
    SUSPECTS_MAX = 16                      # of a queue that are shown to it
    SPIN_CALLBACKS = 10_000                # of those that leave the loop no rest, until they are looked at
    SPIN_NS = 100 * NS_PER_MS              # SPIN_CALLBACKS that computed no longer, 10 us each, wait for something and do no work


cdef class Microtasks(Callbacks):
    """The two queues that are empty before the next callback runs."""

    def __cinit__(self):
        self.ticks = Ring()
        self.soon = Ring()
        self.plain = Ring()
        self.starvation_guard = True
        self.cut_turn = -2
        self.flood_culprit = ""

    def next_tick(self, callback, *args):
        """Run callback(*args) before anything else, also before the microtasks. Phase: between any two callbacks."""
        self.add_tick(callback, args)

    def queue_microtask(self, callback):
        """Run callback() once the ticks are through. Phase: between any two callbacks."""
        self.add_microtask(callback)

    # ---- drains

    cdef int drain(self) except -1:
        # ORDER: all ticks, then all microtasks, again until both are empty. The guard may end it before that, and a tick that fails
        # does: what it leaves runs after the next timer or I/O callback, or when the check phase begins, as in Node.
        cdef Handle handle
        cdef object suspect = None          # the callback that ran last: the guard names it
        cdef Py_ssize_t soon_left = GUARD_SOON      # asyncio's callbacks until the guard steps in
        cdef int others = 0                 # ticks and microtasks so far
        cdef int64_t start_ns = 0
        self.is_cut = False
        if self.is_flooded:
            if self.flood_cut == CUT_TICKS:
                return self.drain_bounded()
            soon_left = min(soon_left, self.soon.size)
            if soon_left == 0:
                return self.drain_others(None, 0, 0)
        while self.ticks.size or self.microtasks():
            while self.ticks.size:
                handle = <Handle>self.ticks.pop()
                suspect = handle.callback
                self.counters.ticks += 1
                if not self.run_handle(handle):
                    self.is_cut = True
                    return 0
                self.spare(handle)
                others += 1
                if others % LOOK_EVERY == 0 and self.is_too_long(others, &start_ns):
                    return self.guard(CUT_TICKS, suspect)
            while self.microtasks():
                if self.is_stopping:
                    if self.stop_budget == 0:
                        return 0
                    self.stop_budget -= 1
                if self.is_soon_next():
                    handle = <Handle>self.soon.pop()
                    suspect = handle.callback
                    self.counters.soon += 1
                    self.run_handle(handle)
                    self.spare(handle)
                    soon_left -= 1
                    if soon_left == 0 and self.starvation_guard:
                        return self.drain_others(suspect, others, start_ns)
                else:
                    handle = self.take_plain()
                    suspect = handle.callback
                    self.counters.microtasks += 1
                    self.run_handle(handle)
                    self.spare(handle)
                    others += 1
                    if others % LOOK_EVERY == 0 and self.is_too_long(others, &start_ns):
                        return self.guard(CUT_TICKS, suspect)
        return self.flood_over()

    cdef int drain_others(self, suspect, int others, int64_t start_ns) except -1:
        # The rest of a drain in which asyncio's callbacks have had their share. Ticks and queue_microtask are not to suffer from
        # it: they run to the end, under the bounds of their own, past what asyncio scheduled.
        cdef Handle handle
        cdef object culprit
        while self.ticks.size or (self.plain.size and not self.is_stopping):
            while self.ticks.size:
                handle = <Handle>self.ticks.pop()
                culprit = handle.callback
                self.counters.ticks += 1
                if not self.run_handle(handle):
                    self.is_cut = True
                    break
                self.spare(handle)
                others += 1
                if others % LOOK_EVERY == 0 and self.is_too_long(others, &start_ns):
                    return self.guard(CUT_TICKS, culprit)
            if self.is_cut:
                break
            while self.plain.size and not self.is_stopping:
                handle = self.take_plain()
                culprit = handle.callback
                self.counters.microtasks += 1
                self.run_handle(handle)
                self.spare(handle)
                others += 1
                if others % LOOK_EVERY == 0 and self.is_too_long(others, &start_ns):
                    return self.guard(CUT_TICKS, culprit)
        return self.guard(CUT_SOON, suspect)

    cdef bint is_too_long(self, int others, int64_t *start_ns) noexcept:
        # Asked after every LOOK_EVERY ticks and microtasks of a drain; the clock is first read after the first ones.
        if start_ns[0] == 0:
            start_ns[0] = clock_ns()
            return False
        return others >= GUARD_CALLBACKS and self.starvation_guard and clock_ns() - start_ns[0] > GUARD_NS

    cdef int guard(self, Cut cut, suspect) except -1:
        # A drain was cut short: the rest waits while one whole turn runs. suspect: None in that turn, whose drains it bounds.
        cdef int64_t now_ns
        if not self.ticks.size and not self.microtasks():
            return self.flood_over()        # that was the last one
        if self.is_flooded and cut == CUT_SOON:
            return 0
        self.is_flooded = True
        self.flood_cut = cut
        self.count_cut(cut)
        now_ns = clock_ns()
        if not self.is_reportable(&self.drain_flood, now_ns):
            return 0
        return self.report(&self.drain_flood, cut, [(suspect, None), *suspects_in(self.plain), *suspects_in(self.soon)], now_ns)

    cdef int drain_bounded(self) except -1:
        # During a flood of ticks: what is queued now, at most GUARD_SOON of each, and nothing that it queues in turn.
        cdef Py_ssize_t ticks = min(self.ticks.size, GUARD_SOON)
        cdef Py_ssize_t microtasks = min(self.microtasks(), GUARD_SOON)
        cdef Handle handle
        while ticks > 0 and self.ticks.size:
            ticks -= 1
            handle = <Handle>self.ticks.pop()
            self.counters.ticks += 1
            self.run_handle(handle)
            self.spare(handle)
        while microtasks > 0 and self.microtasks():
            if self.is_stopping:
                if self.stop_budget == 0:
                    return 0
                self.stop_budget -= 1
            microtasks -= 1
            if self.is_soon_next():
                handle = <Handle>self.soon.pop()
                self.counters.soon += 1
            else:
                handle = self.take_plain()
                self.counters.microtasks += 1
            self.run_handle(handle)
            self.spare(handle)
        if not self.ticks.size and not self.microtasks():
            self.flood_over()
        return 0

    cdef int flood_over(self) except -1:
        end_flood(&self.drain_flood)
        return 0

    # ---- the guard of phases: after its first look at the clock a phase keeps `suspect`, which its end lets go of

    cdef bint is_over(self, PhaseWatch *phase, uint64_t least) noexcept:
        # Whether the rest of the phase waits for the next turn: it ran `least` callbacks, and too long. It does not change back.
        cdef int64_t now_ns = clock_ns()
        cdef uint64_t ran = self.ran_in(phase)
        if phase.since_ns == 0:
            phase.since_ns = now_ns
        elif ran >= least and self.starvation_guard and now_ns - phase.since_ns > GUARD_NS:
            phase.look_at = 0
            phase.was_over = True
            return True
        phase.look_at = ran + min(least, LOOK_EVERY)
        return False

    cdef int cut_phase(self, Cut cut, callback, args) except -1:
        # A phase ends before its time. callback: the first one that it leaves behind, or None.
        self.cut_turn = self.counters.turns
        self.count_cut(cut)
        return self.note_long_phase(cut, callback, args)

    cdef int note_long_phase(self, Cut cut, callback, args) except -1:
        # A phase was long, cut or not. To blame is who ran last: what comes next may be anybody's. Only if that is the same
        # function, it tells more of who is behind it, since its arguments have not done their work yet.
        cdef Flood *flood = &self.phase_floods[<int>cut]
        cdef object suspect = self.suspect
        self.suspect = None
        if flood.turn + 1 < self.counters.turns:
            end_flood(flood)
        flood.turn = self.counters.turns
        return self.note_flood(flood, cut, suspect, args if callback is suspect else None, clock_ns())

    cdef int note_spin(self, Cut cut, uint64_t ran, Handle left) except -1:
        # In this turn `ran` immediates, or alarms, ran, and one is left which keeps the poll from waiting. SPIN_CALLBACKS in turns on
        # end that were all so: a flood if they were quick. Nothing is cut: timers and I/O have their turn.
        cdef int64_t now_ns
        cdef bint is_quick
        if self.spin_turn + 1 < <int64_t>self.counters.turns:
            self.spins = 0
            self.spin_look_ns = 0
        self.spin_turn = self.counters.turns
        self.spins += ran
        if self.spins < SPIN_CALLBACKS:
            return 0
        now_ns = thread_cpu_ns()
        is_quick = self.spin_look_ns != 0 and now_ns - self.spin_look_ns < SPIN_NS
        self.spins = 0
        self.spin_look_ns = now_ns
        if not is_quick:
            end_flood(&self.spin_flood)
        return self.note_flood(&self.spin_flood, cut, left.callback, left.args, clock_ns()) if self.starvation_guard else 0

    # ---- floods

    cdef int count_cut(self, Cut cut) except -1:
        self.counters.guard_turns += 1
        if cut == CUT_TICKS:
            self.counters.guard_turns_ticks += 1
        elif cut == CUT_SOON:
            self.counters.guard_turns_soon += 1
        elif cut == CUT_TIMERS:
            self.counters.guard_turns_timers += 1
        elif cut == CUT_PENDING:
            self.counters.guard_turns_pending += 1
        elif cut == CUT_POLL:
            self.counters.guard_turns_poll += 1
        elif cut == CUT_CHECK:
            self.counters.guard_turns_check += 1
        else:
            self.counters.guard_turns_close += 1
        return 0

    cdef int note_flood(self, Flood *flood, Cut cut, suspect, args, int64_t now_ns) except -1:
        if self.is_reportable(flood, now_ns) and suspect is not None:
            return self.report(flood, cut, [(suspect, args)], now_ns)
        return 0

    cdef bint is_reportable(self, Flood *flood, int64_t now_ns) noexcept:
        # It was cut once more. Counts it, once it is long enough. True: time to say who feeds it.
        cdef int64_t lasted_ns
        if flood.since_ns == 0:
            flood.since_ns = now_ns
            flood.report_ns = FLOOD_REPORT_NS
            return False
        lasted_ns = now_ns - flood.since_ns
        if lasted_ns <= FLOOD_REPORT_NS:
            return False
        self.counters.flood_max_ns = max(self.counters.flood_max_ns, lasted_ns)
        if not flood.is_counted:
            flood.is_counted = True
            self.counters.floods += 1
        return not flood.is_reported and lasted_ns > flood.report_ns

    cdef int report(self, Flood *flood, Cut cut, list suspects, int64_t now_ns) except -1:
        # suspects: (callback, args or None), of those that have run or will; None where it ran and is forgotten.
        if self.starvation_hook is None:
            return 0
        what = "timers" if cut == CUT_TIMERS else "immediates" if cut == CUT_CHECK else "microtasks"
        try:
            culprit = self.starvation_hook(what, suspects, now_ns - flood.since_ns)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:      # of a filter of the log, amid somebody else's drain
            flood.is_reported = True
            return tell_ignored(error, self.starvation_hook)
        if culprit is None:
            flood.report_ns *= REPORT_AGAIN
        else:
            flood.is_reported = True
            self.flood_culprit = culprit
        return 0


cdef list suspects_in(Ring ring):
    cdef list found = []
    cdef Py_ssize_t i
    cdef Handle handle
    for i in range(min(ring.size, SUSPECTS_MAX)):
        handle = <Handle>ring.slots[(ring.head + i) & ring.mask]
        found.append((handle.callback, handle.args))
    return found


cdef inline void end_flood(Flood *flood) noexcept:
    flood.since_ns = 0
    flood.is_counted = flood.is_reported = False
