"""`async for chunk in readable`: the step that finds a chunk buffered, which suspends nothing.

Invariants: a chunk is given out once, and is not held any longer when the next one is asked for; a loop over what is always buffered
lets the event loop turn once in IN_A_ROW chunks. Not here: waiting, ending, and what becomes of a stream whose iteration is left
(treadle.streams).
"""
from cpython.object cimport PyObject

from treadle._native.readable cimport READ_ALL, ReadableState
from treadle._native.ready cimport Ready, carry, is_blank
from treadle._native.stream_core cimport StreamCore

cdef enum:
    IN_A_ROW = 128      # chunks without a suspension; as many as the loop runs of asyncio's callbacks before it turns

cdef extern from *:
    """
    static inline void treadle_step_as(PyObject *type, PyObject *base) {
        ((PyTypeObject *)type)->tp_as_async->am_anext = ((PyTypeObject *)base)->tp_as_async->am_anext;
    }
    """
    void step_as "treadle_step_as"(object type, object base) noexcept
    Py_ssize_t references "Py_REFCNT"(PyObject *item) noexcept


cdef class IteratorCore:
    """One iteration of a readable. A subclass has three coroutine functions: _next(has_read), for what is not buffered;
    _give_soon(chunk), which lets the microtasks run first; and _give_later(chunk), which lets the loop turn."""

    def __init__(self, StreamCore stream):
        self.stream = stream
        # PERF: bench/streams, `iterate`: the interpreter calls the step itself, no slot that looks the method up: 180 instructions.
        if type(self).__anext__ is IteratorCore.__anext__:
            step_as(type(self), IteratorCore)

    def __aiter__(self):
        return self

    def __anext__(self):
        cdef PyObject *state = <PyObject *>self.stream.readable_half
        cdef object chunk
        if not self.has_begun or self.is_over or <object>state is None or self.stream.is_destroyed():
            return self._next(False)
        if references(<PyObject *>self.ready) == 1:
            # The step before is through: what it gave serves again, and lets go of its chunk.
            self.ready.value = None
            if is_blank(<PyObject *>self.ready.stop):
                carry(<PyObject *>self.ready.stop, <PyObject *>None)
        else:
            self.ready = Ready.__new__(Ready)
        chunk = (<ReadableState>state).read(READ_ALL)
        if chunk is None:
            self.in_a_row = 0
            return self._next(True)
        self.in_a_row += 1
        if self.in_a_row < IN_A_ROW:
            if (<ReadableState>state).is_reading:
                return self._give_soon(chunk)       # ORDER: after what the read hook has queued, as in Node
            self.ready.value = chunk
            return self.ready
        self.in_a_row = 0
        return self._give_later(chunk)
