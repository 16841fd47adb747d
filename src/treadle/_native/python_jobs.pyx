"""Calls of Python on the threads of a pool, for libraries that work without the GIL once they are called: compression, hashes.

    loop's thread   run(pool, kind, function, arguments) ──► request                                    callback(error, result)
    a thread                       a thread state of its own, the GIL: function(*arguments) ──► request

Invariants: the objects belong to the request. A thread touches them with the GIL held, and only while the job is not abandoned,
which happens with the GIL held, too; what it took then, it lets go of before it lets go of the GIL. A thread has a thread state as
long as its call lasts, and none is used that the interpreter does not know. Where an interpreter ends meanwhile: the main one takes
the GIL from the call for good, as from a daemon thread; any other, which must not end before its threads, waits for it.
Not here: threads (pool_threads), requests (pool); callables of the user, which have threads of their own (asyncio's executor).
Source: CPython, "Thread State and the Global Interpreter Lock".
"""
import atexit

cimport cython
from cpython.object cimport PyObject
from libc.errno cimport ENOMEM
from libc.stdlib cimport calloc, free
from posix.unistd cimport usleep

from treadle._native.pool cimport Pool, Request, os_error
from treadle._native.pool_threads cimport (
    ALONE, COMPUTING, DONE, LONG, Job, Outcome, pthread_mutex_destroy, pthread_mutex_init, pthread_mutex_lock, pthread_mutex_t,
    pthread_mutex_unlock,
)
from treadle._native.queues cimport COMPLETION, SOON, Handle

cdef extern from "Python.h" nogil:
    ctypedef struct PyInterpreterState:
        pass
    ctypedef struct PyThreadState:
        pass
    PyInterpreterState *PyInterpreterState_Get()
    PyInterpreterState *PyInterpreterState_Main()
    PyThreadState *PyInterpreterState_ThreadHead(PyInterpreterState *interpreter)
    PyThreadState *PyThreadState_Next(PyThreadState *state)
    PyThreadState *PyThreadState_New(PyInterpreterState *interpreter)
    void PyEval_RestoreThread(PyThreadState *state)
    void PyThreadState_Clear(PyThreadState *state)
    void PyThreadState_DeleteCurrent()

cdef enum:
    LOOK_EVERY_US = 1000    # for calls that are under way when an interpreter ends

# call(), for who has the GIL without Cython's knowing it. Not "with gil": that would look for a thread state by itself.
ctypedef void (*Call)(void *job) noexcept nogil


cdef enum:
    KINDS_LEFT_FREE = 64        # for jobs in C, however many names are made up for calls


# ---- on a thread


cdef struct PythonJob:
    Job job
    pthread_mutex_t lock            # around is_abandoned, where the GIL is not held
    bint is_abandoned               # set by abandon, never cleared: neither the request nor the interpreter is to be touched
    bint has_no_memory              # for a thread state
    PyInterpreterState *interpreter


cdef Outcome run_python_job(Job *base) noexcept nogil:
    cdef PythonJob *job = <PythonJob *>base
    cdef PyThreadState *state = NULL
    pthread_mutex_lock(&job.lock)       # ORDER: an interpreter cannot end before the job is abandoned
    if not job.is_abandoned:
        state = PyThreadState_New(job.interpreter)
        job.has_no_memory = state is NULL
    pthread_mutex_unlock(&job.lock)
    if state is not NULL:
        PyEval_RestoreThread(state)     # where the interpreter is ending, the thread ends here, or hangs
        (<Call><void *>call)(job)
        PyThreadState_Clear(state)
        PyThreadState_DeleteCurrent()   # and the GIL is free
    return DONE


cdef void call(PythonJob *job) noexcept:
    cdef object function, arguments, request
    cdef object outcome = None
    cdef object failure = None
    if job.is_abandoned:
        return
    function = (<PythonCall>job.job.request).function
    arguments = (<PythonCall>job.job.request).arguments
    try:
        outcome = function(*arguments)
    except BaseException as error:
        failure = error
    if not job.is_abandoned:
        (<PythonCall>job.job.request).outcome = outcome
        (<PythonCall>job.job.request).failure = failure


cdef void abandon_python_job(Job *base) noexcept nogil:
    cdef PythonJob *job = <PythonJob *>base
    pthread_mutex_lock(&job.lock)
    job.is_abandoned = True
    pthread_mutex_unlock(&job.lock)


cdef void discard_python_job(Job *base) noexcept nogil:
    cdef PythonJob *job = <PythonJob *>base
    pthread_mutex_destroy(&job.lock)
    free(job)


# ---- on the loop's thread


def run(Pool pool not None, str kind not None, function, tuple arguments not None, callback, *, bint is_awaited=False,
        bint is_long=False, bint is_alone=False):
    """Call function(*arguments) on a thread; callback(error, result) in the poll phase: what it raised, or None, and its result.
    Returns a PythonCall, under way already. The function touches neither the loop nor a stream.

    kind: how the pool's statistics call it. is_awaited: the callback is a future's, which the program's end leaves alone.
    is_long: it computes for more than some ms. is_alone: of such calls one runs at a time in the whole process, and the others wait without a thread. Raises PoolSaturated,
    HeldInParent (where it is to be alone), RuntimeError (the loop is closed), OSError (not even one thread can be started).
    """
    cdef PythonCall request = PythonCall.__new__(PythonCall)
    cdef int number = pool.kind(kind, KINDS_LEFT_FREE)
    cdef PythonJob *job
    request.function = function
    request.arguments = arguments
    request.set_callback(SOON if is_awaited else COMPLETION, callback)
    job = <PythonJob *>calloc(1, sizeof(PythonJob))
    if job is NULL:
        raise MemoryError()
    pthread_mutex_init(&job.lock, NULL)
    job.interpreter = PyInterpreterState_Get()
    job.job.kind = number
    job.job.group = ALONE if is_alone else LONG if is_long else COMPUTING
    job.job.run = run_python_job
    job.job.abandon = abandon_python_job
    job.job.discard = discard_python_job
    pool.submit(request, &job.job)
    return request


@cython.no_gc_clear     # see Request
cdef class PythonCall(Request):
    """One call under way."""
    cdef object function    # and its arguments: until it was called
    cdef tuple arguments
    cdef object outcome
    cdef object failure

    cdef bint settle(self, Job *base) except -1:
        cdef object failure = self.failure
        if (<PythonJob *>base).has_no_memory:
            failure = os_error(ENOMEM, None)
        self.args = (failure, self.outcome)
        self.let_go()
        return True

    cdef void release(self) noexcept:
        self.let_go()
        Handle.release(self)

    cdef void let_go(self) noexcept:
        self.function = self.arguments = self.outcome = self.failure = None


# ---- at an interpreter's end


def _wait_for_calls():
    """Return once no thread has a thread state here but this one. An interpreter that ends before is a fatal error."""
    cdef PyInterpreterState *interpreter = PyInterpreterState_Get()
    # ORDER: a state leaves the list with the GIL held, and comes to its head without.
    while PyThreadState_Next(PyInterpreterState_ThreadHead(interpreter)) is not NULL:
        with nogil:
            usleep(LOOK_EVERY_US)


if PyInterpreterState_Get() != PyInterpreterState_Main():
    atexit.register(_wait_for_calls)
