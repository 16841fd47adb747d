"""Declarations of queues.pyx: what other native units may touch."""
from cpython.object cimport PyObject


cdef class Handle


cdef extern from "Python.h":
    ctypedef int (*visitproc)(PyObject *item, void *state) noexcept
    bint takes_part_in_gc "PyObject_IS_GC"(PyObject *item) noexcept
    ctypedef int (*traverseproc)(PyObject *owner, visitproc visit, void *state) noexcept


cdef extern from *:
    """
    static inline PyObject *treadle_own(PyObject *o) { Py_INCREF(o); return o; }
    /* One call in a context, without a bound method of Context.run in between. args: a tuple, or None. */
    static inline PyObject *treadle_call(PyObject *context, PyObject *callback, PyObject *args) {
        PyObject *result;
        if (PyContext_Enter(context) < 0) return NULL;
        if (args == Py_None) result = PyObject_CallNoArgs(callback);
        else result = PyObject_Vectorcall(callback, &PyTuple_GET_ITEM(args, 0), (size_t)PyTuple_GET_SIZE(args), NULL);
        if (PyContext_Exit(context) < 0) Py_CLEAR(result);
        return result;
    }
    /* Nobody else has it, or a weak reference to it. */
    static inline int treadle_is_unshared(PyObject *o) {
        return Py_REFCNT(o) == 1 && !*(PyObject **)((char *)o + Py_TYPE(o)->tp_weaklistoffset);
    }
    /* What objects of a type own is shown to the garbage collector by this function, since Cython knows nothing of it. */
    static inline void treadle_show_by(PyObject *type, traverseproc traverse) { ((PyTypeObject *)type)->tp_traverse = traverse; }
    """
    bint is_unshared "treadle_is_unshared"(Handle handle)
    PyObject *own "treadle_own"(object item)
    void show_by "treadle_show_by"(object type, traverseproc traverse)
    object disown "(PyObject *)"(PyObject *item)     # the caller takes the reference over
    PyObject *call_in_context "treadle_call"(PyObject *context, PyObject *callback, PyObject *args)  # NULL: it failed


cdef enum Kind:
    TICK        # process.next_tick
    MICROTASK   # queue_microtask
    SOON        # asyncio's call_soon: task steps, future callbacks
    IMMEDIATE   # set_immediate, and the yield of asyncio.sleep(0)
    ALARM       # asyncio's call_later and call_at
    READY       # asyncio's add_reader and add_writer
    COMPLETION  # the callback of a request: fs, and whatever else the pool finishes
    # what is no Handle, and runs as well: for who traces
    TIMER       # set_timeout, set_interval, and the deadlines of connections
    EVENT       # a ready descriptor
    REQUEST     # the handler of an HTTP request
    DEFERRED    # what was put off to the pending phase
    FLUSH       # answers of one poll that leave together
    CLOSING     # what ends in the close phase


cdef class Handle:
    cdef object __weakref__     # COMPAT(asyncio): its handles can be referred to weakly
    cdef object callback        # None once cancelled or run
    cdef object args            # tuple, or None where there are none
    cdef object context         # the contextvars.Context it runs in
    cdef unsigned long long stands_behind   # of call_soon: so many of queue_microtask, counted since the loop was made
    cdef Kind kind
    cdef bint is_cancelled      # set by cancel(), never cleared

    cdef str state(self)
    cdef str made_at(self)
    cdef str source(self, bint is_debug)
    cdef PyObject *call(self) noexcept
    cdef void release(self) noexcept
    cdef int show(self, visitproc visit, void *state) noexcept


cdef class DebugHandle(Handle):
    # What call_soon, add_reader and add_writer make in debug mode.
    cdef object origin          # asyncio's traceback of where it was scheduled
    cdef str known_as           # who it called, once it is cancelled


cdef object class_of_asyncio(str name, type own_class)

cdef int show_handle(PyObject *item, visitproc visit, void *state) noexcept

cdef Handle new_handle(Kind kind, object callback, object args, object context)


cdef class Ring:
    cdef PyObject **slots
    cdef Py_ssize_t mask
    cdef Py_ssize_t head
    cdef Py_ssize_t size
    cdef object unused          # with it the garbage collector knows of rings

    cdef int grow(self) except -1
    cdef void clear(self) noexcept
    cdef int move_to(self, Ring other) except -1

    cdef inline int push(self, object item) except -1:
        if self.size > self.mask:
            self.grow()
        self.slots[(self.head + self.size) & self.mask] = own(item)
        self.size += 1
        return 0

    cdef inline int push_first(self, object item) except -1:
        # In front of all others.
        if self.size > self.mask:
            self.grow()
        self.head = (self.head - 1) & self.mask
        self.slots[self.head] = own(item)
        self.size += 1
        return 0

    cdef inline object pop(self):
        # INVARIANT: size > 0; the caller has looked.
        cdef PyObject *item = self.slots[self.head]
        self.head = (self.head + 1) & self.mask
        self.size -= 1
        return disown(item)

    cdef inline object pop_last(self):
        # INVARIANT: size > 0. The one that came last.
        self.size -= 1
        return disown(self.slots[(self.head + self.size) & self.mask])

    cdef inline object first(self):
        # INVARIANT: size > 0.
        return <object>self.slots[self.head]


cdef struct HeapEntry:
    long long key           # the least key comes first
    unsigned long long order  # then the least order
    Py_ssize_t index        # in the heap; -1: not in it
    PyObject *item          # borrowed


cdef class Heap:
    cdef HeapEntry **entries
    cdef Py_ssize_t size
    cdef Py_ssize_t room

    cdef int push(self, HeapEntry *entry) except -1
    cdef void remove(self, HeapEntry *entry) noexcept
    cdef void moved(self, HeapEntry *entry) noexcept
    cdef void sift_up(self, Py_ssize_t index) noexcept
    cdef void sift_down(self, Py_ssize_t index) noexcept

    cdef inline HeapEntry *first(self) noexcept:
        return self.entries[0] if self.size else NULL
