"""Declarations of timers.pyx: what other native units may touch."""
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t

from treadle._native.queues cimport Handle, Heap, HeapEntry

cdef enum:
    NS_PER_MS = 1_000_000


cdef class TimerList:
    cdef int64_t duration_ms
    cdef HeapEntry due              # key: its turn, in ms: the expiry of its first timer as last looked at, or when it was cut
    cdef PyObject *first            # Timers, linked; the list owns one reference to each
    cdef PyObject *last
    cdef object unused              # with it the garbage collector knows of lists

    cdef void append(self, Timer timer) noexcept
    cdef void unlink(self, Timer timer) noexcept


cdef class Timer:
    cdef Timers timers              # where it counts as alive
    cdef TimerList list             # None: it does not wait
    cdef PyObject *before           # neighbours in the list, borrowed
    cdef PyObject *after
    cdef int64_t start_ms
    cdef int64_t duration_ms
    cdef bint is_refed              # set by ref(), cleared by unref()
    cdef bint is_counted            # it is one of timers.refs

    cdef object fire(self)          # what its callback returned
    cdef int start(self, int64_t duration_ms, int64_t now_ms) except -1
    cdef void stop(self) noexcept
    cdef void count(self, bint holds) noexcept


cdef class Timeout(Timer):
    cdef object callback            # None once closed
    cdef tuple args                 # None where there are none
    cdef object context             # the contextvars.Context it runs in
    cdef bint is_interval
    cdef bint is_closed             # set by close() and by the end of the loop, never cleared

    cdef void let_go(self) noexcept


cdef class Alarm(Handle):
    cdef Timers timers
    cdef HeapEntry due              # key: when in ns
    cdef double when_s              # on the loop's clock
    cdef bint is_whole              # it was given as an int


cdef class DebugAlarm(Alarm):
    # What call_later and call_at make in debug mode.
    cdef object origin              # asyncio's traceback of where it was scheduled
    cdef str known_as               # who it called, once it is cancelled


cdef class Timers:
    cdef dict lists                 # duration in ms -> TimerList
    cdef TimerList latest           # the one of these that was asked for last, or None
    cdef Heap due_lists
    cdef Heap due_alarms
    cdef uint64_t next_order
    cdef int64_t read_ms            # the clock as read_clock_ms() found it last
    cdef int64_t lists_from_ms      # no list is looked at before
    cdef object ran_in              # the context of a callback that returned something, until take_context()
    cdef Py_ssize_t refs            # timers and alarms that hold the program
    cdef bint is_closed             # set by close(), never cleared: nothing waits here any more

    cdef int64_t read_clock_ms(self) noexcept
    cdef object take_context(self)
    cdef int schedule(self, Timer timer, int64_t start_ms) except -1
    cdef void put_back(self, TimerList timers, int64_t due_ms) noexcept
    cdef void drop_if_empty(self, TimerList timers) noexcept
    cdef int drop_list_of(self, int64_t duration_ms) except -1
    cdef int add_alarm(self, Alarm alarm) except -1
    cdef Alarm take_alarm(self)
    cdef int64_t next_due_ns(self)
    cdef void drop_timers(self) noexcept
    cdef void close(self) noexcept


cdef extern from *:
    """
    #include <stdint.h>
    #include <time.h>
    static inline int64_t treadle_clock_ns(void) {
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    }
    /* How long this thread has computed so far: what other processes and threads do is no time of its own. */
    static inline int64_t treadle_thread_cpu_ns(void) {
        struct timespec t;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    }
    """
    int64_t clock_ns "treadle_clock_ns"() noexcept nogil
    int64_t thread_cpu_ns "treadle_thread_cpu_ns"() noexcept nogil
