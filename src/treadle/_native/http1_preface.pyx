"""A connection before its first byte of HTTP: a proxy that is trusted says, by the PROXY protocol, whom it speaks for.

    accepted ──► Preface: takes the header, byte for byte, and nothing behind it ──► Connection, with the addresses that it names

Invariants: what follows the header stays in the kernel, for TLS or HTTP to read; the descriptor has one owner at each moment; the
header is whole within the time that a head may take; a connection whose header names nobody is marked so. Not here: what a header
says (treadle.http.proxy_protocol), who is trusted (treadle.http.origin).
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
        while self.fd >= 0 and not self.is_ended and self.read_on():
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
            self.fail("it ended before its PROXY header did") if size == 0 else self.end_now()
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
        cdef bint was_watched = self.interest != 0
        cdef Connection connection
        self.part()
        self.fd = -1                        # OWNER: the connection from here on
        connection = new_connection(server, fd, &self.peer)
        if said[1] is None:
            connection.is_unnamed = True
        else:
            scheme, client, local = said[1]
            connection.origin = (scheme or connection.scheme(), client, local)
            connection.addresses = (local, client)
        if server.tells_connections:
            server.connected(connection)
        if server.is_closing and was_watched:       # else it was accepted just now, and the server sees to it
            connection.close_idle(True)
        return 0

    cdef bint close_idle(self) except -1:
        # The server closes. False: some of the header has come, or may be on the wire; then it holds the program, as any connection.
        cdef char byte_there
        cdef Py_ssize_t size
        cdef int64_t now_ms = clock_ns() // NS_PER_MS
        cdef int64_t left_ms = self.deadline.start_ms + self.deadline.duration_ms - now_ms
        if self.is_ended:
            return False
        size = recv(self.fd, &byte_there, 1, MSG_PEEK | MSG_DONTWAIT)
        if size <= 0 and not self.begun:
            if size == 0 or left_ms <= 0:
                self.end_now()
                return True
            if left_ms > FIRST_REQUEST_MS:
                self.deadline.start(FIRST_REQUEST_MS, now_ms)
        self.is_refed = True
        self.server.loop.poller.count(self)
        return False

    cdef int end_now(self) except -1:
        if self.fd >= 0 and not self.is_ended:
            self.is_ended = True
            self.server.loop.poller.unwatch(self)
            self.deadline.stop()
            self.server.loop.end(self)
        return 0

    cdef int on_close(self) except -1:
        self.abandon()
        if not self.server.held():
            self.server.drained()
        return 0

    cdef int part(self) except -1:
        # It is none any more.
        self.server.loop.poller.unwatch(self)
        self.server.prefaces.discard(self)
        self.deadline.stop()
        self.deadline.preface = None
        return 0

    cdef int fail(self, str why) except -1:
        if self.fd >= 0 and not self.is_ended:
            self.end_now()
            self.server.preface.failed(address_name(<sockaddr *>&self.peer), why)
        return 0

    cpdef int abandon(self) except -1:
        self.part()
        if self.fd >= 0:
            close(self.fd)
            self.fd = -1
        return 0

    def __dealloc__(self):
        if self.fd >= 0:                    # only where the loop was dropped unclosed
            close(self.fd)


cdef class PrefaceDeadline(Timer):
    cdef object fire(self):
        cdef Preface preface = self.preface         # OWNER: nobody else may have it while it ends
        if preface is None:
            return None
        preface.on_ready(READABLE)                  # ORDER: timers come before the poll, and we may be late ourselves
        if preface.server.is_closing and not preface.begun:
            preface.end_now()                       # a stop has cut its time, and nobody is to blame
        else:
            preface.fail("it did not come in time")     # no effect where it has just been handed over
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
    deadline.start(server.headers_ms, clock_ns() // NS_PER_MS)
    preface.on_ready(READABLE)
    if preface.fd >= 0 and not preface.is_ended:
        try:
            server.loop.poller.watch(preface, READABLE)
        except OSError:                 # the kernel has no room for one more watch
            preface.end_now()
    return 0
