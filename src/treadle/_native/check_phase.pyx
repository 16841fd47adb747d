"""The check phase: set_immediate, and tasks after a bare yield, which ask to let I/O run.

Invariants: what stood there when the phase began runs in it, and what that queues in the next turn; an immediate is let go of
once it has run or was cancelled. Not here: which step of a task is one after a bare yield (tasks.pyx).
Source: Node, lib/internal/timers.js.
"""
cimport cython
from cpython.object cimport PyObject

from treadle._native.callbacks cimport Callbacks, PyContext_CopyCurrent
from treadle._native.counters cimport CHECK
from treadle._native.microtasks cimport CUT_CHECK, GUARD_CALLBACKS, GUARD_SOON, LOOK_EVERY, PhaseWatch
from treadle._native.queues cimport IMMEDIATE, SOON, Handle, Kind, Ring, show_by, visitproc


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


cdef class CheckPhase(TimersPhase):
    """The immediates: how they are made, and the phase that runs them."""

    def __cinit__(self):
        self.immediates = Ring()
        self.spare_immediates = Ring()

    def set_immediate(self, callback, *args):
        """Run callback(*args) in the check phase: after the I/O of this turn. Returns an Immediate."""
        return self.add_node_immediate(callback, args)

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

    cdef int uncaught(self, exception) except -1:
        # COMPAT(node): an exception that a listener took is followed by a check phase, where what a failed tick left behind runs.
        Callbacks.uncaught(self, exception)
        self.add_immediate(IMMEDIATE, int, None, PyContext_CopyCurrent())     # int(): it does nothing
        return 0

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
            if phase.since_ns:
                self.suspect = handle.callback
            drain_first = self.run_handle(handle)
            self.spare_immediate(<Immediate>handle)
            if not drain_first and count == 0:
                count = self.immediates.size
        self.drain_if_any()
        if phase.since_ns:
            self.suspect = None
        if self.immediates.size:
            self.note_spin(CUT_CHECK, phase.ran, <Handle>self.immediates.first())
        return 0
