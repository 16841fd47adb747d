"""A range of an open file to a stream's socket, by sendfile(2), on the threads of a pool.

    loop's thread   submit_slice        take_job --> again, or waits for the socket --> on_sink --> submit_slice
                         |                 ^
    a thread            run_send_job ------+

The call waits for the disk where the file is not in memory: so it is a job. The socket does not block: where it is full, the job
ends, and the poll phase says when to go on. A job sends one slice, then others have their turn, on the threads as in the loop.
Invariants: one job at a time; a thread works on duplicates of both descriptors, which are closed once: by the job while there is
one, else here; nobody sends on the socket while a thread may, unless its stream has ended. A file that ends before the range
does is no error: the callback is told how much went. Source: sendfile(2). Not here: opening files; who waits (movers.pyx).
"""
cimport cython
from libc.errno cimport (
    EAGAIN, ECONNABORTED, ECONNREFUSED, ECONNRESET, EHOSTUNREACH, EINTR, ENETDOWN, ENETRESET, ENETUNREACH, ENOTCONN, EPIPE,
    ETIMEDOUT, errno,
)
from libc.stdint cimport INT64_MAX, int64_t, uint64_t
from libc.stdlib cimport calloc, free
from posix.unistd cimport close

from treadle._native.movers cimport Mover
from treadle._native.poll_epoll cimport PollHandle
from treadle._native.pool cimport Pool, Request, os_error
from treadle._native.pool_threads cimport DONE, Job, Outcome
from treadle._native.queues cimport Handle
from treadle._native.tcp cimport Stream

cdef extern from "<fcntl.h>" nogil:
    int F_DUPFD_CLOEXEC
    int fcntl(int fd, int command, ...)

cdef extern from "<sys/socket.h>" nogil:
    int setsockopt(int fd, int level, int name, const void *value, unsigned int size)

cdef extern from "<netinet/in.h>" nogil:
    enum:
        IPPROTO_TCP

cdef extern from "<netinet/tcp.h>" nogil:
    enum:
        TCP_CORK

cdef extern from "<sys/sendfile.h>" nogil:
    ssize_t sendfile64(int socket_fd, int file_fd, int64_t *offset, size_t size)

cdef enum:
    CORKED_BYTES = 64 * 1024        # with fewer there is nothing to be won
    SLICE_BYTES = 1024 * 1024       # PERF: bench/streams. One job; a thread and the loop are busy with it for 0.1 ms


# ---- on a thread


cdef struct SendJob:
    Job job
    int file_fd
    int socket_fd
    int64_t offset
    int64_t size        # what it may send
    int64_t sent
    uint64_t calls
    bint is_at_end      # of the file
    int error           # errno; EAGAIN: the socket is full; 0: none


cdef Outcome run_send_job(Job *base) noexcept nogil:
    cdef SendJob *job = <SendJob *>base
    cdef ssize_t sent
    while job.sent < job.size:
        sent = sendfile64(job.socket_fd, job.file_fd, &job.offset, job.size - job.sent)
        job.calls += 1
        if sent > 0:
            job.sent += sent
        elif sent == 0:
            job.is_at_end = True
            break
        elif errno != EINTR:
            job.error = errno
            break
    return DONE


cdef void abandon_send_job(Job *base) noexcept nogil:
    pass        # what it has begun to send is sent, to a socket that its stream has closed


cdef void discard_send_job(Job *base) noexcept nogil:
    cdef SendJob *job = <SendJob *>base
    if job.file_fd >= 0:
        close(job.file_fd)
    if job.socket_fd >= 0:
        close(job.socket_fd)
    free(job)


cdef bint is_of_socket(int error) noexcept:
    # Else it is the file's: the socket is as good as before.
    return error in (EPIPE, ECONNRESET, ETIMEDOUT, ECONNABORTED, ECONNREFUSED, ENOTCONN, ENETDOWN, ENETUNREACH, ENETRESET,
                     EHOSTUNREACH)


# ---- on the loop's thread


def send_file(Pool pool not None, Stream stream not None, int fd, callback, *, int64_t offset=0, int64_t size=-1,
              bint is_awaited=False, int64_t slice_bytes=SLICE_BYTES):
    """Send `size` bytes of the file fd from `offset` on, or all that it has from there, behind what the stream has to send
    already. What is written to the stream meanwhile is sent behind it. Returns a FileSend, under way already.

    callback(error, bytes_moved) in the pending phase: with fewer bytes than `size` and no error the file was shorter. An error of
    the socket ends the stream, too. The stream goes on behind the callback. fd may be closed at once, and its position does not
    move. is_awaited: the callback is a future's, which the program's end leaves alone. Raises ValueError (a negative offset),
    OSError (no descriptor left), RuntimeError (the loop or the stream is closed, or another move sends on it), PoolSaturated.
    """
    cdef FileSend move
    if offset < 0 or slice_bytes < 1:
        raise ValueError(f"offset must be at least 0, not {offset}; slice_bytes at least 1, not {slice_bytes}")
    move = FileSend.__new__(FileSend)
    move.pool = pool
    move.sink = stream
    move.offset = offset
    move.left = size if size >= 0 else INT64_MAX
    move.slice_bytes = slice_bytes
    move.begin_move(stream.loop, callback, is_awaited)
    try:
        move.file_fd = duplicate(fd)
        move.socket_fd = duplicate(stream.fd)
        stream.lend_sink(move)
    except BaseException:
        move.let_go()
        raise
    move.is_begun = True
    return move


cdef int duplicate(int fd) except -1:
    cdef int twin = fcntl(fd, F_DUPFD_CLOEXEC, 0)
    if twin < 0:
        raise os_error(errno, None)
    return twin


