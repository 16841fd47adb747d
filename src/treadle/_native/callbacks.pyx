"""One callback: whether it may be scheduled, how it is run, who looks on, and who is told when it fails.

`Callbacks` is the base of the loop. Invariants: callbacks run on one thread; a handle that has run refers to nothing any more,
and is used again only if nobody else has it. Not here: when a callback runs (microtasks.pyx, and the phases above it), logging
and other policy (treadle.loop).
"""
from cpython.exc cimport PyErr_SetObject, PyErr_WriteUnraisable
from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from treadle._native.queues cimport ALARM, IMMEDIATE, MICROTASK, READY, SOON, TICK, Handle, Kind, Ring, disown
from treadle._native.timers cimport Alarm, clock_ns

cdef extern from *:
    """
    static inline PyObject *treadle_reraise(void) { return NULL; }   /* the exception is set already */
    """
    object reraise "treadle_reraise"()


cdef class Callbacks:
    """What all callbacks have in common, whatever queue they come from."""

    def __cinit__(self):
        self.counters = &self.own_counters
        self.spares = Ring()
        self.handle_type = <PyObject *>Handle
        self.is_closed_native = True    # until LoopCore is whole: where a part cannot be made, there is no loop to close

    # ---- scheduling

    def _check_closed(self):
        """Raises RuntimeError once closed."""
        if self.is_closed_native:
            raise RuntimeError("Event loop is closed")

    def check_call(self, callback, method, is_on_loop_thread):
        """Debug mode: raise what is wrong with a call of `method`, else return a traceback of where it was made. Here: nothing is
        wrong, and None; `treadle.EventLoop` asks asyncio."""

    def trace_call(self):
        """Debug mode: a traceback of where a call was made. Here: None."""

    cdef int refuse(self, callback) except -1:
        self._check_closed()
        raise TypeError("a callback must be callable, not None")

    # ---- running

    def observe(self, bint is_debug, tracer):
        """Set debug mode, and who is told of every callback: an object with begin(kind, subject, callback, detail, turn, phase,
        idle_ns) and end(), or None. Neither may raise."""
        self.is_debug = is_debug
        self.tracer = tracer
        self.is_observed = is_debug or tracer is not None

    cdef int run_handle(self, Handle handle) except -1:
        # True: it ran, or was cancelled. False: it failed, and somebody took care of it. Raises what nobody handles.
        cdef Kind kind = handle.kind
        cdef PyObject *result
        cdef object returned
        if handle.callback is None:
            return True
        if self.is_observed:
            return self.run_observed(kind, handle)
        result = handle.call()
        if result is NULL:
            return self.failed(kind, handle)
        returned = disown(result)
        if returned is not None:
            return self.take_returned(kind, returned, handle)
        handle.release()
        return True

    cdef int run_observed(self, Kind kind, Handle handle) except -1:
        # run_handle where somebody looks on.
        cdef object tracer = self.tracer
        if tracer is None:
            return self.run_timed(kind, handle)
        self.begin_traced(kind, handle, handle.callback, (<Alarm>handle).due.key if kind == ALARM else 0)
        try:
            return self.run_timed(kind, handle)
        finally:
            tracer.end()

    cdef int begin_traced(self, Kind kind, subject, callback, int64_t detail) except -1:
        # Tell the tracer what runs now; its end() follows. detail: when a timer was due, in ns; what a descriptor is ready for.
        self.tracer.begin(kind, subject, callback, detail, self.counters.turns, self.counters.phase, self.counters.idle_ns)
        return 0

    cdef int run_timed(self, Kind kind, Handle handle) except -1:
        cdef object callback = handle.callback
        cdef Stopwatch watch
        cdef PyObject *result
        self.start_watch(&watch)
        result = handle.call()
        try:
            if result is NULL:
                return self.tell_failure(kind, handle)
            return self.run_returned(kind, disown(result), handle.context)
        finally:
            self.stop_watch(&watch, callback, handle)
            if kind != READY:
                handle.release()

    cdef void start_watch(self, Stopwatch *watch) noexcept:
        # Something begins whose duration debug mode wants to know.
        if self.is_debug:
            watch.start_ns = clock_ns()
            watch.inner_ns = self.inner_ns
        else:
            watch.start_ns = 0

    cdef int stop_watch(self, Stopwatch *watch, callback, subject) except -1:
        # It is through. What ran inside it, and was looked at by itself, is no time of its own.
        cdef int64_t took_ns
        cdef int64_t inner_ns
        if self.is_debug and watch.start_ns:
            took_ns = clock_ns() - watch.start_ns
            inner_ns = self.inner_ns - watch.inner_ns
            self.inner_ns = watch.inner_ns + took_ns
            self.check_duration(callback, subject, (took_ns - inner_ns) / 1e9)
        return 0

    cdef int run_watch(self, Handle handle) except -1:
        # Like run_handle, for a callback that stays.
        cdef PyObject *result
        if self.is_observed:
            return self.run_observed(READY, handle)
        result = handle.call()
        if result is NULL:
            return self.failed(READY, handle)
        disown(result)
        return True

    cdef int take_returned(self, Kind kind, returned, Handle handle) except -1:
        try:
            return self.run_returned(kind, returned, handle.context)
        finally:
            handle.release()

    cdef int run_returned(self, Kind kind, returned, context) except -1:
        # A callback returned something, which the loop may run. False: that failed, as if the callback had. Here: nothing is run.
        return True

    cdef int failed(self, Kind kind, Handle handle) except -1:
        try:
            return self.tell_failure(kind, handle)
        finally:
            if kind != READY:
                handle.release()

    cdef int tell_failure(self, Kind kind, Handle handle) except -1:
        # The exception of a callback, which is set: asyncio's go to its exception handler, all others to uncaught().
        try:
            reraise()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exception:
            if kind == SOON or kind == ALARM or kind == READY:
                told = {"message": f"Exception in callback {handle.source(self.is_debug)}", "exception": exception, "handle": handle}
                if self.is_debug and handle._source_traceback is not None:
                    told["source_traceback"] = handle._source_traceback
                self.call_exception_handler(told)
            else:
                self.explain_failure(scheduled_by(kind), handle.callback, exception)
                self.uncaught(exception)
        return False

    cdef int uncaught(self, exception) except -1:
        if self.uncaught_hook is None or not self.uncaught_hook(exception):
            raise exception
        return 0

    def explain_failure(self, scheduled_by, callback, exception):
        """callback failed, which the method or other thing called scheduled_by had scheduled: say so in the exception where its
        traceback does not. Raises nothing. Here: nothing is said."""

    def call_exception_handler(self, context):
        """Called with a failed callback of asyncio's kind. Here it raises: `treadle.EventLoop` has asyncio's."""
        raise context["exception"]

    def check_duration(self, callback, subject, duration_s):
        """Debug mode: callback ran that long, which is what subject stands for: a Handle, a Timer, a request; or, callback being
        None, a watched handle was busy. Here: nobody minds."""


cdef str scheduled_by(Kind kind):
    return "next_tick" if kind == TICK else "queue_microtask" if kind == MICROTASK else "set_immediate" if kind == IMMEDIATE \
        else "a request"


cdef int tell_ignored(error, subject) except -1:
    # What subject raised where nobody can be told of it: goes to sys.unraisablehook, as what a finalizer raises, and ends nothing.
    PyErr_SetObject(type(error), error)
    PyErr_WriteUnraisable(subject)
    return 0


def at_any_rate(close, *args):
    """Call close(*args). What it raises keeps nothing else from being closed: it goes to sys.unraisablehook, as on asyncio's loop,
    whose finalizers close what is open."""
    try:
        close(*args)
    except Exception as error:
        tell_ignored(error, close)
