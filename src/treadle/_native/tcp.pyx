"""Stream sockets: accept, receive, send, close.

`Stream` is the mechanism, for TCP and Unix sockets alike: it sends at once what the kernel takes, keeps the rest in order, and
tells its subclass when its buffer passes the marks. Subclasses: asyncio's face (transport.pyx), and HTTP's connections
(http1_connection.pyx), with no Protocol in between; pipes, which have system calls of their own (pipe_stream.pyx). It may lend
its socket, each way, to what moves bytes without looking at them (movers.pyx), unless a cipher stands before it (cipher.pyx):
that has the system calls then, and the stream goes on counting what was written. Invariants: unsent_bytes is the sum of what
`unsent` holds; the fd is closed exactly once, in the close phase, and on_closed() is the last call a subclass gets.
Not here: connecting, resolving, TLS (tls_cipher.pyx; asyncio's own, over transport.pyx), and how a server is set up.
"""
import os

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.errno cimport EAGAIN, ECONNABORTED, EINTR, EPERM, EPROTO, errno
from libc.string cimport memset
from posix.unistd cimport close

from treadle._native.cipher cimport Cipher
from treadle._native.loop cimport LoopCore
from treadle._native.movers cimport Mover
from treadle._native.poll_epoll cimport GONE, HALF_CLOSED, READABLE, WRITABLE, PollHandle
from treadle._native.queues cimport Ring

cdef extern from "<sys/socket.h>" nogil:
    enum:
        AF_INET, AF_INET6, AF_UNIX, SOCK_NONBLOCK, SOCK_CLOEXEC, MSG_NOSIGNAL, MSG_DONTWAIT, MSG_PEEK, SHUT_WR, SOL_SOCKET, SO_ERROR
    struct msghdr:
        iovec *msg_iov
        size_t msg_iovlen
    ssize_t recv(int fd, void *buffer, size_t room, int flags)
    ssize_t send(int fd, const void *data, size_t size, int flags)
    ssize_t sendmsg(int fd, msghdr *message, int flags)
    int accept4(int fd, sockaddr *address, socklen_t *room, int flags)
    int getsockname(int fd, sockaddr *address, socklen_t *room)
    int shutdown(int fd, int how)
    int getsockopt(int fd, int level, int name, void *value, socklen_t *size)
    int setsockopt(int fd, int level, int name, const void *value, socklen_t size)

cdef extern from "<netinet/tcp.h>" nogil:
    enum:
        IPPROTO_TCP, TCP_NODELAY

cdef extern from "<arpa/inet.h>" nogil:
    struct in_addr:
        pass
    struct sockaddr_in:
        uint16_t sin_port
        in_addr sin_addr
    const char *inet_ntop(int family, const void *address, char *text, socklen_t room)
    uint16_t ntohs(uint16_t number)
    uint32_t ntohl(uint32_t number)

cdef enum:
    IOV_MAX_HERE = 64               # pieces per sendmsg; 1 KiB of stack
    ACCEPTS_PER_EVENT = 64          # connections taken per turn and listener, so that a flood of them starves nobody
    BACKLOG_MAX = 4096              # taken at the end; Linux holds as many for a socket (net.core.somaxconn)


cdef void set_nodelay(int fd, int is_on=1) noexcept:
    # Small writes leave at once. Fails where it makes no sense (Unix sockets), which is no matter.
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &is_on, sizeof(is_on))


