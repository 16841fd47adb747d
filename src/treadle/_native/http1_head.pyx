"""Heads of answers: written into one growing buffer, and out of it as one bytes object together with a small body.

Invariants: no name leaves here that is not a token, no value with a control character in it (that is how answers are split).
A writer belongs to one answer at a time: code of the user may run while a head is written, and may write another one.
Source: RFC 9110 sections 5.5, 5.6.2, 6.6.1 and 15; RFC 9112 section 4. Not here: which fields an answer gets (http1_response.pyx).
"""
from http import HTTPStatus

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from libc.stdio cimport snprintf
from libc.string cimport memcpy
from libc.time cimport gmtime_r, time, time_t, tm

from treadle._native.http1_grammar cimport is_token, is_value

cdef extern from *:
    """
    static const char treadle_days[] = "SunMonTueWedThuFriSat";
    static const char treadle_months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    """
    const char *treadle_days
    const char *treadle_months

cdef enum:
    WRITER_BYTES = 4 * 1024         # first room; doubled as needed, for the life of the server


# Names of RFC 9110 that HTTPStatus of an older Python does not know yet.
cdef dict PHRASES = {413: "Content Too Large", 414: "URI Too Long", 416: "Range Not Satisfiable", 422: "Unprocessable Content"}


cpdef str phrase_of(int status):
    """The reason phrase of a status, as RFC 9110 has it; empty for one it does not name."""
    if status in PHRASES:
        return PHRASES[status]
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def field_line(bytes name, bytes value):
    """One field as it is sent. Raises ValueError, which says of which of both the grammar does not hold."""
    if not is_token(PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name)):
        raise ValueError("name")
    if not is_value(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value)):
        raise ValueError("value")
    return b"%b: %b\r\n" % (name, value)


cdef class HeadWriter:
    def __cinit__(self):
        self.data = <char *>PyMem_Malloc(WRITER_BYTES)
        if self.data is NULL:
            raise MemoryError()
        self.room = WRITER_BYTES
        self.date_s = -1
        self.status_lines = {}

    def __dealloc__(self):
        PyMem_Free(self.data)

    cdef int reserve(self, Py_ssize_t more) except -1:
        cdef Py_ssize_t room = self.room
        cdef char *data
        if self.size + more > room:
            while self.size + more > room:
                room *= 2
            data = <char *>PyMem_Realloc(self.data, room)
            if data is NULL:
                raise MemoryError()
            self.data = data
            self.room = room
        return 0

    cdef int add(self, const char *data, Py_ssize_t size) except -1:
        self.reserve(size)
        memcpy(self.data + self.size, data, size)
        self.size += size
        return 0

    cdef int start(self, int status, message) except -1:
        # The status line. message: str, already known to be valid, or None for the usual one.
        cdef bytes line
        self.size = 0
        if message is None:
            line = self.status_lines.get(status)
            if line is None:
                line = self.status_lines[status] = f" {status} {phrase_of(status)}\r\n".encode("ascii")
        else:
            line = f" {status} {message}\r\n".encode("latin-1")
        self.add(b"HTTP/1.1", 8)    # a 1.0 client gets it too: RFC 9110 section 2.5
        return self.add(PyBytes_AS_STRING(line), PyBytes_GET_SIZE(line))

    cdef int add_field(self, const char *name, Py_ssize_t name_size, const char *value, Py_ssize_t value_size,
                       bint is_known) except -1:
        # A FieldFault. is_known: the name is known to be a token.
        cdef char *out
        if not is_known and not is_token(name, name_size):
            return BAD_NAME
        if not is_value(value, value_size):
            return BAD_VALUE
        self.reserve(name_size + value_size + 4)
        out = self.data + self.size
        memcpy(out, name, name_size)
        out += name_size
        out[0] = c':'
        out[1] = c' '
        out += 2
        memcpy(out, value, value_size)
        out += value_size
        out[0] = c'\r'
        out[1] = c'\n'
        self.size += name_size + value_size + 4
        return FIELD_FINE

    cdef int add_date(self) except -1:
        # IMF-fixdate, made once a second.
        cdef time_t now_s = time(NULL)
        cdef tm utc
        if now_s != self.date_s:
            gmtime_r(&now_s, &utc)
            snprintf(self.date_line, sizeof(self.date_line), b"Date: %.3s, %02d %.3s %04d %02d:%02d:%02d GMT\r",
                     treadle_days + 3 * utc.tm_wday, utc.tm_mday, treadle_months + 3 * utc.tm_mon, utc.tm_year + 1900,
                     utc.tm_hour, utc.tm_min, utc.tm_sec)
            self.date_line[36] = c'\n'
            self.date_s = now_s
        return self.add(self.date_line, 37)

    cdef int add_length(self, unsigned long long length) except -1:
        self.add(b"Content-Length: ", 16)
        self.add_number(length, 10)
        return self.add(b"\r\n", 2)

    cdef int add_chunk_size(self, Py_ssize_t size) except -1:
        self.add_number(size, 16)
        return self.add(b"\r\n", 2)

    cdef int add_number(self, unsigned long long number, unsigned int base) except -1:
        cdef char digits[20]
        cdef int first = sizeof(digits)
        while True:
            first -= 1
            digits[first] = b"0123456789abcdef"[number % base]
            number //= base
            if number == 0:
                return self.add(digits + first, sizeof(digits) - first)

    cdef bytes take(self, const char *body, Py_ssize_t body_size, const char *suffix, Py_ssize_t suffix_size):
        # What was written, with body and suffix behind it, as one object. The writer is empty then.
        cdef bytes result = PyBytes_FromStringAndSize(NULL, self.size + body_size + suffix_size)
        cdef char *out = PyBytes_AS_STRING(result)
        memcpy(out, self.data, self.size)
        if body_size:
            memcpy(out + self.size, body, body_size)
        if suffix_size:
            memcpy(out + self.size + body_size, suffix, suffix_size)
        self.size = 0
        return result