@cython.no_gc_clear     # see Request
cdef class FileSlice(Request):
    """One job of a FileSend. It has no callback: what follows is settled when it is back."""

    cdef bint settle(self, Job *job) except -1:
        return self.move is None or self.move.take_job(<SendJob *>job)

    cdef void release(self) noexcept:
        self.move = None
        Handle.release(self)


cdef class FileSend(Mover):
    """One send_file under way."""

    def __cinit__(self):
        self.file_fd = self.socket_fd = -1

    def __dealloc__(self):
        # Where the loop was dropped unclosed.
        close_once(&self.file_fd)
        close_once(&self.socket_fd)

    def cancel(self):
        """Send nothing more, and call nobody. What a thread is just about to send still goes, and the stream's own bytes behind
        it. No effect once it is over."""
        if self.slice is None or self.is_over or self.pool.withdraw(self.slice):
            self.slice = None
            Mover.cancel(self)
        else:
            self.is_cancelled = True
            self.callback = None

    cdef int stop_move(self) except -1:
        if self.slice is None:
            return self.end_move(None)
        if self.pool.withdraw(self.slice):
            self.slice = None
            return self.end_move(None)
        return 0    # take_job() ends it

    cdef int on_turn(self) except -1:
        if self.is_over:
            return 0
        try:
            return self.submit_slice()
        except Exception as error:
            if not self.is_begun:
                raise
            return self.end_move(error)

    cdef int on_sink(self) except -1:
        cdef Stream sink = self.sink
        self.wants_sink = False
        sink.on_moved(0, False)     # the peer has taken something: what the disk takes is not its fault
        self.on_turn()
        return sink.rewatch()

    cdef int on_lost(self, PollHandle stream, error) except -1:
        if self.is_cancelled:
            return self.let_go()
        return self.end_move(os_error(ECONNABORTED, None) if error is None else error)

    cdef int submit_slice(self) except -1:
        cdef SendJob *job
        cdef FileSlice request
        cdef int kind = self.pool.kind("streams.send_file")
        if self.left == 0:
            self.is_complete = True
            return self.end_move(None)
        request = FileSlice.__new__(FileSlice)
        request.kind = self.kind
        job = self.new_job()
        if job is NULL:
            raise MemoryError()
        job.job.kind = kind
        if self.left > CORKED_BYTES and not self.is_corked:
            self.is_corked = True
            set_cork(self.sink.fd, True)
        self.pool.submit(request, &job.job, self.is_begun)      # OWNER: the job is the pool's, with both descriptors
        request.move = self
        self.slice = request
        return 0

    cdef SendJob *new_job(self) noexcept:
        # NULL: no memory.
        cdef SendJob *job = <SendJob *>calloc(1, sizeof(SendJob))
        if job is not NULL:
            job.job.run = run_send_job
            job.job.abandon = abandon_send_job
            job.job.discard = discard_send_job
            job.file_fd = self.file_fd
            job.socket_fd = self.socket_fd
            job.offset = self.offset
            job.size = min(self.left, self.slice_bytes)
            self.file_fd = self.socket_fd = -1
        return job

    cdef bint take_job(self, SendJob *job) except -1:
        # It is back. False: it sends the next slice as it is, behind the other jobs. Raises nothing.
        cdef FileSlice request = self.slice
        cdef bint is_through
        cdef int error = job.error
        self.bytes_moved += job.sent
        self.system_calls += job.calls
        self.left -= job.sent
        self.offset = job.offset
        is_through = self.left == 0 or job.is_at_end
        self.slice = None       # ORDER: first, since the stream may be lost in what follows
        self.file_fd, self.socket_fd = job.file_fd, job.socket_fd
        job.file_fd = job.socket_fd = -1
        self.sink.on_moved(job.sent, error == EAGAIN and not is_through)
        if self.is_over:
            return True
        if not (is_through or error or self.is_cancelled or self.is_stopping):
            job.file_fd, job.socket_fd = self.file_fd, self.socket_fd
            job.size = min(self.left, self.slice_bytes)
            job.sent = job.calls = 0
            self.file_fd = self.socket_fd = -1
            self.slice = request
            return False
        if self.is_cancelled:
            self.let_go()
        elif is_through or (self.is_stopping and (error == 0 or error == EAGAIN)):
            self.is_complete = is_through
            self.end_move(None)
        elif error == EAGAIN:
            self.wants_sink = True
            self.sink.rewatch()
        elif is_of_socket(error):
            self.sink.fail(error)       # it tells on_lost()
        else:
            self.end_move(os_error(error, None))
        return True

    cdef int let_go_descriptors(self) except -1:
        cdef FileSlice request = self.slice
        self.slice = None
        if request is not None:
            request.cancel()
        close_once(&self.file_fd)
        close_once(&self.socket_fd)
        return 0

    cdef int give_back(self) except -1:
        cdef Stream sink = self.sink
        self.sink = None
        self.pool = None
        if sink is None:
            return 0
        if self.is_corked and sink.fd >= 0:
            set_cork(sink.fd, False)
        return sink.take_back_sink(self)


cdef void set_cork(int fd, bint is_on) noexcept:
    # PERF: bench/run.py http-files. Full segments alone, until all is sent: 0.85 of the CPU, as nginx's tcp_nopush. Fails where it
    # makes no sense (Unix sockets), which is no matter.
    cdef int value = is_on
    setsockopt(fd, IPPROTO_TCP, TCP_CORK, &value, sizeof(value))


cdef void close_once(int *fd) noexcept:
    cdef int number = fd[0]
    fd[0] = -1
    if number >= 0:
        close(number)
