"""`async for chunk in readable`: the step that finds a chunk buffered, which suspends nothing.

Invariants: a chunk is given out once; nothing is awaited while something is buffered. Not here: waiting, ending, and what becomes of
a stream whose iteration is left (treadle.streams).
PERF: bench/streams, `iterate`: an object whose type is sent to directly costs a third of a coroutine, and half of a StopIteration.
"""
cimport cython
from cpython.object cimport PyObject

from treadle._native.readable cimport READ_ALL, readable_of
from treadle._native.stream_core cimport StreamCore

cdef extern from *:
    """
    typedef PySendResult (*treadle_sender)(PyObject *, PyObject *, PyObject **);
    static inline PyObject *treadle_new_reference(PyObject *o) { Py_INCREF(o); return o; }
    /* Whoever awaits an object of that type gets its value by a call of `send`, without an exception to carry it. */
    static inline void treadle_send_by(PyObject *type, treadle_sender send) {
        ((PyTypeObject *)type)->tp_as_async->am_send = send;
    }
    """
    ctypedef enum PySendResult:
        PYGEN_RETURN
    ctypedef PySendResult (*Sender "treadle_sender")(PyObject *receiver, PyObject *sent, PyObject **result) noexcept
    PyObject *new_reference "treadle_new_reference"(object item)
    void send_by "treadle_send_by"(object type, Sender send)


@cython.final
@cython.freelist(16)
cdef class Ready:
    """An awaitable that is done."""

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        raise StopIteration(self.value)


cdef PySendResult send_ready(PyObject *receiver, PyObject *sent, PyObject **result) noexcept:
    result[0] = new_reference((<Ready>receiver).value)
    return PYGEN_RETURN


send_by(Ready, send_ready)


cdef class IteratorCore:
    """One iteration of a readable. A subclass has _next(), a coroutine function, for whatever is not buffered."""

    def __init__(self, StreamCore stream):
        self.stream = stream

    def __aiter__(self):
        return self

    def __anext__(self):
        cdef object chunk
        cdef Ready ready
        if self.has_begun and not self.is_over and not self.stream.is_destroyed():
            chunk = readable_of(self.stream).read(READ_ALL)
            if chunk is not None:
                ready = Ready.__new__(Ready)
                ready.value = chunk
                return ready
            return self._next(True)
        return self._next(False)
