"""asyncio's callbacks and tasks: call_soon, futures, and tasks that are held until they are done.

A task's step is a callback like any other, but for the one after a bare yield. No asyncio is imported: who has it tells, by
`adopt_asyncio`, what its futures, tasks and steps look like. Invariant: a task of `create_task` does not vanish before it is
done. Not here: what a task factory or debug mode wants, and the texts of errors (treadle.loop).
"""
from collections.abc import Coroutine

from cpython.object cimport PyObject

from treadle._native.callbacks cimport PyContext_CopyCurrent, type_of
from treadle._native.queues cimport ALARM, READY, SOON, DebugHandle, Handle, Kind

from treadle._native.callbacks import at_any_rate

cdef extern from "Python.h":
    object PyContext_Copy(object context)
    object PyObject_Call(object callable, object args, object kwargs)


cdef class Tasks(Descriptors):
    """What asyncio schedules with."""

    def __cinit__(self):
        self.tasks = set()
        self.task_ended = object()      # nobody's callback, until adopt_asyncio()

    def adopt_asyncio(self, step_type, python_step, current_task, task_ended, future_type, task_type):
        """Tell the loop how asyncio's tasks look: the type of the callable that makes a step, and the function of the bound
        method that does so in a pure-Python task; asyncio.current_task; the done-callback that lets a task go; its futures and
        its tasks."""
        self.step_type = step_type
        self.python_step = python_step
        self.current_task = current_task
        self.task_ended = task_ended
        self.future_type = future_type
        self.task_type = task_type
        self.add_done_callback = task_type.add_done_callback
        self.by_loop = {"loop": self}

    # ---- callbacks

    def call_soon(self, callback, *args, context=None):
        """Run callback(*args) as a microtask; the step after a task's bare yield runs in the check phase. Returns a Handle."""
        cdef Handle handle
        self.admit(callback)
        if callback is self.task_ended:     # a held task is let go of at once, without a turn through the queue
            self.tasks.discard(args[0])
            return None
        if context is None:
            context = PyContext_CopyCurrent()
        if self.is_step(callback):
            if self.is_making_task:
                self.is_making_task = False
            elif callback.__self__ is self.current_task(self):
                # A task's next step, scheduled while that very task runs: a bare yield, or sleep(0). It asks to let I/O run.
                return self.add_immediate(SOON, callback, args if args else None, context)
        if self.is_debug:
            return self.push_checked(callback, args, context, True)
        handle = self.make_handle(SOON, callback, args if args else None, context)
        self.add_soon(handle)
        return handle

    def call_soon_threadsafe(self, callback, *args, context=None):
        """call_soon from any thread, or from a signal handler: in the same queue, and it wakes the poll."""
        cdef Handle handle
        self.admit(callback)
        if context is None:
            context = PyContext_CopyCurrent()
        if self.is_debug:
            handle = self.push_checked(callback, args, context, False)
        else:
            handle = self.make_handle(SOON, callback, args if args else None, context)
            self.add_soon(handle)
        self.wake()
        return handle

    cdef Handle push_checked(self, callback, tuple args, context, bint is_on_loop_thread):
        # call_soon in debug mode.
        cdef DebugHandle handle = DebugHandle.__new__(DebugHandle)
        handle.origin = self.check_call(callback, "call_soon" if is_on_loop_thread else "call_soon_threadsafe", is_on_loop_thread)
        handle.kind = SOON
        handle.callback = callback
        handle.args = args if args else None
        handle.context = context
        self.add_soon(handle)
        return handle

    # ---- futures and tasks

    def create_future(self):
        """A new asyncio.Future of this loop."""
        return PyObject_Call(self.future_type, (), self.arguments_of(None, None))

    def create_task(self, coro, *, name=None, context=None, **kwargs):
        """Run a coroutine as a task, which the loop holds until it is done. asyncio's; further arguments are those of its task
        factory and, where it knows them, of asyncio.Task: `eager_start`."""
        if self._task_factory is not None or self.is_debug or kwargs:
            task = self._make_task(coro, name, context, kwargs)
            if not task.done():
                self.hold(task)
            return task
        if self.is_closed_native:
            self._check_closed()
        self.is_making_task = True
        try:
            task = PyObject_Call(self.task_type, (coro,), self.arguments_of(name, context))
        finally:
            self.is_making_task = False
        self.hold(task)
        return task

    def begin_task(self, coro, context=None):
        """Like create_task for a coroutine that a callback returned: where asyncio can do so, which is from CPython 3.12 on, it runs
        to its first suspension at once, as an async function does in Node. A task factory decides for itself."""
        if self._task_factory is not None or not has_eager_tasks():
            return self.create_task(coro, context=context)
        self._check_closed()
        task = self.task_type(coro, loop=self, context=context, eager_start=True)
        if not task.done():
            self.hold(task)
        return task

    def _make_task(self, coro, name, context, kwargs):
        """The long way: in debug mode, with a task factory, or with arguments of a newer asyncio. `treadle.EventLoop` asks
        asyncio."""
        raise NotImplementedError

    def get_debug(self):
        """asyncio's debug mode: a future asks for it when it is made."""
        return self.is_debug

    cdef dict arguments_of(self, name, context):
        # Of asyncio.Future, and of asyncio.Task. PERF: bench/loop, wake_up and task: the usual ones are made once.
        cdef dict arguments
        if name is None and context is None and self.by_loop is not None:
            return self.by_loop
        arguments = {"loop": self}
        if name is not None:
            arguments["name"] = name
        if context is not None:
            arguments["context"] = context
        return arguments

    cdef int hold(self, task) except -1:
        # Keep task alive until it is done: a task that nobody else refers to does not vanish.
        self.tasks.add(task)
        if type_of(task) == <PyObject *>self.task_type:
            self.add_done_callback(task, self.task_ended)
        else:
            task.add_done_callback(self.task_ended)
        return 0

    cdef int run_returned(self, Kind kind, returned, context) except -1:
        # COMPAT(node): there a coroutine function that is called runs. context: that of the callback.
        cdef object coroutine = None
        if kind == SOON or kind == ALARM or kind == READY or self.task_type is None:
            return True
        try:
            if isinstance(returned, Coroutine):
                coroutine = returned
                self.begin_task(returned, PyContext_Copy(context))
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exception:
            if coroutine is not None:
                at_any_rate(coroutine.close)
            self.uncaught(exception)
            return False
        return True
