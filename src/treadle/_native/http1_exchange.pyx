"""What a request and its answer know of the server and of the connection they travel on, and no more.

`Site` is what all connections of a server share; `Wire` is a connection as a request or an answer sees it. Both are bases: what
they do is in http1_server.pyx and http1_connection.pyx. Invariant: nothing here knows a parser, a phase or a handler.
"""
from libc.stdint cimport int64_t

from treadle._native.http1_head cimport HeadWriter
from treadle._native.http1_names cimport FieldNames
from treadle._native.loop cimport LoopCore
from treadle._native.tcp cimport Stream

cdef enum:
    FREE_WRITERS_MAX = 16           # 64 KiB at most; one is enough unless heads are written long before bodies
    WRITER_BYTES_MAX = 64 * 1024    # a larger one is not kept: few heads are


cdef class Site:
    """What all connections of one server share: its limits and its policy. Policy is the subclass's, in Python."""

    def __init__(self, LoopCore loop):
        self.loop = loop
        self.connections = set()
        self.prefaces = set()
        self.free_parsers = []
        self.free_writers = []
        self.names = FieldNames()
        self.answer_names = FieldNames()
        self.connections_max = -1

    # ---- what the subclass says

    def fault(self, code, data):
        """Raise the error with this code and these data."""
        raise NotImplementedError

    def refusal(self, reason, detail):
        """The whole answer, as bytes, to a message refused for this reason (a name), with what a parser said, or None."""
        raise NotImplementedError

    def answer_failed(self, exception, method, target):
        """An answer to this request could not be sent as it was given, and nobody is left who could hear of it."""
        raise NotImplementedError

    def handshake_failed(self, error, is_plain, peer):
        """Hands were not shaken with this peer, an address; is_plain: it does not speak TLS at all. Its connection closes."""
        raise NotImplementedError

    def wants_upgrade(self, request):
        """This request offers another protocol, and somebody listens for that: does its socket go to them?"""
        raise NotImplementedError

    def switched(self, request, handle, head, observer):
        """The connection of this request, an upgrade or CONNECT, is a SocketStream from now on. head: what has come behind it.
        observer: to be called when that closes, or None."""
        raise NotImplementedError

    def refused(self, reason, detail, handle, observer):
        """Likewise of one whose message is refused for this reason (a name). It was not answered."""
        raise NotImplementedError

    def connected(self, connection):
        """A new connection."""

    def dropped(self, local, remote):
        """A connection too many was closed at once; between these names."""

    def timed_out(self, request, response):
        """The answer was not complete in time; it is refused, or cut, next."""

    def drained(self):
        """The last connection has closed; or, without any, the last handler has ended."""

    def abandon(self):
        """The loop is closed: so are all connections, and nobody is told."""
        cdef Wire connection
        for connection in self.connections:
            connection.abandon()
        self.connections.clear()

    cdef Py_ssize_t held(self) noexcept:
        # Descriptors of clients: what connections_max counts, whoever has accepted them.
        return len(self.connections) + len(self.prefaces) + self.socket_count

    cdef int add_connection(self, Wire connection) except -1:
        self.connections.add(connection)
        self.loop.owners.add(self)      # one that is paused is not watched: the loop would not know of it
        return 0

    cdef int drop_connection(self, Wire connection) except -1:
        self.connections.discard(connection)
        if not self.connections:
            self.loop.owners.discard(self)
        return self.note_dropped()

    cdef int note_dropped(self) except -1:
        if not self.connections and not self.prefaces and not self.socket_count:
            self.drained()
        return 0

    cdef HeadWriter take_writer(self):
        # An empty one. Give it back when it is empty again; one that an exception leaves behind is garbage.
        return <HeadWriter>self.free_writers.pop() if self.free_writers else HeadWriter.__new__(HeadWriter)

    cdef int give_writer(self, HeadWriter writer) except -1:
        if len(self.free_writers) < FREE_WRITERS_MAX and writer.room <= WRITER_BYTES_MAX:
            writer.size = 0
            self.free_writers.append(writer)
        return 0

    cdef int dispatch(self, Wire connection) except -1:
        # The head of its request is complete: have it answered.
        raise NotImplementedError


cdef class Wire(Stream):
    """A connection, as the exchange on it sees it."""

    cdef int response_complete(self) except -1:
        # The last byte of the answer was handed over.
        raise NotImplementedError

    cdef int expired(self, DeadlineKind kind) except -1:
        # A deadline of this kind is over.
        raise NotImplementedError

    cdef bint has_response(self, response) noexcept:
        # True: it is the one under way.
        return False

    cdef int answer_begun(self) except -1:
        # The head of the answer leaves now.
        return 0

    cdef int handler_over(self, request) except -1:
        # Whoever was called for it has returned, and reads no more of it.
        return 0

    cdef bint is_continue_owed(self) noexcept:
        # True: the peer waits for 100 Continue, and has sent nothing of its body.
        return False

    cdef int continue_sent(self) except -1:
        # 100 Continue was sent: the peer begins with its body.
        return 0

    cdef int limit_answer(self, int64_t duration_ms) except -1:
        # The answer under way has so long from now on, instead of what it had; 0: as long as it likes.
        return 0

    cdef int tell_when_flushed(self, response) except -1:
        # The answer is complete, and the kernel has not taken all of it: it wants to know when it has.
        raise NotImplementedError

    cdef bint is_answer_due(self) noexcept:
        # True: the request under way has no complete answer yet.
        return False

    cdef tuple request_line(self):
        # Method and target of the message under way, or None.
        return None

    cdef tuple address_pair(self):
        # The names of both ends, as socket shows them; None for what is unknown.
        cdef object local
        if self.addresses is None:
            local = self.local_name()
            if local == self.server.local_name:
                local = self.server.local_name      # PERF: bench/run.py idle. 170 bytes a connection
            else:
                self.server.local_name = local
            self.addresses = (local, self.peer_name())
        return <tuple>self.addresses


cdef class Intake:
    """What is done to a request between its head and its handler: whose it is, and what it is called."""

    cdef int head_complete(self, Wire connection) except -1:
        # Its fields are known to be well-formed; nobody has seen them yet.
        return 0

    cdef object enter(self, Wire connection):
        # Its handler is about to be called: what leave() needs to undo this.
        return None

    cdef int leave(self, object token) except -1:
        return 0


cdef class ExchangeLog:
    """Who is told of each exchange that is over."""

    cdef int note(self, Wire connection, int status, long long size, bint is_whole) except -1:
        # status and size: of the answer and its body, as far as they were sent.
        raise NotImplementedError
