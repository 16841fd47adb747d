"""The poller for Linux: which descriptors are ready, by epoll, level-triggered.

Another system's poller is one more unit with these functions: watch, unwatch, wait, take, renew_if_forked, close. Invariants: a
watched handle is owned by the poller; an event is delivered only to the handle that was watched when it was asked for, although
its descriptor may have been closed and handed out again by an earlier callback of the same poll; an epoll instance is
changed only by the process that made it: a forked child that goes on with its parent's loop has the same one, so it makes
its own on first use, and watches there what was watched.
Source: epoll(7); "stale events" there are what `generation` answers.
"""
from cpython.exc cimport PyErr_CheckSignals, PyErr_SetFromErrno
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.object cimport PyObject
from libc.errno cimport EBUSY, EEXIST, EINTR, ENOENT, errno
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset
from posix.unistd cimport close

from treadle._native.counters cimport LoopCounters
from treadle._native.forks cimport fork_count
from treadle._native.queues cimport disown, own, show_by, visitproc
from treadle._native.timers cimport clock_ns

cdef extern from "<sys/epoll.h>" nogil:
    int EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL
    int epoll_create1(int flags)
    int epoll_ctl(int epoll_fd, int operation, int fd, epoll_event *event)
    int epoll_wait(int epoll_fd, epoll_event *events, int room, int timeout_ms)

cdef extern from "<sys/eventfd.h>" nogil:
    int EFD_NONBLOCK, EFD_CLOEXEC
    int eventfd(unsigned int value, int flags)

cdef extern from "<unistd.h>" nogil:
    int dup3(int fd, int to, int flags)     # declared with _GNU_SOURCE, which Python.h defines

cdef extern from "<fcntl.h>" nogil:
    int O_CLOEXEC

cdef enum:
    EVENTS_PER_WAIT = 1024     # 12 KiB; what is not taken now is taken in the next turn (libuv 1024, asyncio unlimited)


cdef int open_eventfd(int at) except -1:
    # A new one. at >= 0: under this number, in place of what had it. Raises OSError.
    cdef int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
    cdef int error
    if fd < 0:
        PyErr_SetFromErrno(OSError)
    if at < 0:
        return fd
    while dup3(fd, at, O_CLOEXEC) < 0:
        if errno != EINTR and errno != EBUSY:
            error = errno
            close(fd)
            raise_errno(error)
    close(fd)
    return at


cdef int open_epoll() except -1:
    cdef int fd = epoll_create1(EPOLL_CLOEXEC)
    if fd < 0:
        PyErr_SetFromErrno(OSError)
    return fd


cdef int raise_errno(int error) except -1:
    global errno
    errno = error
    PyErr_SetFromErrno(OSError)


cdef class PollHandle:
    def __cinit__(self):
        self.fd = -1
        self.is_refed = True

    cdef int on_ready(self, int ready) except -1:
        # ready: what of its interest has come; all of it where the descriptor has an error.
        return 0

    cdef bint calls_nobody(self, int ready) noexcept:
        return False

    cdef int on_pending(self) except -1:
        return 0

    cdef int on_batch(self) except -1:
        return 0

    cdef int on_close(self) except -1:
        return 0

    cdef int on_fork(self) except -1:
        # Replace what must not be shared with the parent, under the same fd.
        return 0

    cpdef int stop_accepting(self) except -1:
        return 0

    cpdef int abandon(self) except -1:
        return 0

    def fileno(self):
        """The descriptor, or -1 once closed."""
        return self.fd


