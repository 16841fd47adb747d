"""Declarations of microtasks.pyx: what other native units may touch."""
from libc.stdint cimport int64_t, uint64_t

from treadle._native.callbacks cimport Callbacks, PyContext_CopyCurrent
from treadle._native.queues cimport MICROTASK, TICK, Handle, Ring


cdef enum:
    GUARD_CALLBACKS = 1_000     # of Node's kind, in one drain or phase, before the clock decides: below, its order holds
    GUARD_SOON = 128            # of asyncio's kind: it promises only "the next iteration". In a drain no clock is asked at all
    GUARD_HANDLES = 16          # descriptors in one phase before the clock decides: nobody promises how many one poll finds
    LOOK_EVERY = 64             # callbacks between two looks at the clock

cdef enum Cut:                  # what the guard cut short
    CUT_TICKS
    CUT_SOON
    CUT_TIMERS
    CUT_PENDING
    CUT_POLL
    CUT_CHECK
    CUT_CLOSE
    CUTS

cdef struct Flood:
    int64_t since_ns            # when it was cut first; 0: there is none
    int64_t report_ns           # how long it has to be to be reported, next
    uint64_t turn               # in which it was cut last
    bint is_counted
    bint is_reported

cdef struct PhaseWatch:         # of one phase, while it lasts
    uint64_t ran                # callbacks of the phase itself
    uint64_t drained            # how many ticks and microtasks had run when it began
    uint64_t look_at            # callbacks of both kinds, before the clock is looked at
    int64_t since_ns            # its first look at the clock; 0: none yet
    bint was_over               # is_over() said so, be it where nothing can be cut


cdef class Microtasks(Callbacks):
    cdef Ring ticks
    cdef Ring soon                  # the microtasks of asyncio. ORDER: each knows how many of plain it stands behind
    cdef Ring plain                 # those of queue_microtask
    cdef uint64_t plain_taken       # how many have left plain so far, by which the first one's place in the order is known
    cdef bint is_stopping           # set by stop(), cleared when the run ends
    cdef Py_ssize_t stop_budget     # microtasks that still run before a stopping loop returns
    cdef bint is_flooded            # the guard has cut a drain short: drains are bounded until one whole turn has run
    cdef Cut flood_cut              # ... by what, and with it what is bounded
    cdef bint is_cut                # a tick that failed has ended the latest drain
    cdef Flood drain_flood          # ends when the queues are drained to the end
    cdef Flood phase_floods[CUTS]   # end with a turn in which that phase is not cut
    cdef Flood spin_flood           # immediates, or alarms, which leave the loop no rest
    cdef uint64_t spins             # of them since spin_look_ns, in turns that all left some behind
    cdef int64_t spin_turn          # the last of these turns
    cdef int64_t spin_look_ns       # by thread_cpu_ns(); 0: not looked yet
    cdef int64_t cut_turn           # the last turn of which a phase was cut; long past where it does not matter any more
    cdef object suspect             # the callback of a long phase that ran last, kept from its first look at the clock to its end
    cdef object flood_culprit       # what starvation_hook called the last one it was told of
    cdef public bint starvation_guard
    cdef public object starvation_hook  # (what, suspects, flood_ns) -> str, who it is, or None: too early

    cdef int drain(self) except -1
    cdef int drain_others(self, suspect, int others, int64_t start_ns) except -1
    cdef int drain_bounded(self) except -1
    cdef int guard(self, Cut cut, suspect) except -1
    cdef int flood_over(self) except -1
    cdef bint is_too_long(self, int others, int64_t *start_ns) noexcept
    cdef int cut_phase(self, Cut cut, callback, args) except -1
    cdef int note_long_phase(self, Cut cut, callback, args) except -1
    cdef int note_flood(self, Flood *flood, Cut cut, suspect, args, int64_t now_ns) except -1
    cdef bint is_reportable(self, Flood *flood, int64_t now_ns) noexcept
    cdef int report(self, Flood *flood, Cut cut, list suspects, int64_t now_ns) except -1
    cdef int count_cut(self, Cut cut) except -1
    cdef bint is_over(self, PhaseWatch *phase, uint64_t least) noexcept
    cdef int note_spin(self, Cut cut, uint64_t ran, Handle left) except -1

    # Node's methods, as treadle's functions call them without a look-up.

    cdef inline int add_tick(self, callback, tuple args) except -1:
        self.admit(callback)
        return self.ticks.push(self.make_handle(TICK, callback, args if args else None, PyContext_CopyCurrent()))

    cdef inline int add_microtask(self, callback) except -1:
        self.admit(callback)
        return self.plain.push(self.make_handle(MICROTASK, callback, None, PyContext_CopyCurrent()))

    cdef inline int add_soon(self, Handle handle) except -1:
        # OWNER: handle is the caller's too. ORDER: also from another thread, which has the GIL for all of it.
        handle.stands_behind = self.plain_taken + self.plain.size
        return self.soon.push(handle)

    # The one queue that both kinds of microtasks make.

    cdef inline Py_ssize_t microtasks(self) noexcept:
        # How many wait.
        return self.soon.size + self.plain.size

    cdef inline bint is_soon_next(self) noexcept:
        # INVARIANT: one of them waits. True: it is one of asyncio's; else one of plain.
        return self.soon.size != 0 and (
            self.plain.size == 0 or (<Handle>self.soon.slots[self.soon.head]).stands_behind <= self.plain_taken)

    cdef inline Handle take_plain(self):
        # INVARIANT: plain.size > 0.
        self.plain_taken += 1
        return <Handle>self.plain.pop()

    cdef inline int drain_if_any(self) except -1:
        if self.ticks.size or self.soon.size or self.plain.size:
            self.drain()
        return 0

    cdef inline void watch_phase(self, PhaseWatch *phase, uint64_t look_at) noexcept:
        # A phase begins. Whoever runs it counts phase.ran, and asks is_long() before each of its callbacks.
        phase.ran = phase.since_ns = phase.was_over = 0
        phase.drained = self.counters.ticks + self.counters.microtasks + self.counters.soon
        phase.look_at = look_at

    cdef inline uint64_t ran_in(self, PhaseWatch *phase) noexcept:
        return phase.ran + self.counters.ticks + self.counters.microtasks + self.counters.soon - phase.drained

    cdef inline bint is_long(self, PhaseWatch *phase) noexcept:
        # Time to ask is_over().
        return self.ran_in(phase) >= phase.look_at

    cdef inline bint is_rest_due(self) noexcept:
        # What a cut phase left behind is yet to run: no poll may wait, and the program has not ended.
        return self.cut_turn + 1 >= <int64_t>self.counters.turns
