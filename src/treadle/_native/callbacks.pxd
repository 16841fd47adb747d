"""Declarations of callbacks.pyx: what other native units may touch."""
from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from treadle._native.counters cimport LoopCounters
from treadle._native.queues cimport Handle, Kind, Ring, is_unshared, new_handle


cdef extern from "Python.h":
    PyObject *type_of "(PyObject *)Py_TYPE"(object callback)
    object PyContext_CopyCurrent()


cdef enum:
    SPARES_MAX = 1_024          # handles that are kept to be used again: 96 KiB, once so many were queued at the same time

cdef struct Stopwatch:          # of one callback, in debug mode
    int64_t start_ns
    int64_t inner_ns            # Callbacks.inner_ns when it began


cdef class Callbacks:
    cdef Ring spares                # OWNER: Handles that have run and that nobody else has, for make_handle()
    cdef PyObject *handle_type      # Handle itself, not what derives from it
    cdef LoopCounters *counters         # own_counters, or wherever else they are to be read
    cdef LoopCounters own_counters
    cdef readonly bint is_closed_native     # or not whole yet
    cdef readonly bint is_debug         # asyncio's debug mode: calls are checked, and remember where they were made
    cdef readonly object tracer         # None, or who is told of every callback: treadle.trace
    cdef bint is_observed               # is_debug, or there is a tracer: callbacks go the long way
    cdef int64_t inner_ns               # in debug mode: how long callbacks took, each only once, although one may run inside another
    cdef public object uncaught_hook    # (exception) -> bool: True when somebody took care of it

    cdef int refuse(self, callback) except -1
    cdef int run_handle(self, Handle handle) except -1
    cdef int run_observed(self, Kind kind, Handle handle) except -1
    cdef int run_timed(self, Kind kind, Handle handle) except -1
    cdef int run_watch(self, Handle handle) except -1
    cdef void start_watch(self, Stopwatch *watch) noexcept
    cdef int stop_watch(self, Stopwatch *watch, callback, subject) except -1
    cdef int begin_traced(self, Kind kind, subject, callback, int64_t detail) except -1
    cdef int run_returned(self, Kind kind, returned, context) except -1
    cdef int take_returned(self, Kind kind, returned, Handle handle) except -1
    cdef int failed(self, Kind kind, Handle handle) except -1
    cdef int tell_failure(self, Kind kind, Handle handle) except -1
    cdef int uncaught(self, exception) except -1

    cdef inline int admit(self, callback) except -1:
        # Everything that is scheduled passes here.
        if self.is_closed_native or callback is None:
            self.refuse(callback)
        return 0

    cdef inline Handle make_handle(self, Kind kind, callback, args, context):
        cdef Handle handle
        if self.spares.size == 0:
            return new_handle(kind, callback, args, context)
        handle = <Handle>self.spares.pop_last()
        handle.kind = kind
        handle.callback = callback
        handle.args = args
        handle.context = context
        return handle

    cdef inline int spare(self, Handle handle) except -1:
        # It has run. PERF: bench/loop, a callback: making and freeing it cost a tenth of it.
        if is_unshared(handle) and type_of(handle) == self.handle_type and self.spares.size < SPARES_MAX:
            handle.is_cancelled = False
            self.spares.push(handle)
        return 0


cdef int tell_ignored(error, subject) except -1
