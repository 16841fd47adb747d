# cython: binding=False, embedsignature=True, embedsignature.format=clinic
"""Node's global functions: each means the loop that runs on the calling thread, and does what its method of that name does.

PERF: bench/loop, `turn`, `next_tick` and `microtask` of treadle-faces: in Python, finding the loop and looking at the callback
cost more than the call itself. Invariants: nothing is remembered between two calls, since another loop may run by then, or none;
a loop that has a method of its own for one of them, of its class as its run began or replaced on itself, is called by it. Not here:
what the loop does; the texts of errors and warnings, which treadle.loop hands over.
"""
cimport cython

from treadle._native.check_phase cimport Immediate
from treadle._native.loop cimport LoopCore
from treadle._native.timers cimport Timeout
from treadle._native.timers_phase cimport DELAY_MS_MAX

cdef extern from *:
    """
    /* One call of a function without arguments; of one in C, without Python's checks of how it is called. */
    static inline PyObject *treadle_ask(PyObject *function) {
        if (PyCFunction_CheckExact(function) && PyCFunction_GET_FLAGS(function) == METH_NOARGS)
            return PyCFunction_GET_FUNCTION(function)(PyCFunction_GET_SELF(function), NULL);
        return PyObject_CallNoArgs(function);
    }
    """
    object ask "treadle_ask"(object function)

cdef extern from "Python.h":
    double as_double "PyFloat_AsDouble"(object number) noexcept     # -1, with an exception set, where it is none
    void *PyErr_Occurred() noexcept
    void PyErr_Clear() noexcept


@cython.final
cdef class Faces:
    """Node's functions of one interpreter."""

    def __init__(self, get_running_loop, no_loop, require_callable, require_number, warn_of_overflow):
        self.get_running_loop = get_running_loop
        self.no_loop = no_loop
        self.require_callable = require_callable
        self.require_number = require_number
        self.warn_of_overflow = warn_of_overflow

    def get_loop(self):
        """The treadle loop that runs on this thread. Raises TreadleError (ERR_NO_LOOP) where there is none."""
        return self.loop_here()

    def next_tick(self, callback, /, *args):
        """Call `callback(*args)` right after the callback that runs now: before microtasks, I/O and timers. Raises TreadleError:
        ERR_INVALID_ARG_TYPE, ERR_NO_LOOP."""
        cdef LoopCore loop
        self.require(callback)
        loop = self.loop_here()
        if loop.has_own_faces:
            loop.next_tick(callback, *args)
        else:
            loop.add_tick(callback, args)

    def queue_microtask(self, callback):
        """Run callback() after the running callback and the ticks, before any I/O. Source: Node, queueMicrotask. Raises
        TreadleError: ERR_INVALID_ARG_TYPE, ERR_NO_LOOP."""
        cdef LoopCore loop
        self.require(callback)
        loop = self.loop_here()
        if loop.has_own_faces:
            loop.queue_microtask(callback)
        else:
            loop.add_microtask(callback)

    def set_immediate(self, callback, /, *args):
        """Call `callback(*args)` in the check phase, after the I/O of this turn; from a check phase, in that of the next. Raises
        TreadleError: ERR_INVALID_ARG_TYPE, ERR_NO_LOOP."""
        cdef LoopCore loop
        self.require(callback)
        loop = self.loop_here()
        if loop.has_own_faces:
            return loop.set_immediate(callback, *args)
        return loop.add_node_immediate(callback, args)

    def set_timeout(self, callback, delay_ms=1, /, *args):
        """Call `callback(*args)` once, in the timers phase, `delay_ms` from now or later. Raises TreadleError:
        ERR_INVALID_ARG_TYPE, ERR_NO_LOOP."""
        return self.add_timeout(callback, delay_ms, args, False)

    def set_interval(self, callback, delay_ms=1, /, *args):
        """Call `callback(*args)` every `delay_ms`, counted from the start of the call before, until it is cleared. One that
        raises goes on, if the exception is taken care of. Raises TreadleError: ERR_INVALID_ARG_TYPE, ERR_NO_LOOP."""
        return self.add_timeout(callback, delay_ms, args, True)

    def clear_timeout(self, handle, /):
        """Keep a timeout or interval from firing; anything else, None above all, is ignored."""
        if isinstance(handle, Timeout):
            (<Timeout>handle).close()

    def clear_immediate(self, handle, /):
        """Keep an immediate from running; anything else, None above all, is ignored."""
        if isinstance(handle, Immediate):
            (<Immediate>handle).cancel()

    # ---- inside

    cdef inline LoopCore loop_here(self):
        cdef object loop = ask(self.get_running_loop)
        if not isinstance(loop, LoopCore):
            raise self.no_loop()
        return <LoopCore>loop

    cdef inline int require(self, callback) except -1:
        if not callable(callback):
            self.require_callable(callback, "callback")
        return 0

    cdef inline object add_timeout(self, callback, delay_ms, tuple args, bint is_interval):
        cdef LoopCore loop
        cdef double delay
        self.require(callback)
        delay = as_double(delay_ms)
        if delay == -1 and PyErr_Occurred():
            PyErr_Clear()
            self.require_number(delay_ms, "delay_ms")
            delay = delay_ms        # an int that no double can hold: raises OverflowError
        if delay > DELAY_MS_MAX:
            self.warn_of_overflow(delay_ms)
        loop = self.loop_here()
        if loop.has_own_faces:
            return (loop.set_interval if is_interval else loop.set_timeout)(callback, delay_ms, *args)
        return loop.add_timeout(callback, delay, args, is_interval)
