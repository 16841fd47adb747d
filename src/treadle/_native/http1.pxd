"""Declarations of http1.pyx: what other native units may touch."""
from libc.stdint cimport int64_t

from treadle._native.http1_framing cimport ChunkScanner
from treadle._native.http1_head cimport HeadWriter
from treadle._native.loop cimport LoopCore
from treadle._native.tcp cimport Listener, Stream
from treadle._native.timers cimport Timer


cdef enum Phase:
    IDLE            # between messages; nothing of the next one has arrived
    HEAD            # a head has begun
    BODY            # the head is complete, its body is not
    ANSWERING       # the message is complete, its answer is not
    LINGERING       # our side has ended; what the peer still sends is thrown away


cdef enum BodyKind:
    NO_BODY
    COUNTED
    CHUNKED


cdef class ServerCore:
    cdef readonly LoopCore loop
    cdef public object handler          # (request, response) -> None or a coroutine
    cdef public object request_type     # a subclass of RequestCore
    cdef public object response_type    # a subclass of ResponseCore
    cdef object task_type
    cdef HeadWriter writer
    cdef set connections                # OWNER: every open connection
    cdef set tasks                      # OWNER: of every async handler that is suspended
    cdef list free_parsers              # ParserShims whose parser stands between two messages
    cdef public Py_ssize_t head_bytes_max
    cdef public Py_ssize_t line_bytes_max
    cdef public Py_ssize_t fields_max
    cdef public Py_ssize_t body_mark    # bytes of a body that wait for the handler before the socket is paused
    cdef public int64_t headers_ms
    cdef public int64_t request_ms
    cdef public int64_t keep_alive_ms
    cdef public bint is_closing         # answers say Connection: close, and idle connections end

    cdef ParserShim take_parser(self)
    cdef int dispatch(self, Connection connection) except -1
    cdef int start_task(self, RequestCore request, ResponseCore response, coroutine, context) except -1


cdef class HTTPListener(Listener):
    cdef ServerCore server
    cdef object exhausted           # called with (self, error)


cdef class ParserShim:
    # Stands between a parser of httptools, which calls its methods, and the connection that uses it at the moment.
    cdef object parser
    cdef object feed
    cdef Connection connection
    cdef bint is_head_complete
    cdef bint is_message_complete


cdef class Deadline(Timer):
    cdef Connection connection


cdef class Connection(Stream):
    cdef ServerCore server
    cdef Phase phase
    cdef Deadline deadline
    cdef ParserShim shim            # None while IDLE, and while the answer of a complete message is under way
    cdef RequestCore request        # the current message; None between two
    cdef ResponseCore response
    cdef object addresses           # (local, remote), once asked for
    cdef bytes unparsed             # what came behind the current message; None: nothing
    cdef bytes head                 # the current head, where it came in more than one piece
    cdef int head_tail              # see find_head_end
    cdef Py_ssize_t head_bytes
    cdef int64_t message_start_ms
    cdef BodyKind body_kind
    cdef long long body_left
    cdef ChunkScanner chunks
    cdef bint is_consuming          # consume() is on the stack: whoever completes an answer leaves the rest to it
    cdef bint is_dispatch_due       # the head is complete, the handler was not called yet
    cdef bint has_peer_ended        # EOF was read; an answer under way may still be sent
    cdef bint is_upgrade_offered    # by the current message
    cdef bint is_body_raw           # the parser stopped at such an offer: the body passes it by
    cdef bint is_deferred           # the pending phase goes on with `unparsed`

    cdef int begin_message(self) except -1
    cdef int consume(self, const char *data, Py_ssize_t size) except -1
    cdef Py_ssize_t consume_head(self, const char *data, Py_ssize_t size) except -1
    cdef Py_ssize_t consume_body(self, const char *data, Py_ssize_t size) except -1
    cdef bint has_forbidden_trailer(self) except -1
    cdef int feed(self, bytes data) except -1
    cdef int check_head(self) except -1
    cdef int message_complete(self) except -1
    cdef int response_complete(self) except -1
    cdef int next_message(self) except -1
    cdef int refuse(self, int status) except -1
    cdef int linger(self) except -1
    cdef int drop_message(self) except -1
    cdef int release_parser(self, bint is_clean) except -1
    cdef int expired(self) except -1
    cdef tuple address_pair(self)
    cdef int set_deadline(self, int64_t duration_ms) except -1


cdef class RequestCore:
    cdef ServerCore server
    cdef Connection connection      # None once the message is over for the connection
    cdef readonly str method
    cdef bytes target               # as it came in the request line
    cdef readonly str http_version
    cdef readonly list raw_headers
    cdef list trailers              # raw; None: none came
    cdef readonly bint complete     # all of it has arrived
    cdef readonly bint aborted      # the peer left before that
    cdef bint keeps_alive
    cdef bint expects_continue      # 100 Continue was asked for, and not sent yet
    cdef bint is_discarding         # nobody will read the body
    cdef bint is_read               # somebody has begun to read the body
    cdef list body                  # chunks that wait for the reader
    cdef Py_ssize_t body_bytes
    cdef Py_ssize_t body_next       # index of the first of them
    cdef object reader              # future of whoever waits for the next chunk
    cdef object __weakref__

    cdef int add_body(self, bytes chunk) except -1
    cdef bytes take_chunk(self)
    cdef int wake_reader(self) except -1
    cdef int ask_to_continue(self) except -1
    cdef int abort(self) except -1
    cdef int on_over(self) except -1


cdef class ResponseCore:
    cdef ServerCore server
    cdef Connection connection      # None once complete or lost
    cdef public int status_code
    cdef object message             # str or None
    cdef dict fields                # lower-case name -> (name, value as str or list of str)
    cdef readonly bint headers_sent
    cdef readonly bint writable_ended
    cdef readonly bint finished     # handed over to the kernel or to the connection's buffer, completely
    cdef public bint send_date
    cdef bint is_head_only          # answer to HEAD, or a status without a body
    cdef bint is_length_free        # a status that must not announce a length
    cdef bint is_1_0
    cdef bint is_chunked
    cdef bint keeps_alive
    cdef bint has_length            # Content-Length is given, in `length`
    cdef bint has_date
    cdef bint has_connection
    cdef long long length
    cdef long long sent             # body bytes so far
    cdef bytes head                 # written, but not sent: goes out with the first piece of the body
    cdef list waiters               # futures of those who wait in ready(); None: nobody
    cdef object __weakref__

    cdef int check_name(self, name) except -1
    cdef int check_value(self, name, value) except -1
    cdef int begin_head(self, HeadWriter writer) except -1
    cdef int write_field(self, HeadWriter writer, name, value) except -1
    cdef int write_text_field(self, HeadWriter writer, const char *name, Py_ssize_t name_size,
                              const char *value, Py_ssize_t value_size) except -1
    cdef int finish_head(self, HeadWriter writer, Py_ssize_t size, bint is_last) except -1
    cdef int send_body(self, bytes chunk, bint is_last) except -1
    cdef int complete(self) except -1
    cdef int lose(self) except -1
    cdef int wake_writer(self) except -1


cdef class Ready:
    # An awaitable that is done: `await` on it does not suspend.
    cdef object value


cdef Ready ready_with(object value)
