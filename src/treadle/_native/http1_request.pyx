# cython: nonecheck=True
"""A request, as far as it has arrived: its head, and what of its body waits to be read.

Invariant: whoever reads the body gets all of it, in order, or an error; never a part that looks like the whole.
Not here: how bytes become a request (http1_connection.pyx), and what a handler reads it with (treadle.http.message).
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeLatin1

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


cdef class RequestCore:
    """What has arrived of a message. The subclass adds what a handler reads it with."""

    def __init__(self):
        raise TypeError("requests are made by the server")

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
        """(host, port) of the peer; '' for a Unix socket. Once the exchange is over: None, unless it was asked for before."""
        cdef tuple pair = self.addresses if self.connection is None else self.connection.address_pair()
        return None if pair is None else pair[1]

    @property
    def is_body_begun(self):
        """Somebody has begun to read the body."""
        return self.is_read

    @property
    def is_body_dropped(self):
        """The answer was complete before the body: what was unread is thrown away."""
        return self.is_dropped

    def take(self):
        """The next chunk of the body that is here already, or None."""
        self.is_read = True
        if self.expects_continue:
            self.ask_to_continue()
        return self.take_chunk()

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
        return self.wake_readers()

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
        return self.complete or self.aborted or self.is_dropped or self.body_bytes > 0

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
        return 0

    cdef int leave(self) except -1:
        # The exchange is over for the connection; its addresses stay known, for logs.
        if self.connection is not None:
            self.addresses = self.connection.addresses
            self.connection = None
        return 0

    cdef int abort(self) except -1:
        self.leave()
        if not self.complete and not self.aborted:
            self.aborted = True
            self.wake_readers()
        return 0

    cdef int on_over(self) except -1:
        # Nothing more comes of this exchange: the answer is complete, or the peer has ended its side, or the connection is gone.
        return 0
