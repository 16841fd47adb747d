"""HTTP/1.1 connections of a server: bytes in, handler called, answer out.

A `Connection` is a Stream that walks the phases below for each message; `RequestCore` and `ResponseCore` are what a handler
gets, as the subclasses named in the server. Parsing is httptools' (llhttp, every leniency off); what it lets pass and what it does
not count is checked here. A message is handed to the parser only when the one before it is answered, so that a connection
has one request at a time and whatever is pipelined waits unparsed.

    IDLE -> HEAD -> BODY -> ANSWERING -> IDLE        LINGERING: after an error, and after the last answer, until the peer ends

Invariants: replies leave in the order of their requests; a refused message gets exactly one answer, and the connection closes
behind it; while IDLE a connection owns no parser. Not here: error pages, logs and other text (treadle.http), ASGI (asgi1.pyx).
Source: RFC 9112; the limits' reasons are in treadle.http.limits.
"""
import sys

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeLatin1
from libc.stdint cimport int64_t
from libc.string cimport memchr, memcmp

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from treadle._native.http1_framing cimport (
    CHUNK_FINE, CHUNKS_ENDED, ChunkFault, find_head_end, parse_length, scan_chunks, start_chunks,
)
from treadle._native.http1_head cimport (
    BAD_NAME, CONNECTION, CONTENT_LENGTH, DATE, EXPECT, FIELD_FINE, HOST, OTHER_FIELD, TRANSFER_ENCODING, UPGRADE, Field, FieldFault, HeadWriter,
    field_of, has_token, is_token, is_value,
)
from treadle._native.loop cimport LoopCore
from treadle._native.tcp cimport Listener, Stream, sockaddr_in6
from treadle._native.timers cimport Timer, clock_ns

cdef extern from "Python.h":
    object PyContext_CopyCurrent()
    bint PyCoro_CheckExact(object candidate)
    bint PyUnicode_IS_ASCII(object text)

cdef extern from *:
    """
    static inline PyObject *treadle_handle(PyObject *context, PyObject *handler, PyObject *request, PyObject *response) {
        PyObject *arguments[2] = {request, response};
        PyObject *result;
        if (PyContext_Enter(context) < 0) return NULL;
        result = PyObject_Vectorcall(handler, arguments, 2, NULL);
        if (PyContext_Exit(context) < 0) Py_CLEAR(result);
        return result;
    }
    #define treadle_make(type, nothing) (((PyTypeObject *)(type))->tp_new((PyTypeObject *)(type), (nothing), NULL))
    """
    object make "treadle_make"(object type, tuple nothing)      # a new object, without __init__
    object call_handler "treadle_handle"(object context, object handler, object request, object response)

