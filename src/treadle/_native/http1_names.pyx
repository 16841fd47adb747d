"""Names of fields that came before are the same objects when they come again: nothing to check, to make, to hash or to free.

A cache of fixed size, by spelling, whose newest names push out the oldest of their set: clients that send ever new names cost each
other the gain, and no memory. Invariants: all in it are tokens; what is handed out depends on the spelling alone, never on what
came before. Not here: what is a name, and what it means (http1_grammar.pyx).
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from libc.stdint cimport uint64_t
from libc.string cimport memcmp, memcpy

from treadle._native.http1_grammar cimport field_of

cdef extern from "Python.h":
    void Py_XDECREF(PyObject *counted)
    char *bytes_of "PyBytes_AS_STRING"(PyObject *data) noexcept
    Py_ssize_t size_of "PyBytes_GET_SIZE"(PyObject *data) noexcept

cdef enum:
    KEPT_BYTES_MAX = 64     # longer names are made each time: 50 KiB at most are held


cdef inline size_t set_of(const char *text, Py_ssize_t size) noexcept nogil:
    # Its beginning, its end and its size tell one usual name from another.
    cdef uint64_t first = 0, last = 0
    if size >= 8:
        memcpy(&first, text, 8)
        memcpy(&last, text + size - 8, 8)
    else:
        memcpy(&first, text, size)
    return <size_t>(((first ^ (last << 1) ^ <uint64_t>size) * <uint64_t>0x9e3779b97f4a7c15) >> 57) & (SETS - 1)


cdef bytes lower_case(const char *name, Py_ssize_t size):
    cdef bytes lowered = PyBytes_FromStringAndSize(NULL, size)
    cdef char *to = PyBytes_AS_STRING(lowered)
    cdef Py_ssize_t i
    for i in range(size):
        to[i] = name[i] | 0x20 if c'A' <= name[i] <= c'Z' else name[i]
    return lowered


cdef class FieldNames:
    """The names of fields that were seen last."""

    def __cinit__(self, *, bint lowers=False):
        self.lowers = lowers

    def __dealloc__(self):
        cdef int i, way
        for i in range(SETS):
            for way in range(WAYS):
                Py_XDECREF(self.known[i][way].spelt)
                Py_XDECREF(self.known[i][way].name)

    cdef KnownName *find(self, const char *text, Py_ssize_t size) noexcept:
        # PERF: bench/stages.py --exchange fields. NULL: it is not known, or no name.
        cdef KnownName *places
        cdef int way
        if not 0 < size <= KEPT_BYTES_MAX:
            return NULL
        places = self.known[set_of(text, size)]
        for way in range(WAYS):
            if places[way].spelt is not NULL and size_of(places[way].spelt) == size \
                    and memcmp(bytes_of(places[way].spelt), text, size) == 0:
                return &places[way]
        return NULL

    cdef bytes learn(self, const char *text, Py_ssize_t size):
        # text: a token that find() does not know. The name as it is handed out.
        cdef bytes spelt = text[:size]
        cdef bytes name = lower_case(text, size) if self.lowers else spelt
        cdef KnownName *places
        cdef int way
        if size <= KEPT_BYTES_MAX:
            places = self.known[set_of(text, size)]
            Py_XDECREF(places[WAYS - 1].spelt)
            Py_XDECREF(places[WAYS - 1].name)
            for way in range(WAYS - 1, 0, -1):
                places[way] = places[way - 1]
            Py_INCREF(spelt)
            Py_INCREF(name)
            places[0].spelt = <PyObject *>spelt
            places[0].name = <PyObject *>name
            places[0].field = field_of(text, size)
        return name
