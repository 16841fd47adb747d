"""A connection of an HTTP/1.1 server: bytes in, one request at a time out of them, answers in their order.

A `Connection` is a Stream that walks the phases of http1_phases.pyx for each message. A head that came whole and is written plainly is
read by http1_plain.pyx; everything else is httptools' (llhttp, every leniency off), and what that lets pass or does not count is
checked here. A message is read only when the one before it is answered, so whatever is pipelined waits unparsed.

Invariants: replies leave in the order of their requests; a refused message gets at most one answer, and the connection closes
behind it; a connection owns a parser only while one reads its message. Not here: what the fields say (http1_fields.pyx), clocks
(http1_deadlines.pyx), error pages, logs and other text (treadle.http), handlers (http1_server.pyx), ASGI (asgi1.pyx). Source: RFC 9112; the limits' reasons are in treadle.http.limits.
"""
from ssl import SSLEOFError
from sys import intern

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t
from libc.string cimport memchr, memcmp

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from treadle._native.callbacks cimport Stopwatch
from treadle._native.handover cimport take_socket
from treadle._native.http1_deadlines cimport ANSWERING_IN_TIME, ARRIVAL, SENDING, Deadline, new_deadline, new_send_deadline
from treadle._native.http1_exchange cimport DeadlineKind, Site, Wire
from treadle._native.http1_fields cimport CHUNKED, COUNTED, NO_BODY, has_forbidden_trailer, put_authority, read_fields
from treadle._native.http1_framing cimport (
    CHUNK_FINE, CHUNK_MALFORMED, CHUNKS_ENDED, ChunkFault, find_head_end, scan_chunks, start_chunks,
)
from treadle._native.http1_grammar cimport is_host, is_target
from treadle._native.http1_phases cimport (
    ANSWERED, ANSWERING, BEGIN, BODY, BODY_FOLLOWS, COMPLETE, DRAINING, HEAD, IDLE, LAST, LINGERING, SWITCH, SWITCHED, Event,
    next_phase,
)
from treadle._native.http1_phases import PHASES as _PHASES
from treadle._native.http1_plain cimport PLAIN_FIELDS_MAX, plain_head, usual_method
from treadle._native.http1_request cimport RequestCore
from treadle._native.http1_response cimport ResponseCore, ResponseWritable
from treadle._native.poll_epoll cimport GONE, HALF_CLOSED
from treadle._native.queues cimport REQUEST
from treadle._native.socket_stream cimport SocketStream
from treadle._native.tcp cimport sockaddr_in6
from treadle._native.tls_cipher cimport TLSCipher
from treadle._native.timers cimport NS_PER_MS, clock_ns
from treadle._native.unread cimport drop_on_close, lift_limit

cdef extern from *:
    """
    #define treadle_make(type, nothing) (((PyTypeObject *)(type))->tp_new((PyTypeObject *)(type), (nothing), NULL))
    """
    object make "treadle_make"(object type, tuple nothing)      # a new object, without __init__

cdef enum:
    READ_BYTES = 64 * 1024          # one receive; also what a pipelining peer can make us hold
    FREE_PARSERS_MAX = 256          # 1.3 KiB each
    DISCARD_MAX = 1024 * 1024       # of a body nobody reads, before the connection is given up instead
    BLANK_BYTES_MAX = 64            # line ends before a request line; robust clients send one pair, RFC 9112 section 2.2
    RATE_STEPS = 5                  # a body's rate is looked at so often in its grace, at most
    GONE_STATUS = 499               # in the access log: the peer left before the answer; nginx's
    READS_BYTES = 1024 * 1024       # taken by a peer that was waited for: it is one that reads, and is sent to without a limit
    TURN_MESSAGES = 64              # messages of one connection in one turn; the rest waits, so that no peer starves another


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
        if self.is_head_complete:       # set by the connection
            if request.trailers is None:
                request.trailers = []
            request.trailers.append((name, value))
        else:
            request.raw_headers.append((name.lower() if self.connection.server.names.lowers else name, value))

    def on_body(self, bytes chunk):
        self.connection.take_body(chunk)

    def on_message_complete(self):
        self.is_message_complete = True


cdef ParserShim take_parser(Site server):
    cdef ParserShim shim
    if server.free_parsers:
        return <ParserShim>server.free_parsers.pop()
    shim = ParserShim.__new__(ParserShim)
    shim.feed = HttpRequestParser(shim).feed_data
    return shim


