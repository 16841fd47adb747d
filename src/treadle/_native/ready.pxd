"""Declarations of ready.pyx: what other native units may touch."""
from cpython.object cimport PyObject

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
    """
    bint is_blank "treadle_is_blank"(PyObject *stop) noexcept
    void carry "treadle_carry"(PyObject *stop, PyObject *value) noexcept


cdef class Ready:
    cdef object value
    cdef object stop                # the StopIteration that has carried it, or the value before; None before the first


cdef Ready ready_with(object value)
