"""A stream socket as treadle.net has it: what arrives is pushed into a readable, what is written is sent.

    kernel --recv--> push() -- False --> not watched any more: what comes stays in the kernel, until the owner reads again
    write() --send--> the kernel takes all: called back at once -- else --> watched for room, called back when all has gone

Invariants: one write is under way at a time, as a Writable sees to; the owner is told nothing once it has closed it but that it is
closed, which is in the close phase; a socket that fails destroys its owner. The loop owns what is open, since a paused socket is
watched by nobody. Not here: events, options and time-outs (treadle.net), sockets themselves (tcp.pyx).
"""
import contextvars

from cpython.bytes cimport PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.contextvars cimport PyContext_Enter, PyContext_Exit
from libc.errno cimport ECONNABORTED
from libc.string cimport memset
from posix.unistd cimport close

from treadle._native.cipher cimport Cipher
from treadle._native.loop cimport LoopCore
from treadle._native.movers cimport Mover
from treadle._native.poll_epoll cimport WRITABLE
from treadle._native.pool cimport os_error
from treadle._native.readable cimport ReadableState, readable_of
from treadle._native.stream_core cimport StreamCore
from treadle._native.stream_pipe cimport room_behind
from treadle._native.tcp cimport Listener, Stream, set_nodelay, sockaddr, sockaddr_in6, socklen_t

cdef extern from "<errno.h>" nogil:
    int ECANCELED

cdef extern from "<sys/socket.h>" nogil:
    enum:
        SOL_SOCKET, SO_ERROR, SO_LINGER
    struct linger:
        int l_onoff
        int l_linger
    int getsockopt(int fd, int level, int name, void *value, socklen_t *size)
    int setsockopt(int fd, int level, int name, const void *value, socklen_t size)
    int getpeername(int fd, sockaddr *address, socklen_t *room)

cdef enum:
    READ_BYTES = 64 * 1024          # a chunk at most: more would burst the mark; libuv's suggestion to Node
    READ_LEAST = 1024               # where the mark is all but reached: many small reads cost more than they save
    WRITEV_ROUNDS = 16              # sendmsg calls of one writev: 1,024 chunks, then others have their turn


