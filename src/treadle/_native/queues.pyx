"""Handles, and the rings they wait in.

A Handle is one scheduled callback with its arguments and its context. A Ring is a FIFO: next_tick, the microtasks, the
immediates and the closing handles each wait in one. Invariant: a Ring owns one reference to everything in it, and loses
nothing when it grows. Not here: when a ring is drained, and in what order (microtasks.pyx, and the phases above it).
"""
import sys

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.object cimport PyObject

cdef enum:
    RING_SLOTS = 4      # a ring's first size, of which each connection has one; doubled whenever it is full


cdef object class_of_asyncio(str name, type own_class):
    # own_class where nobody has imported asyncio.
    events = sys.modules.get("asyncio.events")
    return own_class if events is None else getattr(events, name, own_class)


@cython.no_gc       # safe because release() lets go of everything once the callback ran or was cancelled; see show_handle()
cdef class Handle:
    """One scheduled callback.

    ``cancel()`` before its turn keeps it from running. It runs in the context that was current when it was scheduled, unless
    another was given. Made by the loop only.
    """

    def __init__(self):
        raise TypeError("handles are made by the loop")

    def __repr__(self):
        return f"<{type(self).__name__.removeprefix('Debug')} {self.state()}{self.made_at()}>"

    @property
    def __class__(self):        # COMPAT(asyncio): isinstance(handle, asyncio.Handle) is true. type(handle) tells the truth.
        return class_of_asyncio("Handle", type(self))

    def cancel(self):
        """Keep the callback from running, and let go of it and its arguments."""
        self.is_cancelled = True
        self.release()

    def cancelled(self):
        """True once cancel() was called."""
        return self.is_cancelled

    def get_context(self):
        """The contextvars.Context it runs in; None once it has run or was cancelled."""
        return self.context

    @property
    def _source_traceback(self):        # COMPAT(asyncio): see DebugHandle
        return None

    cdef str state(self):
        if self.is_cancelled:
            return "cancelled"
        return "done" if self.callback is None else self.source(self._source_traceback is not None)

    cdef str made_at(self):
        # COMPAT(asyncio): in its words. Empty where it is not known.
        origin = self._source_traceback
        return f" created at {origin[-1][0]}:{origin[-1][1]}" if origin else ""

    cdef str source(self, bint is_debug):
        # COMPAT(asyncio): who is called, in its words and where it stands; newer ones show arguments, which may be secrets, only
        # in debug mode. A loop that runs without asyncio does not ask for it.
        formats = sys.modules.get("asyncio.format_helpers")
        if formats is None:
            return repr(self.callback)
        describe = formats._format_callback_source
        arguments = self.args or ()
        if describe.__kwdefaults__:
            return describe(self.callback, arguments, debug=is_debug)
        return describe(self.callback, arguments)

    cdef PyObject *call(self) noexcept:
        # Run it in its context. The result is the caller's; NULL with the exception set where it failed.
        cdef object callback = self.callback    # all three held here: the callback may cancel its own handle
        cdef object args = self.args
        cdef object context = self.context
        cdef PyObject *result = call_in_context(<PyObject *>context, <PyObject *>callback, <PyObject *>args)
        if result is not NULL and result is not <PyObject *>None and self.kind != READY:
            self.context = context              # for what was returned, until release()
        return result

    cdef void release(self) noexcept:
        self.callback = None
        self.args = None
        self.context = None

    cdef int show(self, visitproc visit, void *state) noexcept:
        # To the garbage collector, for its one owner.
        return (visit(<PyObject *>self.callback, state) or visit(<PyObject *>self.args, state)
                or visit(<PyObject *>self.context, state))


@cython.no_gc
cdef class DebugHandle(Handle):
    """A Handle that knows where it was scheduled, in debug mode."""

    @property
    def _source_traceback(self):        # COMPAT(asyncio): read by its exception handler
        return self.origin

    def cancel(self):
        """Keep the callback from running, and let go of it and its arguments."""
        if self.callback is not None:
            self.known_as = self.source(True)
        Handle.cancel(self)

    cdef str state(self):
        return f"cancelled {self.known_as}" if self.known_as is not None else Handle.state(self)


cdef int show_handle(PyObject *item, visitproc visit, void *state) noexcept:
    # Something that its owner shows to the garbage collector. The collector does not know a plain Handle, and is shown what it
    # refers to, unless somebody else has it, who could reach that through it: then it looks as if the world outside held that.
    if takes_part_in_gc(item) or not isinstance(<object>item, Handle):
        return visit(item, state)
    return (<Handle>item).show(visit, state) if is_unshared(<Handle>item) else 0


