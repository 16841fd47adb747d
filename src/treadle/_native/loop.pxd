"""Declarations of loop.pyx: what other native units may touch, beside what its bases declare."""
from treadle._native.tasks cimport Tasks

cdef extern from "Python.h":
    unsigned long this_thread "PyThread_get_thread_ident"() noexcept


cdef class LoopCore(Tasks):
    cdef unsigned long run_thread           # the thread that runs it; 0: none
    cdef readonly Py_ssize_t request_refs   # requests under way that hold the program: pool jobs, executor calls
    cdef public object pool         # the native pool, once something asked for it: drop_waiting(), close()
    cdef object spare_pipes         # of splice.pyx, once something was spliced
    cdef set owners                 # of descriptors that are watched at times only: abandon() when the loop is closed
    cdef set listeners              # OWNER: every listener from its first start until it is closed, also while it pauses
    cdef public bint has_own_faces  # it has a next_tick, set_immediate ... of its own, which treadle's functions call
