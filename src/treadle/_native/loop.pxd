"""Declarations of loop.pyx: what other native units may touch."""
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t

from treadle._native.microtasks cimport SPARES_MAX, Microtasks, PhaseWatch, type_of
from treadle._native.poll_epoll cimport PollHandle, Poller
from treadle._native.queues cimport IMMEDIATE, MICROTASK, TICK, Handle, HeapEntry, Kind, Ring, is_unshared
from treadle._native.timers cimport NS_PER_MS, Alarm, Timeout, Timer, TimerList, Timers


cdef extern from "Python.h":
    bint is_method "PyMethod_Check"(object callback)
    PyObject *method_function "PyMethod_GET_FUNCTION"(object callback)
    object PyContext_Copy(object context)
    object PyContext_CopyCurrent()
    object PyObject_Call(object callable, object args, object kwargs)


cdef enum:
    DELAY_MS_MAX = 2_147_483_647    # longer ones become 1 ms; Node, TIMEOUT_MAX


cdef class Immediate(Handle):
    cdef LoopCore loop      # None once it has run or was cancelled
    cdef bint is_refed      # set by ref(), cleared by unref()
    cdef bint is_counted    # it is one of loop.immediate_refs

    cdef int count(self, bint holds) except -1


cdef class LoopCore(Microtasks):
    cdef readonly Timers timers
    cdef readonly Poller poller
    cdef Ring immediates
    cdef Ring spare_immediates      # OWNER: those that have run and that nobody else has, for add_immediate()
    cdef Ring pending               # PollHandles whose on_pending() waits for the pending phase
    cdef Ring batch                 # PollHandles whose on_batch() waits for others of this poll
    cdef int64_t batch_since_ns     # when the first of them joined
    cdef Py_ssize_t batch_pause     # so many handles do not wait, since callbacks were slow
    cdef public Py_ssize_t batch_max    # how many of them at most; 1: nobody waits
    cdef bint is_taking             # the poll phase hands out events
    cdef Ring closing               # PollHandles whose on_close() waits for the close phase
    cdef Waker waker
    cdef char *io_buffer            # where streams receive into; valid until the next receive
    cdef Py_ssize_t io_buffer_size
    cdef Py_ssize_t immediate_refs
    cdef readonly Py_ssize_t request_refs   # requests under way that hold the program: pool jobs, executor calls

    cdef bint is_polling            # the loop's thread may be blocked in the kernel; read by other threads, under the GIL
    cdef readonly bint is_closed_native
    cdef unsigned int forks         # fork_count() where it polls

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
    cdef public object pool         # the native pool, once something asked for it: drop_waiting(), close()
    cdef set tasks                  # OWNER: every task from its making until it is done
    cdef set owners                 # of descriptors that are watched at times only: abandon() when the loop is closed
    cdef public bint has_own_faces  # it has a next_tick, set_immediate ... of its own, which treadle's functions call
    cdef int64_t pass_ns            # the alarms' time of the timers' pass, and until all that was due has run; -2: it has
    cdef uint64_t pass_order        # alarms made in the pass have this order, or one behind it
    cdef int64_t alarms_turn_ns     # their rest has its turn as if it were due then, by clock_ns(): it was cut; -2: there is none
    cdef public object alarm_clock  # COMPAT(asyncio): what replaces time(), in s, for call_later and call_at; None: nothing does
    cdef set listeners              # OWNER: every listener from its first start until it is closed, also while it pauses

    cdef int refuse(self, callback) except -1
    cdef dict arguments_of(self, name, context)
    cdef int hold(self, task) except -1
    cdef Handle push_checked(self, callback, tuple args, context, bint is_on_loop_thread)
    cdef int poll_timeout_ms(self) except -2
    cdef Immediate add_immediate(self, Kind kind, callback, args, context)
    cdef Timeout add_timeout(self, callback, double delay_ms, tuple args, bint is_interval)
    cdef double alarms_now_s(self) except? -1
    cdef Alarm add_alarm(self, double when_s, callback, tuple args, context)
    cdef Handle watch_fd(self, file, int interest, callback, tuple args)
    cdef int watched_fileno(self, file) except? -1
    cdef bint unwatch_fd(self, int fd, int interest) except -1
    cdef int run_list(self, TimerList timers, int64_t now_ms, bint *drain_first, PhaseWatch *phase) except -1
    cdef int run_alarms(self, PhaseWatch *phase) except -1
    cdef int run_timers(self) except -1
    cdef int run_pending(self) except -1
    cdef int poll(self, bint may_wait) except -1
    cdef int take_events(self) except -1
    cdef int visit(self, Kind kind, PollHandle handle, int ready) except -1
    cdef object fire_observed(self, Timer timer)
    cdef int follow_up(self) except -1
    cdef int end_batch(self) except -1
    cdef int run_check(self) except -1
    cdef int note_spin(self, uint64_t ran) except -1
    cdef int run_close(self) except -1
    cpdef int wake(self) except -1

    cdef int complete(self, Handle handle) except -1    # run a finished request's callback, in the poll phase
    cdef int defer(self, PollHandle handle) except -1   # to the pending phase
    cdef int end(self, PollHandle handle) except -1     # to the close phase
    cdef bint join_batch(self, PollHandle handle) except -1     # False: no events are handed out, so there is no batch

    cdef inline int admit(self, callback) except -1:
        # Everything that is scheduled passes here.
        if self.is_closed_native or callback is None:
            self.refuse(callback)
        return 0

    # Node's methods, as treadle's functions call them without a look-up.

    cdef inline int add_tick(self, callback, tuple args) except -1:
        self.admit(callback)
        return self.ticks.push(self.make_handle(TICK, callback, args if args else None, PyContext_CopyCurrent()))

    cdef inline int add_microtask(self, callback) except -1:
        self.admit(callback)
        self.plain.push(self.make_handle(MICROTASK, callback, None, PyContext_CopyCurrent()))
        return self.microtasks.push(None)

    cdef inline Immediate add_node_immediate(self, callback, tuple args):
        self.admit(callback)
        return self.add_immediate(IMMEDIATE, callback, args if args else None, PyContext_CopyCurrent())

    cdef inline int spare_immediate(self, Immediate immediate) except -1:
        # It has run. PERF: bench/loop, a turn: making and freeing it cost a tenth of it.
        if is_unshared(immediate) and self.spare_immediates.size < SPARES_MAX:
            immediate.is_cancelled = False
            self.spare_immediates.push(immediate)
        return 0

    cdef inline HeapEntry *first_due_alarm(self) noexcept:
        # NULL: none, or it was made in this very pass, and waits for the next one.
        cdef HeapEntry *alarm = self.timers.due_alarms.first()
        if alarm is NULL or alarm.key > self.pass_ns or (alarm.key == self.pass_ns and alarm.order >= self.pass_order):
            return NULL
        return alarm

    cdef inline bint goes_first(self, HeapEntry *alarm, HeapEntry *timers) noexcept:
        # Alarms are keyed in ns, lists in ms.
        cdef int64_t timers_ns = timers.key * NS_PER_MS
        if alarm.key < self.alarms_turn_ns:
            return self.alarms_turn_ns < timers_ns
        return alarm.key < timers_ns or (alarm.key == timers_ns and alarm.order < timers.order)

    cdef inline bint is_step(self, callback):
        return (type_of(callback) == <PyObject *>self.step_type
                or (is_method(callback) and method_function(callback) == <PyObject *>self.python_step))


cdef class Waker(PollHandle):
    cdef bint is_set                # a wake-up is under way; under the GIL


cdef class FdWatcher(PollHandle):
    # asyncio's add_reader and add_writer on one descriptor.
    cdef LoopCore loop
    cdef object file            # what it was asked for with: a number, or an object that has one
    cdef Handle reader
    cdef Handle writer

    cdef int rewatch(self) except -1
