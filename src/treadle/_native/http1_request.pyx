# cython: nonecheck=True
"""A request, as far as it has arrived: its head, and what of its body waits to be read.

    connection ──add_body()──► body ──────────────take_chunk()──────────► `async for`, read()
                                │ once it is used as a stream, in a tick
                                └──push()──► RequestReadable ──► 'data', read_nowait(), pipes

It is a stream whose readable side is made when it is first used as one: until then `body` is all there is, and nobody is told of
anything. Invariant: whoever reads the body gets all of it, in order, or an error; never a part that looks like the whole; what
waits to be read is in one place for all who read, `body` being in front of the readable side only until the next tick.
Not here: how bytes become a request (http1_messages.pyx), and what a handler reads it with (treadle.http.message).
Source: Node, http.IncomingMessage; the order of events was seen in Node 24.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeLatin1

from treadle._native.http1_exchange cimport Wire, is_bare
from treadle._native.readable cimport ReadableCore, ReadableState, readable_of
from treadle._native.stream_states cimport FLOWING
from treadle._native.tls_cipher cimport TLSCipher

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


cdef class RequestReadable(ReadableState):
    cdef int call_read(self) except -1:
        # Whoever reads wants more than there is: the socket is read on, and the peer told to send.
        cdef RequestCore request = <RequestCore>self.stream()
        self.is_reading_more = False
        if request.is_dropped:
            return 0
        self.is_pulled = request.is_read = True
        if request.expects_continue:
            request.ask_to_continue()
        if request.connection is not None and not request.complete:
            request.connection.resume()
        return 0


cdef class RequestCore(ReadableCore):
    """What has arrived of a message. The subclass adds what a handler reads it with, and what is said of text and errors."""

    def __init__(self):
        raise TypeError("requests are made by the server")

    def __repr__(self):
        state = "complete" if self.complete else "aborted" if self.aborted else "arriving"
        unread = self.body_bytes + (0 if self.readable_half is None else self.readable_half.length)
        return f"<{type(self).__name__} {self.method} {self.url} {state} unread={unread:_}>"

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
        """(host, port) of the peer, or of the client that a trusted proxy names, whose port may be 0; '' for a Unix socket. Once
        the exchange is over: None, unless it was asked for before."""
        if self.origin is not None:
            return self.origin[1]
        cdef tuple pair = self.addresses if self.connection is None else self.connection.address_pair()
        return None if pair is None else pair[1]

    @property
    def tls(self):
        """What is known of the TLS connection, an ssl.SSLObject; None where it is plain, or once the exchange is over."""
        return None if self.connection is None or self.connection.cipher is None else (<TLSCipher>self.connection.cipher).tls

    @property
    def scheme(self):
        """"http" or "https": the connection's, or what a trusted proxy says."""
        if self.origin is not None:
            return self.origin[0]
        if self.connection is not None:
            return self.connection.scheme()
        return "https" if self.was_encrypted else "http"

    @property
    def is_body_begun(self):
        """Somebody has begun to read the body."""
        return self.is_read or (self.readable_half is not None and (<RequestReadable>self.readable_half).did_read)

    @property
    def is_body_dropped(self):
        """The answer was complete before the body: what was unread is thrown away."""
        return self.is_dropped

    def read_nowait(self, size=None):
        """The next chunk of the body that is here already, or None. With a size, or once somebody listens: as Readable.read()."""
        self.is_read = True
        if size is None and not self.is_heard():
            if self.expects_continue:
                self.ask_to_continue()
            return self.take_chunk()
        readable_of(self)
        self.hand_over()
        return ReadableCore.read(self, size)

    def wait(self):
        """A future that is done when the next chunk has arrived, or the end, or the peer has left. One at a time."""
        if self.readers is not None and not self.readers[0].done():
            self.server.fault("ERR_HTTP_BODY_CONSUMED", {})
        return self.wait_among_others()

    cdef int add_body(self, bytes chunk) except -1:
        if self.body is None:
            self.body = []
        self.body.append(chunk)
        self.body_bytes += PyBytes_GET_SIZE(chunk)
        if self.readable_half is not None:
            self.hand_over_soon()
        return self.wake_readers()

    cdef bytes pop_chunk(self):
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
        return chunk

    cdef bytes take_chunk(self):
        cdef bytes chunk = self.pop_chunk()
        if chunk is not None and self.connection is not None and not self.complete \
                and self.body_bytes <= self.server.body_mark // 2:
            self.connection.resume()
        return chunk

    cdef int drop_body(self) except -1:
        # What is unread goes, and so does what still comes.
        self.is_dropped = True
        self.body = None
        self.body_bytes = self.body_next = 0
        return self.wake_readers()

    cdef object wait_among_others(self):
        reader = self.server.loop.create_future()
        if self.has_news():
            reader.set_result(None)
        elif self.readers is None:
            self.readers = [reader]
        else:
            self.readers = [one for one in self.readers if not one.done()]      # those that were cancelled
            self.readers.append(reader)
        return reader

    cdef bint has_news(self) noexcept:
        # There is something to tell a reader, at once.
        return self.complete or self.aborted or self.is_dropped or self.body_bytes > 0 or (
            self.readable_half is not None and self.readable_half.length > 0)

    cdef int wake_readers(self) except -1:
        cdef list readers = self.readers
        if readers is not None:
            self.readers = None
            for reader in readers:
                if not reader.done():
                    reader.set_result(None)
        return 0

    cdef int ask_to_continue(self) except -1:
        self.expects_continue = False
        if self.connection is not None and not self.complete:
            self.connection.send_bytes(CONTINUE)
            self.connection.continue_sent()
        return 0

    cdef int leave(self) except -1:
        # The exchange is over for the connection; its addresses and scheme stay known, for logs.
        if self.connection is not None:
            self.addresses = self.connection.addresses
            self.was_encrypted = self.connection.cipher is not None
            self.connection = None
        return 0

    cdef int message_complete(self) except -1:
        self.complete = True
        if self.readable_half is not None:
            self.hand_over_soon()
        return self.wake_readers()

    cdef int abort(self, bint is_unanswered) except -1:
        # The connection is gone, or refuses what is missing.
        cdef bint is_cut = not self.complete and not self.aborted
        self.leave()
        if is_cut:
            self.aborted = True
            self.wake_readers()
        if is_unanswered:
            self.depart("ERR_HTTP_REQUEST_ABORTED")
            self.cancel_soon()
        if (is_cut or is_unanswered) and self.is_heard():
            self.destroy(self._make_error("ERR_HTTP_REQUEST_ABORTED"))
        return 0

    cdef int depart(self, str code) except -1:
        # Nobody waits for the answer any more. The first reason stays.
        if self._departure is None:
            self._departure = code
            if self._controller is not None:
                return self.tick(self._abort_signal, ())    # ORDER: never inside the connection, since listeners are called
        return 0

    cdef int cancel_soon(self) except -1:
        # Where that is wanted. ORDER: in the check phase, so that whoever listens, or receives http.disconnect, is told before.
        if self.cancel_on_disconnect and self.running is not None and not self._is_given_up:
            self.server.loop.set_immediate(self.running.cancel)
        return 0

    def _abort_signal(self):
        """There is a controller, and nobody waits for the answer any more."""
        raise NotImplementedError

    cdef int on_over(self) except -1:
        # Nothing more comes of this exchange: the answer is complete, or the peer has ended its side, or the connection is gone.
        return 0

    cdef bint renew(self) except -1:
        # INVARIANT: nobody has it any more. It becomes as new; False: it cannot, and goes. PERF: bench/stages.py: to make both
        # halves of an exchange, and to take them apart, is a tenth of a small request.
        if self.is_heard() or self.is_destroyed() or self._max_listeners is not None or self._capture_rejections \
                or not is_bare(self):
            return False
        self.server = None
        self.connection = None
        self.addresses = self.origin = None
        self.id = None
        self.method = self.http_version = None
        self.target = None
        self.raw_headers = self.trailers = None
        self._headers = self._trailers = None
        self._controller = self._departure = self.running = None
        self.body = None
        self.readers = None
        self.body_bytes = self.body_next = 0
        self.complete = self.aborted = self.expects_continue = self.is_dropped = self.is_read = self.is_handler_over = False
        self.cancel_on_disconnect = self.keeps_alive = False
        self.allow_half_open = True
        return True

    # ---- as a stream

    cdef int materialise(self) except -1:
        cdef RequestReadable state
        self._make_readable(self.server.body_mark, False, "utf8", None)
        state = <RequestReadable>self.readable_half
        state.is_reading_more = True        # until somebody reads: what is handed over asks for no more by itself
        self._begin(True, True, None, None)
        if self.aborted:
            self.destroy(self._make_error("ERR_HTTP_REQUEST_ABORTED"))
            return 0
        self.hand_over_soon()               # ORDER, COMPAT(node): no chunk is there before whoever made it a stream has returned
        return self.tick(self._answered, ()) if self.connection is None else 0

    def _new_readable_state(self):
        return RequestReadable.__new__(RequestReadable)

    cdef int hand_over_soon(self) except -1:
        # ORDER: in a tick, since 'data' may be emitted, and the parser is on the stack. It runs before the socket is read again.
        cdef RequestReadable state = <RequestReadable>self.readable_half
        if not state.is_handing_soon:
            state.is_handing_soon = True
            return self.tick(self._hand_over, ())
        return 0

    def _hand_over(self):
        (<RequestReadable>self.readable_half).is_handing_soon = False
        try:
            self.hand_over()
        finally:
            if self.body_bytes:         # a listener has failed: the rest is for the others, if the program goes on
                self.hand_over_soon()

    cdef int hand_over(self) except -1:
        # What has arrived goes to the readable side; the socket is read while that wants more.
        cdef RequestReadable state = <RequestReadable>self.readable_half
        cdef bytes chunk = self.pop_chunk()
        while chunk is not None:
            state.push(chunk, None)
            chunk = self.pop_chunk()
        if self.complete:
            state.push(None, None)
        elif self.connection is not None and not self.is_dropped:
            if state.can_push_more():
                self.connection.resume()
            else:
                self.connection.pause()
        return 0

    cdef bint has_reader(self) noexcept:
        # Somebody reads it as a stream, or has said so.
        cdef RequestReadable state
        if self.readable_half is None:
            return False
        state = <RequestReadable>self.readable_half
        return state.is_pulled or state.flow == FLOWING or state.hears_readable or (
            state.pipes is not None and len(state.pipes) != 0)

    def _answered(self):
        """The answer is out. What nobody reads flows away, so that 'end' and 'close' are told."""
        cdef RequestReadable state = <RequestReadable>readable_of(self)
        if self.is_destroyed():
            return
        if (self.complete and state.length + self.body_bytes == 0) or not (self.is_read or state.did_read or self.has_reader()):
            state.resume()

    def _tell_late(self):
        """Somebody begins to listen. Where the exchange was over before, it is told now."""
        if self.connection is None:
            readable_of(self)

    def destroy(self, error=None):
        """Give the request up: what is unread is dropped, and the connection is cut, unless all was read. Then 'aborted' is
        emitted, 'error' if one is given and somebody listens for it, and 'close'. Returns the request."""
        readable_of(self)
        return ReadableCore.destroy(self, error)

    def _destroy(self, error, callback):
        cdef Wire connection = self.connection
        if self.complete and readable_of(self).is_done():
            self.tick(self._conclude, (error, callback))
            return
        if not self.complete:
            self.aborted = True
            self.wake_readers()
        if connection is None:
            self.tick(self._tell_aborted, (error, callback))
        else:
            self._is_given_up = connection.is_answer_due()
            connection.end_now(None)
            self._tell_aborted(error, callback)

    def _tell_aborted(self, error, callback):
        self.emit_none("aborted")
        self.tick(self._conclude, (error, callback))

    def _conclude(self, error, callback):
        callback(error if self.hears("error") else None)    # COMPAT(node): that the peer has left ends no program

    def _reads(self):
        readable_of(self)
        return True

    def _is_through(self):
        return readable_of(self).is_done()
