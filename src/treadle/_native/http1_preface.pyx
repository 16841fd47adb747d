"""A connection before its first byte of HTTP: a proxy that is trusted says, by the PROXY protocol, whom it speaks for.

    accepted ──► Preface: takes the header, byte for byte, and nothing behind it ──► Connection, with the addresses that it names

Invariants: what follows the header stays in the kernel, for TLS or HTTP to read; the descriptor has one owner at each moment; the
header is whole within the time that a head may take, and soon where the server stops. Not here: what a header says (treadle.http.proxy_protocol), who is trusted
(treadle.http.origin).
"""
from cpython.bytes cimport PyBytes_GET_SIZE
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int64_t
from posix.unistd cimport close

from treadle._native.http1_connection cimport FIRST_REQUEST_MS, Connection, new_connection
from treadle._native.http1_exchange cimport Site
from treadle._native.poll_epoll cimport READABLE, PollHandle
from treadle._native.tcp cimport address_name, sockaddr, sockaddr_in6
from treadle._native.timers cimport NS_PER_MS, Timer, clock_ns

cdef extern from "<sys/socket.h>" nogil:
    enum:
        MSG_PEEK, MSG_DONTWAIT
    ssize_t recv(int fd, void *buffer, size_t room, int flags)

cdef enum:
    LOOK_BYTES = 4096               # looked at in one go; a longer header is taken in several


cdef class Preface(PollHandle):
    def __repr__(self):
        return f"<Preface fd={self.fd} begun={0 if self.begun is None else len(self.begun)}>"

    cdef int on_ready(self, int ready) except -1:
        while self.fd >= 0 and self.read_on():
            pass
        return 0

    cdef int read_on(self) except -1:
        # 1: there may be more to read at once.
        cdef char seen[LOOK_BYTES]
        cdef Py_ssize_t size = recv(self.fd, seen, sizeof(seen), MSG_PEEK | MSG_DONTWAIT)
        cdef Py_ssize_t before = PyBytes_GET_SIZE(self.begun)
        cdef Py_ssize_t taken
        cdef bytes so_far
        cdef tuple said
        if size < 0 and (errno == EAGAIN or errno == EINTR):
            return 0
        if size <= 0:
            self.fail("it ended before its PROXY header did") if size == 0 else self.let_go()
            return 0
        so_far = self.begun + seen[:size]
        try:
            said = self.server.preface.read(so_far)
        except ValueError as error:
            self.fail(str(error))
            return 0
        # An unfinished header is all that there is: what ends it was not seen yet, so all of it may be taken.
        taken = size if said is None else <Py_ssize_t>said[0] - before
        recv(self.fd, seen, taken, MSG_DONTWAIT)
        self.begun = so_far
        return 1 if said is None else self.hand_over(said)

    cdef int hand_over(self, tuple said) except -1:
        # said: (size of the header, origin or None); an origin is (scheme or None, client, server).
        cdef Site server = self.server
        cdef int fd = self.fd
        cdef Connection connection
        server.loop.poller.unwatch(self)
        self.fd = -1                        # OWNER: the connection from here on
        connection = new_connection(server, fd, &self.peer)
        self.end()
        if said[1] is not None:
            scheme, client, local = said[1]
            connection.origin = (scheme or server.scheme, client, local)
            connection.addresses = (local, client)
        if server.tells_connections:
            server.connected(connection)
        return 0

    cdef int let_go(self) except -1:
        if self.fd >= 0:
            self.release()
            self.server.note_dropped()
        return 0

    cdef int release(self) except -1:
        if self.fd >= 0:
            self.server.loop.poller.unwatch(self)
            close(self.fd)
            self.fd = -1
            self.end()
        return 0

    cdef int hurry(self) except -1:
        # The server stops: what is on its way may still come, see FIRST_REQUEST_MS.
        cdef int64_t now_ms = clock_ns() // NS_PER_MS
        if self.deadline.start_ms + self.deadline.duration_ms > now_ms + FIRST_REQUEST_MS:
            self.deadline.start(FIRST_REQUEST_MS, now_ms)
        return 0

    cdef int end(self) except -1:
        self.server.prefaces.discard(self)
        self.deadline.stop()
        self.deadline.preface = None
        return 0

    cdef int fail(self, str why) except -1:
        self.let_go()
        self.server.preface.failed(address_name(<sockaddr *>&self.peer), why)
        return 0

    cpdef int abandon(self) except -1:
        return self.release()


cdef class PrefaceDeadline(Timer):
    cdef object fire(self):
        cdef Preface preface = self.preface         # OWNER: nobody else may have it while it ends
        if preface is None:
            return None
        preface.on_ready(READABLE)      # ORDER: timers come before the poll, and we may be late ourselves
        if preface.fd < 0:
            return None
        if preface.server.is_closing:
            preface.let_go()
        else:
            preface.fail("it did not come in time")
        return None


cdef int new_preface(Site server, int fd, sockaddr_in6 *peer) except -1:
    # OWNER: the fd is its own, until it is a connection's: at once, where the header is there already.
    cdef Preface preface = Preface.__new__(Preface)
    cdef PrefaceDeadline deadline = PrefaceDeadline.__new__(PrefaceDeadline)
    preface.fd = fd
    preface.server = server
    preface.peer = peer[0]
    preface.begun = b""
    server.prefaces.add(preface)
    preface.is_refed = False            # nothing was asked yet that the program would have to stay for
    preface.deadline = deadline
    deadline.timers = server.loop.timers
    deadline.is_refed = False
    deadline.preface = preface
    deadline.start(
        min(server.headers_ms, <int64_t>FIRST_REQUEST_MS) if server.is_closing else server.headers_ms, clock_ns() // NS_PER_MS)
    preface.on_ready(READABLE)
    if preface.fd >= 0:
        try:
            server.loop.poller.watch(preface, READABLE)
        except OSError:                 # the kernel has no room for one more watch
            preface.let_go()
    return 0