cdef enum:
    NS_PER_MS = 1_000_000
    READ_BYTES = 64 * 1024          # one receive; also what a pipelining peer can make us hold
    FREE_PARSERS_MAX = 256          # 1.3 KiB each
    LINGER_MS = 5_000               # for the peer to read the last answer and end its side; nginx: lingering_timeout 5 s
    DISCARD_MAX = 1024 * 1024       # of a body nobody reads, before the connection is given up instead
    JOIN_MAX = 16 * 1024            # a piece this small is copied behind its framing, a larger one sent beside it
    TURN_MESSAGES = 64              # messages of one connection in one turn; the rest waits, so that no peer starves another

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
cdef dict METHODS = {name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE")}
cdef bint HAS_EAGER_TASKS = sys.version_info >= (3, 12)


cdef class ServerCore:
    """What all connections of one server share: its handler, its limits, its parsers. Policy is the subclass's, in Python."""

    def __init__(self, LoopCore loop, task_type):
        self.loop = loop
        self.task_type = task_type
        self.writer = HeadWriter()
        self.connections = set()
        self.tasks = set()
        self.free_parsers = []

    # ---- what the subclass says

    def fault(self, code, data):
        """Raise the error with this code and these data."""
        raise NotImplementedError

    def refusal(self, status):
        """The whole answer, as bytes, to a message refused with this status."""
        raise NotImplementedError

    def handler_failed(self, exception, request, response):
        """A handler raised; `response` may still be answered when nothing of it has been sent."""
        raise NotImplementedError

    def drained(self):
        """The last connection has closed."""

    # ---- for the subclass

    @property
    def connection_count(self):
        """Open connections."""
        return len(self.connections)

    def close_idle_connections(self):
        """End the connections that no message is under way on."""
        cdef Connection connection
        for connection in list(self.connections):
            if connection.phase == IDLE:
                connection.close_after_flush()

    def close_all_connections(self):
        """End all connections at once; answers under way are cut."""
        cdef Connection connection
        for connection in list(self.connections):
            connection.end_now(None)

    def abort_message(self, ResponseCore response):
        """Cut the answer: the peer sees that it is incomplete."""
        if response.connection is not None:
            response.connection.end_now(None)

    # ---- inside

    cdef ParserShim take_parser(self):
        cdef ParserShim shim
        if self.free_parsers:
            return <ParserShim>self.free_parsers.pop()
        shim = ParserShim()
        shim.parser = HttpRequestParser(shim)
        shim.feed = shim.parser.feed_data
        return shim

    cdef int dispatch(self, Connection connection) except -1:
        cdef RequestCore request = connection.request
        cdef ResponseCore response = connection.response
        cdef object context = PyContext_CopyCurrent()
        connection.is_dispatch_due = False
        try:
            result = call_handler(context, self.handler, request, response)
            if result is not None and (PyCoro_CheckExact(result) or hasattr(result, "__await__")):
                self.start_task(request, response, result, context)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exception:
            self.handler_failed(exception, request, response)
        return 0

    cdef int start_task(self, RequestCore request, ResponseCore response, coroutine, context) except -1:
        # The handler's one and only Task, from before its first suspension on. context None: a copy of the current one.
        if HAS_EAGER_TASKS:
            task = self.task_type(coroutine, loop=self.loop, context=context, eager_start=True)
            if task.done():
                self.task_ended(task, request, response)
                return 0
        else:
            task = self.task_type(coroutine, loop=self.loop, context=context)
        self.tasks.add(task)
        task.add_done_callback(HandlerEnd(self, request, response))
        return 0

    def task_ended(self, task, request, response):
        """The Task of an async handler is done."""
        if task.cancelled():
            self.handler_failed(None, request, response)
        else:
            exception = task.exception()
            if exception is not None:
                if isinstance(exception, (SystemExit, KeyboardInterrupt)):
                    raise exception
                self.handler_failed(exception, request, response)


cdef class HandlerEnd:
    # Done-callback of a handler's task.
    cdef ServerCore server
    cdef RequestCore request
    cdef ResponseCore response

    def __init__(self, server, request, response):
        self.server = server
        self.request = request
        self.response = response

    def __call__(self, task):
        self.server.tasks.discard(task)
        self.server.task_ended(task, self.request, self.response)


cdef class HTTPListener(Listener):
    """Accepts connections for a server."""

    def __init__(self, ServerCore server, sock, on_exhausted):
        self.loop = server.loop
        self.server = server
        self.sock = sock
        self.fd = sock.fileno()
        self.exhausted = on_exhausted

    cdef int on_connection(self, int fd, sockaddr_in6 *peer) except -1:
        cdef Connection connection = Connection()
        connection.loop = self.loop
        connection.fd = fd
        connection.is_fd_ours = True
        connection.peer = peer[0]
        connection.server = self.server
        connection.read_size = READ_BYTES
        connection.deadline = Deadline()
        connection.deadline.timers = self.loop.timers
        connection.deadline.is_refed = False    # the connection itself holds the program
        connection.deadline.connection = connection
        self.server.connections.add(connection)
        connection.set_deadline(self.server.headers_ms)
        connection.resume()
        return 0

    cdef int on_exhausted(self, error) except -1:
        self.exhausted(self, error)
        return 0


cdef class Deadline(Timer):
    # The one deadline a connection has at a time; its phase says which.
    cdef int fire(self) except -1:
        if self.connection is not None:
            self.connection.expired()
        return 0


cdef class ParserShim:
    # Called by the parser from within feed_data. INVARIANT: connection is set while it is.

    def on_url(self, bytes target):
        cdef RequestCore request = self.connection.request
        request.target = target if request.target is None else request.target + target

    def on_header(self, bytes name, bytes value):
        cdef RequestCore request = self.connection.request
        cdef Py_ssize_t size = PyBytes_GET_SIZE(value)
        if size and (value[size - 1] == c' ' or value[size - 1] == c'\t'):      # RFC 9112 section 5: not part of the value
            value = value.rstrip(b" \t")
        if self.is_head_complete:
            if request.trailers is None:
                request.trailers = []
            request.trailers.append((name, value))
        else:
            request.raw_headers.append((name, value))

    def on_headers_complete(self):
        self.is_head_complete = True
        self.connection.request.keeps_alive = self.parser.should_keep_alive()   # ORDER: forgotten once the message is complete

    def on_body(self, bytes chunk):
        self.connection.request.add_body(chunk)

    def on_message_complete(self):
        self.is_message_complete = True


cdef class Connection(Stream):
    """One connection of a server."""

    def __repr__(self):
        names = ("IDLE", "HEAD", "BODY", "ANSWERING", "LINGERING")
        return f"<Connection {names[self.phase]} fd={self.fd} unsent={self.unsent_bytes:_}/{self.high_water_mark:_}>"

    # ---- bytes in

    cdef int on_bytes(self, const char *data, Py_ssize_t size) except -1:
        if self.phase == LINGERING:
            return 0
        if self.unparsed is not None or self.phase == ANSWERING:
            self.unparsed = data[:size] if self.unparsed is None else self.unparsed + data[:size]
            if PyBytes_GET_SIZE(self.unparsed) >= READ_BYTES:
                self.pause()
            return 0
        return self.consume(data, size)

    cdef int consume(self, const char *data, Py_ssize_t size) except -1:
        # Walk through data, message by message; what lies behind an unanswered message is kept for later.
        cdef Py_ssize_t used = 0
        cdef int messages = TURN_MESSAGES
        self.is_consuming = True
        self.is_corked = True
        while used < size and not self.closing and self.phase != LINGERING:
            if self.phase == IDLE:
                if messages == 0:
                    self.is_deferred = True
                    self.loop.defer(self)
                    break
                messages -= 1
                self.begin_message()
            if self.phase == HEAD:
                used += self.consume_head(data + used, size - used)
            elif self.phase == BODY:
                used += self.consume_body(data + used, size - used)
            else:
                break
            if self.is_dispatch_due and (self.phase == ANSWERING or used == size):
                self.server.dispatch(self)
                self.loop.drain_if_any()    # ORDER: microtasks between two handlers, as between any two callbacks
        if used < size and not self.closing and self.phase != LINGERING:
            self.unparsed = data[used:size]
        self.is_consuming = False
        self.uncork()
        return 0

    cdef int begin_message(self) except -1:
        cdef ServerCore server = self.server
        cdef RequestCore request = make(server.request_type, ())
        cdef ResponseCore response = make(server.response_type, ())
        request.server = response.server = server
        request.connection = response.connection = self
        request.raw_headers = []
        response.status_code = 200
        response.send_date = True
        self.request = request
        self.response = response
        self.shim = server.take_parser()
        self.shim.connection = self
        self.shim.is_head_complete = self.shim.is_message_complete = False
        self.phase = HEAD
        self.head_bytes = self.head_tail = 0
        self.body_kind = NO_BODY
        self.message_start_ms = 0
        self.is_upgrade_offered = self.is_body_raw = False
        return 0

    cdef Py_ssize_t consume_head(self, const char *data, Py_ssize_t size) except -1:
        cdef ServerCore server = self.server
        cdef Py_ssize_t head_size = find_head_end(data, size, &self.head_tail)
        cdef bytes piece
        cdef Py_ssize_t so_far = self.head_bytes + head_size
        if so_far > server.line_bytes_max:
            piece = data[:head_size] if self.head is None else self.head + data[:head_size]
            if memchr(PyBytes_AS_STRING(piece), c'\n', min(so_far, server.line_bytes_max + 2)) is NULL:
                # Garbage may have no line at all: that is the parser's verdict, before it is a long line.
                self.feed(data[:min(head_size, server.line_bytes_max)])
                if self.shim is not None:
                    self.refuse(414)
                return size
            if so_far > server.head_bytes_max:
                self.refuse(431)
                return size
        piece = data[:head_size]
        if self.head_tail == 4 and self.head is None:
            self.head = piece
        else:
            self.head = piece if self.head is None else self.head + piece
            if self.message_start_ms == 0:      # a head in pieces: from here on the clock runs
                self.message_start_ms = clock_ns() // NS_PER_MS
                self.set_deadline(server.headers_ms)
        self.head_bytes = so_far
        self.feed(piece)
        if self.shim is None:                   # refused
            return size
        if self.head_tail == 4:
            if self.shim.is_head_complete:
                self.check_head()
            else:
                self.head_tail = 0              # only empty lines before the request line so far
                self.head = None
        return head_size

    cdef int check_head(self) except -1:
        # The parser has accepted the head; the rest of the rules are ours. Goes on to BODY or ANSWERING.
        cdef RequestCore request = self.request
        cdef ResponseCore response = self.response
        cdef ParserShim shim = self.shim
        cdef const char *head = PyBytes_AS_STRING(self.head)
        cdef Py_ssize_t head_size = PyBytes_GET_SIZE(self.head)
        cdef const char *line_end
        cdef bytes name, value
        cdef Field field
        cdef int hosts = 0
        cdef bint has_length = False
        cdef bint is_1_0 = False
        while head_size and (head[0] == c'\r' or head[0] == c'\n'):      # empty lines before the request line
            head += 1
            head_size -= 1
        line_end = <const char *>memchr(head, c'\r', head_size)
        if line_end is NULL or line_end - head < 12:
            return self.refuse(400)
        if memcmp(line_end - 8, b"HTTP/1.1", 8) != 0:
            if memcmp(line_end - 8, b"HTTP/1.0", 8) != 0:
                return self.refuse(505)
            is_1_0 = True
        request.http_version = "1.0" if is_1_0 else "1.1"
        if len(request.raw_headers) > self.server.fields_max:
            return self.refuse(431)
        for name, value in request.raw_headers:
            field = field_of(PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
            if field == HOST:
                hosts += 1
                if not is_host(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value)):
                    return self.refuse(400)
            elif field == CONTENT_LENGTH:
                self.body_left = parse_length(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
                if self.body_left < 0 or has_length or self.body_kind == CHUNKED:
                    return self.refuse(400)
                has_length = True
                self.body_kind = COUNTED
            elif field == TRANSFER_ENCODING:
                if is_1_0 or has_length or self.body_kind == CHUNKED:
                    return self.refuse(400)
                if value.lower() != b"chunked":
                    return self.refuse(501 if value.lower().endswith(b"chunked") else 400)
                self.body_kind = CHUNKED
            elif field == UPGRADE:
                self.is_upgrade_offered = True      # the parser takes what follows for the new protocol: it is not used again
            elif field == EXPECT:
                if value.lower() != b"100-continue":
                    return self.refuse(417)
                request.expects_continue = not is_1_0
        if hosts > 1 or (hosts == 0 and not is_1_0):
            return self.refuse(400)
        method = shim.parser.get_method()
        request.method = METHODS.get(method) or method.decode("ascii")
        if request.method == "CONNECT":
            return self.refuse(501)
        if not is_target(PyBytes_AS_STRING(request.target), PyBytes_GET_SIZE(request.target), request.method == "OPTIONS"):
            return self.refuse(400)
        response.is_1_0 = is_1_0
        response.is_head_only = request.method == "HEAD"
        response.keeps_alive = request.keeps_alive and not self.server.is_closing
        self.head = None
        self.is_dispatch_due = True
        if shim.is_message_complete:
            if self.body_kind == CHUNKED:
                return self.refuse(400)     # an offer of another protocol, for which the parser ends here: where does its body?
            self.is_body_raw = self.body_kind == COUNTED and self.body_left > 0
            if not self.is_body_raw:
                return self.message_complete()
        elif self.body_kind == NO_BODY:
            return self.refuse(400)         # the parser waits for a body that no header announces
        if self.body_kind == CHUNKED:
            start_chunks(&self.chunks, self.server.head_bytes_max - self.head_bytes)
        self.phase = BODY
        if self.message_start_ms == 0:
            self.message_start_ms = clock_ns() // NS_PER_MS
        return self.set_deadline(self.server.request_ms)

    cdef Py_ssize_t consume_body(self, const char *data, Py_ssize_t size) except -1:
        cdef Py_ssize_t part = size
        cdef bint is_last = False
        cdef ChunkFault fault
        if self.body_kind == COUNTED:
            part = <Py_ssize_t>min(<long long>size, self.body_left)
            self.body_left -= part
            is_last = self.body_left == 0
        else:
            fault = scan_chunks(&self.chunks, data, size, &part)
            if fault != CHUNK_FINE:
                self.refuse(fault)
                return size
            is_last = self.chunks.state == CHUNKS_ENDED
        self.request.expects_continue = False
        if self.is_body_raw:
            self.request.add_body(data[:part])
            self.shim.is_message_complete = is_last
        else:
            self.feed(data[:part])
        if self.shim is None:                   # refused
            return size
        if is_last != self.shim.is_message_complete:
            self.refuse(400)                # the parser counts otherwise
            return size
        if is_last:
            if self.request.trailers is not None and self.has_forbidden_trailer():
                self.refuse(400)
            elif self.request.trailers is not None and (
                    len(self.request.raw_headers) + len(self.request.trailers) > self.server.fields_max):
                self.refuse(431)
            else:
                self.message_complete()
        elif self.request.is_discarding:
            if self.request.body_bytes > DISCARD_MAX:
                self.linger()
        elif self.request.body_bytes > self.server.body_mark:
            self.pause()
        return part

    cdef bint has_forbidden_trailer(self) except -1:
        # RFC 9110 section 6.5.1: nothing that frames or routes the message comes behind it.
        cdef bytes name, value
        cdef Field field
        for name, value in self.request.trailers:
            field = field_of(PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
            if field != OTHER_FIELD and field != DATE:
                return True
        return False

    cdef int feed(self, bytes data) except -1:
        try:
            self.shim.feed(data)
        except HttpParserUpgrade:
            pass                            # the offer is not taken up, as RFC 9110 section 7.8 allows
        except HttpParserError:
            self.refuse(400)
        return 0

    cdef int message_complete(self) except -1:
        cdef RequestCore request = self.request
        request.complete = True
        self.phase = ANSWERING              # PERF: the deadline stays armed and means nothing now, see expired()
        self.release_parser(request.keeps_alive and not self.is_upgrade_offered)
        request.wake_reader()
        if self.response is None:           # answered before its body was through
            return self.next_message()
        return 0

    cdef int release_parser(self, bint is_clean) except -1:
        cdef ParserShim shim = self.shim
        if shim is not None:
            self.shim = None
            shim.connection = None
            if is_clean and len(self.server.free_parsers) < FREE_PARSERS_MAX:
                self.server.free_parsers.append(shim)
        return 0

    # ---- between messages

    cdef int response_complete(self) except -1:
        # The last byte of the answer was handed over.
        cdef ResponseCore response = self.response
        cdef RequestCore request = self.request
        self.response = None
        request.on_over()
        if not response.keeps_alive or self.server.is_closing or (self.has_peer_ended and self.unparsed is None and not self.is_consuming):
            return self.linger()
        if request.complete:
            return self.next_message()
        request.is_discarding = True
        request.body = None
        request.body_bytes = 0
        if request.expects_continue or (self.body_kind == COUNTED and self.body_left > DISCARD_MAX):
            return self.linger()
        return self.resume()

    cdef int next_message(self) except -1:
        self.request = None
        self.phase = IDLE
        self.set_deadline(self.server.keep_alive_ms)
        if self.is_consuming or self.is_deferred:
            return 0
        if self.unparsed is not None:
            self.is_deferred = True
            return self.loop.defer(self)
        return self.resume()

    cdef int on_pending(self) except -1:
        cdef bytes data = self.unparsed
        self.is_deferred = False
        if data is not None and self.phase == IDLE and not self.closing:
            self.unparsed = None
            self.consume(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
            if self.unparsed is None and not self.closing:
                if self.has_peer_ended and self.phase != ANSWERING:
                    self.on_end()
                else:
                    self.resume()
        return 0

    # ---- ends

    cdef int refuse(self, int status) except -1:
        # The message under way is not acceptable: one answer, and the connection closes behind it.
        cdef ResponseCore response = self.response
        cdef bint may_answer = response is None or not response.finished and (not response.headers_sent or response.head is not None)
        cdef bint was_answered = response is None and self.request is not None
        self.drop_message()
        self.release_parser(False)
        if was_answered or not may_answer:
            return self.end_now(None)
        self.phase = LINGERING
        self.send_bytes(self.server.refusal(status))
        return self.linger()

    cdef int linger(self) except -1:
        # End our side; close when the peer has ended its own, or has had LINGER_MS. Closing at once, with input unread, would
        # reset the connection and could destroy the answer on its way.
        if self.has_peer_ended:
            return self.close_after_flush()
        self.drop_message()
        self.release_parser(False)
        self.unparsed = None
        self.phase = LINGERING
        self.shut_down()
        self.set_deadline(LINGER_MS)
        return self.resume()

    cdef int drop_message(self) except -1:
        # Request and answer have no connection any more: the one is aborted unless complete, the other is lost.
        cdef RequestCore request = self.request
        cdef ResponseCore response = self.response
        self.request = None
        self.response = None
        self.head = None
        self.is_dispatch_due = False
        if request is not None:
            request.abort()
            request.on_over()
        if response is not None:
            response.lose()
        return 0

    cdef int set_deadline(self, int64_t duration_ms) except -1:
        return self.deadline.start(duration_ms, clock_ns() // NS_PER_MS)

    cdef int expired(self) except -1:
        if self.phase == HEAD and self.head_bytes:
            return self.refuse(408)
        if self.phase == BODY:
            return self.refuse(408)
        if self.phase == LINGERING:
            return self.end_now(None)
        if self.phase == ANSWERING:         # a handler may take its time
            return 0
        return self.close_after_flush()

    cdef int on_end(self) except -1:
        # EOF. An answer under way is still sent: the peer may only have ended its own side.
        self.has_peer_ended = True
        if self.phase == ANSWERING or self.unparsed is not None:
            if self.request is not None:
                self.request.on_over()
            return 0
        if self.phase == BODY and self.request is not None:
            self.request.abort()
            if self.response is not None and self.response.headers_sent:
                return self.end_now(None)
        self.drop_message()
        self.release_parser(False)
        return self.close_after_flush()

    cdef tuple address_pair(self):
        # The names of both ends, as socket shows them; None for what is unknown.
        if self.addresses is None:
            self.addresses = (self.local_name(), self.peer_name())
        return <tuple>self.addresses

    cdef int on_drained(self) except -1:
        if self.response is not None:
            self.response.wake_writer()
        return 0

    cdef int on_closed(self) except -1:
        cdef ServerCore server = self.server
        self.deadline.stop()
        self.deadline.connection = None
        self.unparsed = None
        self.drop_message()
        self.release_parser(False)
        server.connections.discard(self)
        if not server.connections:
            server.drained()
        return 0


cdef bint is_target(const char *target, Py_ssize_t size, bint is_options) noexcept:
    # RFC 9112 section 3.2: origin-form, absolute-form, or the asterisk of OPTIONS. authority-form belongs to CONNECT.
    cdef const char *colon
    if target[0] == c'/':
        return True
    if target[0] == c'*':
        return size == 1 and is_options
    colon = <const char *>memchr(target, c':', size)
    return colon is not NULL and colon + 2 < target + size and colon[1] == c'/' and colon[2] == c'/'


cdef bint is_host(const char *value, Py_ssize_t size) noexcept:
    # RFC 9112 section 3.2: uri-host with an optional port, or nothing. No comma: that is how two of them are joined.
    cdef Py_ssize_t i = 0
    cdef char c
    if size and value[0] == c'[':                       # IP-literal
        i = 1
        while i < size and (c'0' <= value[i] <= c':' or c'a' <= (value[i] | 32) <= c'z' or value[i] == c'.' or value[i] == c'%'):
            i += 1
        if i == 1 or i >= size or value[i] != c']':
            return False
        i += 1
    else:
        while i < size and value[i] != c':':
            c = value[i]
            if c <= c' ' or c == 0x7f or c in b'",/<>?@#[\\]^`{|}':
                return False
            i += 1
    if i == size:
        return True
    if value[i] != c':':
        return False
    for i in range(i + 1, size):                        # port
        if not c'0' <= value[i] <= c'9':
            return False
    return True


cdef class RequestCore:
    """What has arrived of a message. The subclass adds what a handler reads it with."""

    def __repr__(self):
        state = "complete" if self.complete else "aborted" if self.aborted else "arriving"
        return f"<{type(self).__name__} {self.method} {self.url} {state} unread={self.body_bytes:_}>"

    @property
    def url(self):
        """The target of the request line, as it came: path and query, seldom more. str"""
        return PyUnicode_DecodeLatin1(PyBytes_AS_STRING(self.target), PyBytes_GET_SIZE(self.target), NULL)

    @property
    def raw_trailers(self):
        """The trailer fields of a chunked body, (name, value) as bytes; empty until complete."""
        return self.trailers or []

    @property
    def remote_address(self):
        """(host, port) of the peer; '' for a Unix socket; None once the connection is gone."""
        return None if self.connection is None else self.connection.address_pair()[1]

    @property
    def is_body_begun(self):
        """Somebody has begun to read the body."""
        return self.is_read

    def take(self):
        """The next chunk of the body that is here already, or None."""
        self.is_read = True
        if self.expects_continue:
            self.ask_to_continue()
        return self.take_chunk()

    def wait(self):
        """A future that is done when the next chunk has arrived, or the end, or the peer has left. One at a time."""
        if self.reader is not None and not self.reader.done():
            self.server.fault("ERR_HTTP_BODY_CONSUMED", {})
        self.reader = self.server.loop.create_future()
        if self.complete or self.aborted or self.body_bytes:
            self.wake_reader()
        return self.reader

    cdef int add_body(self, bytes chunk) except -1:
        self.body_bytes += PyBytes_GET_SIZE(chunk)
        if not self.is_discarding:
            if self.body is None:
                self.body = []
            self.body.append(chunk)
            if self.reader is not None:
                self.wake_reader()
        return 0

    cdef bytes take_chunk(self):
        cdef bytes chunk
        if self.body is None or self.body_next == len(self.body):
            return None
        chunk = <bytes>self.body[self.body_next]
        self.body[self.body_next] = None
        self.body_next += 1
        if self.body_next == len(self.body):
            self.body_next = 0
            self.body.clear()
        self.body_bytes -= PyBytes_GET_SIZE(chunk)
        if self.connection is not None and not self.complete and self.body_bytes <= self.server.body_mark // 2:
            self.connection.resume()
        return chunk

    cdef int wake_reader(self) except -1:
        cdef object reader = self.reader
        if reader is not None:
            self.reader = None
            if not reader.done():
                reader.set_result(None)
        return 0

    cdef int ask_to_continue(self) except -1:
        self.expects_continue = False
        if self.connection is not None and not self.complete:
            self.connection.send_bytes(CONTINUE)
        return 0

    cdef int abort(self) except -1:
        self.connection = None
        if not self.complete and not self.aborted:
            self.aborted = True
            self.wake_reader()
        return 0

    cdef int on_over(self) except -1:
        # Nothing more comes of this exchange: the answer is complete, or the peer has ended its side, or the connection is gone.
        return 0


cdef class ResponseCore:
    """An answer on its way. The subclass adds what is not hot."""

    def __repr__(self):
        state = "finished" if self.finished else "lost" if self.connection is None else "sending" if self.headers_sent else "open"
        return f"<{type(self).__name__} {self.status_code} {state} sent={self.sent:_}>"

    @property
    def is_lost(self):
        """The connection has gone, or refused its message, before the answer was complete."""
        return self.connection is None and not self.finished

    @property
    def is_unsent(self):
        """Nothing of it has left yet, be the head written or not."""
        return not self.headers_sent or self.head is not None

    def replace_by(self, bytes answer):
        """Send a whole answer instead, which ends the connection. Only while is_unsent."""
        cdef Connection connection = self.connection
        if connection is not None and self.is_unsent:
            self.headers_sent = self.writable_ended = True
            self.head = None
            self.keeps_alive = False
            connection.send_bytes(answer)
            self.complete()

    # ---- fields

    @property
    def status_message(self):
        """The reason phrase; None: the usual one for the status."""
        return self.message

    @status_message.setter
    def status_message(self, message):
        self.message = message

    def set_header(self, name, value):
        """Set a field, replacing one of that name. value: str, int, or a list of str for one line each.

        Raises TreadleError: ERR_HTTP_HEADERS_SENT, ERR_INVALID_HTTP_TOKEN, ERR_INVALID_CHAR."""
        if self.headers_sent:
            self.server.fault("ERR_HTTP_HEADERS_SENT", {"operation": "set headers"})
        if type(value) is int:
            value = str(value)
        self.check_name(name)
        for one in (value if isinstance(value, (list, tuple)) else (value,)):
            self.check_value(name, one)
        if self.fields is None:
            self.fields = {}
        self.fields[name.lower()] = (name, value)
        return self

    def get_header(self, name):
        """The value that was set, or None."""
        cdef object entry = None if self.fields is None else self.fields.get(name.lower())
        return None if entry is None else entry[1]

    def has_header(self, name):
        """True when the field was set."""
        return self.fields is not None and name.lower() in self.fields

    def remove_header(self, name):
        """Undo set_header. Raises TreadleError: ERR_HTTP_HEADERS_SENT."""
        if self.headers_sent:
            self.server.fault("ERR_HTTP_HEADERS_SENT", {"operation": "remove headers"})
        if self.fields is not None:
            self.fields.pop(name.lower(), None)

    def get_headers(self):
        """A dict of what was set: lower-case name -> value."""
        return {} if self.fields is None else {name: entry[1] for name, entry in self.fields.items()}

    # ---- sending

    def write_head(self, int status, headers=None):
        """Set the status and further fields; they leave with the first piece of the body, or with flush_headers().

        headers: a mapping, or (name, value) pairs, of str or bytes. Returns self.
        Raises TreadleError: ERR_HTTP_HEADERS_SENT, ERR_HTTP_INVALID_STATUS_CODE, ERR_INVALID_HTTP_TOKEN, ERR_INVALID_CHAR."""
        cdef HeadWriter writer = self.server.writer
        if self.headers_sent:
            self.server.fault("ERR_HTTP_HEADERS_SENT", {"operation": "write the head"})
        if not 100 <= status <= 999:
            self.server.fault("ERR_HTTP_INVALID_STATUS_CODE", {"received": status})
        self.status_code = status
        if headers is not None and self.fields is not None:
            for name, value in (headers.items() if isinstance(headers, dict) else headers):
                self.set_header(name, value)
            headers = None
        self.begin_head(writer)
        if type(headers) is dict:
            for name, value in (<dict>headers).items():
                self.write_field(writer, name, value)
        elif headers is not None:
            for name, value in (headers.items() if hasattr(headers, "items") else headers):
                self.write_field(writer, name, value)
        self.head = PyBytes_FromStringAndSize(writer.data, writer.size)
        self.headers_sent = True
        return self

    def flush_headers(self):
        """Send the head now, without waiting for the body."""
        if not self.headers_sent or self.head is not None:
            self.send_body(b"", False)

    def write(self, chunk):
        """Send a piece of the body (bytes-like, or str as UTF-8). False: more than the mark waits to be sent; wait for ready().

        Raises TreadleError: ERR_STREAM_WRITE_AFTER_END, ERR_HTTP_CONTENT_LENGTH_MISMATCH."""
        cdef bytes data = as_bytes(chunk)
        if self.writable_ended:
            self.server.fault("ERR_STREAM_WRITE_AFTER_END", {})
        if PyBytes_GET_SIZE(data):
            self.send_body(data, False)
        return self.connection is not None and not self.connection.is_over_mark

    def end(self, chunk=None):
        """Send the last piece, if any, and complete the answer. A second call without a chunk is no harm.

        Raises TreadleError: ERR_STREAM_WRITE_AFTER_END, ERR_HTTP_CONTENT_LENGTH_MISMATCH."""
        cdef bytes data = b"" if chunk is None else as_bytes(chunk)
        if self.writable_ended:
            if chunk is not None:
                self.server.fault("ERR_STREAM_WRITE_AFTER_END", {})
            return self
        self.send_body(data, True)
        return self

    def ready(self):
        """An awaitable: done when no more than the low-water mark waits to be sent. Raises ERR_HTTP_REQUEST_ABORTED (a
        ConnectionError) when the peer has left."""
        if self.connection is None:
            if not self.finished:
                self.server.fault("ERR_HTTP_REQUEST_ABORTED", {})
            return Ready.__new__(Ready)
        if not self.connection.is_over_mark:
            return Ready.__new__(Ready)
        waiter = self.server.loop.create_future()
        if self.waiters is None:
            self.waiters = []
        self.waiters.append(waiter)
        return waiter

    # ---- inside

    cdef int check_name(self, name) except -1:
        cdef bytes text
        if not isinstance(name, str) or not PyUnicode_IS_ASCII(name):
            self.server.fault("ERR_INVALID_HTTP_TOKEN", {"name": "header name", "received": name})
        text = (<str>name).encode("ascii")
        if not is_token(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text)):
            self.server.fault("ERR_INVALID_HTTP_TOKEN", {"name": "header name", "received": name})
        return 0

    cdef int check_value(self, name, value) except -1:
        cdef bytes text
        if not isinstance(value, str):
            self.server.fault(
                "ERR_INVALID_ARG_TYPE", {"name": name, "expected": "str or int", "received": type(value).__name__})
        try:
            text = (<str>value).encode("latin-1")
        except UnicodeEncodeError:
            self.server.fault("ERR_INVALID_CHAR", {"name": "value of header", "field": name})
        if not is_value(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text)):
            self.server.fault("ERR_INVALID_CHAR", {"name": "value of header", "field": name})
        return 0

    cdef int begin_head(self, HeadWriter writer) except -1:
        # The status line, and what set_header collected.
        cdef int status = self.status_code
        if self.message is not None:
            self.check_value("status_message", self.message)
        writer.start(status, self.message, self.is_1_0)
        self.has_length = self.has_date = self.has_connection = self.is_chunked = False
        self.is_length_free = status < 200 or status == 204
        if self.is_length_free or status == 304:
            self.is_head_only = True
        if self.fields is not None:
            for name, value in self.fields.values():
                self.write_field(writer, name, value)
        return 0

    cdef int write_field(self, HeadWriter writer, name, value) except -1:
        # name, value: str, bytes, int or a list of them.
        cdef const char *name_text
        cdef const char *value_text
        cdef Py_ssize_t name_size, value_size
        cdef bytes name_bytes, value_bytes
        if isinstance(value, (list, tuple)):
            for one in value:
                self.write_field(writer, name, one)
            return 0
        if type(name) is str and PyUnicode_IS_ASCII(name):
            name_text = PyUnicode_AsUTF8AndSize(name, &name_size)
        else:
            name_bytes = name if type(name) is bytes else name.encode("latin-1", "replace")
            name_text = PyBytes_AS_STRING(name_bytes)
            name_size = PyBytes_GET_SIZE(name_bytes)
        if type(value) is int:
            value = str(value)
        if type(value) is str and PyUnicode_IS_ASCII(value):
            value_text = PyUnicode_AsUTF8AndSize(value, &value_size)
        else:
            if type(value) is bytes:
                value_bytes = value
            else:
                try:
                    value_bytes = value.encode("latin-1")
                except (UnicodeEncodeError, AttributeError):
                    self.server.fault("ERR_INVALID_CHAR", {"name": "value of header", "field": name})
            value_text = PyBytes_AS_STRING(value_bytes)
            value_size = PyBytes_GET_SIZE(value_bytes)
        return self.write_text_field(writer, name_text, name_size, value_text, value_size)

    cdef int write_text_field(self, HeadWriter writer, const char *name, Py_ssize_t name_size,
                              const char *value, Py_ssize_t value_size) except -1:
        cdef Field field = field_of(name, name_size)
        cdef FieldFault fault
        if field == CONTENT_LENGTH:
            self.length = parse_length(value, value_size)
            if self.length < 0:
                self.server.fault("ERR_INVALID_CHAR", {"name": "value of header", "field": "Content-Length"})
            if self.is_length_free:     # RFC 9110 section 8.6: it must not have one
                return 0
            self.has_length = True
        elif field == TRANSFER_ENCODING:
            self.is_chunked = not self.is_1_0
            return 0                    # ours to write, see finish_head
        elif field == CONNECTION:
            self.has_connection = True
            if has_token(value, value_size, b"close", 5):
                self.keeps_alive = False
        elif field == DATE:
            self.has_date = True
        fault = writer.add_field(name, name_size, value, value_size)
        if fault == BAD_NAME:
            self.server.fault(
                "ERR_INVALID_HTTP_TOKEN", {"name": "header name", "received": name[:name_size].decode("latin-1")})
        elif fault != FIELD_FINE:
            self.server.fault("ERR_INVALID_CHAR", {"name": "value of header", "field": name[:name_size].decode("latin-1")})
        return 0

    cdef int finish_head(self, HeadWriter writer, Py_ssize_t size, bint is_last) except -1:
        # The fields that are ours, and the blank line. size: of the piece of body that goes with it.
        if self.send_date and not self.has_date:
            writer.add_date()
        if self.connection is not None and (self.server.is_closing or (
                self.connection.request is not None and self.connection.request.expects_continue
                and not self.connection.request.complete)):
            self.keeps_alive = False            # we go, or the peer does not know whether to send its body
        if self.is_length_free:
            self.is_chunked = False
        elif self.is_chunked:
            self.has_length = False
        elif not self.has_length and not (self.is_head_only and (size == 0 or self.status_code == 304)):
            if is_last:
                self.has_length = True
                self.length = size
                writer.add_length(size)
            elif self.is_1_0:
                self.keeps_alive = False        # the end of the connection is the end of the body
            else:
                self.is_chunked = True
        if self.is_chunked:
            writer.add(b"Transfer-Encoding: chunked\r\n", 28)
        if not self.has_connection:
            if not self.keeps_alive:
                writer.add(b"Connection: close\r\n", 19)
            elif self.is_1_0:
                writer.add(b"Connection: keep-alive\r\n", 24)
        writer.add(b"\r\n", 2)
        return 0

    cdef int send_body(self, bytes chunk, bint is_last) except -1:
        # The head, where it has not been sent, with as much of the body as there is.
        cdef HeadWriter writer = self.server.writer
        cdef Connection connection = self.connection
        cdef Py_ssize_t size = PyBytes_GET_SIZE(chunk)
        cdef const char *suffix = b""
        cdef Py_ssize_t suffix_size = 0
        cdef bint had_head = self.headers_sent and self.head is None
        cdef bint was_corked
        if had_head:
            writer.size = 0
        else:
            if self.headers_sent:
                writer.size = 0
                writer.add(PyBytes_AS_STRING(self.head), PyBytes_GET_SIZE(self.head))
                self.head = None
            else:
                self.begin_head(writer)
                self.headers_sent = True
            self.finish_head(writer, size, is_last)
        if self.has_length and not self.is_head_only and (
                self.sent + size > self.length or (is_last and self.sent + size < self.length)):
            self.writable_ended = True
            if connection is not None:
                connection.end_now(None)
            self.server.fault("ERR_HTTP_CONTENT_LENGTH_MISMATCH", {"sent": self.sent + size, "declared": self.length})
        self.sent += size
        if is_last:
            self.writable_ended = True
        if connection is None:                  # lost: what is written has nowhere to go
            return 0
        if self.is_head_only:
            size = 0
        elif self.is_chunked:
            if size:
                writer.add_chunk_size(size)
                suffix = b"\r\n0\r\n\r\n" if is_last else b"\r\n"
                suffix_size = 7 if is_last else 2
            elif is_last:
                suffix = b"0\r\n\r\n"
                suffix_size = 5
        if size > JOIN_MAX:
            was_corked = connection.is_corked
            connection.is_corked = True
            if writer.size:
                connection.send_bytes(writer.take(NULL, 0, NULL, 0))
            connection.send_bytes(chunk)
            if suffix_size:
                connection.send_bytes(suffix[:suffix_size])
            if not was_corked:
                connection.uncork()
        elif writer.size or suffix_size:
            connection.send_bytes(writer.take(PyBytes_AS_STRING(chunk), size, suffix, suffix_size))
        elif size:
            connection.send_bytes(chunk)
        if is_last:
            self.complete()
        return 0

    cdef int complete(self) except -1:
        cdef Connection connection = self.connection
        self.finished = True
        if connection is not None and connection.response is self:
            self.connection = None
            self.wake_writer()
            connection.response_complete()
        return 0

    cdef int lose(self) except -1:
        self.connection = None
        return self.wake_writer()

    cdef int wake_writer(self) except -1:
        cdef list waiters = self.waiters
        if waiters is not None:
            self.waiters = None
            for waiter in waiters:
                if not waiter.done():
                    if self.connection is None and not self.finished:
                        try:
                            self.server.fault("ERR_HTTP_REQUEST_ABORTED", {})
                        except Exception as exception:
                            waiter.set_exception(exception)
                    else:
                        waiter.set_result(None)
        return 0


cdef bytes as_bytes(chunk):
    if type(chunk) is bytes:
        return <bytes>chunk
    if isinstance(chunk, str):
        return (<str>chunk).encode()
    return bytes(memoryview(chunk))


cdef class Ready:
    """An awaitable that is done: awaiting it does not suspend. It counts as a coroutine where one is asked for."""

    def __init__(self, value=None):
        self.value = value

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        if self.value is not None:
            raise StopIteration(self.value)
        raise StopIteration

    def send(self, value):
        """Coroutine protocol: it is over."""
        raise StopIteration(self.value)

    def throw(self, kind, value=None, traceback=None):
        """Coroutine protocol: raises what was thrown."""
        raise kind if value is None else value

    def close(self):
        """Coroutine protocol: nothing to close."""


cdef Ready ready_with(object value):
    cdef Ready ready = Ready.__new__(Ready)
    ready.value = value
    return ready
