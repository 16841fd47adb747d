"""An awaitable that is done: to await it suspends nothing.

PERF: bench/streams, `iterate`; bench/stages.py --exchange json: a coroutine, or a StopIteration raised with its traceback, costs
three times as much. Invariant: whoever awaits it gets the value, any number of times.
"""
cimport cython
from cpython.object cimport PyObject

cdef extern from *:
    """
    static inline PyObject *treadle_stop_by(PyObject *stop) {
    #if PY_VERSION_HEX >= 0x030C0000
        PyErr_SetRaisedException(Py_NewRef(stop));
    #else
        PyErr_Restore(Py_NewRef(PyExc_StopIteration), Py_NewRef(stop), NULL);
    #endif
        return NULL;
    }
    static inline void treadle_next_by(PyObject *type, iternextfunc next) { ((PyTypeObject *)type)->tp_iternext = next; }
    """
    ctypedef PyObject *(*Next "iternextfunc")(PyObject *iterator) except? NULL
    PyObject *stop_by "treadle_stop_by"(PyObject *stop) noexcept
    void next_by "treadle_next_by"(object type, Next next) noexcept


@cython.final
cdef class Ready:
    """An awaitable that is done. It counts as a coroutine where one is asked for."""

    def __init__(self, value=None):
        self.value = value

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        raise StopIteration(self.value)     # replaced below

    def send(self, value):
        """Coroutine protocol: it is over."""
        raise StopIteration(self.value)

    def throw(self, kind, value=None, traceback=None):
        """Coroutine protocol: raises what was thrown."""
        raise kind if value is None else value

    def close(self):
        """Coroutine protocol: nothing to close."""


cdef PyObject *next_of_ready(PyObject *ready) except? NULL:
    if (<Ready>ready).value is None:
        return NULL                         # no exception is set: that is the end, too
    if not is_blank(<PyObject *>(<Ready>ready).stop):
        (<Ready>ready).stop = StopIteration()
    carry(<PyObject *>(<Ready>ready).stop, <PyObject *>(<Ready>ready).value)
    return stop_by(<PyObject *>(<Ready>ready).stop)


next_by(Ready, next_of_ready)


cdef Ready ready_with(object value):
    cdef Ready ready = Ready.__new__(Ready)
    ready.value = value
    return ready
