"""Declarations of tasks.pyx: what other native units may touch."""
from cpython.object cimport PyObject
from cpython.version cimport PY_VERSION_HEX

from treadle._native.callbacks cimport type_of
from treadle._native.descriptors cimport Descriptors
from treadle._native.queues cimport Handle


cdef extern from "Python.h":
    bint is_method "PyMethod_Check"(object callback)
    PyObject *method_function "PyMethod_GET_FUNCTION"(object callback)


cdef inline bint has_eager_tasks() noexcept:
    return PY_VERSION_HEX >= 0x030C0000


cdef class Tasks(Descriptors):
    cdef object step_type           # what asyncio hands to call_soon for a task's next step
    cdef object python_step         # the same of a task in pure Python: the function of a bound method
    cdef object current_task        # asyncio.current_task
    cdef object task_ended          # the done-callback every held task gets
    cdef object future_type         # asyncio.Future
    cdef object task_type           # asyncio.Task
    cdef object add_done_callback   # of task_type, unbound
    cdef dict by_loop               # {"loop": self}: how both are made; None where the loop is closed
    cdef public object _task_factory    # COMPAT(asyncio): its name for it, set by its set_task_factory()
    cdef bint is_making_task        # asyncio.Task is about to ask for the first step of one
    cdef set tasks                  # OWNER: every task from its making until it is done

    cdef Handle push_checked(self, callback, tuple args, context, bint is_on_loop_thread)
    cdef dict arguments_of(self, name, context)
    cdef int hold(self, task) except -1

    cdef inline bint is_step(self, callback):
        return (type_of(callback) == <PyObject *>self.step_type
                or (is_method(callback) and method_function(callback) == <PyObject *>self.python_step))
