"""Declarations of stream_core.pyx: what other native units may touch."""
from cpython.object cimport PyObject

from treadle._native.emitter cimport EmitterCore
from treadle._native.loop cimport LoopCore
from treadle._native.queues cimport Ring
from treadle._native.stream_states cimport CLOSED, DOOMED, Life, LifeEvent


cdef extern from *:
    """
    /* bytes is what most chunks are. -1, with an exception set, where a chunk has no length. */
    static inline Py_ssize_t treadle_length(PyObject *chunk) {
        return PyBytes_CheckExact(chunk) ? PyBytes_GET_SIZE(chunk) : PyObject_Size(chunk);
    }
    """
    Py_ssize_t length_of "treadle_length"(object chunk) except -1

cdef extern from *:
    """
    /* What a hook returns is not looked at, but for a coroutine, which nobody would await: 1, and it is closed. */
    static inline int treadle_is_stray(PyObject *result) {
        if (result == Py_None || !PyCoro_CheckExact(result)) return 0;
        PyObject *nothing = PyObject_CallMethod(result, "close", NULL);
        Py_XDECREF(nothing);
        return nothing ? 1 : -1;
    }
    /* A function of the user is called: 0, or 1 if it returns a coroutine, or -1 if it fails. The arguments are borrowed; the slot
       before them is free, for methods. PERF: bench/streams, `objects`: 20 instructions less a call than Cython's way. */
    static inline int treadle_call_hook(PyObject *function, PyObject **arguments, size_t count) {
        PyObject *result = PyFunction_Check(function)
            ? ((PyFunctionObject *)function)->vectorcall(function, arguments, count | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL)
            : PyObject_Vectorcall(function, arguments, count | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
        if (!result) return -1;
        int stray = treadle_is_stray(result);
        Py_DECREF(result);
        return stray;
    }
    static inline int treadle_call_hook_1(PyObject *function, PyObject *first) {
        PyObject *slots[2] = {NULL, first};
        return treadle_call_hook(function, slots + 1, 1);
    }
    static inline int treadle_call_hook_3(PyObject *function, PyObject *first, PyObject *second, PyObject *third) {
        PyObject *slots[4] = {NULL, first, second, third};
        return treadle_call_hook(function, slots + 1, 3);
    }
    """
    int is_stray "treadle_is_stray"(object result) except -1
    int call_hook_1 "treadle_call_hook_1"(PyObject *hook, PyObject *first) except -1
    int call_hook_3 "treadle_call_hook_3"(PyObject *hook, PyObject *first, PyObject *second, PyObject *third) except -1

# How the interpreter calls a method that takes positional arguments as an array, and the names of those behind them, or NULL.
ctypedef object (*Method)(PyObject *stream, PyObject **arguments, Py_ssize_t count, PyObject *names)

cdef extern from *:
    """
    /* Methods that are called for each chunk take positional arguments by themselves: `quick` gets every call, and hands what it
       does not know to what Cython has made of the method, which `thorough` is set to. Every interpreter sets the same.
       PERF: bench/streams, `objects`: Cython's parsing is 50 of the 72 instructions of a call. */
    typedef PyObject *(*treadle_method)(PyObject *, PyObject **, Py_ssize_t, PyObject *);
    static inline void treadle_hasten(PyObject *type, const char *name, treadle_method quick, treadle_method *thorough) {
        PyObject *descriptor = PyDict_GetItemString(((PyTypeObject *)type)->tp_dict, name);
        PyMethodDef *method = ((PyMethodDescrObject *)descriptor)->d_method;
        if (method->ml_flags == (METH_FASTCALL | METH_KEYWORDS) && (treadle_method)(void *)method->ml_meth != quick) {
            *thorough = (treadle_method)(void *)method->ml_meth;
            __atomic_store_n(&method->ml_meth, (PyCFunction)(void *)quick, __ATOMIC_RELEASE);
        }
    }
    """
    void hasten "treadle_hasten"(object type, const char *name, Method quick, Method *thorough) noexcept

cdef extern from "Python.h":
    Py_ssize_t set_size "PySet_GET_SIZE"(object items) noexcept

# A C function that may fail, called without Cython's saving of the exception state around it: -1 and an exception that is set.
ctypedef int (*Attempt)(void *subject, void *argument) noexcept

cdef object failure_of_attempt()


cdef class Half:
    # One side of a stream: its buffer and its mark. OWNER: the stream owns it, and is borrowed here: whoever calls a half holds it.
    cdef void *owner
    cdef Ring buffer                # None until something waits
    cdef Py_ssize_t length          # what waits: bytes, characters of decoded text, or objects
    cdef Py_ssize_t high_water_mark
    cdef object mark                # the same, as the read hook gets it
    cdef bint object_mode
    cdef bint is_disabled           # of a Duplex that was made without this side
    cdef str default_encoding       # of str chunks for which none is given

    cdef bint is_done(self) noexcept        # 'end' or 'finish' was emitted
    cdef bint is_all_but_done(self)         # ... or will be, by itself
    cdef int on_constructed(self) except -1
    cdef int on_doomed(self) except -1      # the stream is about to be destroyed
    cdef int on_gone(self) except -1        # ... is closed for good

    cdef inline StreamCore stream(self):
        return <StreamCore>self.owner       # PERF: where each chunk passes, (<StreamCore>self.owner).life counts no reference


cdef class StreamCore(EmitterCore):
    cdef LoopCore loop              # None until the first tick
    cdef Half readable_half         # a ReadableState; None of a Writable, and where it is made only when it is used
    cdef Half writable_half         # a WritableState; likewise
    cdef Life life
    cdef bint auto_destroy
    cdef bint emit_close
    cdef public bint allow_half_open    # of a Duplex: False ends the writable side when the readable one ends
    cdef bint error_emitted         # set with 'error'; a second one is not emitted
    cdef readonly object errored
    cdef object doom                # what destroy() was given while it was constructed
    cdef object destroy_option      # the hooks of the options, or None: then the method of the class
    cdef object construct_option
    cdef public object _hook_tasks      # a set of the tasks that hooks run in; None until the first

    cdef int require_no_coroutine(self, str name, int outcome) except -1     # of a hook: what is_stray() or call_hook_... says
    cdef int materialise(self) except -1    # make the sides that are asked for and not there yet
    cdef int require_new(self, Half half) except -1     # a side is about to be made
    cdef LoopCore loop_here(self)
    cdef int tick(self, callback, tuple arguments) except -1
    cdef int step(self, LifeEvent event) except -1
    cdef int note_error(self, error) except -1
    cdef int error_or_destroy(self, error, bint is_sync) except -1
    cdef int fail_by_pipe(self, error) except -1
    cdef int run_destroy(self, error) except -1
    cdef int torn_down(self, error) except -1
    cdef object as_error(self, error)
    cdef int emit_error(self, error) except -1
    cdef int construct(self) except -1
    cdef int destroy_when_both_done(self, Half other) except -1

    cdef inline bint is_destroyed(self) noexcept:
        return self.life >= DOOMED

    cdef inline bint is_closed(self) noexcept:
        return self.life >= CLOSED

    cdef inline bint is_failed(self) noexcept:
        # Destroyed, or failed without being destroyed: nothing moves any more.
        return self.life >= DOOMED or self.errored is not None


cdef class Once:
    # What a hook is given to call back, once.
    cdef StreamCore stream
    cdef bint was_called
