"""Declarations of poll_epoll.pyx: what other native units may touch."""
from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t

from treadle._native.counters cimport LoopCounters

cdef extern from "<sys/epoll.h>" nogil:
    enum:
        EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP, EPOLLRDHUP
    ctypedef union epoll_data_t:
        uint64_t u64
    struct epoll_event:
        uint32_t events
        epoll_data_t data

cdef enum:
    READABLE = 1        # or the peer has ended, or the descriptor has failed: reading tells
    WRITABLE = 2        # likewise
    HALF_CLOSED = 4     # the peer has ended its side, whatever lies unread before that; for a handle that does not read
    GONE = 8            # the descriptor has failed, or both sides have ended; for one that neither reads nor writes


cdef int open_eventfd(int at) except -1


cdef class PollHandle:
    # A descriptor the loop watches. Subclasses say what happens when it is ready.
    cdef int fd                 # -1: closed
    cdef readonly int interest  # what it waits for, as given to the kernel; 0: not watched
    cdef uint32_t generation    # tells an event of this watch from one of an earlier holder of the same fd
    cdef bint is_refed          # it holds the program while it waits to read or to write
    cdef bint is_counted        # it is one of poller.refs

    cdef int on_ready(self, int ready) except -1    # in the poll phase
    cdef bint calls_nobody(self, int ready) noexcept    # on_ready(ready) calls nothing of the user's
    cdef int on_pending(self) except -1             # in the pending phase, once per LoopCore.defer()
    cdef int on_batch(self) except -1               # in the poll phase, once per LoopCore.join_batch()
    cdef int on_close(self) except -1               # in the close phase, once per LoopCore.end()
    cdef int on_fork(self) except -1                # in a forked child, once, while it is watched

    cpdef int stop_accepting(self) except -1        # the program ends: take on nothing new
    cpdef int abandon(self) except -1               # the loop is closed: close the descriptor, and call nobody any more


cdef class Poller:
    cdef int epoll_fd
    cdef unsigned int forks     # fork_count() where epoll_fd was made
    cdef PyObject **watched     # by fd; one owned reference each
    cdef int room
    cdef uint32_t generation
    cdef epoll_event *events
    cdef int event_count        # of the last wait
    cdef int next_event         # the first of them not taken yet
    cdef readonly Py_ssize_t refs   # watched handles that hold the program
    cdef object unused          # with it the garbage collector knows of pollers

    cdef int watch(self, PollHandle handle, int interest) except -1
    cdef int unwatch(self, PollHandle handle) except -1
    cdef bint renew_if_forked(self) except -1
    cdef int renew(self) except -1
    cdef int tell_kernel(self, PollHandle handle, int interest, int operation) noexcept
    cdef void count(self, PollHandle handle) noexcept
    cdef int make_room(self, int fd) except -1
    cdef int forget(self, PollHandle handle) except -1
    cdef PollHandle watcher_of(self, int fd)
    cdef list handles(self)
    cdef int wait(self, int timeout_ms, LoopCounters *counters) except -1
    cdef PollHandle take(self, int *ready)

    cdef inline bint has_more(self) noexcept:
        # Events of the last wait that were not taken yet; their handles may be gone.
        return self.next_event < self.event_count

    cdef inline void put_back(self) noexcept:
        # The event that was taken last: it is looked at again, and its handle may be gone by then.
        self.next_event -= 1

    cdef inline void drop_events(self) noexcept:
        # What was not taken: the next wait tells of it again.
        self.next_event = self.event_count

    cdef void close(self) noexcept
