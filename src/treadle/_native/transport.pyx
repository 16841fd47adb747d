"""asyncio's face of a stream socket: its transport, and a listener that makes one for each connection.

Invariants: connection_made comes first and connection_lost last, each a microtask; nothing is received before connection_made, nor
before whoever waits for the transport has it; one protocol is told the end of input once. Not here: sockets themselves (tcp.pyx), TLS
(tls.pyx, over Transport), and how a server is set up (treadle.loop.event_loop).
"""
import asyncio
import contextvars
import socket
import sys

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.contextvars cimport PyContext_Enter, PyContext_Exit
from posix.unistd cimport close

from treadle._native.loop cimport LoopCore
from treadle._native.poll_epoll cimport READABLE, WRITABLE, PollHandle
from treadle._native.queues cimport SOON
from treadle._native.reader_feed cimport feed, known_text, text_now
from treadle._native.tcp cimport MARK_DEFAULT, Listener, Stream, set_nodelay, sockaddr, sockaddr_in6

cdef extern from "<sys/socket.h>" nogil:
    enum:
        AF_INET, AF_INET6, AF_UNIX, SOCK_STREAM
    ssize_t recv(int fd, void *buffer, size_t room, int flags)

cdef extern from *:
    """
    /* protocol.name(argument) in a context, without bound methods in between. */
    static inline PyObject *treadle_tell(PyObject *context, PyObject *protocol, PyObject *name, PyObject *argument) {
        PyObject *result;
        if (PyContext_Enter(context) < 0) return NULL;
        result = PyObject_CallMethodOneArg(protocol, name, argument);
        if (PyContext_Exit(context) < 0) Py_CLEAR(result);
        return result;
    }
    """
    object call_in "treadle_tell"(object context, object protocol, str name, object argument)

INHERITED = asyncio.Transport.get_extra_info
HAS_CLIENTS = sys.version_info >= (3, 13)      # COMPAT(asyncio): from then on a server knows its transports


cdef class Receiver:
    """A protocol that takes bytes from where they were received."""

    cdef int receive(self, const char *data, Py_ssize_t size) except -1:
        # Poll phase, in the transport's context: stands for get_buffer() and buffer_updated(). `data` is good until it returns.
        return 0


