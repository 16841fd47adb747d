"""Declarations of check_phase.pyx: what other native units may touch."""
from libc.stdint cimport uint64_t

from treadle._native.callbacks cimport SPARES_MAX, PyContext_CopyCurrent
from treadle._native.queues cimport IMMEDIATE, Handle, Kind, Ring, is_unshared
from treadle._native.timers_phase cimport TimersPhase


cdef class Immediate(Handle):
    cdef CheckPhase loop    # None once it has run or was cancelled
    cdef bint is_refed      # set by ref(), cleared by unref()
    cdef bint is_counted    # it is one of loop.immediate_refs

    cdef int count(self, bint holds) except -1


cdef class CheckPhase(TimersPhase):
    cdef Ring immediates
    cdef Ring spare_immediates      # OWNER: those that have run and that nobody else has, for add_immediate()
    cdef Py_ssize_t immediate_refs

    cdef Immediate add_immediate(self, Kind kind, callback, args, context)
    cdef int run_check(self) except -1

    cdef inline Immediate add_node_immediate(self, callback, tuple args):
        # set_immediate, as treadle's function calls it without a look-up.
        self.admit(callback)
        return self.add_immediate(IMMEDIATE, callback, args if args else None, PyContext_CopyCurrent())

    cdef inline int spare_immediate(self, Immediate immediate) except -1:
        # It has run. PERF: bench/loop, a turn: making and freeing it cost a tenth of it.
        if is_unshared(immediate) and self.spare_immediates.size < SPARES_MAX:
            immediate.is_cancelled = False
            self.spare_immediates.push(immediate)
        return 0