cdef class Poller:
    def __cinit__(self):
        self.epoll_fd = -1
        self.events = <epoll_event *>PyMem_Malloc(EVENTS_PER_WAIT * sizeof(epoll_event))
        if self.events is NULL:
            raise MemoryError()
        self.forks = fork_count()
        self.epoll_fd = open_epoll()

    def __dealloc__(self):
        self.close()
        PyMem_Free(self.events)

    cdef int watch(self, PollHandle handle, int interest) except -1:
        # Watch handle.fd for interest (at least one of READABLE, WRITABLE, HALF_CLOSED, GONE), or change what it is watched for.
        # Raises OSError.
        cdef bint is_new
        cdef int error
        self.renew_if_forked()
        if handle.interest == interest:
            return 0
        is_new = handle.interest == 0
        if is_new:
            self.make_room(handle.fd)
            if self.watched[handle.fd] is not NULL:
                # Its fd was closed behind our back and handed out again: the old watch is dead.
                self.forget(<PollHandle>self.watched[handle.fd])
            self.generation += 1
            handle.generation = self.generation
        error = self.tell_kernel(handle, interest, EPOLL_CTL_ADD if is_new else EPOLL_CTL_MOD)
        if error:
            raise_errno(error)
        if is_new:
            self.watched[handle.fd] = own(handle)
        handle.interest = interest
        self.count(handle)
        return 0

    cdef int tell_kernel(self, PollHandle handle, int interest, int operation) noexcept:
        # EPOLL_CTL_ADD or _MOD, or the other one where the fd was closed and handed out behind our back. 0, or the errno.
        cdef epoll_event event
        event.events = (EPOLLIN | EPOLLRDHUP) if interest & READABLE else EPOLLRDHUP if interest & HALF_CLOSED else 0
        if interest & WRITABLE:
            event.events |= EPOLLOUT        # and for GONE nothing: failures are told unasked
        event.data.u64 = (<uint64_t>handle.generation << 32) | <uint32_t>handle.fd
        if epoll_ctl(self.epoll_fd, operation, handle.fd, &event) == 0:
            return 0
        if errno == EEXIST:
            operation = EPOLL_CTL_MOD
        elif errno == ENOENT:
            operation = EPOLL_CTL_ADD
        else:
            return errno
        return 0 if epoll_ctl(self.epoll_fd, operation, handle.fd, &event) == 0 else errno

    cdef int unwatch(self, PollHandle handle) except -1:
        # Before its fd is closed. Events of this poll that were not taken yet are dropped with it.
        cdef epoll_event unused     # the kernel before 2.6.9 wanted one
        if handle.interest:
            if self.forks == fork_count():
                epoll_ctl(self.epoll_fd, EPOLL_CTL_DEL, handle.fd, &unused)     # fails where the user closed the fd: no matter
            self.forget(handle)
        return 0

    cdef bint renew_if_forked(self) except -1:
        # True: this is a forked child, and on_fork has let go of what came from its parent.
        if self.forks == fork_count():
            return False
        self.renew()
        return True

    cdef int renew(self) except -1:
        # In a forked child. on_fork may run code of the user, which watches and unwatches.
        cdef PollHandle handle
        cdef int fd = -1
        cdef int mine = open_epoll()
        close(self.epoll_fd)
        self.epoll_fd = mine
        self.forks = fork_count()
        self.next_event = self.event_count = 0      # nothing is lost: the new instance tells of them again
        while fd + 1 < self.room:
            fd += 1
            if self.watched[fd] is NULL:
                continue
            handle = <PollHandle>self.watched[fd]
            handle.on_fork()
            if handle.interest and self.tell_kernel(handle, handle.interest, EPOLL_CTL_ADD):
                self.forget(handle)     # it was closed behind our back
        return 0

    cdef int forget(self, PollHandle handle) except -1:
        handle.interest = 0
        handle.generation = 0
        self.count(handle)
        self.watched[handle.fd] = NULL
        disown(<PyObject *>handle)
        return 0

    cdef void count(self, PollHandle handle) noexcept:
        # After is_refed or interest changed.
        cdef bint holds = handle.is_refed and handle.interest & (READABLE | WRITABLE) != 0
        if holds != handle.is_counted:
            handle.is_counted = holds
            self.refs += 1 if holds else -1

    cdef PollHandle watcher_of(self, int fd):
        # The handle that watches fd, or None.
        if 0 <= fd < self.room and self.watched[fd] is not NULL:
            return <PollHandle>self.watched[fd]
        return None

    cdef list handles(self):
        # All that are watched, in no order that means anything.
        cdef int fd
        return [<PollHandle>self.watched[fd] for fd in range(self.room) if self.watched[fd] is not NULL]

    def __repr__(self):
        state = "closed" if self.epoll_fd < 0 else f"watched={len(self.handles())} refed={self.refs}"
        return f"<{type(self).__name__} {state}>"

    cdef int make_room(self, int fd) except -1:
        cdef int room = self.room
        cdef PyObject **watched
        if fd < 0:
            raise ValueError(f"file descriptor cannot be a negative integer ({fd})")
        if fd < room:
            return 0
        room = max(2 * room, fd + 1, 64)
        watched = <PyObject **>PyMem_Realloc(self.watched, room * sizeof(PyObject *))
        if watched is NULL:
            raise MemoryError()
        memset(watched + self.room, 0, (room - self.room) * sizeof(PyObject *))
        self.watched = watched
        self.room = room
        return 0

    cdef int wait(self, int timeout_ms, LoopCounters *counters) except -1:
        # After renew_if_forked(). Wait for events, without the GIL, at most timeout_ms (-1: for ever). Returns at once when a
        # signal came. A wait is counted in counters.
        cdef int64_t base_ns
        cdef int count
        if timeout_ms == 0:
            count = epoll_wait(self.epoll_fd, self.events, EVENTS_PER_WAIT, 0)
        else:
            with nogil:
                base_ns = counters.wait_base_ns = clock_ns() - counters.idle_ns
                count = epoll_wait(self.epoll_fd, self.events, EVENTS_PER_WAIT, timeout_ms)
                counters.idle_ns = clock_ns() - base_ns
                counters.wait_base_ns = 0
            counters.waits += 1
        self.next_event = 0
        self.event_count = count if count > 0 else 0
        if count < 0:
            if errno != EINTR:
                PyErr_SetFromErrno(OSError)
            PyErr_CheckSignals()
        return 0

    cdef PollHandle take(self, int *ready):
        # The next ready handle of the last wait, or None.
        cdef epoll_event *event
        cdef PollHandle handle
        cdef int fd
        while self.next_event < self.event_count:
            event = &self.events[self.next_event]
            self.next_event += 1
            fd = <int><uint32_t>event.data.u64
            if fd < self.room and self.watched[fd] is not NULL:
                handle = <PollHandle>self.watched[fd]
                if handle.generation == <uint32_t>(event.data.u64 >> 32):
                    ready[0] = handle.interest
                    if not event.events & (EPOLLERR | EPOLLHUP):    # else whoever waits for anything finds out by itself
                        if not event.events & (EPOLLIN | EPOLLRDHUP):
                            ready[0] &= ~READABLE
                        if not event.events & EPOLLOUT:
                            ready[0] &= ~WRITABLE
                        if not event.events & EPOLLRDHUP:
                            ready[0] &= ~HALF_CLOSED
                        ready[0] &= ~GONE
                    if ready[0]:
                        return handle
        return None

    cdef void close(self) noexcept:
        cdef int fd
        for fd in range(self.room):
            if self.watched[fd] is not NULL:
                self.forget(<PollHandle>self.watched[fd])
        PyMem_Free(self.watched)
        self.watched = NULL
        self.room = 0
        if self.epoll_fd >= 0:
            close(self.epoll_fd)
            self.epoll_fd = -1


cdef int show_poller(PyObject *poller, visitproc visit, void *state) noexcept:
    # To the garbage collector: what it watches.
    cdef int fd
    cdef int found
    for fd in range((<Poller>poller).room):
        if (<Poller>poller).watched[fd] is not NULL:
            found = visit((<Poller>poller).watched[fd], state)
            if found:
                return found
    return 0


show_by(Poller, show_poller)
