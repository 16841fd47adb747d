"""`async for chunk in readable`: the step that finds a chunk buffered, which suspends nothing.

Invariants: a chunk is given out once, and is not held any longer when the next one is asked for; a loop over what is always buffered
lets the event loop turn once in IN_A_ROW chunks. Not here: waiting, ending, and what becomes of a stream whose iteration is left
(treadle.streams).
PERF: bench/streams, `iterate`: a coroutine for each chunk costs three times as much as an object that is done already.
"""
cimport cython
from cpython.object cimport PyObject

from treadle._native.readable cimport READ_ALL, ReadableState
from treadle._native.stream_core cimport StreamCore

cdef enum:
    IN_A_ROW = 128      # chunks without a suspension; as many as the loop runs of asyncio's callbacks before it turns

cdef extern from *:
    """
    /* The result of what is awaited travels in a StopIteration, of which only the value is looked at.
       PERF: bench/streams, `iterate`: one that nobody else has kept, and that has passed no frame, serves again: 700 instructions. */
    static inline int treadle_is_blank(PyObject *stop) {
        PyBaseExceptionObject *parts = (PyBaseExceptionObject *)stop;
        return stop != Py_None && Py_REFCNT(stop) == 1
            && !parts->traceback && !parts->context && !parts->cause && !parts->notes && !parts->dict;
    }
    static inline void treadle_carry(PyObject *stop, PyObject *value) {
        Py_XSETREF(((PyStopIterationObject *)stop)->value, Py_NewRef(value));
    }
    static inline PyObject *treadle_stop_by(PyObject *stop) {
    #if PY_VERSION_HEX >= 0x030C0000
        PyErr_SetRaisedException(Py_NewRef(stop));
    #else
        PyErr_Restore(Py_NewRef(PyExc_StopIteration), Py_NewRef(stop), NULL);
    #endif
        return NULL;
    }
    static inline void treadle_next_by(PyObject *type, iternextfunc next) { ((PyTypeObject *)type)->tp_iternext = next; }
    static inline void treadle_step_as(PyObject *type, PyObject *base) {
        ((PyTypeObject *)type)->tp_as_async->am_anext = ((PyTypeObject *)base)->tp_as_async->am_anext;
    }
    """
    ctypedef PyObject *(*Next "iternextfunc")(PyObject *iterator) except? NULL
    bint is_blank "treadle_is_blank"(PyObject *stop) noexcept
    void carry "treadle_carry"(PyObject *stop, PyObject *value) noexcept
    PyObject *stop_by "treadle_stop_by"(PyObject *stop) noexcept
    void next_by "treadle_next_by"(object type, Next next) noexcept
    void step_as "treadle_step_as"(object type, object base) noexcept
    Py_ssize_t references "Py_REFCNT"(PyObject *item) noexcept


@cython.final
cdef class Ready:
    """An awaitable that is done."""

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        raise StopIteration(self.value)


cdef PyObject *next_of_ready(PyObject *ready) except? NULL:
    if not is_blank(<PyObject *>(<Ready>ready).stop):
        (<Ready>ready).stop = StopIteration()
    carry(<PyObject *>(<Ready>ready).stop, <PyObject *>(<Ready>ready).value)
    return stop_by(<PyObject *>(<Ready>ready).stop)


next_by(Ready, next_of_ready)


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
