"""Stream sockets: accept, receive, send, close; and asyncio's transport on top of them.

`Stream` is the mechanism, for TCP and Unix sockets alike: it sends at once what the kernel takes, keeps the rest in order, and
tells its subclass when its buffer passes the marks. `Transport` is the subclass that speaks to an asyncio Protocol; HTTP
connections are another (http1_connection.pyx), with no Protocol in between. Invariants: unsent_bytes is the sum of what `unsent`
holds; the fd is closed exactly once, in the close phase, and on_closed() is the last call a subclass gets.
Not here: connecting, resolving, TLS (asyncio's own code, over Transport), and how a server is set up.
"""
import asyncio
import contextvars
import os
import socket
import sys

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.errno cimport (
    EAGAIN, ECONNABORTED, EINTR, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM, EPROTO, errno,
)
from libc.string cimport memcpy, memset
from posix.unistd cimport close

from treadle._native.loop cimport LoopCore
from treadle._native.poll_epoll cimport FAILED, READABLE, WRITABLE, PollHandle
from treadle._native.queues cimport SOON, Ring, new_handle

cdef extern from "<sys/socket.h>" nogil:
    enum:
        AF_INET, AF_INET6, AF_UNIX, SOCK_STREAM, SOCK_NONBLOCK, SOCK_CLOEXEC, MSG_NOSIGNAL, MSG_DONTWAIT, SHUT_WR
        SOL_SOCKET, SO_ERROR
    struct iovec:
        void *iov_base
        size_t iov_len
    struct msghdr:
        iovec *msg_iov
        size_t msg_iovlen
    ssize_t recv(int fd, void *buffer, size_t room, int flags)
    ssize_t send(int fd, const void *data, size_t size, int flags)
    ssize_t sendmsg(int fd, msghdr *message, int flags)
    int accept4(int fd, sockaddr *address, socklen_t *room, int flags)
    int getsockname(int fd, sockaddr *address, socklen_t *room)
    int shutdown(int fd, int how)
    int setsockopt(int fd, int level, int name, const void *value, socklen_t size)
    int getsockopt(int fd, int level, int name, void *value, socklen_t *size)

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

HAS_CLIENTS = sys.version_info >= (3, 13)      # COMPAT(asyncio): from then on a server knows its transports

cdef enum:
    IOV_MAX_HERE = 64               # pieces per sendmsg; 1 KiB of stack
    ACCEPTS_PER_EVENT = 64          # connections taken per turn and listener, so that a flood of them starves nobody
    MARK_DEFAULT = 64 * 1024        # bytes unsent before on_full(); asyncio and Node alike


