"""Heads of answers: written into one growing buffer, and out of it as one bytes object together with a small body.

Invariants: no name leaves here that is not a token, no value with a control character in it (that is how answers are split).
One writer belongs to one server and is used by one answer at a time, without a callback in between.
Source: RFC 9110 sections 5.5, 5.6.2, 6.6.1 and 15; RFC 9112 section 4. Not here: which fields an answer gets (http1.pyx).
"""
from http import HTTPStatus

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from libc.stdio cimport snprintf
from libc.string cimport memcpy
from libc.time cimport gmtime_r, time, time_t, tm

cdef extern from "<strings.h>" nogil:
    int strncasecmp(const char *a, const char *b, size_t size)

cdef extern from *:
    """
    /* RFC 9110: tchar */
    static const unsigned char treadle_tchar[256] = {
        ['!']=1, ['#']=1, ['$']=1, ['%']=1, ['&']=1, ['\\'']=1, ['*']=1, ['+']=1, ['-']=1, ['.']=1, ['^']=1, ['_']=1, ['`']=1,
        ['|']=1, ['~']=1, ['0' ... '9']=1, ['A' ... 'Z']=1, ['a' ... 'z']=1,
    };
    /* field-vchar, SP and HTAB */
    static const unsigned char treadle_vchar[256] = { ['\\t']=1, [0x20 ... 0x7e]=1, [0x80 ... 0xff]=1 };
    static const char treadle_days[] = "SunMonTueWedThuFriSat";
    static const char treadle_months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    """
    const unsigned char treadle_tchar[256]
    const unsigned char treadle_vchar[256]
    const char *treadle_days
    const char *treadle_months

cdef enum:
    WRITER_BYTES = 4 * 1024         # first room; doubled as needed, for the life of the server


cdef Field field_of(const char *name, Py_ssize_t size) noexcept nogil:
    # Which of the fields that mean something to a connection it is.
    if size == 4:
        if strncasecmp(name, b"host", 4) == 0:
            return HOST
        if strncasecmp(name, b"date", 4) == 0:
            return DATE
    elif size == 6:
        if strncasecmp(name, b"expect", 6) == 0:
            return EXPECT
    elif size == 7:
        if strncasecmp(name, b"upgrade", 7) == 0:
            return UPGRADE
    elif size == 10:
        if strncasecmp(name, b"connection", 10) == 0:
            return CONNECTION
    elif size == 14:
        if strncasecmp(name, b"content-length", 14) == 0:
            return CONTENT_LENGTH
    elif size == 17:
        if strncasecmp(name, b"transfer-encoding", 17) == 0:
            return TRANSFER_ENCODING
    return OTHER_FIELD


cdef bint has_token(const char *value, Py_ssize_t size, const char *token, Py_ssize_t token_size) noexcept nogil:
    # Whether a comma-separated list, such as Connection's, has the token (in lower case).
    cdef Py_ssize_t i = 0
    cdef Py_ssize_t start, end
    while i < size:
        while i < size and (value[i] == c' ' or value[i] == c'\t' or value[i] == c','):
            i += 1
        start = i
        while i < size and value[i] != c',':
            i += 1
        end = i
        while end > start and (value[end - 1] == c' ' or value[end - 1] == c'\t'):
            end -= 1
        if end - start == token_size and strncasecmp(value + start, token, token_size) == 0:
            return True
    return False


cdef bint is_token(const char *text, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        if not treadle_tchar[<unsigned char>text[i]]:
            return False
    return size > 0


cdef bint is_value(const char *text, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        if not treadle_vchar[<unsigned char>text[i]]:
            return False
    return True


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

    cdef int start(self, int status, message, bint is_1_0) except -1:
        # The status line. message: str, already known to be valid, or None for the usual one.
        cdef bytes line
        self.size = 0
        if message is None:
            line = self.status_lines.get(status)
            if line is None:
                try:
                    phrase = HTTPStatus(status).phrase
                except ValueError:
                    phrase = ""
                line = self.status_lines[status] = f" {status} {phrase}\r\n".encode("ascii")
        else:
            line = f" {status} {message}\r\n".encode("latin-1")
        self.add(b"HTTP/1.1", 8)    # a 1.0 client gets it too: RFC 9110 section 2.5
        return self.add(PyBytes_AS_STRING(line), PyBytes_GET_SIZE(line))

    cdef FieldFault add_field(self, const char *name, Py_ssize_t name_size, const char *value, Py_ssize_t value_size) except *:
        cdef char *out
        if not is_token(name, name_size):
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

    cdef int add_length(self, long long length) except -1:
        cdef char text[48]
        return self.add(text, snprintf(text, sizeof(text), b"Content-Length: %lld\r\n", length))

    cdef int add_chunk_size(self, Py_ssize_t size) except -1:
        cdef char text[20]
        return self.add(text, snprintf(text, sizeof(text), b"%zx\r\n", size))

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