cdef class Transport(Stream):
    """asyncio's transport for a stream socket.

    Contract: asyncio.Transport, of CPython's documentation. Callbacks of the protocol run in the context in which the transport
    was made; connection_lost is a microtask. An exception of the protocol goes to the loop's exception handler and, out of
    data_received or eof_received, ends the connection.
    """

    @property
    def __class__(self):
        # COMPAT(asyncio): isinstance(transport, asyncio.Transport) is true, which deriving cannot make it: asyncio's class has a
        # layout of its own. Its sendfile asks for this very class. type(transport) tells the truth.
        return asyncio.transports._FlowControlMixin

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
        loop._transports[self.fd] = self        # COMPAT(asyncio): weakly held; keeps add_reader and sock_recv off this descriptor
        if server is not None:
            server._attach(self) if HAS_CLIENTS else server._attach()
        loop.call_soon(self.begin, waiter, context=self.context)

    def __repr__(self):
        state = "closed" if self.is_ended else "closing" if self.closing else "open"
        return (f"<{type(self).__name__} {state} fd={self.fd} {'reading' if self.reading else 'paused'} "
                f"unsent={self.unsent_bytes:_}/{self.high_water_mark:_}>")

    def begin(self, waiter):
        """Microtask after the making: connection_made; reading starts, unless somebody waits for the transport."""
        try:
            self.protocol.connection_made(self)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exception:
            self.tell_handler(exception, "Fatal error: protocol.connection_made() call failed.")
        self.is_connected = True
        if waiter is None:
            self.resume_if_wanted()
        else:
            self.loop.add_immediate(SOON, self.hand_over, (waiter,), self.context)

    def hand_over(self, waiter):
        """Check phase after begin(): reading starts, and whoever waits for the transport goes on before anything is received."""
        # COMPAT(asyncio): not at once, so that behind one sleep(0) it is not too late to cancel who waits.
        self.resume_if_wanted()
        if not waiter.cancelled():
            waiter.set_result(None)

    cdef int learn_addresses(self) except -1:
        if self.sock.family in (AF_INET, AF_INET6) and self.sock.type == SOCK_STREAM:
            set_nodelay(self.fd)
        self.extra["sockname"] = self.address("sockname")
        if "peername" not in self.extra:
            self.extra["peername"] = self.address("peername")
        return 0

    # ---- what asyncio asks

    def get_extra_info(self, name, default=None):
        """'peername', 'sockname', 'socket', or what the transport was made with. Also once the connection is lost."""
        if name == "socket":
            return self.transport_socket()
        if name not in self.extra and (name == "peername" or name == "sockname"):
            self.extra[name] = self.address(name)
        return self.extra.get(name, default)

    cdef object address(self, str kind):
        # As the socket module shows it; None where the socket cannot tell.
        if self.sock is None and (<sockaddr *>&self.peer).sa_family != AF_UNIX:
            return self.peer_name() if kind == "peername" else self.local_name()
        try:
            sock = self.get_socket()
            return sock.getpeername() if kind == "peername" else sock.getsockname()
        except OSError:
            return None

    cdef object get_socket(self):
        if self.sock is None:
            if self.fd < 0:     # COMPAT(asyncio): a lost connection still has a socket to show, a closed one
                self.sock = socket.socket((<sockaddr *>&self.peer).sa_family or AF_UNIX)
                self.sock.close()
            else:
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
        return asyncio.constants._SendfileMode.TRY_NATIVE

    @property
    def _protocol_paused(self):         # COMPAT(asyncio): asked where sendfile reads the file itself
        return self.is_over_mark

    def _make_empty_waiter(self):       # COMPAT(asyncio): loop.sendfile waits for it before it writes to the socket itself
        if self.empty_waiter is not None:
            raise RuntimeError("Empty waiter is already set")
        self.empty_waiter = self.loop.create_future()
        if self.unsent_bytes == 0:
            self.empty_waiter.set_result(None)
        return self.empty_waiter

    def _reset_empty_waiter(self):      # COMPAT(asyncio): sendfile is through
        self.empty_waiter = None
        self.resume_if_wanted()

    cdef int resume_if_wanted(self) except -1:
        # While sendfile watches the socket nobody else may.
        if (self.is_connected and not self.closing and not self.is_reading_paused and self.empty_waiter is None
                and self.eof_told is not self.protocol):
            self.resume()
        return 0

    def get_protocol(self):
        """The protocol."""
        return self.protocol

    def set_protocol(self, protocol):
        """Hand the connection over to another protocol."""
        self.take_protocol(protocol)

    cdef int take_protocol(self, protocol) except -1:
        self.protocol = protocol
        self.receiver = protocol if isinstance(protocol, Receiver) else None
        self.is_buffered = self.receiver is None and isinstance(protocol, asyncio.BufferedProtocol)
        self.fed_text = known_text(protocol)
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
        if not self.closing:
            self.is_reading_paused = True
            self.pause()

    def resume_reading(self):
        """Deliver data again. No effect if not paused, or closing."""
        if not self.closing:
            self.is_reading_paused = False
            self.resume_if_wanted()

    cdef int read_some(self) except -1:
        cdef Py_buffer room
        cdef Py_ssize_t size
        if not self.is_buffered:
            return Stream.read_some(self)
        try:
            PyObject_GetBuffer(call_in(self.context, self.protocol, "get_buffer", -1), &room, PyBUF_WRITABLE)
            if room.len == 0:
                PyBuffer_Release(&room)
                raise RuntimeError("get_buffer() returned an empty buffer")
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exception:
            return self.end_failed("get_buffer", exception)
        size = recv(self.fd, room.buf, room.len, 0)
        if size > 0:
            PyBuffer_Release(&room)     # before the protocol is told: it may want to resize its buffer
            return self.tell("buffer_updated", size)
        if size == 0:
            PyBuffer_Release(&room)
            return self.received_nothing(size)
        self.received_nothing(size)     # first, while errno is recv's
        PyBuffer_Release(&room)
        return 0

    cdef bint calls_nobody(self, int ready) noexcept:
        return ready == READABLE and self.feeds_reader()

    cdef int on_bytes(self, const char *data, Py_ssize_t size) except -1:
        if self.receiver is not None:
            return self.hand_to_receiver(data, size)
        if self.feeds_reader() and self.feed_reader(data, size):
            return 0
        return self.tell("data_received", PyBytes_FromStringAndSize(data, size))

    cdef bint feed_reader(self, const char *data, Py_ssize_t size) except -1:
        # True: there is nothing to tell the protocol.
        try:
            return feed(self.protocol, data, size)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exception:
            self.end_failed("data_received", exception)
            return True

    cdef int on_end(self) except -1:
        # COMPAT(asyncio): eof_received() returning something true keeps our side open.
        cdef bint keeps_open
        if self.closing:
            return 0
        self.eof_told = self.protocol
        try:
            keeps_open = self.context.run(self.protocol.eof_received)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exception:
            return self.end_failed("eof_received", exception)
        if not keeps_open:
            self.close_after_flush()
        return 0

    # ---- writing

    def write(self, data):
        """Send data (bytes-like), now or in order; never blocks. Past the high-water mark the protocol's pause_writing is called.
        Raises TypeError, and RuntimeError after write_eof()."""
        data = self.checked(data)
        if self.is_shutting:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self.empty_waiter is not None:
            raise RuntimeError("unable to write; sendfile is in progress")
        if not self.closing:
            self.send_bytes(data)
        elif not self.is_ended and data:
            # COMPAT(asyncio): more is taken after close() as long as something waits; sslproto says goodbye so, in resume_writing.
            self.queue_bytes(data)
            self.rewatch()
            self.note_level()

    def writelines(self, list_of_data):
        """write() each of them, gathered into as few system calls as it takes."""
        if self.is_shutting:
            raise RuntimeError("Cannot call writelines() after write_eof()")
        if self.empty_waiter is not None:
            raise RuntimeError("unable to writelines; sendfile is in progress")
        pieces = [self.checked(data) for data in list_of_data]
        if self.is_ended or (self.closing and not self.unsent_bytes):
            return
        for piece in pieces:
            if piece:
                self.queue_bytes(piece)
        self.uncork()       # the marks are looked at only once the kernel has taken what it takes

    cdef bytes checked(self, data):
        if type(data) is bytes:
            return data
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__!r}")
        return bytes(data)

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
        if self.unsent_bytes > high:    # COMPAT(asyncio): it may pause; only sending resumes
            self.note_level()

    cdef int on_full(self) except -1:
        return self.tell_bare(self.protocol.pause_writing, "pause_writing")

    cdef int on_drained(self) except -1:
        return self.tell_bare(self.protocol.resume_writing, "resume_writing")

    cdef int on_writable(self) except -1:
        self.context.run(self.send_waiting)
        return 0

    def send_waiting(self):
        """Poll phase, in the transport's context: what waits is sent; resume_writing may follow."""
        self.flush()

    cdef int on_flushed(self) except -1:
        if self.empty_waiter is not None and not self.empty_waiter.done():
            self.empty_waiter.set_result(None)
        return 0

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
            Transport.get_extra_info(self, "sockname")      # remembered while the socket can be asked
            Transport.get_extra_info(self, "peername")
            self.lose_sendfile()
            self.protocol = self.receiver = self.eof_told = None
            self.server = None
            if server is not None:
                server._detach(self) if HAS_CLIENTS else server._detach()

    cdef int lose_sendfile(self) except -1:
        # Close the fd; a sendfile that waits for it to become writable is told, which asyncio's own transport fails to do.
        cdef PollHandle sendfile = self.loop.poller.watcher_of(self.fd) if self.empty_waiter is not None else None
        if sendfile is not None:
            self.loop.poller.unwatch(sendfile)
        self.release_fd()
        if sendfile is not None:
            sendfile.on_ready(WRITABLE)
        if self.empty_waiter is not None and not self.empty_waiter.done():
            self.empty_waiter.set_exception(ConnectionError("Connection is closed by peer"))
        return 0

    # ---- calling the protocol

    cdef int tell(self, str what, argument) except -1:
        # Looked up each time: a parser may rebind its data_received from state to state.
        try:
            call_in(self.context, self.protocol, what, argument)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exception:
            return self.end_failed(what, exception)
        return 0

    cdef int hand_to_receiver(self, const char *data, Py_ssize_t size) except -1:
        cdef Receiver receiver = self.receiver      # it may hand the connection over meanwhile
        try:
            PyContext_Enter(self.context)
            try:
                receiver.receive(data, size)
            finally:
                PyContext_Exit(self.context)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exception:
            return self.end_failed("buffer_updated", exception)
        return 0

    cdef int tell_bare(self, callback, str what) except -1:
        # In whatever context asked: write() is called from within the protocol's own.
        try:
            callback()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exception:
            self.tell_handler(exception, f"protocol.{what}() failed")
        return 0

    cdef int end_failed(self, str what, exception) except -1:
        # COMPAT(asyncio): not said of an OSError, which could as well be the socket's; connection_lost tells the protocol of it.
        if not isinstance(exception, OSError):
            self.tell_handler(exception, f"Fatal error: protocol.{what}() call failed.")
        return self.end_now(exception)

    cdef int tell_handler(self, exception, str message) except -1:
        self.loop.call_exception_handler(
            {"message": message, "exception": exception, "transport": self, "protocol": self.protocol})
        return 0


class SocketTransport(Transport):
    """A Transport as users get it. COMPAT(asyncio): its methods can be replaced on an instance, by a test; a cdef class has no room."""

    def get_extra_info(self, name, default=None):
        """'peername', 'sockname', 'socket', or what the transport was made with. Also once the connection is lost."""
        # COMPAT(asyncio): its own transports inherit this one method. Whoever replaces it there means all of them.
        inherited = asyncio.Transport.get_extra_info
        if inherited is INHERITED:
            return Transport.get_extra_info(self, name, default)
        replaced = inherited.__get__(self) if hasattr(inherited, "__get__") else inherited
        return replaced(name) if default is None else replaced(name, default)


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
        transport = SocketTransport(self.loop, None, protocol, server=self.server, fd=fd, context=self.context.copy())
        transport.peer = peer[0]
        return 0

    cdef int on_exhausted(self, error) except -1:
        self.exhausted(self, error)
        return 0