cdef class Connection(Wire):
    """One connection of a server."""

    def __repr__(self):
        return f"<Connection {_PHASES[<int>self.phase]} fd={self.fd} unsent={self.unsent_bytes:_}/{self.high_water_mark:_}>"

    cdef bint is_answer_due(self) noexcept:
        return self.response is not None

    @property
    def remote_address(self):
        """(host, port) of the peer; '' for a Unix socket; None where it is not known."""
        return self.address_pair()[1]

    @property
    def local_address(self):
        """Likewise, of our side."""
        return self.address_pair()[0]

    def observe(self, observer):
        """Call this once it is closed; whoever gets its socket does, in its place."""
        self.observer = observer

    def destroy(self):
        """Cut it; no effect once it is closed, or its socket has gone to somebody."""
        self.end_now(None)

    cdef tuple request_line(self):
        cdef RequestCore request = self.request
        return None if request is None else (request.method, request.target)

    cdef int advance(self, Event event) except -1:
        self.phase = next_phase(self.phase, event)
        return 0

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
        # Walk through data, message by message, and send what was answered meanwhile at once.
        self.is_consuming = self.is_corked = True
        try:
            self.consume_messages(data, size)
        except BaseException:       # the program ends, or may go on: what was answered before still leaves, the rest waits
            self.is_consuming = False
            self.uncork()
            if self.phase == IDLE and self.unparsed is not None and not self.is_deferred:
                self.is_deferred = True
                self.loop.defer(self)
            raise
        self.is_consuming = False
        if self.phase == SWITCHED:
            return self.hand_over()
        if self.unsent_bytes and not self.is_ended and self.loop.join_batch(self):
            return 0            # PERF: bench/http_hello.py, treadle-unbatched. The answers of one poll leave together
        return self.uncork()

    cdef int on_batch(self) except -1:
        return self.uncork()

    cdef int consume_messages(self, const char *data, Py_ssize_t size) except -1:
        # What lies behind an unanswered message, or an exception, is kept for later.
        cdef Py_ssize_t used = 0
        try:
            self.walk(data, size, &used)
        finally:
            if used < size and not self.closing and self.phase != LINGERING and self.fault is None:
                self.unparsed = data[used:size]
        return 0

    cdef int walk(self, const char *data, Py_ssize_t size, Py_ssize_t *used) except -1:
        cdef int messages = TURN_MESSAGES
        while used[0] < size and not self.closing and self.phase != LINGERING:
            if self.phase == IDLE:
                if self.is_over_mark:       # the answers so far wait for the peer, so its requests wait, too: see on_drained()
                    break
                if messages == 0:
                    self.is_deferred = True
                    self.loop.defer(self)
                    break
                used[0] += self.skip_blank_lines(data + used[0], size - used[0])
                if used[0] == size:
                    break
                messages -= 1
                self.begin_message()
                if self.blank_bytes > BLANK_BYTES_MAX or self.blank_bytes & 1:      # too many, or a bare CR
                    self.refuse("BLANK_LINES")
                    break
                self.blank_bytes = 0
            if self.phase == HEAD:
                used[0] += self.consume_head(data + used[0], size - used[0])
            elif self.phase == BODY or self.phase == DRAINING:
                used[0] += self.consume_body(data + used[0], size - used[0])
            else:
                break
            if self.is_dispatch_due and (self.phase == ANSWERING or used[0] == size):
                self.is_dispatch_due = False
                if self.server.is_planned:
                    self.plan_answer()
                try:
                    if self.request.id is not None:
                        self.dispatch_named()
                    elif self.loop.is_observed:
                        self.dispatch_observed()
                    else:
                        self.server.dispatch(self)
                except BaseException:           # its handler wants the program to end, and will not answer
                    self.close_after_flush()
                    raise
                self.loop.drain_if_any()    # ORDER: microtasks between two handlers, as between any two callbacks
        if (self.phase == BODY or self.phase == DRAINING) and not self.is_body_timed and not self.closing:
            self.time_body()                # what has come of the body is not the whole
        return 0

    cdef int dispatch_named(self) except -1:
        cdef object token = self.server.intake.enter(self)
        try:
            if self.loop.is_observed:
                self.dispatch_observed()
            else:
                self.server.dispatch(self)
        finally:
            self.server.intake.leave(token)
        return 0

    cdef int dispatch_observed(self) except -1:
        cdef object tracer = self.loop.tracer
        cdef object request = self.request      # held here: it may be through, and forgotten, when its handler returns
        cdef Stopwatch watch
        if tracer is not None:
            self.loop.begin_traced(REQUEST, request, self.server, 0)
        try:
            self.loop.start_watch(&watch)
            self.server.dispatch(self)
            return self.loop.stop_watch(&watch, getattr(self.server, "app", None) or getattr(self.server, "handler"), request)
        finally:
            if tracer is not None:
                tracer.end()

    cdef Py_ssize_t skip_blank_lines(self, const char *data, Py_ssize_t size) noexcept:
        # RFC 9112 section 2.2: line ends before a request line are ignored. They are no message: no deadline changes.
        cdef Py_ssize_t i = 0
        while i < size and data[i] == (c'\n' if self.blank_bytes & 1 else c'\r') and self.blank_bytes <= BLANK_BYTES_MAX:
            i += 1
            self.blank_bytes += 1
        return i

    cdef int begin_message(self) except -1:
        cdef Site server = self.server
        cdef RequestCore request
        cdef ResponseCore response
        if server.spare_request is not None:
            request = <RequestCore>server.spare_request
            server.spare_request = None
        else:
            request = make(server.request_type, ())
        if server.spare_response is not None:
            response = <ResponseCore>server.spare_response
            server.spare_response = None
        else:
            response = make(server.response_type, ())
        request.server = response.server = server
        request.connection = response.connection = self
        response.status_code = 200
        response.send_date = True
        self.request = request
        self.response = response
        self.advance(BEGIN)
        self.head_bytes = self.head_tail = 0
        self.is_head_timed = self.is_body_raw = self.is_near_told = False
        if server.access_log is not None:
            self.began_ns = clock_ns()
        return 0

    cdef int note(self, int status, long long size, bint is_whole) except -1:
        # Once for each message that has begun. ORDER: its request is still ours.
        if self.server.access_log is not None:
            self.server.access_log.note(self, status, size, is_whole)
        self.began_ns = 0
        return 0

    cdef Py_ssize_t consume_head(self, const char *data, Py_ssize_t size) except -1:
        cdef Site server = self.server
        cdef Py_ssize_t head_size = self.read_plain(data, size) if self.head_bytes == 0 else 0
        cdef Py_ssize_t so_far
        cdef bytes piece
        if head_size:
            return head_size
        head_size = find_head_end(data, size, &self.head_tail)
        so_far = self.head_bytes + head_size
        if so_far > server.line_bytes_max:
            piece = data[:head_size] if self.head is None else self.head + data[:head_size]
            if memchr(PyBytes_AS_STRING(piece), c'\n', min(PyBytes_GET_SIZE(piece), server.line_bytes_max + 2)) is NULL:
                self.head = piece
                # Garbage may have no line at all: that is the parser's verdict, before it is a long line.
                if self.feed(data[:min(head_size, server.line_bytes_max)]):
                    self.refuse("LINE_TOO_LONG")
                return size
            if so_far > server.head_bytes_max:
                self.head = piece
                self.refuse("HEAD_TOO_LARGE")
                return size
        self.head_bytes = so_far
        piece = data[:head_size]
        self.head = piece if self.head is None else self.head + piece
        if self.head_tail != 4 and not self.is_head_timed:      # a head in pieces: from here on the clock runs
            self.is_head_timed = True
            self.set_deadline(server.headers_ms)
        if not self.feed(piece):
            return size
        if self.head_tail == 4:
            self.check_head()
        elif self.shim.is_message_complete:     # to the parser a whole HTTP/0.9 request, its line ended by LF alone
            self.refuse("REQUEST_LINE")
            return size
        return head_size

    cdef Py_ssize_t read_plain(self, const char *data, Py_ssize_t size) except -1:
        # PERF: bench/heads.py. How long the head is that data begins with; 0: it is not plain, nothing has happened.
        cdef RequestCore request = self.request
        cdef unsigned char kinds[PLAIN_FIELDS_MAX]
        cdef tuple found
        size = min(size, self.server.line_bytes_max)
        found = plain_head(data, &size, self.server.fields_max, self.server.names, kinds)
        if found is None:
            return 0
        self.head_bytes = size
        request.method = <str>found[0]
        request.target = <bytes>found[1]
        request.raw_headers = <list>found[2]
        self.begin_exchange(False, kinds)
        return size

    cdef int check_head(self) except -1:
        # The parser has accepted the head; what it lets pass in the request line is ours to see.
        cdef RequestCore request = self.request
        cdef const char *head = PyBytes_AS_STRING(self.head)
        cdef const char *line_end = <const char *>memchr(head, c'\r', PyBytes_GET_SIZE(self.head))
        cdef bint is_1_0
        if request.target is None or line_end is NULL or line_end - head < 12 or head[0] == c'\n':
            return self.refuse("REQUEST_LINE")
        if line_end[-9] != c' ':                # "GET /indexHTTP/1.1": to the parser a target, and HTTP/0.9
            return self.refuse("REQUEST_LINE")
        request.method = method_of(head, line_end - head)
        is_1_0 = memcmp(line_end - 8, b"HTTP/1.0", 8) == 0
        if not is_1_0 and memcmp(line_end - 8, b"HTTP/1.1", 8) != 0:
            self.response.is_for_head = request.method is HEAD_METHOD
            return self.refuse("VERSION")
        self.shim.is_head_complete = True
        return self.begin_exchange(is_1_0, NULL)

    cdef int begin_exchange(self, bint is_1_0, const unsigned char *kinds) except -1:
        # The head is well-formed: what does it say? Goes on to BODY or ANSWERING. kinds: as read_fields() has it.
        cdef RequestCore request = self.request
        cdef ResponseCore response = self.response
        cdef str fault
        response.is_for_head = response.is_head_only = request.method is HEAD_METHOD
        request.http_version = "1.0" if is_1_0 else VERSION_1_1
        fault = read_fields(request.raw_headers, kinds, is_1_0, self.server.fields_max, &self.said)
        if fault is not None:
            return self.refuse(fault)
        if self.said.expects_else and not self.server.takes_expectations:
            return self.refuse("EXPECTATION")
        request.expects_continue = self.said.expects_continue
        request.keeps_alive = self.said.keeps_alive
        if request.method is CONNECT_METHOD:
            if not self.server.takes_tunnels:
                return self.refuse("CONNECT")
            if self.server.intake is not None:
                self.server.intake.head_complete(self)
            if self.has_body():                 # RFC 9110 section 9.3.6: it has none
                return self.refuse("FRAMING")
            # RFC 9112 section 3.2.3: a host and a port
            if not request.target.rpartition(b":")[2].isdigit() \
                    or not is_host(PyBytes_AS_STRING(request.target), PyBytes_GET_SIZE(request.target)):
                return self.refuse("TARGET")
            return self.switch()
        if not is_target(PyBytes_AS_STRING(request.target), PyBytes_GET_SIZE(request.target), request.method is OPTIONS_METHOD):
            return self.refuse("TARGET")
        if PyBytes_AS_STRING(request.target)[0] != c'/' and not put_authority(request.raw_headers, request.target):
            return self.refuse("TARGET")
        if self.server.intake is not None:
            self.server.intake.head_complete(self)
        if self.said.is_upgrade_offered and self.said.wants_upgrade and self.server.takes_upgrades and not is_1_0 \
                and not self.has_body() and self.server.wants_upgrade(request):
            return self.switch()                # RFC 9110 section 7.8: not in 1.0; and a body would have to come before
        response.is_1_0 = is_1_0
        response.keeps_alive = request.keeps_alive and not self.server.is_closing
        if self.server.requests_max:
            self.requests += 1
            if self.requests >= self.server.requests_max:
                response.keeps_alive = False
        self.head = None
        self.is_dispatch_due = True
        if self.shim is None or self.shim.is_message_complete:
            if self.said.body_kind == CHUNKED:
                # An offer of another protocol, for which the parser ends here: where does its body?
                return self.refuse("UPGRADE_WITH_CHUNKS")
            self.is_body_raw = self.said.body_kind == COUNTED and self.said.body_left > 0
            if not self.is_body_raw:
                return self.message_complete()
        elif self.said.body_kind == NO_BODY:
            return self.refuse("FRAMING")         # the parser waits for a body that no header announces
        if self.said.body_kind == CHUNKED:
            start_chunks(&self.chunks, self.server.head_bytes_max - self.head_bytes)
        self.rate_bytes = 0
        self.is_body_timed = False
        return self.advance(BODY_FOLLOWS)

    cdef int time_body(self) except -1:
        # PERF: one clock for both deadlines, none for a body that came with its head, and none for a chunk: it runs again when the
        # next byte can first be missed.
        cdef Site server = self.server
        self.is_body_timed = True
        self.set_deadline(min(server.request_ms, server.body_grace_ms) if server.body_rate else server.request_ms)
        self.body_end_ms = self.deadline.start_ms + server.request_ms
        self.rate_from_ms = self.deadline.start_ms
        self.is_rate_void = False
        return 0

    cdef Py_ssize_t consume_body(self, const char *data, Py_ssize_t size) except -1:
        cdef Py_ssize_t part = size
        cdef bint is_last = False
        cdef ChunkFault fault
        if self.said.body_kind == COUNTED:
            part = <Py_ssize_t>min(<long long>size, self.said.body_left)
            self.said.body_left -= part
            is_last = self.said.body_left == 0
        else:
            fault = scan_chunks(&self.chunks, data, size, &part)
            if fault != CHUNK_FINE:
                self.refuse("CHUNK" if fault == CHUNK_MALFORMED else "TRAILERS_TOO_LARGE")
                return size
            is_last = self.chunks.state == CHUNKS_ENDED
        self.request.expects_continue = False
        self.rate_bytes += part
        if self.is_body_raw:
            self.take_body(data[:part])
        elif not self.feed(data[:part]):
            return size
        elif is_last != self.shim.is_message_complete:
            self.refuse("FRAMING")                # the parser counts otherwise
            return size
        if is_last:
            if self.request.trailers is not None and has_forbidden_trailer(self.request.trailers):
                self.refuse("TRAILER_FIELD")
            elif self.request.trailers is not None and (
                    len(self.request.raw_headers) + len(self.request.trailers) > self.server.fields_max):
                self.refuse("TOO_MANY_FIELDS")
            else:
                self.message_complete()
        elif self.request.is_dropped:
            if self.dropped_bytes > DISCARD_MAX:
                self.linger()
        elif self.request.body_bytes > self.server.body_mark:
            self.pause()
        return part

    cdef int take_body(self, bytes chunk) except -1:
        if self.request.is_dropped:
            self.dropped_bytes += PyBytes_GET_SIZE(chunk)
            return 0
        return self.request.add_body(chunk)

    cdef bint feed(self, bytes data) except -1:
        # Hand a piece of the message to the parser, which is taken with the first. False: it was refused.
        if self.shim is None:
            self.request.raw_headers = []
            self.shim = take_parser(self.server)
            self.shim.connection = self
            self.shim.is_head_complete = self.shim.is_message_complete = False
        try:
            self.shim.feed(data)
        except HttpParserUpgrade:
            pass                            # the offer is not taken up, as RFC 9110 section 7.8 allows
        except HttpParserError as error:
            self.refuse("SYNTAX", str(error))
        return self.shim is not None

    cdef int message_complete(self) except -1:
        cdef RequestCore request = self.request
        self.advance(COMPLETE)              # PERF: bench/http_hello.py. The deadline stays armed and means nothing, see expired()
        if self.phase == ANSWERING and (self.has_peer_ended or self.is_peer_ending):
            self.set_deadline(self.server.request_ms)       # as in on_end(), and not what was left between two messages
            self.peer_ended()
        self.release_parser(not self.said.is_parser_spent)
        request.message_complete()
        return self.next_message() if self.phase == IDLE else 0

    cdef int release_parser(self, bint is_clean) except -1:
        cdef ParserShim shim = self.shim
        if shim is not None:
            self.shim = None
            shim.connection = None
            if is_clean and len(self.server.free_parsers) < FREE_PARSERS_MAX:
                self.server.free_parsers.append(shim)
        return 0

    # ---- the socket goes to somebody else

    cdef bint has_body(self) noexcept:
        return self.said.body_kind == CHUNKED or (self.said.body_kind == COUNTED and self.said.body_left > 0)

    cdef int switch(self) except -1:
        # What was parsed is all that is ours. ORDER: the socket changes hands when consume() has put aside what is not parsed.
        cdef ResponseCore response = self.response
        if self.began_ns:                       # what it is answered by is not known here: what most are
            self.note(200 if self.request.method is CONNECT_METHOD else 101, 0, True)
        self.advance(SWITCH)
        self.head = None
        self.release_parser(False)
        self.deadline.stop()
        self.address_pair()                     # the request takes it along
        self.response = None
        if response is not None:
            response.connection = None          # nobody has seen it
        return 0 if self.is_consuming else self.hand_over()

    cdef int hand_over(self) except -1:
        cdef RequestCore request = self.request
        cdef ResponseCore response
        cdef SocketStream handle
        cdef bytes head = b"" if self.unparsed is None else self.unparsed
        cdef object observer = self.observer
        self.uncork()                           # earlier answers
        if self.is_ended:
            return 0
        self.request = None
        self.unparsed = None
        self.observer = None
        if request is not None:
            request.leave()
            request.message_complete()
        if self.flushing is not None:           # whoever has the socket sends what is left of them
            for response in self.flushing:
                response.tick(response._flushed, ())
            self.flushing = None
        lift_limit(self.fd)
        handle = take_socket(self)
        try:
            if self.fault is None:
                self.server.switched(request, handle, head, observer)
            else:
                self.server.refused(self.fault[0], self.fault[1], handle, observer)
        except BaseException:
            handle.close(None)
            raise
        return handle.rewatch()

    # ---- between messages

    cdef bint has_response(self, response) noexcept:
        return self.response is response

    cdef bint is_continue_owed(self) noexcept:
        return self.request is not None and self.request.expects_continue and not self.request.complete

    cdef int response_complete(self) except -1:
        cdef ResponseCore response = self.response
        cdef RequestCore request = self.request
        if self.began_ns:
            self.note(response.status_code, 0 if response.is_head_only else response.sent, True)
        self.response = None
        if self.answer_deadline is not None:
            self.answer_deadline.stop()
        request.on_over()
        if request.is_heard():
            self.request_answered(request, response)
        if not response.keeps_alive or self.server.is_closing or (self.has_peer_ended and self.unparsed is None and not self.is_consuming):
            return self.linger()
        self.advance(ANSWERED)
        if self.phase == IDLE:
            return self.next_message()
        return 0 if (request.is_read and not request.is_handler_over) or request.has_reader() else self.drop_rest()

    cdef int request_answered(self, RequestCore request, ResponseCore response) except -1:
        # Somebody listens to the request: it ends by itself, behind 'finish' of its answer.
        if response.writable_half is not None:
            (<ResponseWritable>response.writable_half).unread = request
            return 0
        return request.tick(request._answered, ())

    cdef int drop_rest(self) except -1:
        # Nobody reads the rest of the body: throw it away as it comes, unless a new connection is cheaper.
        self.request.drop_body()
        self.dropped_bytes = 0
        if self.said.body_kind == COUNTED and self.said.body_left > DISCARD_MAX:
            return self.linger()
        return self.resume()

    cdef int handler_over(self, request) except -1:
        if self.request is request and self.phase == DRAINING and not self.request.is_dropped and not self.request.has_reader():
            self.drop_rest()
        return 0

    cdef int continue_sent(self) except -1:
        if self.request is not None:
            self.request.expects_continue = False
        self.is_rate_void = True
        return 0

    cdef int answer_begun(self) except -1:
        if self.request is not None:
            self.request.expects_continue = False       # the final answer: 100 must not follow it
        return 0

    cdef int next_message(self) except -1:
        # The connection is IDLE: go on with what waits, or wait.
        if self.request is not None:
            self.request.leave()
            self.request = None
        if self.server.is_closing:
            return self.linger()
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
                if self.has_peer_ended:
                    if self.phase != ANSWERING:
                        self.on_end()
                elif self.request is None or self.request.complete or self.request.body_bytes <= self.server.body_mark:
                    self.resume()       # else consume_body() has paused it
        return 0

    # ---- ends

    cdef bint is_ended_by_close(self) noexcept:
        # An answer is under way whose end the peer knows by that of the connection alone (HTTP/1.0).
        cdef ResponseCore response = self.response
        return response is not None and response.headers_sent and not (
            response.has_length or response.is_chunked or response.is_head_only)

    cdef int end_now(self, error) except -1:
        if self.is_ended_by_close() and not self.is_ended:
            drop_on_close(self.fd)      # RFC 9112 section 8: else what it has would look whole
        return Wire.end_now(self, error)

    cdef int refuse(self, str reason, str detail=None) except -1:
        # The message under way is not acceptable: one answer, and the connection closes behind it.
        cdef ResponseCore response = self.response
        cdef bytes head = self.head             # of which the method may not have been looked at
        if self.phase == DRAINING:              # its answer is complete, and still on its way perhaps
            return self.linger()
        cdef bint may_answer = response is not None and not response.finished and (
            not response.headers_sent or response.writer is not None)
        if may_answer:
            answer = self.server.refusal(reason, detail)
            if response.id_line is not None:
                answer = answer.replace(b"\r\n\r\n", b"\r\n" + response.id_line + b"\r\n", 1)
            if response.is_for_head or (head is not None and head.startswith(b"HEAD ")):
                answer = answer[:answer.find(b"\r\n\r\n") + 4]
            if self.began_ns:
                self.note(int(answer[9:12]), len(answer) - answer.find(b"\r\n\r\n") - 4, True)
        self.drop_message()
        self.release_parser(False)
        if not may_answer:
            return self.end_now(None)
        if self.server.takes_faults and (self.phase == HEAD or self.phase == BODY) and reason not in OUR_FAULTS:
            self.fault = (reason, detail)
            self.unparsed = None
            return self.switch()
        self.send_bytes(answer)
        return self.linger()

    cdef int linger(self) except -1:
        # End our side; close when the peer has ended its own, or has had linger_ms. Closing at once, with input unread, would
        # reset the connection and could destroy the answer on its way.
        if self.has_peer_ended:
            return self.close_after_flush()
        self.drop_message()
        self.release_parser(False)
        self.unparsed = None
        self.advance(LAST)
        self.deadline.stop()
        self.shut_down()
        if self.unsent_bytes == 0:
            self.set_deadline(self.server.linger_ms)        # else it begins once all is sent
        return self.resume()

    cdef int drop_message(self) except -1:
        # Request and answer have no connection any more: the one is aborted unless complete, the other is lost.
        cdef RequestCore request = self.request
        cdef ResponseCore response = self.response
        if self.began_ns and response is not None:
            if not response.headers_sent or response.writer is not None:
                self.note(GONE_STATUS, 0, False)
            else:
                self.note(response.status_code, 0 if response.is_head_only else response.sent, False)
        self.request = None
        self.response = None
        self.head = None
        self.is_dispatch_due = False
        if self.answer_deadline is not None:
            self.answer_deadline.stop()
        if request is not None:
            if response is not None and response._is_given_up:
                request.cancel_on_disconnect = False        # its handler has cut the connection, and knows
            request.abort(response is not None)     # ORDER: the request hears of it first
            request.on_over()
        if response is not None:
            response.lose()
        return 0

    cdef int set_deadline(self, int64_t duration_ms) except -1:
        return self.deadline.run(duration_ms)

    cdef int plan_answer(self) except -1:
        # How long it may take, and whether its handler is cancelled when the client leaves. ORDER: before the handler is called.
        cdef Site server = self.server
        cdef int64_t answer_ms = server.answer_ms
        cdef bint cancels = server.cancels
        if server.routes is not None:
            answer_ms, cancels = server.routes(self.request.target)
        self.request.cancel_on_disconnect = cancels
        return self.limit_answer(answer_ms) if answer_ms else 0

    cdef int limit_answer(self, int64_t duration_ms) except -1:
        if duration_ms == 0:
            if self.answer_deadline is not None:
                self.answer_deadline.stop()
            return 0
        if self.answer_deadline is None:
            self.answer_deadline = new_deadline(self, ANSWERING_IN_TIME)
        return self.answer_deadline.run(duration_ms)

    cdef int answer_overdue(self) except -1:
        # 504 where nothing of it was sent, else it breaks off; whoever works for it is told, and cancelled.
        cdef RequestCore request = self.request
        cdef ResponseCore response = self.response
        if response is None or response.finished or self.closing or response.tell_timeout():
            return 0
        self.server.timed_out(request, response)
        request.cancel_on_disconnect = True
        request.depart("ERR_HTTP_RESPONSE_TIMEOUT")
        return self.refuse("ANSWER_TIMEOUT")

    cdef int expired(self, DeadlineKind kind) except -1:
        if kind == SENDING:             # the peer takes too little, and would not take an end in time either
            if not self.send_deadline.is_over():
                return 0
            drop_on_close(self.fd)
            return self.end_now(None)
        if kind == ANSWERING_IN_TIME:
            return self.answer_overdue()
        if self.phase == HEAD:
            return self.refuse("HEAD_TIMEOUT")
        if self.phase == BODY or self.phase == DRAINING:
            return self.body_overdue()
        if self.phase == LINGERING:
            return self.end_now(None)
        if self.phase == IDLE and not self.closing and (self.unsent_bytes or self.unparsed is not None):
            return self.set_deadline(self.server.keep_alive_ms)     # not idle: the peer still reads, see on_backlog()
        if self.phase == ANSWERING:         # a handler may take its time, but not for ever for a peer that may have gone
            return self.end_now(None) if self.has_peer_ended or self.is_peer_ending else 0
        if self.phase == IDLE and not self.closing and self.is_request_near(False):
            return self.set_deadline(self.server.headers_ms)
        return self.close_after_flush()

    cdef int body_overdue(self) except -1:
        # Is the whole late, or are its bytes so far too few for their time? While nobody reads, or the peer waits for 100, nothing
        # can be said, and the measure begins anew. What it sent early counts for later: only the whole has an end that is fixed.
        cdef int64_t now_ms = clock_ns() // NS_PER_MS
        cdef int64_t left_ms = self.body_end_ms - now_ms
        cdef int64_t grace_ms = self.server.body_grace_ms
        cdef int64_t step_ms = max(grace_ms // RATE_STEPS, 1)
        cdef int64_t took_ms = now_ms - self.rate_from_ms
        cdef int64_t earned_ms
        cdef char byte_there
        if left_ms <= 0:
            return self.refuse("BODY_TIMEOUT")
        if self.is_rate_void or not self.reading or self.is_continue_owed():
            self.rate_from_ms = now_ms
            self.rate_bytes = 0
            self.is_rate_void = False
            return self.set_deadline(min(grace_ms, left_ms))
        earned_ms = max(self.rate_bytes * 1000 // self.server.body_rate, grace_ms) if self.server.body_rate else took_ms + left_ms
        if earned_ms <= took_ms:
            if self.look_ahead(&byte_there, 1) <= 0:        # ORDER: timers come before the poll, and we may be late ourselves
                return self.refuse("BODY_TOO_SLOW")
            earned_ms = took_ms
        return self.set_deadline(min(((earned_ms - took_ms) // step_ms + 1) * step_ms, left_ms))    # few durations: few lists

    cdef int pause(self) except -1:
        self.is_rate_void = True
        return Wire.pause(self)

    cdef bint is_request_near(self, bint may_shake) except -1:
        # Bytes of a message wait in the kernel: the peer has sent them before it could know that the connection would end, and the
        # poller is about to tell of them. To close now would reset the connection under a request.
        cdef char bytes_there[BLANK_BYTES_MAX + 1]
        cdef Py_ssize_t size = self.look_ahead(bytes_there, sizeof(bytes_there))
        cdef Py_ssize_t i
        if self.cipher is not None:
            return self.is_record_near(may_shake, size > 0)
        for i in range(size):
            if bytes_there[i] != c'\r' and bytes_there[i] != c'\n':
                self.resume()
                return True
        return False                        # nothing, an end, an error, or empty lines

    cdef bint is_record_near(self, bint may_shake, bint is_there) except -1:
        # What waits cannot be looked at: it may be a goodbye as well, or a part that is never followed by the rest. So it is waited
        # for once, and amid the handshake only where the server closes.
        cdef TLSCipher cipher = <TLSCipher>self.cipher
        if cipher.is_shaking:
            return may_shake and (is_there or cipher.is_begun)
        if self.is_near_told or not (is_there or cipher.has_part()):
            return False
        self.is_near_told = True
        self.resume()
        return True

    cdef int on_end(self) except -1:
        # EOF. An answer under way is still sent: the peer may only have ended its own side.
        self.has_peer_ended = True
        if self.phase == ANSWERING or self.unparsed is not None:
            self.peer_ended()
            self.rewatch()
            return self.set_deadline(self.server.request_ms)
        self.drop_message()
        self.release_parser(False)
        return self.close_after_flush()

    cdef int on_truncated(self, error) except -1:
        return self.on_end()            # what is cut is seen by its framing: RFC 9112 section 9.8

    cdef int on_no_data(self) except -1:
        # Of what the end of an idle connection was put off for. It may have been a request, and was none.
        if self.is_near_told and self.phase == IDLE and self.unparsed is None:
            self.close_idle(True)
        return 0

    cdef int on_insecure(self, error, bint is_plain) except -1:
        # Whoever speaks HTTP is answered in HTTP, others by the alert that was sent: and the peer reads it, however much it sends.
        # Nothing was parsed of that, and nothing will be.
        cdef TLSCipher cipher = <TLSCipher>self.cipher
        self.server.handshake_failed(error, is_plain, self.address_pair()[1])
        if self.closing or isinstance(error, SSLEOFError) or cipher.records is not None:
            return 0
        if is_plain and not c'A' <= cipher.first_byte <= c'Z':
            return 0
        self.cipher = None
        if is_plain:
            self.send_bytes(self.server.refusal("PLAIN_TEXT", None))
        if not self.is_ended:
            self.linger()
        return 0

    cdef int peer_ended(self) except -1:
        # It may still read; but, as Node and nginx have it, it has more likely left.
        if self.request is not None:
            self.request.on_over()
            if self.response is not None:
                self.request.depart("ERR_HTTP_REQUEST_ABORTED")
                self.request.cancel_soon()
        return 0

    cdef int paused_interest(self) noexcept:
        # INVARIANT: while a message is under way somebody watches for a peer that resets, whoever has paused, and whatever of
        # what it sent lies unread. Between two messages input is read, or there is some to go on with.
        if self.phase >= LINGERING or (self.phase == IDLE and self.unparsed is None):
            return 0
        return GONE if self.has_peer_ended or self.is_peer_ending else GONE | HALF_CLOSED

    cdef int on_departure(self, bint is_gone) except -1:
        if is_gone:
            return self.fail_as_kernel_says()
        self.is_peer_ending = True      # it may only have ended its own side, see on_end()
        if self.phase == ANSWERING:
            self.set_deadline(self.server.request_ms)
            self.peer_ended()
        return self.rewatch()

    cdef int on_drained(self) except -1:
        if self.response is not None:
            self.response.drained()
        if self.phase == IDLE and self.unparsed is not None and not self.is_deferred and not self.is_consuming:
            self.is_deferred = True
            self.loop.defer(self)
        return 0

    cdef int on_backlog(self, Py_ssize_t sent) except -1:
        if self.send_deadline is None:
            self.send_deadline = new_send_deadline(self, self.server.send_ms, self.server.send_bytes_min)
        if self.send_deadline.in_all < READS_BYTES:
            self.send_deadline.in_all += sent
            if self.send_deadline.in_all >= READS_BYTES:
                lift_limit(self.fd)
        if self.unsent_bytes:
            self.is_answer_waiting = True
        return self.send_deadline.wait(sent, self.unsent_bytes)

    cdef int on_moved(self, int64_t sent, bint is_full) except -1:
        # INVARIANT: the deadline runs while the peer has to take something, and then only, whoever sends. What somebody has
        # written behind a file that was to be the last of its answer stands there still, and goes with the connection.
        cdef ResponseCore response = self.response
        if response is not None:
            response.sent += sent
            if response.has_length and response.sent > response.length:
                return self.end_now(None)
        if is_full:
            return self.on_backlog(sent)
        return 0 if self.send_deadline is None else self.send_deadline.hold(sent)

    cdef int tell_when_flushed(self, response) except -1:
        if self.flushing is None:
            self.flushing = []
        self.flushing.append(response)
        return 0

    cdef int on_flushed(self) except -1:
        cdef ResponseCore response
        if self.flushing is not None:
            for response in self.flushing:
                response.tick(response._flushed, ())
            self.flushing = None
        if self.send_deadline is not None:
            if self.response is not None:
                self.send_deadline.hold(self.send_deadline.waiting)     # there is more to come: a window would begin too often
            else:
                self.send_deadline.reset()
        if self.is_answer_waiting:
            self.is_answer_waiting = False
            if self.phase == IDLE and not self.closing:
                self.set_deadline(self.server.keep_alive_ms)    # idle from now on
        if self.phase == LINGERING and not self.closing:
            self.set_deadline(self.server.linger_ms)
        return 0

    cdef bint close_idle(self, bint may_wait) except -1:
        # The server closes, and no message is under way. The last answer may be: then the peer may read it to its end. False: it
        # ends already, or there is a message after all, which is still answered; or its first one may be on its way.
        if self.closing or (self.unparsed is not None and not self.is_consuming) or self.is_request_near(True):
            return False
        if self.head_bytes == 0 and may_wait:
            self.hurry()
            return False
        if self.unsent_bytes or (self.head_bytes == 0 and self.cipher is None):
            self.linger()
        else:
            self.close_after_flush()
        return True

    cdef int hurry(self) except -1:
        # Nothing has come on it yet. COMPAT(node): such a connection is not idle, and stays; nginx, too, waits for its first request.
        # That is under way most often, and to close would reset it. But where the server stops others wait for that.
        if self.server.is_closing and (
                self.deadline.start_ms + self.deadline.duration_ms > clock_ns() // NS_PER_MS + FIRST_REQUEST_MS):
            self.set_deadline(FIRST_REQUEST_MS)
        return 0

    cdef int on_closed(self) except -1:
        self.deadline.stop()
        self.deadline.wire = None
        if self.send_deadline is not None:
            self.send_deadline.stop()
            self.send_deadline.wire = None
        if self.answer_deadline is not None:
            self.answer_deadline.stop()
            self.answer_deadline.wire = None
        self.unparsed = None
        self.drop_message()
        if self.observer is not None:
            observer, self.observer = self.observer, None
            observer()
        if self.flushing is not None:
            for response in self.flushing:
                response.destroy()
            self.flushing = None
        self.release_parser(False)
        return self.server.drop_connection(self)


cdef Connection new_connection(Site server, int fd, sockaddr_in6 *peer):
    # OWNER: the fd is its own from here on. It reads at once.
    cdef Connection connection = Connection.__new__(Connection)
    connection.loop = server.loop
    connection.fd = fd
    connection.is_fd_ours = True
    connection.peer = peer[0]
    connection.server = server
    connection.read_size = READ_BYTES
    connection.deadline = new_deadline(connection, ARRIVAL)
    server.add_connection(connection)
    # The handshake is within it.
    connection.set_deadline(min(server.headers_ms, <int64_t>FIRST_REQUEST_MS) if server.is_closing else server.headers_ms)
    if server.tls_context is not None:
        try:
            connection.cipher = TLSCipher(server.tls_context, True)
        except Exception as error:      # OpenSSL has no room for one more: this connection's misfortune alone
            server.handshake_failed(error, False, connection.peer_name())
            connection.end_now(error)
            return connection
    connection.resume()
    return connection


cdef frozenset OUR_FAULTS = frozenset(("ANSWER_TIMEOUT", "STOPPING"))      # refusals that no client is to blame for

cdef str VERSION_1_1 = intern("1.1")        # ASGI's scope compares it by identity
cdef str CONNECT_METHOD = "CONNECT"
cdef str HEAD_METHOD = "HEAD"
cdef str OPTIONS_METHOD = "OPTIONS"


cdef str method_of(const char *line, Py_ssize_t size):
    # The first word of a request line that the parser has accepted; one str for each of the usual ones: compared by identity.
    cdef str method = usual_method(line, size)
    cdef Py_ssize_t i = 0
    if method is not None:
        return method
    if memcmp(line, b"CONNECT ", 8) == 0:       # check_head() lets no shorter line pass
        return CONNECT_METHOD
    while i < size and line[i] != c' ':
        i += 1
    return line[:i].decode("ascii")