cdef class Stream(PollHandle):
    def __cinit__(self):
        self.high_water_mark = MARK_DEFAULT
        self.low_water_mark = MARK_DEFAULT // 4

    # ---- reading

    cdef int on_ready(self, int ready) except -1:
        if ready & (HALF_CLOSED | GONE):        # it waits for nothing else, see rewatch()
            return self.on_departure(ready & GONE != 0)
        if ready & WRITABLE and not self.is_ended:
            self.on_writable()
            if ready & READABLE:
                self.loop.drain_if_any()    # ORDER: between any two callbacks
        if ready & READABLE and (self.reading or self.cipher is not None):
            if self.taker is None:
                self.read_some()
            else:
                self.taker.on_source()
        return 0

    cdef int read_some(self) except -1:
        cdef Py_ssize_t size
        if self.cipher is not None:
            return self.cipher.read_some(self)
        size = self.take_in(self.loop.io_buffer, self.read_size or self.loop.io_buffer_size)
        if size > 0:
            return self.on_bytes(self.loop.io_buffer, size)
        return self.received_nothing(size)

    cdef int received_nothing(self, Py_ssize_t size) except -1:
        # take_in() returned size <= 0.
        if size == 0:
            self.pause()
            return self.on_end()
        if errno != EAGAIN and errno != EINTR:
            return self.fail(errno)
        return 0

    cdef int resume(self) except -1:
        if not self.reading and not self.closing:
            self.reading = True
            self.rewatch()
            if self.cipher is not None:
                self.cipher.resumed(self)
        return 0

    cdef int pause(self) except -1:
        if self.reading:
            self.reading = False
            self.rewatch()
        return 0

    cdef int rewatch(self) except -1:
        cdef int interest = 0
        if self.reading and (self.taker is None or self.taker.wants_source):
            interest |= READABLE
        if self.sender is not None and not self.ahead:
            if self.sender.wants_sink:
                interest |= WRITABLE
        elif self.unsent_bytes and not self.is_corked:
            interest |= WRITABLE
        if self.cipher is not None:
            interest = self.cipher.interest_of(self, interest)
        if not interest and not self.closing:
            interest = self.paused_interest()
        if interest == self.interest:
            return 0
        if not interest:
            return self.loop.poller.unwatch(self)
        try:
            self.loop.poller.watch(self, interest)
        except OSError as error:
            self.end_now(error)     # the kernel has no room for one more watch (ENOSPC, ENOMEM): this stream's misfortune alone
        return 0

    # ---- writing

    cdef int send_bytes(self, bytes data) except -1:
        # Now if the kernel takes it, else in order. Dropped once closing. Read unsent_bytes to see how much waits.
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        cdef Py_ssize_t sent
        if self.closing or self.is_shutting or size == 0:
            return 0
        if self.unsent_bytes or self.is_corked or self.sender is not None:
            self.queue_bytes(data)
            return self.note_level()
        if self.cipher is None:
            sent = self.give_out(PyBytes_AS_STRING(data), size)
        else:
            sent = self.cipher.give_out(self, PyBytes_AS_STRING(data), size)
        if sent == size:
            return 0
        if sent < 0:
            if errno != EAGAIN and errno != EINTR:
                return self.fail(errno)
            sent = 0
        self.queue_bytes(data)
        self.unsent_offset = sent
        self.unsent_bytes -= sent
        self.rewatch()
        if self.is_ended:
            return 0
        self.on_backlog(sent)
        return self.note_level()

    cdef int queue_bytes(self, bytes data) except -1:
        if self.unsent is None:
            self.unsent = Ring()
        self.unsent.push(data)
        self.unsent_bytes += PyBytes_GET_SIZE(data)
        return 0

    cdef int uncork(self) except -1:
        self.is_corked = False
        if self.unsent_bytes and not self.is_ended:
            self.flush()
        return 0

    cdef int flush(self) except -1:
        # Send what waits, as far as the kernel takes it, and go on with what waited for that.
        cdef Py_ssize_t sent
        if self.sender is not None and not self.ahead:
            return self.sender.on_sink() if self.sender.wants_sink else 0
        if self.cipher is not None and not self.cipher.flush(self):
            return 0
        sent = self.flush_queue()
        if self.is_ended:
            return 0
        self.rewatch()
        if self.is_ended:
            return 0
        if self.unsent_bytes:
            self.on_backlog(sent)
        self.note_level()
        if self.is_ended:
            return 0
        if self.sender is not None:
            if not self.ahead:
                self.sender.on_turn()
        elif self.unsent_bytes == 0:
            self.all_sent()
        return 0

    cdef int all_sent(self) except -1:
        # Nothing waits any more, and nobody sends in its place: what waited for that.
        if self.cipher is not None:
            return self.cipher.all_sent(self)
        self.on_flushed()
        if self.is_shutting and not self.is_ended:
            self.end_side()
        if self.closing:
            self.finish()
        return 0

    cdef Py_ssize_t flush_queue(self) except -1:
        # One system call; whatever the kernel leaves stays queued. How many bytes it took.
        cdef iovec pieces[IOV_MAX_HERE]
        cdef Py_ssize_t count = min(self.unsent.size if self.sender is None else self.ahead, IOV_MAX_HERE)
        cdef Py_ssize_t i, sent, total, rest
        cdef Py_ssize_t offset = self.unsent_offset
        cdef bytes piece
        for i in range(count):
            piece = <bytes>self.unsent.slots[(self.unsent.head + i) & self.unsent.mask]
            pieces[i].iov_base = PyBytes_AS_STRING(piece) + offset
            pieces[i].iov_len = PyBytes_GET_SIZE(piece) - offset
            offset = 0
        if self.cipher is not None:
            sent = self.cipher.give_out_all(self, pieces, count)
        elif count == 1:        # PERF: bench/http_hello.py. One answer: the kernel need not fetch a list of one
            sent = self.give_out(pieces[0].iov_base, pieces[0].iov_len)
        else:
            sent = self.give_out_all(pieces, count)
        if sent < 0:
            if errno != EAGAIN and errno != EINTR:
                self.fail(errno)
            return 0
        self.unsent_bytes -= sent
        total = sent
        while sent:
            piece = <bytes>self.unsent.slots[self.unsent.head]
            rest = PyBytes_GET_SIZE(piece) - self.unsent_offset
            if sent < rest:
                self.unsent_offset += sent
                return total
            sent -= rest
            self.unsent_offset = 0
            self.unsent.pop()
            if self.ahead:
                self.ahead -= 1
        return total

    cdef int note_level(self) except -1:
        if not self.is_over_mark:
            if self.unsent_bytes > self.high_water_mark:
                self.is_over_mark = True
                self.on_full()
        elif self.unsent_bytes <= self.low_water_mark:
            self.is_over_mark = False
            self.on_drained()
        return 0

    # ---- the system calls

    cdef Py_ssize_t take_in(self, void *buffer, Py_ssize_t room) noexcept:
        return recv(self.fd, buffer, room, MSG_DONTWAIT)      # a child that has the socket, too, may let it block

    cdef Py_ssize_t look_ahead(self, void *buffer, Py_ssize_t room) noexcept:
        return recv(self.fd, buffer, room, MSG_DONTWAIT | MSG_PEEK)

    cdef Py_ssize_t give_out(self, const void *data, Py_ssize_t size) noexcept:
        return send(self.fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT)

    cdef Py_ssize_t give_out_all(self, iovec *pieces, Py_ssize_t count) noexcept:
        cdef msghdr message
        memset(&message, 0, sizeof(message))
        message.msg_iov = pieces
        message.msg_iovlen = count
        return sendmsg(self.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT)

    cdef int end_side(self) except -1:
        shutdown(self.fd, SHUT_WR)
        return 0

    # ---- encrypting

    cdef int encrypt_by(self, Cipher cipher) except -1:
        # From here on. Nothing waits to be sent, and nobody sends or receives in its place.
        self.cipher = cipher
        return cipher.begin(self)

    # ---- lending the socket

    cdef int lend_sink(self, Mover sender) except -1:
        # `sender` sends from its on_turn() on, which comes at once if nothing waits; until it is taken back. Raises RuntimeError.
        if self.sender is not None and self.sender.is_over:
            self.take_back_sink(self.sender)        # its callback is what starts this one
        if self.sender is not None or self.is_shutting or self.closing or self.cipher is not None:
            raise RuntimeError("the stream is closed, or encrypted, or somebody else sends on it")
        self.sender = sender
        self.ahead = self.unsent.size if self.unsent_bytes else 0
        if self.ahead:
            return self.rewatch()
        return sender.on_turn()

    cdef int take_back_sink(self, Mover sender) except -1:
        # What was written meanwhile is sent. No effect where the stream has ended, or let go of it.
        if self.sender is not sender:
            return 0
        self.sender = None
        self.ahead = 0
        if self.unsent_bytes == 0:
            self.rewatch()
            return 0 if self.is_ended else self.all_sent()
        return self.rewatch() if self.is_corked else self.flush()

    cdef int lend_source(self, Mover taker) except -1:
        # `taker` is told when there is something to receive, as long as it wants to know. Raises RuntimeError.
        if self.taker is not None and self.taker.is_over:
            self.take_back_source(self.taker)
        if self.taker is not None or self.closing or self.cipher is not None:
            raise RuntimeError("the stream is closed, or encrypted, or somebody else receives from it")
        self.taker = taker
        self.reading = True
        return self.rewatch()

    cdef int take_back_source(self, Mover taker) except -1:
        # It pauses. No effect where the stream has ended, or let go of it.
        if self.taker is taker:
            self.taker = None
            self.pause()
        return 0

    cdef int lose_taker(self) except -1:
        cdef Mover taker = self.taker
        self.taker = None
        return taker.on_lost(self, self.error)

    cdef int lose_movers(self) except -1:
        cdef Mover sender = self.sender
        if self.taker is not None:
            self.lose_taker()
        if sender is not None:
            self.sender = None
            sender.on_lost(self, self.error)
        return 0

    # ---- ending

    cdef int shut_down(self) except -1:
        # End our side, once everything is sent; reading goes on.
        if not self.is_shutting:
            self.is_shutting = True
            if self.unsent_bytes == 0 and self.sender is None and not self.is_ended:
                if self.cipher is not None:
                    return self.cipher.end_output(self)
                self.end_side()
        return 0

    cdef int close_after_flush(self) except -1:
        # Stop reading; close once everything is sent.
        if not self.closing:
            self.closing = True
            self.pause()
            if self.taker is not None:
                self.lose_taker()
            if self.unsent_bytes == 0 and self.sender is None:
                if self.cipher is not None:
                    return self.cipher.end_output(self)
                self.finish()
        return 0

    cdef int end_now(self, error) except -1:
        # Close now; what was not sent is dropped.
        self.closing = True
        self.reading = False
        if not self.is_ended:
            if self.error is None:
                self.error = error
            if self.unsent is not None:
                self.unsent.clear()
            self.unsent_bytes = self.unsent_offset = self.ahead = 0
            self.lose_movers()
            self.finish()
        return 0

    cdef int fail_as_kernel_says(self) except -1:
        # The kernel has told that the peer is gone: why? Nothing wrong where both sides have ended.
        cdef int error_number = 0
        cdef socklen_t room = sizeof(error_number)
        if getsockopt(self.fd, SOL_SOCKET, SO_ERROR, &error_number, &room) < 0:
            error_number = errno
        return self.fail(error_number) if error_number else self.end_now(None)

    cdef int fail(self, int error_number) except -1:
        cdef object error = None if self.cipher is None else self.cipher.take_error()
        return self.end_now(OSError(error_number, os.strerror(error_number)) if error is None else error)

    cdef int finish(self) except -1:
        # The socket has nothing left to do: the close phase closes it.
        if not self.is_ended:
            self.is_ended = True
            self.loop.poller.unwatch(self)
            self.loop.end(self)
        return 0

    cdef int on_close(self) except -1:
        self.release_fd()
        if self.cipher is not None:
            self.cipher.let_go()
        return self.on_closed()

    cpdef int abandon(self) except -1:
        self.closing = self.is_ended = True
        self.reading = False
        if self.unsent is not None:
            self.unsent.clear()
        self.unsent_bytes = self.unsent_offset = self.ahead = 0
        self.sender = self.taker = None     # the loop abandons them
        if self.cipher is not None:
            self.cipher.let_go()
        self.loop.poller.unwatch(self)
        return self.release_fd()

    cdef int release_fd(self) except -1:
        cdef int fd = self.fd
        if fd >= 0:
            self.fd = -1        # ORDER: first, since closing fails where somebody else has closed it
            if self.sock is not None:
                self.sock.close()
            else:
                close(fd)
        return 0

    def __dealloc__(self):
        # Only where the loop was dropped unclosed. `sock` may have been cleared by the garbage collector: not asked here.
        if self.fd >= 0 and self.is_fd_ours:
            close(self.fd)

    # ---- addresses

    cdef object peer_name(self):
        # As socket.getpeername() shows it; None where it is unknown.
        return address_name(<sockaddr *>&self.peer)

    cdef object local_name(self):
        # As socket.getsockname() shows it, but '' for any Unix socket; None where it is unknown.
        cdef sockaddr_in6 address
        cdef socklen_t room = sizeof(address)
        memset(&address, 0, sizeof(address))
        if self.fd < 0 or getsockname(self.fd, <sockaddr *>&address, &room) < 0:
            return None
        return address_name(<sockaddr *>&address)

    # ---- what subclasses say otherwise

    cdef int on_bytes(self, const char *data, Py_ssize_t size) except -1:
        return 0

    cdef int on_end(self) except -1:
        return 0

    cdef int on_full(self) except -1:
        return 0

    cdef int on_drained(self) except -1:
        return 0

    cdef int on_writable(self) except -1:
        return self.flush()

    cdef int on_flushed(self) except -1:
        return 0

    cdef int on_backlog(self, Py_ssize_t sent) except -1:
        return 0

    cdef int on_secure(self) except -1:
        return 0

    cdef int on_insecure(self, error, bint is_plain) except -1:
        return 0

    cdef int on_no_data(self) except -1:
        return 0

    cdef int on_truncated(self, error) except -1:
        return self.end_now(error)

    cdef int on_moved(self, int64_t sent, bint is_full) except -1:
        return 0

    cdef int on_closed(self) except -1:
        return 0

    cdef int paused_interest(self) noexcept:
        return 0

    cdef int on_departure(self, bint is_gone) except -1:
        return 0


