"""The half of a connection that takes bytes in: one message at a time out of them, and its handler called.

A head that came whole and is written plainly is read by http1_plain.pyx; everything else is httptools' (llhttp, every leniency
off), and what that lets pass or does not count is checked here. A message is read only when the one before it is answered, so
whatever is pipelined waits unparsed. Invariants: a connection owns a parser only while one reads its message; what is not
acceptable is refused once, and nothing behind it is read. Not here: what the fields say (http1_fields.pyx), what comes of a message,
and how a connection ends (http1_connection.pyx). Source: RFC 9112; the limits' reasons are in treadle.http.limits.
"""
from sys import intern

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t
from libc.string cimport memchr, memcmp

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from treadle._native.callbacks cimport Stopwatch
from treadle._native.http1_exchange cimport Site, Wire
from treadle._native.http1_fields cimport CHUNKED, COUNTED, NO_BODY, has_forbidden_trailer, put_authority, read_fields
from treadle._native.http1_framing cimport (
    CHUNK_FINE, CHUNK_MALFORMED, CHUNKS_ENDED, ChunkFault, find_head_end, scan_chunks, start_chunks,
)
from treadle._native.http1_grammar cimport is_host, is_target
from treadle._native.http1_phases cimport (
    ANSWERING, BEGIN, BODY, BODY_FOLLOWS, COMPLETE, DRAINING, HEAD, IDLE, LINGERING, SWITCHED, Event, next_phase,
)
from treadle._native.http1_plain cimport PLAIN_FIELDS_MAX, plain_head, usual_method
from treadle._native.http1_request cimport RequestCore
from treadle._native.http1_response cimport ResponseCore
from treadle._native.queues cimport REQUEST
from treadle._native.timers cimport NS_PER_MS, clock_ns

cdef extern from *:
    """
    #define treadle_make(type, nothing) (((PyTypeObject *)(type))->tp_new((PyTypeObject *)(type), (nothing), NULL))
    """
    object make "treadle_make"(object type, tuple nothing)      # a new object, without __init__

cdef enum:
    FREE_PARSERS_MAX = 256          # 1.3 KiB each
    RATE_STEPS = 5                  # a body's rate is looked at so often in its grace, at most
    TURN_MESSAGES = 64              # messages of one connection in one turn; the rest waits, so that no peer starves another

cdef str VERSION_1_1 = intern("1.1")        # ASGI's scope compares it by identity
cdef str CONNECT_METHOD = "CONNECT"         # interned, as every literal of this form is in every unit: compared by identity
cdef str HEAD_METHOD = "HEAD"
cdef str OPTIONS_METHOD = "OPTIONS"


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

cdef class Messages(Wire):
    """The half of a connection that takes bytes in."""

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
        self.is_rate_void = not self.reading        # what has come with the head may have been too much to go on
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
    cdef bint has_body(self) noexcept:
        return self.said.body_kind == CHUNKED or (self.said.body_kind == COUNTED and self.said.body_left > 0)

    cdef int set_deadline(self, int64_t duration_ms) except -1:
        return self.deadline.run(duration_ms)

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

    # ---- the other half's

    cdef int refuse(self, str reason, str detail=None) except -1:
        # The message under way is not acceptable: one answer, and the connection closes behind it.
        raise NotImplementedError

    cdef int linger(self) except -1:
        # End our side; the rest of what comes is thrown away.
        raise NotImplementedError

    cdef int switch(self) except -1:
        # What was parsed is all that is ours: the socket goes to somebody else, see hand_over().
        raise NotImplementedError

    cdef int hand_over(self) except -1:
        # The phase is SWITCHED, and what is not parsed was put aside.
        raise NotImplementedError

    cdef int next_message(self) except -1:
        # The message is through, and so is its answer.
        raise NotImplementedError

    cdef int plan_answer(self) except -1:
        # The handler is about to be called.
        raise NotImplementedError

    cdef int peer_ended(self) except -1:
        # The peer has ended its side while a message is under way.
        raise NotImplementedError



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
