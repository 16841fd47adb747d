"""What one stream's socket receives to another's, by splice(2): through a pipe, and never through memory of the process.

    source socket --fill--> pipe --drain--> sink socket

Either the source is waited for, and the pipe is empty, or the sink, and the source is left alone: what it is sent stays in the
kernel, so the sender slows down. A visit in the poll phase fills the pipe once and drains it, so that others have their turn.
Invariants: bytes leave in the order in which they came; a pipe is this move's own while something is in it, empty ones are the
loop's; each is closed once. One Splice is one way; for both ways take two, neither knows of the other. The end of the source is
told to the callback, which may pass it on. Where there is no descriptor left for a pipe, or the sockets cannot be spliced, bytes
are moved by hand, in the same order. Source: splice(2); pipes that are lent only while something is in them: HAProxy. Not here:
who waits (movers.pyx).
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.errno cimport EAGAIN, ECONNABORTED, EINTR, EINVAL, errno
from posix.unistd cimport close

from treadle._native.forks cimport fork_count
from treadle._native.loop cimport LoopCore
from treadle._native.movers cimport Mover
from treadle._native.poll_epoll cimport PollHandle
from treadle._native.pool cimport os_error
from treadle._native.tcp cimport Stream

cdef extern from "<fcntl.h>" nogil:     # declared with _GNU_SOURCE, which Python.h defines
    int F_SETPIPE_SZ, SPLICE_F_MOVE, SPLICE_F_NONBLOCK, O_CLOEXEC, O_NONBLOCK
    int fcntl(int fd, int command, ...)
    ssize_t splice(int source, void *source_offset, int sink, void *sink_offset, size_t size, unsigned int flags)

cdef extern from "<unistd.h>" nogil:
    int pipe2(int *ends, int flags)

cdef enum:
    PIPE_BYTES = 1024 * 1024        # PERF: bench/streams. As much as Linux lets everybody have
    FILL_BYTES = 1024 * 1024        # at most in one visit
    FILL_BYTES_BY_HAND = 64 * 1024


cdef class SparePipes(PollHandle):
    cdef bint take(self, Pipe *pipe) except -1:
        # False: there is none, and none can be made.
        cdef int ends[2]
        self.forget_if_forked()
        if self.count:
            self.count -= 1
            pipe[0] = self.pipes[self.count]
            return True
        if pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0:
            return False
        fcntl(ends[1], F_SETPIPE_SZ, <int>PIPE_BYTES)   # fails for a user who has many already: then it is smaller, and works
        pipe.reader, pipe.writer = ends[0], ends[1]
        return True

    cdef void put_back(self, Pipe *pipe) noexcept:
        # INVARIANT: it is empty.
        self.forget_if_forked()
        if self.count == SPARE_PIPES_MAX:
            close_pipe(pipe)
        else:
            self.pipes[self.count] = pipe[0]
            self.count += 1
            pipe.reader = pipe.writer = -1

    cdef void forget_if_forked(self) noexcept:
        # In a forked child they are the parent's pipes, too.
        if self.forks != fork_count():
            self.forks = fork_count()
            self.abandon_all()

    cdef void abandon_all(self) noexcept:
        while self.count:
            self.count -= 1
            close_pipe(&self.pipes[self.count])

    cpdef int abandon(self) except -1:
        self.abandon_all()
        return 0

    def __dealloc__(self):
        # Where the loop was dropped unclosed.
        self.abandon_all()


cdef SparePipes spare_pipes_of(LoopCore loop):
    cdef SparePipes spares = loop.spare_pipes
    if spares is None:
        spares = loop.spare_pipes = SparePipes()
        spares.forks = fork_count()
        loop.owners.add(spares)
    return spares


cdef void close_pipe(Pipe *pipe) noexcept:
    if pipe.reader >= 0:
        close(pipe.reader)
        close(pipe.writer)
        pipe.reader = pipe.writer = -1


def splice_streams(Stream source not None, Stream sink not None, callback, *, bint is_awaited=False):
    """Send what `source` receives from now on to `sink`, behind what that has to send already, until the source ends. What is
    written to the sink meanwhile is sent behind it. Returns a Splice, under way already.

    callback(error, bytes_moved) in the pending phase: without an error the source has ended its side, and all has been moved; the
    sink's side is still open. An error of a socket ends its stream, too. The source is paused from then on, the sink goes on
    behind the callback. is_awaited: the callback is a future's. Raises RuntimeError: the loop or a stream is closed, or lent
    already.
    """
    cdef Splice move
    if source is sink or source.loop is not sink.loop:
        raise ValueError("source and sink are two streams of one loop")
    if source.loop.is_closed_native:
        raise RuntimeError("the loop is closed")
    move = Splice.__new__(Splice)
    move.source = source
    move.sink = sink
    move.spares = spare_pipes_of(source.loop)
    move.begin_move(source.loop, callback, is_awaited)
    try:
        source.lend_source(move)
        sink.lend_sink(move)
    except BaseException:
        move.let_go()
        raise
    return move


cdef class Splice(Mover):
    """One splice_streams under way."""

    def __cinit__(self):
        self.pipe.reader = self.pipe.writer = -1

    def __dealloc__(self):
        # Where the loop was dropped unclosed.
        close_pipe(&self.pipe)

    cdef int on_turn(self) except -1:
        return self.watch_both(True, False)

    cdef int on_source(self) except -1:
        return self.pump(True)

    cdef int on_sink(self) except -1:
        return self.pump(False)

    cdef int stop_move(self) except -1:
        return self.end_move(None) if self.held == 0 and self.rest is None else 0     # else pump() ends it

    cdef int on_lost(self, PollHandle stream, error) except -1:
        if stream is self.source and self.is_at_end:
            return 0        # all of it is here, and goes on its way
        return self.end_move(os_error(ECONNABORTED, None) if error is None else error)

    cdef int pump(self, bint may_fill) except -1:
        if self.is_over:
            return 0
        if may_fill and not self.is_at_end:
            self.fill()
        if self.is_over or not self.drain():
            return 0
        if self.is_at_end or self.is_stopping:
            self.is_complete = self.is_at_end
            return self.end_move(None)
        return self.watch_both(True, False)

    cdef int watch_both(self, bint source, bint sink) except -1:
        # What it waits for from here on.
        if self.is_over:
            return 0
        if self.wants_source != source:
            self.wants_source = source
            self.source.rewatch()
        if self.wants_sink != sink and not self.is_over:
            self.wants_sink = sink
            self.sink.rewatch()
        return 0

    cdef int fill(self) except -1:
        # INVARIANT: nothing is in the pipe, and there is no rest. It may end the source, and with it this.
        cdef ssize_t size
        if self.is_by_hand or not self.spares.take(&self.pipe):
            return self.fill_by_hand()
        size = splice(self.source.fd, NULL, self.pipe.writer, NULL, FILL_BYTES, SPLICE_F_MOVE | SPLICE_F_NONBLOCK)
        self.system_calls += 1
        if size > 0:
            self.held = size
            return 0
        if size < 0 and errno == EINVAL:
            self.is_by_hand = True
            self.spares.put_back(&self.pipe)
            return self.fill_by_hand()
        return self.received_nothing(size)

    cdef int received_nothing(self, ssize_t size) except -1:
        # splice() or take_in() returned size <= 0.
        cdef int error = errno
        if self.pipe.reader >= 0:
            self.spares.put_back(&self.pipe)
        if size == 0:
            self.is_at_end = True
        elif error != EAGAIN and error != EINTR:
            self.source.fail(error)     # it tells on_lost()
        return 0

    cdef int fill_by_hand(self) except -1:
        cdef ssize_t size = self.source.take_in(self.loop.io_buffer, FILL_BYTES_BY_HAND)
        self.system_calls += 1
        if size <= 0:
            return self.received_nothing(size)
        self.rest = PyBytes_FromStringAndSize(self.loop.io_buffer, size)
        self.rest_offset = 0
        return 0

    cdef bint drain(self) except -1:
        # True: all is with the sink. False: it waits for that, or is over.
        cdef ssize_t size
        if self.rest is not None:
            return self.drain_by_hand()
        while self.held:
            size = splice(self.pipe.reader, NULL, self.sink.fd, NULL, self.held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK)
            self.system_calls += 1
            if size <= 0:
                return self.sink_took_nothing()
            self.held -= size
            self.bytes_moved += size
        if self.pipe.reader >= 0:
            self.spares.put_back(&self.pipe)
        return True

    cdef bint drain_by_hand(self) except -1:
        cdef Py_ssize_t left = PyBytes_GET_SIZE(self.rest) - self.rest_offset
        cdef ssize_t size = self.sink.give_out(PyBytes_AS_STRING(self.rest) + self.rest_offset, left)
        self.system_calls += 1
        if size < 0:
            return self.sink_took_nothing()
        self.bytes_moved += size
        self.rest_offset += size
        if size < left:
            self.watch_both(False, True)
            return False
        self.rest = None
        return True

    cdef bint sink_took_nothing(self) except -1:
        cdef int error = errno
        if error == EAGAIN or error == EINTR:
            self.watch_both(False, True)
        else:
            self.sink.fail(error)       # it tells on_lost()
        return False

    cdef int let_go_descriptors(self) except -1:
        # What is in the pipe is lost with it.
        self.held = 0
        self.rest = None
        close_pipe(&self.pipe)
        return 0

    cdef int give_back(self) except -1:
        cdef Stream source = self.source
        cdef Stream sink = self.sink
        self.source = self.sink = None
        if source is not None:
            source.take_back_source(self)
            sink.take_back_sink(self)
        return 0
