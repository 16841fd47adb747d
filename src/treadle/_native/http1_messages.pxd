"""Declarations of http1_messages.pyx: what other native units may touch."""
from libc.stdint cimport int64_t

from treadle._native.http1_deadlines cimport Deadline
from treadle._native.http1_exchange cimport Wire
from treadle._native.http1_fields cimport Said
from treadle._native.http1_framing cimport ChunkScanner
from treadle._native.http1_phases cimport Event, Phase
from treadle._native.http1_request cimport RequestCore
from treadle._native.http1_response cimport ResponseCore


cdef enum:
    READ_BYTES = 64 * 1024          # one receive; also what a pipelining peer can make us hold
    DISCARD_MAX = 1024 * 1024       # of a body nobody reads, before the connection is given up instead
    BLANK_BYTES_MAX = 64            # line ends before a request line; robust clients send one pair, RFC 9112 section 2.2


cdef class ParserShim:
    # Stands between a parser of httptools, which calls its methods, and the connection that uses it at the moment.
    cdef object feed                # the parser's feed_data
    cdef Messages connection
    cdef bint is_head_complete
    cdef bint is_message_complete


cdef class Messages(Wire):
    cdef Phase phase
    cdef Deadline deadline
    cdef ParserShim shim            # None unless a parser reads the current message
    cdef RequestCore request        # the current message; None between two
    cdef ResponseCore response      # None between two, and while DRAINING
    cdef bytes unparsed             # what came behind the current message; None: nothing
    cdef bytes head                 # the current head as far as it has come, for the parser and refuse(); None: it was plain
    cdef int head_tail              # see find_head_end
    cdef Py_ssize_t head_bytes
    cdef Py_ssize_t blank_bytes     # line ends that came before the next request line
    cdef Said said                  # by the fields of the current message; body_left counts down
    cdef Py_ssize_t dropped_bytes   # of the body, since nobody reads it
    cdef int64_t body_end_ms        # when it has to be complete
    cdef int64_t rate_from_ms       # since when bytes are counted for their rate
    cdef long long rate_bytes       # these bytes
    cdef bint is_rate_void          # since then the socket was paused: the peer is not to blame
    cdef ChunkScanner chunks
    cdef tuple fault                # (reason, detail) of the refusal that a listener sees to; None: it is an upgrade or a tunnel
    cdef Py_ssize_t requests        # so far, where they are counted
    cdef bint is_head_timed         # the head came in pieces: its deadline is set
    cdef bint is_consuming          # consume() is on the stack: whoever completes an answer leaves the rest to it
    cdef bint is_dispatch_due       # the head is complete, the handler was not called yet
    cdef bint has_peer_ended        # EOF was read; an answer under way may still be sent
    cdef bint is_peer_ending        # EOF is in the kernel, behind bytes that were not read; set by on_departure(), never cleared
    cdef bint is_body_raw           # no parser reads the body: it has stopped at an offered upgrade, or the head was plain
    cdef bint is_body_timed         # what is missing of the body has its deadline
    cdef bint is_near_told          # between two messages: what may be near, or the rest of a record, was waited for
    cdef bint is_deferred           # the pending phase goes on with `unparsed`
    cdef bint is_unnamed            # its PROXY header names nobody: whatever fields say of a client is nobody's word

    cdef int advance(self, Event event) except -1
    cdef int dispatch_observed(self) except -1
    cdef int dispatch_named(self) except -1
    cdef int note(self, int status, long long size, bint is_whole) except -1
    cdef Py_ssize_t skip_blank_lines(self, const char *data, Py_ssize_t size) noexcept
    cdef int begin_message(self) except -1
    cdef int consume(self, const char *data, Py_ssize_t size) except -1
    cdef int consume_messages(self, const char *data, Py_ssize_t size) except -1
    cdef int walk(self, const char *data, Py_ssize_t size, Py_ssize_t *used) except -1
    cdef Py_ssize_t consume_head(self, const char *data, Py_ssize_t size) except -1
    cdef Py_ssize_t consume_body(self, const char *data, Py_ssize_t size) except -1
    cdef int take_body(self, bytes chunk) except -1
    cdef bint feed(self, bytes data) except -1
    cdef Py_ssize_t read_plain(self, const char *data, Py_ssize_t size) except -1
    cdef int check_head(self) except -1
    cdef int begin_exchange(self, bint is_1_0, const unsigned char *kinds) except -1
    cdef int message_complete(self) except -1
    cdef int next_message(self) except -1
    cdef int refuse(self, str reason, str detail=*) except -1
    cdef int linger(self) except -1
    cdef int release_parser(self, bint is_clean) except -1
    cdef bint has_body(self) noexcept
    cdef int switch(self) except -1
    cdef int hand_over(self) except -1
    cdef int time_body(self) except -1
    cdef int body_overdue(self) except -1
    cdef int plan_answer(self) except -1
    cdef int peer_ended(self) except -1
    cdef int set_deadline(self, int64_t duration_ms) except -1