cdef object address_name(sockaddr *address):
    cdef char text[64]
    cdef sockaddr_in *four = <sockaddr_in *>address
    cdef sockaddr_in6 *six = <sockaddr_in6 *>address
    if address.sa_family == AF_INET:
        inet_ntop(AF_INET, &four.sin_addr, text, sizeof(text))
        return (text.decode("ascii"), ntohs(four.sin_port))
    if address.sa_family == AF_INET6:
        inet_ntop(AF_INET6, &six.sin6_addr, text, sizeof(text))
        return (text.decode("ascii"), ntohs(six.sin6_port), ntohl(six.sin6_flowinfo), six.sin6_scope_id)
    if address.sa_family == AF_UNIX:
        return ""
    return None


cdef class Listener(PollHandle):
    """A listening socket. Takes connections in the poll phase; close() closes it at once."""

    def __repr__(self):
        state = "closed" if self.fd < 0 else "listening" if self.interest else "paused"
        return f"<{type(self).__name__} {state} fd={self.fd}>"

    def start(self):
        """Begin to accept; no effect once closed, or once the program ends. Raises OSError."""
        if self.fd < 0 or self.is_over:
            return
        self.is_paused = False
        self.loop.listeners.add(self)
        self.loop.poller.watch(self, READABLE)

    def pause(self):
        """Leave connections in the kernel's backlog."""
        self.is_paused = True
        self.loop.poller.unwatch(self)

    def close(self):
        """Stop accepting and close the socket."""
        if self.fd >= 0:
            self.loop.poller.unwatch(self)
            self.loop.listeners.discard(self)
            self.fd = -1
            self.sock.close()

    cpdef int stop_accepting(self) except -1:
        self.is_over = True
        self.pause()
        return 0

    cpdef int abandon(self) except -1:
        self.close()
        return 0

    def set_ref(self, bint is_refed):
        """Say whether it holds the program while it listens."""
        self.is_refed = is_refed
        self.loop.poller.count(self)

    def retire(self):
        """Stop accepting, as close(). Connections that the kernel holds are reset, unless a subclass takes them."""
        self.close()

    cdef int take_waiting(self) except -1:
        # ORDER: within a callback, so on_connection() must call nobody's code.
        cdef int rounds = BACKLOG_MAX // ACCEPTS_PER_EVENT
        while rounds and self.accept_some(False):
            rounds -= 1
        return 0

    cdef int on_ready(self, int ready) except -1:
        self.accept_some(True)
        return 0

    cdef bint accept_some(self, bint is_phase) except -1:
        # True: there may be more.
        cdef int accepts = ACCEPTS_PER_EVENT
        cdef sockaddr_in6 peer
        cdef socklen_t room
        cdef int fd, error
        while accepts and self.fd >= 0 and not self.is_paused:
            accepts -= 1
            room = sizeof(peer)
            memset(&peer, 0, sizeof(peer))
            fd = accept4(self.fd, <sockaddr *>&peer, &room, SOCK_NONBLOCK | SOCK_CLOEXEC)
            if fd < 0:
                error = errno       # before anything else is called
                if error == EAGAIN:
                    return False
                if error == ECONNABORTED or error == EINTR or error == EPROTO or error == EPERM:
                    continue        # this one was lost; the next may be good
                self.pause()        # else the poller would say at once that it is ready, again and again
                self.on_exhausted(OSError(error, os.strerror(error)))
                return False
            if (<sockaddr *>&peer).sa_family == AF_INET or (<sockaddr *>&peer).sa_family == AF_INET6:
                set_nodelay(fd)
            self.on_connection(fd, &peer)
            if is_phase:
                self.loop.drain_if_any()    # ORDER: between any two callbacks
        return self.fd >= 0 and not self.is_paused

    cdef int on_connection(self, int fd, sockaddr_in6 *peer) except -1:
        # OWNER: the fd is the callee's.
        close(fd)
        return 0

    cdef int on_exhausted(self, error) except -1:
        return 0
