# cython: nonecheck=True
"""An answer on its way: its head and its body, and the back-pressure of whoever reads it.

    write(), end() ─────────────────────────────────► send_body() ──► connection
        │ somebody listens, or it is used as a stream     ▲
        └──► ResponseWritable ──write hook, final hook────┘ called back while the connection is below its mark

It is a stream whose writable side is made when it is first used as one. Invariants: what leaves is framed as its head says, or
the connection is cut; the head leaves with the first piece of the body, so that a small answer is one send, whoever listens; a head
in the making is this answer's alone, whatever code of the user runs meanwhile; listeners are called in ticks, never inside the
connection. Not here: what a head says (http1_answer_head.pyx), which answers are refusals (treadle.http).
Source: RFC 9110 section 6.4, RFC 9112 section 7; Node, http.ServerResponse, for names and the order of events.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from treadle._native.http1_answer_head cimport AnswerHead
from treadle._native.http1_exchange cimport Wire, is_bare
from treadle._native.http1_head cimport HeadWriter
from treadle._native.ready cimport Ready
from treadle._native.stream_core cimport StreamCore
from treadle._native.stream_pipe cimport Pipe
from treadle._native.stream_states cimport FINISH, FINISHED, OPEN, next_intake
from treadle._native.tcp cimport MARK_DEFAULT
from treadle._native.writable cimport WritableCore, WritableState, writable_of

cdef extern from "Python.h":
    bint PyObject_CheckBuffer(object candidate)

cdef enum:
    JOIN_MAX = 16 * 1024            # a piece this small is copied behind its framing, a larger one sent beside it


cdef class ResponseWritable(WritableState):
    cdef bint has_writev(self) except -1:
        return True

    cdef bint has_final(self) except -1:
        return True

    cdef bint is_all_but_done(self):
        return self.intake == FINISHED or (not self.is_flushing and WritableState.is_all_but_done(self))

    cdef int call_write(self, chunk, encoding) except -1:
        return self.send_some([chunk])

    cdef int call_writev(self, list requests) except -1:
        return self.send_some([request["chunk"] for request in requests])

    cdef int send_some(self, list chunks) except -1:
        # All of them leave together. The hook is called back at once, or when the peer has read on.
        cdef ResponseCore response = <ResponseCore>self.stream()
        cdef Wire connection = response.connection
        cdef bint is_corked_here = len(chunks) > 1 and connection is not None and not connection.is_corked
        cdef bytes data
        try:
            if is_corked_here:
                connection.is_corked = True
            for chunk in chunks:
                data = response.as_bytes(chunk, None)
                if PyBytes_GET_SIZE(data):
                    response.send_body(data, False)
        except Exception as error:
            if not self.is_direct:
                response.tell_failure(error)
            self.written(error)
            if self.is_direct:
                raise
            return 0
        finally:
            if is_corked_here:
                connection.uncork()
        if connection is not None and connection.is_over_mark:
            self.is_held = True
            return 0
        return self.written(None)

    cdef int call_final(self, done) except -1:
        cdef ResponseCore response = <ResponseCore>self.stream()
        cdef bytes last = self.last
        if not response.finished:
            self.last = None
            try:
                response.send_body(b"" if last is None else last, True)
            except Exception as error:
                response.tell_failure(error)
                raise
        if self.is_flushing:
            self.final_done = done
        else:
            done()
        return 0

    cdef int finish(self) except -1:
        # ORDER, COMPAT(node): of an answer 'finish' comes before the callback of end(), and then the rest of its request goes.
        cdef StreamCore stream = self.stream()
        cdef object unread = self.unread
        self.pending -= 1
        self.intake = next_intake(self.intake, FINISH)
        stream.emit_none("finish")
        self.call_end_callbacks(None)
        if unread is not None:
            self.unread = None
            unread._answered()
        return stream.destroy_when_both_done(None)

    cdef int on_gone(self) except -1:
        self.last = None
        self.unread = None
        self.final_done = None
        return WritableState.on_gone(self)


cdef class ResponseCore(AnswerHead):
    """An answer on its way. The subclass adds what is not hot, and what is said of text and errors."""

    def __init__(self):
        raise TypeError("answers are made by the server")

    def __repr__(self):
        state = "finished" if self.finished else "lost" if self.connection is None else "sending" if self.headers_sent else "open"
        cdef ResponseWritable half = <ResponseWritable>self.writable_half
        kept = ""
        if half is not None and half.corked and not self.finished:
            kept = f" corked={half.corked} kept={half.length:_}"
        return f"<{type(self).__name__} {self.status_code} {state} sent={self.sent:_}{kept}>"

    @property
    def is_lost(self):
        """The connection has gone or is going, or has refused its message, before the answer was complete."""
        return self.has_lost_peer()

    @property
    def is_unsent(self):
        """Nothing of it has left yet, be the head written or not."""
        return not self.headers_sent or self.writer is not None

    def replace_by(self, bytes answer):
        """Send a whole answer instead, which ends the connection. Only while is_unsent."""
        cdef Wire connection = self.connection
        if connection is not None and self.is_unsent:
            self.is_head_only = self.is_for_head        # whatever was begun
            self.headers_sent = self.writable_ended = True
            self.writer = None
            self.keeps_alive = False
            self.status_code = int(answer[9:12])
            self.sent = PyBytes_GET_SIZE(answer) - answer.find(b"\r\n\r\n") - 4
            if self.id_line is not None:
                answer = answer.replace(b"\r\n\r\n", b"\r\n" + self.id_line + b"\r\n", 1)
            connection.send_bytes(answer[:answer.find(b"\r\n\r\n") + 4] if self.is_head_only else answer)
            self.complete()
            self.tell_finished()

    # ---- sending

    def write_head(self, int status, headers=None):
        """Set the status and further fields; they leave with the first piece of the body, or with flush_headers().

        headers: a mapping, or (name, value) pairs, of str or bytes. Returns self.
        Raises TreadleError: ERR_HTTP_HEADERS_SENT, ERR_HTTP_INVALID_STATUS_CODE, ERR_INVALID_HTTP_TOKEN, ERR_INVALID_CHAR,
        ERR_HTTP_INVALID_HEADER_VALUE (a second length, a transfer coding other than chunked)."""
        cdef HeadWriter writer
        if headers is not None and type(headers) is not dict:
            headers = list(headers.items() if hasattr(headers, "items") else headers)   # ORDER: it may be a generator
        if self.headers_sent:
            self.server.fault("ERR_HTTP_HEADERS_SENT", {"operation": "write the head"})
        self.check_status(status)
        self.status_code = status
        if headers and self.fields is not None:     # what is given here replaces what was set
            for name in (headers if type(headers) is dict else [pair[0] for pair in headers]):
                self.fields.pop((name.decode("latin-1") if isinstance(name, bytes) else name).lower(), None)
        writer = self.begin_head()
        if type(headers) is dict:
            for name, value in (<dict>headers).items():
                self.write_field(writer, name, value)
        elif headers is not None:
            for name, value in <list>headers:
                self.write_field(writer, name, value)
        self.writer = writer
        self.headers_sent = True
        return self

    def flush_headers(self):
        """Send the head now, without waiting for the body."""
        if self.is_unsent:
            self.send_body(b"", False)

    def write(self, chunk, encoding=None, callback=None):
        """Send a piece of the body (bytes-like, or str as UTF-8 or `encoding`). False: more than the mark waits to be sent, or
        the peer has left; wait for ready(), or 'drain'. callback(error or None): it was handed over, or never will be.

        Raises TreadleError: ERR_STREAM_WRITE_AFTER_END, ERR_HTTP_CONTENT_LENGTH_MISMATCH, ERR_INVALID_ARG_TYPE,
        ERR_UNKNOWN_ENCODING."""
        cdef bytes data = self.as_bytes(chunk, encoding)
        if self.writable_ended:
            self.server.fault("ERR_STREAM_WRITE_AFTER_END", {})
        if callback is not None or not self.is_plain():
            return self.write_as_stream(data, callback)
        if PyBytes_GET_SIZE(data):
            self.send_body(data, False)
        return self.takes_more()

    def end(self, chunk=None, encoding=None, callback=None):
        """Send the last piece, if any, and complete the answer. A second call without a chunk is no harm. Returns the answer.
        callback(error or None): behind 'finish', or when that will never be.

        Raises TreadleError: ERR_STREAM_WRITE_AFTER_END, ERR_HTTP_CONTENT_LENGTH_MISMATCH, ERR_INVALID_ARG_TYPE,
        ERR_UNKNOWN_ENCODING."""
        cdef bytes data = b"" if chunk is None else self.as_bytes(chunk, encoding)
        if self.writable_ended:
            if chunk is not None:
                self.server.fault("ERR_STREAM_WRITE_AFTER_END", {})
            if callback is not None:
                writable_of(self).end(None, None, callback)
        elif callback is None and self.is_plain():
            self.send_body(data, True)
        else:
            self.end_as_stream(data, callback)
        return self

    def ready(self):
        """An awaitable: done when no more than the low-water mark waits to be sent. Raises ERR_HTTP_REQUEST_ABORTED (a
        ConnectionError) when the peer has left."""
        if self.has_lost_peer():
            self.server.fault("ERR_HTTP_REQUEST_ABORTED", {})
        if self.connection is None or not self.connection.is_over_mark:
            return Ready.__new__(Ready)
        waiter = self.server.loop.create_future()
        self.waiters = [] if self.waiters is None else [one for one in self.waiters if not one.done()]   # but the cancelled
        self.waiters.append(waiter)
        return waiter

    def _limit(self, duration_ms):
        """The answer has so long from now on to be complete; 0: as long as it likes."""
        if self.connection is not None:
            self.connection.limit_answer(duration_ms)

    def _inform(self, bytes head, bint is_continue):
        """Send a whole informational response, unless the client's HTTP has none (RFC 9110 section 15.2). False: as write()."""
        if self.headers_sent:
            self.server.fault("ERR_HTTP_HEADERS_SENT", {"operation": "send an informational response"})
        if self.connection is None:
            return False
        if not self.is_1_0:
            self.connection.send_bytes(head)
        if is_continue:
            self.connection.continue_sent()
        return self.takes_more()

    def _set_trailers(self, bytes lines):
        """Lines that follow the last chunk, instead of those it had. Without effect on an answer that has no chunks."""
        if self.writable_ended:
            self.server.fault("ERR_STREAM_WRITE_AFTER_END", {})
        self.trailers = lines or None

    # ---- inside

    cdef bytes as_bytes(self, chunk, encoding):
        if type(chunk) is bytes:
            return <bytes>chunk
        if isinstance(chunk, str):
            if encoding is not None:
                return self._encode(chunk, self._known_encoding(encoding))
            if self.writable_half is not None:
                return self._encode(chunk, self.writable_half.default_encoding)
            return (<str>chunk).encode()
        if not PyObject_CheckBuffer(chunk):
            self.server.fault(
                "ERR_INVALID_ARG_TYPE", {"name": "chunk", "expected": "bytes-like or str", "received": type(chunk).__name__})
        return bytes(memoryview(chunk))

    cdef int send_body(self, bytes chunk, bint is_last) except -1:
        # The head, where it has not been sent, with as much of the body as there is.
        cdef Wire connection = self.connection
        cdef HeadWriter writer = self.writer
        cdef Py_ssize_t size = PyBytes_GET_SIZE(chunk)
        cdef const char *suffix = b""
        cdef Py_ssize_t suffix_size = 0
        cdef bint has_head = not self.headers_sent or writer is not None
        cdef bint was_corked
        cdef bytes tail
        if writer is None:
            writer = self.server.take_writer() if self.headers_sent else self.begin_head()
        self.writer = None
        self.headers_sent = True
        if has_head:
            self.finish_head(writer, size, is_last)
            if connection is not None:
                connection.answer_begun()
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
            if is_last and self.trailers is not None:
                if size:
                    writer.add_chunk_size(size)
                tail = (b"\r\n0\r\n" if size else b"0\r\n") + self.trailers + b"\r\n"
                suffix = PyBytes_AS_STRING(tail)
                suffix_size = PyBytes_GET_SIZE(tail)
            elif size:
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
        self.server.give_writer(writer)
        if is_last:
            self.complete()
        return 0

    cdef bint end_event_stream(self) except -1:
        # Its chunks end here, in place of a cut. Only a stream of events may: it has no end of its own, and an event that is not
        # whole is dropped by whoever reads it (HTML Living Standard, section 9.2.6). False: it is something else.
        if not (self.is_event_stream and self.is_chunked and not self.is_head_only):
            return False
        self.connection.send_bytes(b"0\r\n\r\n")
        return True

    cdef int complete(self) except -1:
        cdef Wire connection = self.connection
        self.finished = True
        if connection is not None and connection.has_response(self):
            self.connection = None
            self.wake_writer()
            if self.writable_half is not None and (
                    connection.is_over_mark or (connection.unsent_bytes and not connection.is_corked)):
                (<ResponseWritable>self.writable_half).is_flushing = True
                connection.tell_when_flushed(self)
            connection.response_complete()
        return 0

    cdef int lose(self) except -1:
        # The connection is gone, or has refused the message: nobody gets the rest.
        cdef ResponseWritable state
        self.connection = None
        self.wake_writer()
        if self.is_plain():
            return 0
        state = <ResponseWritable>writable_of(self)     # ORDER: making it now destroys it
        if state.torn_down is not None:
            torn_down, state.torn_down = state.torn_down, None
            torn_down()
        else:
            self.destroy()
        return 0

    cdef int drained(self) except -1:
        # The peer has read on.
        if not self.is_plain():
            if self.writable_half is None:
                self.materialise()
                (<ResponseWritable>self.writable_half).needs_drain = True      # the last write() was answered with False
            self.tick(self._go_on, ())
        return self.wake_writer()

    cdef bint tell_timeout(self) except -1:
        # Its time is over. True: somebody listens for that, and sees to it.
        if self._events is None or not self.hears("timeout"):
            return False
        self.tick(self._timed_out, ())
        return True

    def _timed_out(self):
        if not self.finished and self.connection is not None:
            self.emit_none("timeout")

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

    cdef bint renew(self) except -1:
        # As RequestCore.renew().
        if not self.is_plain() or self.is_destroyed() or self._max_listeners is not None or self._capture_rejections \
                or not is_bare(self):
            return False
        self.server = None
        self.connection = None
        self.message = None
        self.fields = None
        self.id_line = None
        self.writer = None
        self.waiters = None
        self.length = self.sent = 0
        self.headers_sent = self.writable_ended = self.finished = self.is_for_head = self.is_head_only = self.is_1_0 = False
        self.is_chunked = False
        self.keeps_alive = self.has_length = self.has_date = self.has_close = self.is_event_stream = self.announces_trailers = False
        self.trailers = None
        self.allow_half_open = True
        return True

    # ---- as a stream

    cdef int materialise(self) except -1:
        self._make_writable(MARK_DEFAULT, False, "utf8", True, None, None, None)
        self._begin(True, True, None, None)
        if self.finished:
            return self.tell_finished()
        if self.connection is None:
            self.destroy()
        else:
            (<ResponseWritable>self.writable_half).needs_drain = self.connection.is_over_mark
            (<ResponseWritable>self.writable_half).request_line = self.connection.request_line()
        return 0

    def _new_writable_state(self, write):
        return ResponseWritable.__new__(ResponseWritable)

    cdef bint takes_more(self) except -1:
        return self.connection is not None and not self.connection.closing and not self.connection.is_over_mark

    cdef bint write_as_stream(self, bytes data, callback) except -1:
        cdef ResponseWritable state = <ResponseWritable>writable_of(self)
        cdef bint fits
        state.is_direct = True
        try:
            fits = state.write(data, None, callback)
        finally:
            state.is_direct = False
        if fits and state.is_held:
            state.needs_drain = True
        return fits and self.takes_more()

    cdef int end_as_stream(self, bytes data, callback) except -1:
        # ORDER: with nothing in front of it the last piece leaves now, so that what it raises reaches who ends.
        cdef ResponseWritable state = <ResponseWritable>writable_of(self)
        cdef Wire connection = self.connection
        if not state.is_writing and not state.is_buffering():
            self.send_body(data, True)
            return state.end(None, None, callback)
        self.writable_ended = True
        state.last = data
        if connection is None or connection.is_corked:
            return state.end(None, None, callback)
        connection.is_corked = True         # what cork() kept leaves with it
        try:
            state.end(None, None, callback)
        finally:
            connection.uncork()
        return 0

    cdef int tell_finished(self) except -1:
        # It is complete, and was not ended as a stream.
        cdef ResponseWritable state
        if not self.is_plain():
            state = <ResponseWritable>writable_of(self)
            if state.intake == OPEN:
                state.end(None, None, None)
        return 0

    def _go_on(self):
        # The tick behind drained().
        cdef ResponseWritable state = <ResponseWritable>self.writable_half
        if self.connection is None or self.connection.is_over_mark:
            return
        if state.is_held:
            state.is_held = False
            state.written(None)
        elif state.needs_drain and state.intake == OPEN and state.length == 0 and not self.is_destroyed():
            state.needs_drain = False
            self.emit_none("drain")

    def _flushed(self):
        """The kernel has taken all of it."""
        cdef ResponseWritable state = <ResponseWritable>self.writable_half
        state.is_flushing = False
        if state.final_done is not None:
            done, state.final_done = state.final_done, None
            done()

    def _tell_late(self):
        """Somebody begins to listen. Where it was complete or lost before, they are told now."""
        if self.connection is None:
            writable_of(self)

    cdef int fail_by_pipe(self, error) except -1:
        self.tell_failure(error)
        self.destroy(error)
        return 0

    cdef int tell_failure(self, error) except -1:
        # What it cannot send was not given to it by a call that could raise. It emits no 'error': who listens waits for its end.
        cdef ResponseWritable state = <ResponseWritable>writable_of(self)
        if self.is_destroyed() or state.request_line is None:
            return 0
        for listener in self.raw_listeners("error"):
            if not isinstance(getattr(listener, "__self__", None), Pipe):
                return 0
        self.server.answer_failed(error, *state.request_line)
        return 0

    def destroy(self, error=None):
        """Give the answer up: the connection is cut, or ends behind what was answered before, if nothing of this was sent. Then
        'close' is emitted, without 'finish' before it; `error` is kept as `errored`, and not emitted. Returns the answer."""
        writable_of(self)
        return WritableCore.destroy(self, error)

    def _destroy(self, error, callback):
        cdef Wire connection = self.connection
        if connection is None:
            callback()
        else:
            (<ResponseWritable>self.writable_half).torn_down = callback
            self._is_given_up = True
            if self.is_unsent:
                connection.close_after_flush()
            else:
                connection.end_now(None)

    def _writes(self):
        writable_of(self)
        return True

    def _is_through(self):
        return writable_of(self).is_done()

    @property
    def destroyed(self):
        """It was given up, or is through, or its connection has gone."""
        return self.is_destroyed() or (self.writable_half is None and self.connection is None)

    @property
    def closed(self):
        """Likewise, and what it held was released; 'close' may still be about to be emitted."""
        return self.is_closed() or (self.writable_half is None and self.connection is None)

    @property
    def writable_finished(self):
        """All of it was handed to the kernel, or leaves with the answers of this turn."""
        return self.finished and (self.writable_half is None or not (<ResponseWritable>self.writable_half).is_flushing)

    @property
    def writable_length(self):
        """Bytes that wait to be sent: on the connection, and behind it."""
        cdef Py_ssize_t length = 0 if self.connection is None else self.connection.unsent_bytes
        if self.writable_half is not None:
            length += self.writable_half.length
            if (<ResponseWritable>self.writable_half).is_held:
                length -= (<ResponseWritable>self.writable_half).write_length   # the connection has that already
        return length

    @property
    def writable_need_drain(self):
        """write() was answered with False, and 'drain' is still to come."""
        if self.writable_half is not None:
            return WritableCore.writable_need_drain.__get__(self)
        return not self.writable_ended and self.connection is not None and self.connection.is_over_mark