cdef class Stream(PollHandle):
    def __cinit__(self):
        self.high_water_mark = MARK_DEFAULT
        self.low_water_mark = MARK_DEFAULT // 4

    # ---- reading

    cdef int on_ready(self, int ready) except -1:
        if ready & WRITABLE and not self.is_ended:
            self.flush()
        if ready & READABLE and self.reading:
            self.read_some()
        return 0

    cdef int read_some(self) except -1:
        cdef Py_ssize_t size = recv(self.fd, self.loop.io_buffer, self.read_size or self.loop.io_buffer_size, 0)
        if size > 0:
            return self.on_bytes(self.loop.io_buffer, size)
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
        return 0

    cdef int pause(self) except -1:
        if self.reading:
            self.reading = False
            self.rewatch()
        return 0

    cdef int rewatch(self) except -1:
        cdef int interest = 0
        if self.reading:
            interest |= READABLE
        if self.unsent_bytes and not self.is_corked:
            interest |= WRITABLE
        if interest:
            self.loop.poller.watch(self, interest)
        else:
            self.loop.poller.unwatch(self)
        return 0

    # ---- writing

    cdef int send_bytes(self, bytes data) except -1:
        # Now if the kernel takes it, else in order. Dropped once closing. Read unsent_bytes to see how much waits.
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        cdef Py_ssize_t sent
        if self.closing or self.is_shutting or size == 0:
            return 0
        if self.unsent_bytes or self.is_corked:
            self.queue_bytes(data)
            return self.note_level()
        sent = send(self.fd, PyBytes_AS_STRING(data), size, MSG_NOSIGNAL)
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
        cdef Py_ssize_t sent = self.flush_queue()
        if self.is_ended:
            return 0
        self.rewatch()
        if self.unsent_bytes:
            self.on_backlog(sent)
        self.note_level()
        if self.unsent_bytes == 0 and not self.is_ended:
            self.on_flushed()
            if self.is_shutting and not self.is_ended:
                shutdown(self.fd, SHUT_WR)
            if self.closing:
                self.finish()
        return 0

    cdef Py_ssize_t flush_queue(self) except -1:
        # One sendmsg; whatever the kernel leaves stays queued. How many bytes it took.
        cdef iovec pieces[IOV_MAX_HERE]
        cdef msghdr message
        cdef Py_ssize_t count = min(self.unsent.size, IOV_MAX_HERE)
        cdef Py_ssize_t i, sent, total, rest
        cdef Py_ssize_t offset = self.unsent_offset
        cdef bytes piece
        for i in range(count):
            piece = <bytes>self.unsent.slots[(self.unsent.head + i) & self.unsent.mask]
            pieces[i].iov_base = PyBytes_AS_STRING(piece) + offset
            pieces[i].iov_len = PyBytes_GET_SIZE(piece) - offset
            offset = 0
        memset(&message, 0, sizeof(message))
        message.msg_iov = pieces
        message.msg_iovlen = count
        sent = sendmsg(self.fd, &message, MSG_NOSIGNAL)
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

    # ---- ending

    cdef int shut_down(self) except -1:
        # End our side, once everything is sent; reading goes on.
        if not self.is_shutting:
            self.is_shutting = True
            if self.unsent_bytes == 0 and not self.is_ended:
                shutdown(self.fd, SHUT_WR)
        return 0

    cdef int close_after_flush(self) except -1:
        # Stop reading; close once everything is sent.
        if not self.closing:
            self.closing = True
            self.pause()
            if self.unsent_bytes == 0:
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
            self.unsent_bytes = self.unsent_offset = 0
            self.finish()
        return 0

    cdef int fail(self, int error_number) except -1:
        return self.end_now(OSError(error_number, os.strerror(error_number)))

    cdef int finish(self) except -1:
        # The socket has nothing left to do: the close phase closes it.
        if not self.is_ended:
            self.is_ended = True
            self.loop.poller.unwatch(self)
            self.loop.end(self)
        return 0

    cdef int on_close(self) except -1:
        self.release_fd()
        return self.on_closed()

    cdef int release_fd(self) except -1:
        if self.fd >= 0:
            if self.sock is not None:
                self.sock.close()
            else:
                close(self.fd)
            self.fd = -1
        return 0

    def __dealloc__(self):
        # Only where the loop was closed before the socket. `sock` may have been cleared by the garbage collector: not asked here.
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

    cdef int on_flushed(self) except -1:
        return 0

    cdef int on_backlog(self, Py_ssize_t sent) except -1:
        return 0

    cdef int on_closed(self) except -1:
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

    def start(self):
        """Begin to accept; no effect once closed."""
        if self.fd < 0:
            return
        self.is_paused = False
        self.loop.poller.watch(self, READABLE)

    def pause(self):
        """Leave connections in the kernel's backlog."""
        self.is_paused = True
        self.loop.poller.unwatch(self)

    def close(self):
        """Stop accepting and close the socket."""
        if self.fd >= 0:
            self.loop.poller.unwatch(self)
            self.fd = -1
            self.sock.close()

    def set_ref(self, bint is_refed):
        """Say whether it holds the program while it listens."""
        self.is_refed = is_refed
        self.loop.poller.count(self)

    cdef int on_ready(self, int ready) except -1:
        cdef int accepts = ACCEPTS_PER_EVENT
        cdef sockaddr_in6 peer
        cdef socklen_t room
        cdef int fd
        cdef int one = 1
        while accepts and self.fd >= 0 and not self.is_paused:
            accepts -= 1
            room = sizeof(peer)
            memset(&peer, 0, sizeof(peer))
            fd = accept4(self.fd, <sockaddr *>&peer, &room, SOCK_NONBLOCK | SOCK_CLOEXEC)
            if fd < 0:
                if errno == EMFILE or errno == ENFILE or errno == ENOBUFS or errno == ENOMEM:
                    self.pause()
                    self.on_exhausted(OSError(errno, os.strerror(errno)))
                    return 0
                if errno == ECONNABORTED or errno == EINTR or errno == EPROTO or errno == EPERM:
                    continue        # this one was lost; the next may be good
                return 0
            if (<sockaddr *>&peer).sa_family == AF_INET or (<sockaddr *>&peer).sa_family == AF_INET6:
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one))
            self.on_connection(fd, &peer)
        return 0

    cdef int on_connection(self, int fd, sockaddr_in6 *peer) except -1:
        # OWNER: the fd is the callee's.
        close(fd)
        return 0

    cdef int on_exhausted(self, error) except -1:
        return 0