cdef class SocketStream(Stream):
    """A socket that is connected, or connecting, and the stream that it belongs to."""

    def __init__(self, LoopCore loop not None, int fd, StreamCore owner=None):
        # OWNER: the fd is its own from here on.
        self.loop = loop
        self.fd = fd
        self.is_fd_ours = True
        self.read_size = READ_BYTES
        self.owner = owner
        self.context = contextvars.copy_context()
        loop.owners.add(self)

    def __repr__(self):
        state = "closed" if self.is_ended else "connecting" if self.connect_callback is not None else "open"
        return (f"<{type(self).__name__} {state} fd={self.fd} {'reading' if self.reading else 'paused'} "
                f"unsent={self.unsent_bytes:_}>")

    def belong_to(self, StreamCore owner not None):
        """The stream that it was accepted for."""
        self.owner = owner

    # ---- connecting

    def wait_connected(self, callback):
        """connect(2) was begun on the descriptor: callback(error) in the poll phase, once it is known how it went."""
        self.connect_callback = callback
        self.rewatch()

    cdef int rewatch(self) except -1:
        if self.connect_callback is None:
            return Stream.rewatch(self)
        if self.interest != WRITABLE:
            self.loop.poller.watch(self, WRITABLE)
        return 0

    cdef int on_writable(self) except -1:
        cdef object callback = self.connect_callback
        cdef int error = 0
        cdef socklen_t size = sizeof(error)
        if callback is None:
            return self.flush()
        self.connect_callback = None
        getsockopt(self.fd, SOL_SOCKET, SO_ERROR, &error, &size)
        self.rewatch()
        return self.tell(callback, os_error(error, None) if error else None)

    # ---- encrypting

    def secure(self, Cipher cipher not None, callback):
        """Encrypt from here on; callback(None) in the poll phase, once hands are shaken. What is written before waits for that; a
        handshake that fails destroys the owner. Nothing may wait to be sent or move unseen: raises RuntimeError."""
        if self.cipher is not None or self.unsent_bytes or self.sender is not None or self.taker is not None or self.closing:
            raise RuntimeError("the stream is closed, or encrypted, or in use")
        self.secure_callback = callback
        self.encrypt_by(cipher)

    @property
    def security(self):
        """The Cipher that stands before it, whoever has put it there; or None."""
        return self.cipher

    cdef int on_secure(self) except -1:
        cdef object callback = self.secure_callback
        self.secure_callback = None
        return 0 if callback is None else self.tell(callback, None)

    cdef int on_truncated(self, error) except -1:
        self.touch()
        return self.end_now(error)

    # ---- reading

    def start_reading(self):
        """Push what arrives, until a push is answered with False."""
        if self.taker is not None and self.taker.is_over:
            self.take_back_source(self.taker)       # its callback is what asks
        self.resume()

    def stop_reading(self):
        """Leave what arrives in the kernel."""
        self.pause()

    @property
    def is_reading(self):
        """Whether it reads."""
        return self.reading

    @property
    def bytes_read(self):
        """What was received, by a zero-copy move as well."""
        return self.received + (0 if self.taker is None else self.taker.bytes_moved)

    cdef int read_some(self) except -1:
        # No more than there is room for under the marks, its own and those behind it: what is buffered may wait for long.
        cdef ReadableState state
        if self.owner is not None and self.owner.readable_half is not None:
            state = readable_of(self.owner)
            self.read_size = min(READ_BYTES, max(min(state.high_water_mark - state.length, room_behind(state)), READ_LEAST))
        return Stream.read_some(self)

    cdef int on_bytes(self, const char *data, Py_ssize_t size) except -1:
        self.received += size
        self.touch()
        return self.push(PyBytes_FromStringAndSize(data, size))

    cdef int on_end(self) except -1:
        self.touch()
        return self.push(None)

    cdef int push(self, chunk) except -1:
        cdef StreamCore owner = self.owner
        cdef ReadableState state
        if owner is None:
            return self.pause()
        state = readable_of(owner)
        try:
            self.enter()
            try:
                if not state.push(chunk, None):
                    self.pause()
                    if chunk is None:
                        state.read(0)       # where nobody reads, the end is seen all the same
            finally:
                self.leave()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.loop.uncaught(error)
        return 0

    # ---- writing

    def write(self, chunk, callback):
        """Send a chunk; callback(error), at once if the kernel takes it."""
        cdef bytes data = chunk if type(chunk) is bytes else bytes(chunk)
        self.dispatched += PyBytes_GET_SIZE(data)
        self.is_sending = True
        self.send_bytes(data)
        self.is_sending = False
        self.settle_write(callback)

    def writev(self, list requests, callback):
        """Send the chunks of a Writable's requests, together."""
        cdef Py_ssize_t before
        cdef int rounds = WRITEV_ROUNDS
        if not self.closing and not self.is_shutting:
            for request in requests:
                chunk = request["chunk"]
                if len(chunk):
                    self.queue_bytes(chunk if type(chunk) is bytes else bytes(chunk))
                    self.dispatched += len(chunk)
            self.is_sending = True
            while rounds and self.unsent_bytes and not self.is_ended:
                rounds -= 1
                before = self.unsent_bytes
                self.flush()
                if self.unsent_bytes == before:
                    break
            self.is_sending = False
        self.settle_write(callback)

    cdef int settle_write(self, callback) except -1:
        self.touch()
        if self.is_ended or self.closing:
            callback(os_error(ECONNABORTED, None) if self.error is None else self.error)
        elif self.unsent_bytes == 0:
            callback(None)
        else:
            self.write_callback = callback
        return 0

    cdef int on_backlog(self, Py_ssize_t sent) except -1:
        return self.touch() if sent else 0

    cdef int on_flushed(self) except -1:
        cdef object callback = self.write_callback
        if self.shut_callback is not None:
            self.loop.put_behind(self)
        if callback is None:
            return 0
        self.write_callback = None
        self.touch()
        return self.tell(callback, None)

    def shutdown(self, callback):
        """End our side once all is sent; callback(None) follows, behind this poll or in the pending phase."""
        self.shut_callback = callback
        self.shut_down()
        if self.unsent_bytes == 0 and self.sender is None and (self.cipher is None or not self.cipher.is_busy()):
            self.loop.put_behind(self)

    @property
    def bytes_written(self):
        """What was handed to it to be sent, and what a zero-copy move has sent."""
        return self.dispatched + (0 if self.sender is None else self.sender.bytes_moved)

    @property
    def unsent(self):
        """Bytes that wait to be sent."""
        return self.unsent_bytes

    def moves(self):
        """What moves bytes to it ("out") and from it ("in") without their being looked at: statistics of each."""
        moves = {}
        if self.taker is not None:
            moves["in"] = self.taker.statistics()
        if self.sender is not None:
            moves["out"] = self.sender.statistics()
        return moves

    @property
    def progress(self):
        """A number that grows with every byte that the socket receives or sends."""
        return self.bytes_read + self.bytes_written - self.unsent_bytes

    cdef int take_back_sink(self, Mover sender) except -1:
        if self.sender is sender:
            self.dispatched += sender.bytes_moved
        return Stream.take_back_sink(self, sender)

    cdef int take_back_source(self, Mover taker) except -1:
        if self.taker is taker:
            self.received += taker.bytes_moved
        return Stream.take_back_source(self, taker)

    # ---- ending

    def close(self, callback):
        """Close at once; what was not sent is dropped. callback() in the close phase, when it is closed."""
        self.owner = self.connect_callback = self.secure_callback = self.shut_callback = self.timer = None
        self.closed_callback = callback
        if self.is_gone:
            self.loop.defer(self)
        else:
            self.end_now(None)

    def reset(self, callback):
        """close(), and the peer is told by a reset."""
        cdef linger at_once
        at_once.l_onoff = 1
        at_once.l_linger = 0
        if self.fd >= 0:
            setsockopt(self.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once))
        self.close(callback)

    cdef int end_now(self, error) except -1:
        # Where it has failed, somebody is told: the write that waits, else the owner.
        cdef object callback = self.write_callback
        cdef StreamCore owner = self.owner
        cdef bint is_news = error is not None and not self.is_ended and not self.is_sending and owner is not None
        Stream.end_now(self, error)
        if is_news:
            self.write_callback = None
            self.tell(owner.destroy if callback is None else callback, error)
        return 0

    cdef int on_batch(self) except -1:
        return self.on_pending()

    cdef int on_pending(self) except -1:
        cdef object callback = self.shut_callback
        if callback is not None:
            self.shut_callback = None
            self.tell(callback, None)
        if self.is_gone and self.closed_callback is not None:
            self.on_closed()
        return 0

    cdef int on_closed(self) except -1:
        cdef object callback = self.write_callback
        cdef object closed = self.closed_callback
        self.is_gone = True
        self.write_callback = self.closed_callback = self.secure_callback = self.timer = None
        self.loop.owners.discard(self)
        if callback is not None:
            self.tell(callback, os_error(ECANCELED, None) if self.error is None else self.error)
            self.loop.drain_if_any()
        if closed is not None:
            self.tell(closed, None)
        return 0

    cpdef int abandon(self) except -1:
        self.owner = None
        self.write_callback = self.shut_callback = self.connect_callback = self.closed_callback = self.timer = None
        self.secure_callback = None
        self.is_gone = True
        return Stream.abandon(self)

    # ---- what the owner's code runs in

    cdef int enter(self) except -1:
        if self.is_inside:
            raise AssertionError("code of a socket runs inside code of the same socket")
        self.is_inside = True
        PyContext_Enter(self.context)
        return 0

    cdef int leave(self) except -1:
        self.is_inside = False
        PyContext_Exit(self.context)
        return 0

    cdef int tell(self, callback, argument) except -1:
        # What it raises ends the program, unless somebody takes care of it.
        try:
            if self.is_inside:
                callback(argument)
            else:
                self.enter()
                try:
                    callback(argument)
                finally:
                    self.leave()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.loop.uncaught(error)
        return 0

    # ---- the socket

    def set_no_delay(self, bint is_on):
        """Send small chunks at once."""
        set_nodelay(self.fd, is_on)

    def set_ref(self, bint is_refed):
        """Say whether it holds the program while it is watched."""
        self.is_refed = is_refed
        self.loop.poller.count(self)

    def remote_name(self):
        """As socket.getpeername() shows it, '' for a Unix socket; None where it is not known."""
        cdef socklen_t room = sizeof(self.peer)
        if (<sockaddr *>&self.peer).sa_family == 0 and self.fd >= 0:
            if getpeername(self.fd, <sockaddr *>&self.peer, &room) < 0:
                memset(&self.peer, 0, sizeof(self.peer))
        return self.peer_name()

    def own_name(self):
        """Likewise, of our side."""
        return self.local_name()


cdef class SocketListener(Listener):
    """Accepts connections for a server: connected(handle), a SocketStream without an owner yet."""

    def __init__(self, LoopCore loop, sock, connected, on_exhausted):
        self.loop = loop
        self.sock = sock
        self.fd = sock.fileno()
        self.connected = connected
        self.exhausted = on_exhausted
        self.context = contextvars.copy_context()

    cdef int on_connection(self, int fd, sockaddr_in6 *peer) except -1:
        cdef SocketStream handle = SocketStream(self.loop, fd)
        handle.peer = peer[0]
        handle.context = self.context.copy()
        return handle.tell(self.connected, handle)

    cdef int on_exhausted(self, error) except -1:
        self.exhausted(self, error)
        return 0
