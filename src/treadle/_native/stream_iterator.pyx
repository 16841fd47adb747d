"""`async for chunk in readable`: the step that finds a chunk buffered, which suspends nothing.

Invariants: a chunk is given out once; a loop over what is always buffered lets the event loop turn once in IN_A_ROW chunks. Not here: waiting, ending, and what becomes of
a stream whose iteration is left (treadle.streams).
PERF: bench/streams, `iterate`: a coroutine for each chunk costs three times as much as an object that is done already.
"""
cimport cython
from cpython.object cimport PyObject

from treadle._native.readable cimport READ_ALL, readable_of
from treadle._native.stream_core cimport StreamCore

cdef enum:
    IN_A_ROW = 128      # chunks without a suspension; as many as the loop runs of asyncio's callbacks before it turns

cdef extern from *:
    """
    /* The result of what is awaited travels in a StopIteration. Raised here, it has neither traceback nor frame. */
    static PyObject *treadle_stop_with(PyObject *value) {
        PyObject *stop;
        if (!PyTuple_Check(value) && !PyExceptionInstance_Check(value)) {
            PyErr_SetObject(PyExc_StopIteration, value);
        } else if ((stop = PyObject_CallOneArg(PyExc_StopIteration, value))) {
            PyErr_SetObject(PyExc_StopIteration, stop);
            Py_DECREF(stop);
        }
        return NULL;
    }
    static inline void treadle_next_by(PyObject *type, iternextfunc next) { ((PyTypeObject *)type)->tp_iternext = next; }
    """
    ctypedef PyObject *(*Next "iternextfunc")(PyObject *iterator) noexcept
    PyObject *stop_with "treadle_stop_with"(object value) noexcept
    void next_by "treadle_next_by"(object type, Next next)


@cython.final
cdef class Ready:
    """An awaitable that is done."""

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        raise StopIteration(self.value)


cdef PyObject *next_of_ready(PyObject *ready) noexcept:
    return stop_with((<Ready>ready).value)


next_by(Ready, next_of_ready)


cdef class IteratorCore:
    """One iteration of a readable. A subclass has two coroutine functions: _next(has_read), for what is not buffered; and
    _give_later(chunk), which lets the loop turn first."""

    def __init__(self, StreamCore stream):
        self.stream = stream

    def __aiter__(self):
        return self

    def __anext__(self):
        cdef object chunk
        cdef Ready ready
        if self.has_begun and not self.is_over and not self.stream.is_destroyed():
            chunk = readable_of(self.stream).read(READ_ALL)
            if chunk is None:
                self.in_a_row = 0
                return self._next(True)
            self.in_a_row += 1
            if self.in_a_row < IN_A_ROW:
                ready = Ready.__new__(Ready)
                ready.value = chunk
                return ready
            self.in_a_row = 0
            return self._give_later(chunk)
        return self._next(False)