cdef class Transport(Stream):
    """asyncio's transport for a stream socket.

    Contract: asyncio.Transport, of CPython's documentation. Callbacks of the protocol run in the context in which the transport
    was made; connection_lost is a microtask. An exception of the protocol goes to the loop's exception handler and, out of
    data_received or eof_received, ends the connection.
    """

    def __init__(self, LoopCore loop, sock, protocol, *, waiter=None, extra=None, server=None, int fd=-1,
                 context=None):
        self.loop = loop
        self.sock = sock
        self.fd = sock.fileno() if sock is not None else fd
        self.is_fd_ours = sock is None
        self.context = contextvars.copy_context() if context is None else context
        self.server = server
        self.extra = dict(extra) if extra else {}
        if sock is not None:
            self.learn_addresses()
        self.take_protocol(protocol)
        if server is not None:
            server._attach(self) if HAS_CLIENTS else server._attach()
        # COMPAT(asyncio): connection_made first, then reading starts, then whoever waits for the transport goes on.
        loop.call_soon(self.begin, waiter, context=self.context)

    def __repr__(self):
        state = "closed" if self.is_ended else "closing" if self.closing else "open"
        return (f"<{type(self).__name__} {state} fd={self.fd} {'reading' if self.reading else 'paused'} "
                f"unsent={self.unsent_bytes:_}/{self.high_water_mark:_}>")

    def begin(self, waiter):
        """Microtask after the making: connection_made, and reading starts."""
        try:
            self.protocol.connection_made(self)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exception:
            self.report(exception, "Fatal error: protocol.connection_made() call failed.")
        self.is_connected = True
        if not self.is_reading_paused:
            self.resume()
        if waiter is not None and not waiter.cancelled():
            waiter.set_result(None)

    cdef int learn_addresses(self) except -1:
        cdef int one = 1
        if self.sock.family in (AF_INET, AF_INET6) and self.sock.type == SOCK_STREAM:
            setsockopt(self.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one))
        try:
            self.extra.setdefault("sockname", self.sock.getsockname())
        except OSError:
            self.extra["sockname"] = None
        if "peername" not in self.extra:
            try:
                self.extra["peername"] = self.sock.getpeername()
            except OSError:
                self.extra["peername"] = None
        return 0

    # ---- what asyncio asks

    def get_extra_info(self, name, default=None):
        """'peername', 'sockname', 'socket', or what the transport was made with."""
        if name == "socket":
            return self.transport_socket()
        if name == "peername" and name not in self.extra:
            self.extra[name] = self.peer_name()
        elif name == "sockname" and name not in self.extra:
            try:
                self.extra[name] = self.get_socket().getsockname()
            except OSError:
                self.extra[name] = None
        return self.extra.get(name, default)

    cdef object get_socket(self):
        if self.sock is None:
            if self.fd < 0:
                raise OSError("the socket is closed")
            self.sock = socket.socket(fileno=self.fd)
            self.is_fd_ours = False
        return self.sock

    cdef object transport_socket(self):
        if "socket" not in self.extra:
            self.extra["socket"] = asyncio.trsock.TransportSocket(self.get_socket())
        return self.extra["socket"]

    @property
    def _sock(self):            # COMPAT(asyncio): read by asyncio's sendfile and by its test suite
        return self.get_socket()

    @property
    def _sock_fd(self):         # COMPAT(asyncio)
        return self.fd

    @property
    def _loop(self):            # COMPAT(asyncio)
        return self.loop

    @property
    def _start_tls_compatible(self):    # COMPAT(asyncio): loop.start_tls asks
        return True

    @property
    def _sendfile_compatible(self):     # COMPAT(asyncio): loop.sendfile asks
        return asyncio.constants._SendfileMode.FALLBACK

    def get_protocol(self):
        """The protocol."""
        return self.protocol

    def set_protocol(self, protocol):
        """Hand the connection over to another protocol."""
        self.take_protocol(protocol)

    cdef int take_protocol(self, protocol) except -1:
        self.protocol = protocol
        if isinstance(protocol, asyncio.BufferedProtocol):
            self.get_buffer = protocol.get_buffer
            self.buffer_updated = protocol.buffer_updated
            self.data_received = None
        else:
            self.get_buffer = self.buffer_updated = None
            self.data_received = getattr(protocol, "data_received", None)
        return 0

    def is_closing(self):
        """True once close() or abort() was called, or the connection is lost."""
        return self.closing

    # ---- reading

    def is_reading(self):
        """True while data is delivered."""
        return not self.is_reading_paused and not self.closing

    def pause_reading(self):
        """Leave data in the kernel's buffer. No effect if paused or closing."""
        self.is_reading_paused = True
        self.pause()

    def resume_reading(self):
        """Deliver data again. No effect if not paused, or closing."""
        self.is_reading_paused = False
        if self.is_connected:
            self.resume()

    cdef int read_some(self) except -1:
        cdef Py_ssize_t size
        cdef char[::1] room
        if self.get_buffer is None:
            return Stream.read_some(self)
        try:
            buffer = self.get_buffer(-1)
            room = memoryview(buffer).cast("c")
            if room.shape[0] == 0:
                raise RuntimeError("get_buffer() returned an empty buffer")
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exception:
            self.report(exception, "Fatal error: protocol.get_buffer() call failed.")
            return self.end_now(exception)
        size = recv(self.fd, &room[0], room.shape[0], 0)
        if size > 0:
            return self.tell(self.buffer_updated, size, "buffer_updated")
        if size == 0:
            self.pause()
            return self.on_end()
        if errno != EAGAIN and errno != EINTR:
            return self.fail(errno)
        return 0

    cdef int on_bytes(self, const char *data, Py_ssize_t size) except -1:
        return self.tell(self.data_received, PyBytes_FromStringAndSize(data, size), "data_received")

    cdef int on_end(self) except -1:
        # COMPAT(asyncio): eof_received() returning something true keeps our side open.
        cdef bint keeps_open
        if self.closing:
            return 0
        try:
            keeps_open = self.context.run(self.protocol.eof_received)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exception:
            self.report(exception, "Fatal error: protocol.eof_received() call failed.")
            return self.end_now(exception)
        if not keeps_open:
            self.close_after_flush()
        return 0

    # ---- writing

    def write(self, data):
        """Send data (bytes-like), now or in order; never blocks. Past the high-water mark the protocol's pause_writing is called.
        Raises TypeError, and RuntimeError after write_eof()."""
        if type(data) is not bytes:
            if not isinstance(data, (bytes, bytearray, memoryview)):
                raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__!r}")
            data = bytes(data)
        if self.is_shutting:
            raise RuntimeError("Cannot call write() after write_eof()")
        self.send_bytes(data)

    def writelines(self, list_of_data):
        """write() each of them, gathered into as few system calls as it takes."""
        if self.is_shutting:
            raise RuntimeError("Cannot call writelines() after write_eof()")
        self.is_corked = True
        try:
            for data in list_of_data:
                self.write(data)
        finally:
            self.uncork()

    def write_eof(self):
        """End our side once everything is sent; reading goes on."""
        if not self.closing:
            self.shut_down()

    def can_write_eof(self):
        """True: sockets can."""
        return True

    def get_write_buffer_size(self):
        """Bytes that wait to be sent."""
        return self.unsent_bytes

    def get_write_buffer_limits(self):
        """(low, high) water marks in bytes."""
        return (self.low_water_mark, self.high_water_mark)

    def set_write_buffer_limits(self, high=None, low=None):
        """Set the marks, in bytes: high defaults to 64 KiB or 4 x low, low to a quarter of high. Raises ValueError."""
        if high is None:
            high = MARK_DEFAULT if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self.high_water_mark = high
        self.low_water_mark = low
        self.note_level()

    cdef int on_full(self) except -1:
        return self.tell_bare(self.protocol.pause_writing, "pause_writing")

    cdef int on_drained(self) except -1:
        return self.tell_bare(self.protocol.resume_writing, "resume_writing")

    # ---- ending

    def close(self):
        """Close once everything is sent."""
        self.close_after_flush()

    def abort(self):
        """Close now; what was not sent is dropped."""
        self.end_now(None)

    def _force_close(self, exc):        # COMPAT(asyncio): sslproto calls it
        self.end_now(exc)

    cdef int finish(self) except -1:
        # COMPAT(asyncio): connection_lost is a microtask, not a matter of the close phase.
        if not self.is_ended:
            self.is_ended = True
            self.loop.poller.unwatch(self)
            self.loop.call_soon(self.lose, context=self.context)
        return 0

    def lose(self):
        """Microtask after the end: connection_lost, and the socket is closed."""
        cdef object protocol = self.protocol
        cdef object server = self.server
        try:
            if self.is_connected:
                protocol.connection_lost(self.error)
        finally:
            self.release_fd()
            self.protocol = self.get_buffer = self.buffer_updated = self.data_received = None
            self.server = None
            if server is not None:
                server._detach(self) if HAS_CLIENTS else server._detach()

    # ---- calling the protocol

    cdef int tell(self, callback, argument, str what) except -1:
        try:
            self.context.run(callback, argument)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exception:
            self.report(exception, f"Fatal error: protocol.{what}() call failed.")
            return self.end_now(exception)
        return 0

    cdef int tell_bare(self, callback, str what) except -1:
        # In whatever context asked: write() is called from within the protocol's own.
        try:
            callback()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exception:
            self.report(exception, f"protocol.{what}() failed")
        return 0

    cdef int report(self, exception, str message) except -1:
        self.loop.call_exception_handler(
            {"message": message, "exception": exception, "transport": self, "protocol": self.protocol})
        return 0


cdef class TransportListener(Listener):
    """Accepts for an asyncio server: a protocol and a Transport for each connection."""

    def __init__(self, LoopCore loop, sock, protocol_factory, server, on_exhausted):
        self.loop = loop
        self.sock = sock
        self.fd = sock.fileno()
        self.protocol_factory = protocol_factory
        self.server = server
        self.exhausted = on_exhausted
        self.context = contextvars.copy_context()

    cdef int on_connection(self, int fd, sockaddr_in6 *peer) except -1:
        cdef Transport transport
        try:
            protocol = self.context.run(self.protocol_factory)
        except (SystemExit, KeyboardInterrupt):
            close(fd)
            raise
        except BaseException as exception:
            close(fd)
            self.loop.call_exception_handler(
                {"message": "Error on transport creation for incoming connection", "exception": exception})
            return 0
        transport = Transport(self.loop, None, protocol, server=self.server, fd=fd, context=self.context.copy())
        transport.peer = peer[0]
        return 0

    cdef int on_exhausted(self, error) except -1:
        self.exhausted(self, error)
        return 0
