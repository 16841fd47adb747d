"""Declarations of http1_exchange.pyx: what other native units may touch."""
from libc.stdint cimport int64_t

from treadle._native.http1_head cimport HeadWriter
from treadle._native.http1_names cimport FieldNames
from treadle._native.loop cimport LoopCore
from treadle._native.tcp cimport Stream


cdef enum DeadlineKind:
    ARRIVAL                         # something has to arrive: the phase says what
    SENDING                         # the peer has to take what was sent
    ANSWERING_IN_TIME               # the answer under way has to be complete


cdef class Site:
    cdef readonly LoopCore loop
    cdef public object request_type     # a subclass of RequestCore
    cdef public object response_type    # a subclass of ResponseCore
    cdef set connections                # OWNER: every open connection
    cdef set prefaces                   # OWNER: every connection whose PROXY header is still to come
    cdef list free_parsers              # ParserShims whose parser stands between two messages
    cdef list free_writers              # empty HeadWriters
    cdef object local_name          # of the connection that was asked for it last: mostly that of all
    cdef object spare_request       # one that nobody has any more, as new; None: none
    cdef object spare_response      # likewise
    cdef FieldNames names           # of the fields of requests
    cdef FieldNames answer_names    # ... of answers
    cdef public Py_ssize_t head_bytes_max
    cdef public Py_ssize_t line_bytes_max
    cdef public Py_ssize_t fields_max
    cdef public Py_ssize_t body_mark    # bytes of a body that wait for the handler before the socket is paused
    cdef public int64_t headers_ms
    cdef public int64_t request_ms
    cdef public int64_t keep_alive_ms
    cdef public int64_t send_ms
    cdef public int64_t send_bytes_min  # that a peer takes in that time, where more waits for it
    cdef public int64_t linger_ms
    cdef public object tls_context      # an ssl.SSLContext for connections to come; None: they are plain
    cdef public Py_ssize_t body_rate    # bytes a second of a body that is read, on the whole; 0: no limit
    cdef public int64_t body_grace_ms   # before that is asked for
    cdef public int64_t answer_ms       # for an answer to be complete, from the call of its handler on; 0: no deadline
    cdef public bint cancels            # handlers whose client has left are cancelled
    cdef public object routes           # (target) -> (answer_ms, cancels) of this request; None: these are the same for all
    cdef public bint is_planned         # one of the three says something
    cdef public bint takes_upgrades     # somebody listens for 'upgrade'
    cdef public bint takes_tunnels      # ... for 'connect'
    cdef public bint takes_faults       # ... for 'client_error'
    cdef public bint tells_connections  # ... for 'connection'
    cdef public Py_ssize_t connections_max      # more are closed at once; -1: no limit
    cdef public Py_ssize_t requests_max         # of one connection, whose last answer ends it; 0: no limit
    cdef public Py_ssize_t socket_count         # open sockets that were connections once
    cdef public bint takes_expectations # of another kind than 100-continue, too: its handler sees to them
    cdef public bint is_closing         # answers say Connection: close, and idle connections end
    cdef public ExchangeLog access_log  # None: nobody keeps one
    cdef public Intake intake           # None: requests reach their handlers as they came
    cdef public object preface          # says whose connections begin with a PROXY header, and reads it; None: nobody's

    cdef Py_ssize_t held(self) noexcept
    cdef int add_connection(self, Wire connection) except -1
    cdef int drop_connection(self, Wire connection) except -1
    cdef int note_dropped(self) except -1
    cdef HeadWriter take_writer(self)
    cdef int give_writer(self, HeadWriter writer) except -1
    cdef int dispatch(self, Wire connection) except -1


cdef class Wire(Stream):
    cdef Site server
    cdef object addresses           # (local, remote), once asked for
    cdef object origin              # (scheme, client, server) as a PROXY header says; None: none came
    cdef int64_t began_ns           # when the message under way began; 0: there is none that the access log has to hear of

    cdef int response_complete(self) except -1
    cdef int expired(self, DeadlineKind kind) except -1
    cdef int answer_begun(self) except -1
    cdef int handler_over(self, request) except -1
    cdef bint has_response(self, response) noexcept
    cdef bint is_continue_owed(self) noexcept
    cdef int continue_sent(self) except -1
    cdef int limit_answer(self, int64_t duration_ms) except -1
    cdef int tell_when_flushed(self, response) except -1
    cdef bint is_answer_due(self) noexcept
    cdef tuple request_line(self)
    cdef tuple address_pair(self)

    cdef inline str scheme(self):
        # Of its requests, where no proxy says otherwise.
        return "http" if self.cipher is None else "https"


cdef class Intake:
    # What is done to a request between its head and its handler.
    cdef int head_complete(self, Wire connection) except -1
    cdef object enter(self, Wire connection)
    cdef int leave(self, object token) except -1


cdef class ExchangeLog:
    cdef int note(self, Wire connection, int status, long long size, bint is_whole) except -1


cdef extern from *:
    """
    /* Nobody refers to it weakly, nor has given it an attribute. */
    static inline int treadle_is_bare(PyObject *self) {
        PyObject **attributes = _PyObject_GetDictPtr(self);     /* NULL: its class has none */
        return *PyObject_GET_WEAKREFS_LISTPTR(self) == NULL && (attributes == NULL || *attributes == NULL);
    }
    """
    bint is_bare "treadle_is_bare"(object self) noexcept