cdef Handle new_handle(Kind kind, object callback, object args, object context):
    cdef Handle handle = Handle.__new__(Handle)
    handle.kind = kind
    handle.callback = callback
    handle.args = args
    handle.context = context
    return handle


cdef class Ring:
    """A growing FIFO of owned references.

        slots   [ . . A B C D . . ]     mask = slots - 1
                      ^ head    size = 4
    """

    def __cinit__(self):
        self.slots = <PyObject **>PyMem_Malloc(RING_SLOTS * sizeof(PyObject *))
        if self.slots is NULL:
            raise MemoryError()
        self.mask = RING_SLOTS - 1

    def __dealloc__(self):
        if self.slots is not NULL:
            while self.size:
                self.pop()
            PyMem_Free(self.slots)

    cdef int grow(self) except -1:
        cdef Py_ssize_t old_slots = self.mask + 1
        cdef Py_ssize_t i
        cdef PyObject **slots = <PyObject **>PyMem_Malloc(2 * old_slots * sizeof(PyObject *))
        if slots is NULL:
            raise MemoryError()
        for i in range(self.size):
            slots[i] = self.slots[(self.head + i) & self.mask]
        PyMem_Free(self.slots)
        self.slots = slots
        self.mask = 2 * old_slots - 1
        self.head = 0
        return 0

    cdef void clear(self) noexcept:
        # Of what stands there now: what is let go of may be code that pushes more, each time.
        cdef Py_ssize_t left = self.size
        while left and self.size:
            left -= 1
            self.pop()

    cdef int move_to(self, Ring other) except -1:
        while self.size:
            other.push(self.pop())
        return 0


cdef int show_ring(PyObject *ring, visitproc visit, void *state) noexcept:
    cdef Py_ssize_t i
    cdef int found
    for i in range((<Ring>ring).size):
        found = show_handle((<Ring>ring).slots[((<Ring>ring).head + i) & (<Ring>ring).mask], visit, state)
        if found:
            return found
    return 0


show_by(Ring, show_ring)


cdef inline bint comes_before(HeapEntry *a, HeapEntry *b) noexcept:
    return a.key < b.key or (a.key == b.key and a.order < b.order)


cdef class Heap:
    """A binary min-heap of entries that live inside other objects and know their place, so that any of them can be removed
    in O(log n). It owns nothing: whoever pushes an entry keeps its object alive until it is removed."""

    def __dealloc__(self):
        PyMem_Free(self.entries)

    cdef int push(self, HeapEntry *entry) except -1:
        cdef HeapEntry **entries
        if self.size == self.room:
            entries = <HeapEntry **>PyMem_Realloc(self.entries, (2 * self.room + 16) * sizeof(HeapEntry *))
            if entries is NULL:
                raise MemoryError()
            self.entries = entries
            self.room = 2 * self.room + 16
        entry.index = self.size
        self.entries[self.size] = entry
        self.size += 1
        self.sift_up(entry.index)
        return 0

    cdef void remove(self, HeapEntry *entry) noexcept:
        cdef Py_ssize_t index = entry.index
        self.size -= 1
        entry.index = -1
        if index != self.size:
            self.entries[index] = self.entries[self.size]
            self.entries[index].index = index
            self.moved(self.entries[index])

    cdef void moved(self, HeapEntry *entry) noexcept:
        # Its key or order has changed.
        self.sift_up(entry.index)
        self.sift_down(entry.index)

    cdef void sift_up(self, Py_ssize_t index) noexcept:
        cdef HeapEntry *entry = self.entries[index]
        cdef Py_ssize_t parent
        while index > 0:
            parent = (index - 1) >> 1
            if not comes_before(entry, self.entries[parent]):
                break
            self.entries[index] = self.entries[parent]
            self.entries[index].index = index
            index = parent
        self.entries[index] = entry
        entry.index = index

    cdef void sift_down(self, Py_ssize_t index) noexcept:
        cdef HeapEntry *entry = self.entries[index]
        cdef Py_ssize_t child
        while True:
            child = 2 * index + 1
            if child >= self.size:
                break
            if child + 1 < self.size and comes_before(self.entries[child + 1], self.entries[child]):
                child += 1
            if not comes_before(self.entries[child], entry):
                break
            self.entries[index] = self.entries[child]
            self.entries[index].index = index
            index = child
        self.entries[index] = entry
        entry.index = index
