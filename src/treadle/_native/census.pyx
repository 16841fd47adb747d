"""How many native objects are alive, by type: asked before and after a test, it says what was left behind.

A watched type allocates and frees through functions that count, in front of Python's own; nothing else of it changes, and who is
not watched pays nothing. So what is counted is the very code that ships. An instance of a Python subclass counts as one of the
nearest watched type. Invariants: a watched type lives for ever; all of it happens under the GIL of the main interpreter, whose
types these are. The counters are the process's, like forks.pyx's: Python hands an allocator nothing but the type.
Not here: which types there are, and what may be left (tests/census.py).
"""
import gc

from cpython.object cimport PyObject
from libc.stdint cimport uintptr_t

cdef extern from "Python.h":
    ctypedef PyObject *(*Allocator "allocfunc")(PyTypeObject *made, Py_ssize_t size) noexcept
    ctypedef void (*Deallocator "freefunc")(void *item) noexcept
    ctypedef struct PyTypeObject:
        PyTypeObject *tp_base
        Allocator tp_alloc
        Deallocator tp_free
    PyObject *PyType_GenericAlloc(PyTypeObject *made, Py_ssize_t size) noexcept
    void PyObject_GC_Del(void *item) noexcept
    void PyObject_Free(void *item) noexcept
    PyTypeObject *type_of "Py_TYPE"(void *item) noexcept
    bint takes_part_in_gc "PyType_IS_GC"(PyTypeObject *made) noexcept

cdef enum:
    SLOTS = 1024        # a power of two, more than twice the types there will be


cdef struct Count:
    PyTypeObject *type
    Py_ssize_t alive


cdef Count counts[SLOTS]    # an open hash table; a type stands at its address or behind
cdef list watched = []


cdef Count *slot_of(PyTypeObject *made) noexcept:
    cdef uintptr_t index = (<uintptr_t>made >> 4) % SLOTS
    while counts[index].type is not made and counts[index].type is not NULL:
        index = (index + 1) % SLOTS
    return &counts[index]


cdef Count *count_of(PyTypeObject *made) noexcept:
    # INVARIANT: it or a base of it is watched, else it would not allocate here.
    cdef Count *count = slot_of(made)
    while count.type is NULL:
        made = made.tp_base
        count = slot_of(made)
    return count


cdef PyObject *counted_alloc(PyTypeObject *made, Py_ssize_t size) noexcept:
    cdef PyObject *item = PyType_GenericAlloc(made, size)
    if item is not NULL:
        count_of(made).alive += 1
    return item


cdef void counted_free(void *item) noexcept:
    cdef PyTypeObject *made = type_of(item)
    count_of(made).alive -= 1
    if takes_part_in_gc(made):
        PyObject_GC_Del(item)
    else:
        PyObject_Free(item)


cdef bint redirect(PyTypeObject *made) noexcept:
    # False: it does not allocate as Python's classes do, or is watched already.
    if made.tp_alloc is not PyType_GenericAlloc:
        return False
    if made.tp_free is not (PyObject_GC_Del if takes_part_in_gc(made) else PyObject_Free):
        return False
    made.tp_alloc = counted_alloc
    made.tp_free = counted_free
    return True


def watch(types):
    """Count the instances of these types from now on, each on its own. Raises ValueError where one allocates in its own way."""
    for made in types:
        if 2 * len(watched) >= SLOTS or not redirect(<PyTypeObject *>made):
            raise ValueError(made)
        watched.append(made)    # OWNER: of every watched type, for ever
        slot_of(<PyTypeObject *>made).type = <PyTypeObject *>made


def watch_subclasses():
    """Count what Python classes derived from watched types make, too: also what those have made that came since the last call."""
    cdef set found = set()
    cdef list bases = list(watched)
    for base in bases:      # grows meanwhile
        for made in type.__subclasses__(base):
            if redirect(<PyTypeObject *>made):
                found.add(made)
                bases.append(made)
            elif slot_of(<PyTypeObject *>made).type is NULL:
                bases.append(made)      # watched since an earlier call
    if found:
        for item in gc.get_objects():   # instances of Python's classes are all there
            if type(item) in found:
                count_of(type_of(<void *>item)).alive += 1


def alive():
    """The watched types of which instances are alive, and how many. One that was made before is not counted, but missed once freed:
    watch before there are any."""
    cdef dict alive = {}
    cdef Count *count
    for made in watched:
        count = slot_of(<PyTypeObject *>made)
        if count.alive:
            alive[made] = count.alive
    return alive
