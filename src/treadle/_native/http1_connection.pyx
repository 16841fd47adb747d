"""A connection of an HTTP/1.1 server: bytes in, one request at a time out of them, answers in their order.

A `Connection` is a Stream that walks the phases of http1_phases.pyx for each message. How bytes become messages is its other half,
`Messages`; here is what comes of a message, and every way in which a connection ends: by a refusal, a deadline, the peer, the
server, or because its socket goes to somebody else.

Invariants: replies leave in the order of their requests; a refused message gets at most one answer, and the connection closes
behind it. Not here: clocks (http1_deadlines.pyx), error pages, logs and other text (treadle.http), handlers (http1_server.pyx),
ASGI (asgi1.pyx). Source: RFC 9112; the limits' reasons are in treadle.http.limits.
"""
from ssl import SSLEOFError

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t

from treadle._native.handover cimport take_socket
from treadle._native.http1_deadlines cimport ANSWERING_IN_TIME, ARRIVAL, SENDING, new_deadline, new_send_deadline
from treadle._native.http1_exchange cimport DeadlineKind, Site
from treadle._native.http1_fields cimport COUNTED
from treadle._native.http1_messages cimport BLANK_BYTES_MAX, DISCARD_MAX, READ_BYTES, Messages
from treadle._native.http1_phases cimport ANSWERED, ANSWERING, BODY, DRAINING, HEAD, IDLE, LAST, LINGERING, SWITCH
from treadle._native.http1_phases import PHASES as _PHASES
from treadle._native.http1_request cimport RequestCore
from treadle._native.http1_response cimport ResponseCore, ResponseWritable
from treadle._native.poll_epoll cimport GONE, HALF_CLOSED
from treadle._native.socket_stream cimport SocketStream
from treadle._native.tcp cimport sockaddr_in6
from treadle._native.timers cimport NS_PER_MS, clock_ns
from treadle._native.tls_cipher cimport TLSCipher
from treadle._native.unread cimport drop_on_close, lift_limit

cdef enum:
    GONE_STATUS = 499               # in the access log: the peer left before the answer; nginx's
    READS_BYTES = 1024 * 1024       # taken by a peer that was waited for: it is one that reads, and is sent to without a limit


cdef class Connection(Messages):
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

    # ---- the socket goes to somebody else

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
        return response is not None and response.headers_sent and response.writer is None and not (
            response.has_length or response.is_chunked or response.is_head_only)

    cdef int mark_cut(self) except -1:
        # RFC 9112 section 8: what has left of an answer must not look whole. ORDER: while that is still the connection's.
        if self.is_ended_by_close() and not self.is_ended:
            drop_on_close(self.fd)
        return 0

    cdef int end_now(self, error) except -1:
        self.mark_cut()
        return Messages.end_now(self, error)

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
        else:
            self.mark_cut()
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
        self.mark_cut()
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
        if self.closing or (self.unparsed is not None and not self.is_consuming):
            return False
        if self.is_request_near(True):
            if self.cipher is not None and (<TLSCipher>self.cipher).is_shaking:
                self.hurry(self.server.linger_ms)
            return False
        if self.head_bytes == 0 and may_wait:
            # COMPAT(node): it is not idle, and stays; nginx, too, waits for its first request. That is under way most often, and to
            # close would reset it. But where the server stops others wait for that.
            self.hurry(FIRST_REQUEST_MS)
            return False
        if self.unsent_bytes or (self.head_bytes == 0 and self.cipher is None):
            self.linger()
        else:
            self.close_after_flush()
        return True

    cdef int hurry(self, int64_t left_ms) except -1:
        # The server stops, and others wait for what is missing here: that has so long, if it had longer.
        if self.server.is_closing and self.deadline.start_ms + self.deadline.duration_ms > clock_ns() // NS_PER_MS + left_ms:
            self.set_deadline(left_ms)
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
cdef str CONNECT_METHOD = "CONNECT"         # compared by identity, see http1_messages.pyx
