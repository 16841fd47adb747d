# cython: nonecheck=True
"""The head of an answer: its status and fields, as they are set one by one or all at once, and the framing that follows from them.

Invariants: what is written is well-formed, or raises; of a length and chunks an answer has one, or neither; Connection and
Transfer-Encoding are ours to write, whatever the application says. Not here: bytes (http1_head.pyx), sending (http1_response.pyx).
Source: RFC 9110 sections 5, 6.4, 8.6 and 15, RFC 9112 sections 6 and 9; Node, http.ServerResponse, for names.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.string cimport memchr

from treadle._native.http1_grammar cimport (
    CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING, Field, field_of, has_token, is_same, is_token, is_value,
    parse_length,
)
from treadle._native.http1_head cimport BAD_NAME, FIELD_FINE, HeadWriter
from treadle._native.http1_names cimport FieldNames, KnownName
from treadle._native.writable cimport WritableCore

cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(object text)
    long long PyLong_AsLongLongAndOverflow(object number, int *overflow) except? -1

cdef long long LENGTH_MAX = 999_999_999_999_999_999     # what parse_length takes: 18 digits


cdef bint has_field(const char *head, Py_ssize_t size, const char *line_start, Py_ssize_t start_size) noexcept nogil:
    # The head has a line that begins so, whatever the case: LF, name, colon.
    cdef const char *end = head + size - start_size
    cdef const char *at = head
    while at <= end:
        at = <const char *>memchr(at, c'\n', end - at + 1)
        if at is NULL:
            return False
        if is_same(at, start_size, line_start, start_size):
            return True
        at += 1
    return False


cdef class AnswerHead(WritableCore):
    @property
    def status_message(self):
        """The reason phrase; None: the usual one for the status."""
        return self.message

    @status_message.setter
    def status_message(self, message):
        self.message = message

    def set_header(self, name, value):
        """Set a field, replacing one of that name. value: str, int, or a list of str for one line each.

        Raises TreadleError: ERR_HTTP_HEADERS_SENT, ERR_INVALID_HTTP_TOKEN, ERR_INVALID_CHAR, ERR_INVALID_ARG_TYPE."""
        if self.headers_sent:
            self.server.fault("ERR_HTTP_HEADERS_SENT", {"operation": "set headers"})
        if type(value) is int:
            value = str(value)
        self.check_name(name)
        if isinstance(value, (list, tuple)):
            value = list(value)
            for one in value:
                self.check_value(name, one)
        else:
            self.check_value(name, value)
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

    # ---- inside

    cdef int check_status(self, int status) except -1:
        # RFC 9110 section 15: 1xx is no final answer.
        if not 200 <= status <= 999:
            self.server.fault("ERR_HTTP_INVALID_STATUS_CODE", {"received": status})
        return 0

    cdef int check_name(self, name) except -1:
        cdef Py_ssize_t size = 0
        cdef const char *text = NULL
        if isinstance(name, str) and PyUnicode_IS_ASCII(name):
            text = PyUnicode_AsUTF8AndSize(name, &size)
        if not is_token(text, size):
            self.server.fault("ERR_INVALID_HTTP_TOKEN", {"name": "header name", "received": name})
        return 0

    cdef int check_value(self, name, value) except -1:
        cdef bytes text
        if not isinstance(value, str):
            self.server.fault(
                "ERR_INVALID_ARG_TYPE", {"name": name, "expected": "str or int", "received": type(value).__name__})
        text = self.latin_1(name, value)
        if not is_value(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text)):
            self.server.fault("ERR_INVALID_CHAR", {"name": "value of header", "field": name})
        return 0

    cdef bytes latin_1(self, name, value):
        try:
            return (<str?>value).encode("latin-1")
        except (UnicodeEncodeError, TypeError):
            self.server.fault("ERR_INVALID_CHAR", {"name": "value of header", "field": name})

    cdef HeadWriter begin_head(self):
        # A writer with the status line and what set_header collected. It is this answer's alone until take() or give_writer().
        cdef HeadWriter writer
        cdef int status = self.status_code
        self.check_status(status)
        if self.message is not None:
            self.check_value("status_message", self.message)
        writer = self.server.take_writer()
        writer.start(status, self.message)
        self.has_length = self.has_date = self.has_close = self.is_chunked = self.is_event_stream = self.announces_trailers = False
        self.is_head_only = self.is_for_head or status == 204 or status == 205 or status == 304
        if self.fields is not None:
            for name, value in self.fields.values():
                self.write_field(writer, name, value)
        return writer

    cdef int write_field(self, HeadWriter writer, name, value) except -1:
        # name, value: str, bytes, int or a list of them.
        cdef const char *name_text
        cdef const char *value_text
        cdef Py_ssize_t name_size, value_size
        cdef bytes name_bytes, value_bytes
        cdef long long length
        cdef int overflow
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
            if field_of(name_text, name_size) == CONTENT_LENGTH:
                length = PyLong_AsLongLongAndOverflow(value, &overflow)
                if not overflow and 0 <= length <= LENGTH_MAX:
                    return self.set_length(length)
            value = str(value)
        if type(value) is str and PyUnicode_IS_ASCII(value):
            value_text = PyUnicode_AsUTF8AndSize(value, &value_size)
        else:
            value_bytes = value if type(value) is bytes else self.latin_1(name, value)
            value_text = PyBytes_AS_STRING(value_bytes)
            value_size = PyBytes_GET_SIZE(value_bytes)
        return self.write_text_field(writer, name_text, name_size, value_text, value_size)

    cdef int write_text_field(self, HeadWriter writer, const char *name, Py_ssize_t name_size, const char *value,
                              Py_ssize_t value_size) except -1:
        cdef FieldNames names = self.server.answer_names
        cdef KnownName *known = names.find(name, name_size)
        cdef Field field = known.field if known is not NULL else field_of(name, name_size)
        cdef int fault
        cdef long long length
        if field == CONTENT_LENGTH:
            length = parse_length(value, value_size)
            if length < 0:
                self.refuse_value(name, name_size, value, value_size)
            return self.set_length(length)
        if field == TRANSFER_ENCODING:      # ours to write, see finish_head
            if not is_same(value, value_size, b"chunked", 7):
                self.refuse_value(name, name_size, value, value_size)
            self.is_chunked = not self.is_1_0
            return 0
        if field == CONNECTION:             # ours to write, unless it says more than whether the connection goes on
            if has_token(value, value_size, b"close", 5):
                self.keeps_alive = False
            if is_same(value, value_size, b"close", 5) or is_same(value, value_size, b"keep-alive", 10):
                return 0
            self.has_close = self.has_close or has_token(value, value_size, b"close", 5)
        elif field == DATE:
            self.has_date = True
        elif name_size == 12 and value_size >= 17 and value[5] == c'e' and is_same(name, 12, b"content-type", 12):
            self.is_event_stream = is_same(value, 17, b"text/event-stream", 17)
        elif name_size == 7 and is_same(name, 7, b"trailer", 7):
            self.announces_trailers = True
        fault = writer.add_field(name, name_size, value, value_size, known is not NULL)
        if fault == BAD_NAME:
            self.server.fault(
                "ERR_INVALID_HTTP_TOKEN", {"name": "header name", "received": name[:name_size].decode("latin-1")})
        elif fault != FIELD_FINE:
            self.server.fault("ERR_INVALID_CHAR", {"name": "value of header", "field": name[:name_size].decode("latin-1")})
        elif known is NULL:
            names.learn(name, name_size)
        return 0

    cdef int refuse_value(self, const char *name, Py_ssize_t name_size, const char *value, Py_ssize_t value_size) except -1:
        self.server.fault("ERR_HTTP_INVALID_HEADER_VALUE", {
            "field": name[:name_size].decode("latin-1"), "received": value[:value_size].decode("latin-1")})

    cdef int set_length(self, long long length) except -1:
        # finish_head writes it. Two that differ would let two readers see two answers: RFC 9112 section 6.3.
        if self.has_length and self.length != length:
            self.server.fault("ERR_HTTP_INVALID_HEADER_VALUE", {"field": "Content-Length", "received": f"{self.length}, {length}"})
        self.has_length = self.status_code != 204       # RFC 9110 section 8.6: there it must not be
        self.length = length
        return 0

    cdef int finish_head(self, HeadWriter writer, Py_ssize_t size, bint is_last) except -1:
        # The fields that are ours, and the blank line. size: of the piece of body that goes with it.
        if self.send_date and not self.has_date:
            writer.add_date()
        if self.id_line is not None and not has_field(writer.data, writer.size, b"\nx-request-id:", 14):
            writer.add(PyBytes_AS_STRING(self.id_line), PyBytes_GET_SIZE(self.id_line))
        if self.connection is not None and (self.server.is_closing or self.connection.is_continue_owed()):
            self.keeps_alive = False            # we go, or the peer does not know whether to send its body
        if self.status_code == 204:
            self.is_chunked = False
        elif self.status_code == 205:           # RFC 9110 section 15.3.6: no content, and it says so
            self.is_chunked = False
            self.has_length = True
            self.length = 0
        elif self.is_chunked:
            self.has_length = False             # RFC 9112 section 6.2: never both
        elif not self.has_length and not (self.is_head_only and (size == 0 or self.status_code == 304)):
            if is_last and self.trailers is None and not self.announces_trailers:
                self.has_length = True
                self.length = size
            elif self.is_1_0:
                self.keeps_alive = False        # the end of the connection is the end of the body
            else:
                self.is_chunked = True
        if self.has_length:
            if self.announces_trailers and not self.is_head_only and not self.is_1_0:
                self.headers_sent = False       # nothing was sent: there may still be another answer
                self.server.fault("ERR_HTTP_TRAILER_INVALID", {})
            writer.add_length(self.length)
        elif self.is_chunked:
            writer.add(b"Transfer-Encoding: chunked\r\n", 28)
        if not self.keeps_alive:
            if not self.has_close:
                writer.add(b"Connection: close\r\n", 19)
        elif self.is_1_0:
            writer.add(b"Connection: keep-alive\r\n", 24)
        writer.add(b"\r\n", 2)
        return 0
