"""Descriptors of the user's, watched for asyncio: add_reader and add_writer.

Invariants: a descriptor has one reader and one writer at most, a new one replaces the old one; it is watched exactly while it
has one of them, and is never closed here. Not here: sockets of treadle's own (tcp.pyx).
"""
from cpython.object cimport PyObject

from treadle._native.callbacks cimport PyContext_CopyCurrent
from treadle._native.poll_epoll cimport READABLE, WRITABLE, PollHandle
from treadle._native.queues cimport READY, DebugHandle, Handle, show_by, show_handle, visitproc


cdef class FdWatcher(PollHandle):
    """The reader and the writer callback of one descriptor. Invariant: watched exactly while it has one of them."""

    cdef int on_ready(self, int ready) except -1:
        if ready & READABLE and self.reader is not None:
            self.loop.run_watch(self.reader)
            if ready & WRITABLE:
                self.loop.drain_if_any()    # after the last callback of an event, take_events() does
        if ready & WRITABLE and self.writer is not None:
            self.loop.run_watch(self.writer)
        return 0

    cpdef int abandon(self) except -1:
        # The descriptor is its user's.
        self.loop.poller.unwatch(self)
        for handle in (self.reader, self.writer):
            if handle is not None:
                (<Handle>handle).cancel()
        self.reader = self.writer = None
        return 0

    cdef int rewatch(self) except -1:
        cdef int interest = 0
        if self.reader is not None:
            interest |= READABLE
        if self.writer is not None:
            interest |= WRITABLE
        if interest:
            self.loop.poller.watch(self, interest)
        else:
            self.loop.poller.unwatch(self)
        return 0


cdef int show_watcher(PyObject *watcher, visitproc visit, void *state) noexcept:
    # To the garbage collector: also what its handles refer to.
    return (visit(<PyObject *>(<FdWatcher>watcher).loop, state) or visit(<PyObject *>(<FdWatcher>watcher).file, state)
            or show_handle(<PyObject *>(<FdWatcher>watcher).reader, visit, state)
            or show_handle(<PyObject *>(<FdWatcher>watcher).writer, visit, state))


show_by(FdWatcher, show_watcher)


cdef class Descriptors(IoPhases):
    """Watching under asyncio's private names: BaseSelectorEventLoop's code calls them."""

    def _add_reader(self, fd, callback, *args):
        self.admit(callback)
        return self.watch_fd(fd, READABLE, callback, args)

    def _add_writer(self, fd, callback, *args):
        self.admit(callback)
        return self.watch_fd(fd, WRITABLE, callback, args)

    def _remove_reader(self, fd):
        return not self.is_closed_native and self.unwatch_fd(self.watched_fileno(fd), READABLE)

    def _remove_writer(self, fd):
        return not self.is_closed_native and self.unwatch_fd(self.watched_fileno(fd), WRITABLE)

    def watcher(self, int fd):
        """The handle that watches fd, or None."""
        return self.poller.watcher_of(fd)

    def set_fd_ref(self, int fd, bint is_refed):
        """Say whether the watch on fd holds the program (the default)."""
        cdef PollHandle handle = self.poller.watcher_of(fd)
        if handle is not None:
            handle.is_refed = is_refed
            self.poller.count(handle)

    def held_fds(self):
        """The descriptors that are watched and hold the program, in a list."""
        return [(<PollHandle>handle).fd for handle in self.poller.handles() if (<PollHandle>handle).is_counted]

    cdef Handle watch_fd(self, file, int interest, callback, tuple args):
        cdef int fd = fileno_of(file)
        cdef PollHandle known = self.poller.watcher_of(fd)
        cdef FdWatcher watcher
        cdef Handle handle = DebugHandle.__new__(DebugHandle) if self.is_debug else Handle.__new__(Handle)
        cdef Handle replaced
        if self.is_debug:
            (<DebugHandle>handle).origin = self.trace_call()
        handle.kind = READY
        handle.callback = callback
        handle.args = args if args else None
        handle.context = PyContext_CopyCurrent()
        if isinstance(known, FdWatcher):
            watcher = known
        else:
            watcher = FdWatcher()
            watcher.loop = self
            watcher.fd = fd
        watcher.file = file
        if interest == READABLE:
            replaced, watcher.reader = watcher.reader, handle
        else:
            replaced, watcher.writer = watcher.writer, handle
        if replaced is not None:
            replaced.cancel()
        watcher.rewatch()
        return handle

    cdef int watched_fileno(self, file) except? -1:
        # COMPAT(asyncio): an object that was closed while it was watched is still known by itself, as to the selectors module.
        try:
            return fileno_of(file)
        except ValueError:
            for handle in self.poller.handles():
                if isinstance(handle, FdWatcher) and (<FdWatcher>handle).file is file:
                    return (<FdWatcher>handle).fd
            raise

    cdef bint unwatch_fd(self, int fd, int interest) except -1:
        cdef PollHandle known
        cdef FdWatcher watcher
        cdef Handle removed
        known = self.poller.watcher_of(fd)
        if not isinstance(known, FdWatcher):
            return False
        watcher = known
        if interest == READABLE:
            removed, watcher.reader = watcher.reader, None
        else:
            removed, watcher.writer = watcher.writer, None
        if removed is None:
            return False
        removed.cancel()
        watcher.rewatch()
        return True


cdef int fileno_of(descriptor) except? -1:
    # A number, or an object with fileno(). Raises ValueError where it is neither, or closed; as the selectors module.
    cdef int fd
    try:
        fd = descriptor if isinstance(descriptor, int) else int(descriptor.fileno())
    except (AttributeError, TypeError, ValueError):
        raise ValueError(f"Invalid file object: {descriptor!r}") from None
    if fd < 0:
        raise ValueError(f"file descriptor cannot be a negative integer ({fd})")
    return fd
