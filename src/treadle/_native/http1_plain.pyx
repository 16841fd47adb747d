"""Heads that are written plainly, as nearly all are: read here, without the parser.

Plain is: a usual method, a target that begins with a slash, HTTP/1.1, one field a line, a body of a known length or none; nothing
that has two readings. Whatever is not plain gets no verdict here: it is the parser's (ADR 0003).
Invariant: what is found plain, the parser accepts, and reads in the same way (tests/unit/native/test_http1_plain.py).
Not here: what a head means (http1_connection.pyx).
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcmp

from treadle._native.http1_grammar cimport (
    CONTENT_LENGTH, PROXY_CONNECTION, TRANSFER_ENCODING, UPGRADE, Field, field_of, parse_length, token_size, value_size,
)

cdef enum:
    VERSION_BYTES = 11      # of " HTTP/1.1" and its line end


cdef str usual_method(const char *line, Py_ssize_t size):
    # The method that a line begins with, followed by a space; None: none of these. Interned, as every literal of this form is in
    # every unit: others compare by identity.
    if size >= 4 and memcmp(line, b"GET ", 4) == 0:
        return "GET"
    if size >= 5 and memcmp(line, b"POST ", 5) == 0:
        return "POST"
    if size >= 5 and memcmp(line, b"HEAD ", 5) == 0:
        return "HEAD"
    if size >= 4 and memcmp(line, b"PUT ", 4) == 0:
        return "PUT"
    if size >= 6 and memcmp(line, b"PATCH ", 6) == 0:
        return "PATCH"
    if size >= 7 and memcmp(line, b"DELETE ", 7) == 0:
        return "DELETE"
    if size >= 8 and memcmp(line, b"OPTIONS ", 8) == 0:
        return "OPTIONS"
    return None


cdef Py_ssize_t plain_target(const char *text, Py_ssize_t size) noexcept nogil:
    # How long the target is that text begins with, if HTTP/1.1 and the end of the line follow; else 0.
    cdef Py_ssize_t i = 0
    while i < size and 0x21 <= <unsigned char>text[i] <= 0x7e and text[i] != c'#':
        i += 1
    if i == 0 or text[0] != c'/' or size - i < VERSION_BYTES or memcmp(text + i, b" HTTP/1.1\r\n", VERSION_BYTES) != 0:
        return 0
    return i


cdef bytes lower_case(const char *name, Py_ssize_t size):
    # A new object, of a token that is not empty.
    cdef bytes lowered = PyBytes_FromStringAndSize(NULL, size)
    cdef char *to = PyBytes_AS_STRING(lowered)
    cdef Py_ssize_t i
    for i in range(size):
        to[i] = name[i] | 0x20 if c'A' <= name[i] <= c'Z' else name[i]
    return lowered


cdef list plain_fields(const char *text, Py_ssize_t size, Py_ssize_t fields_max, bint lowers_names):
    # The fields that text consists of, (name, value) each, down to its blank line; None: not plain. Too many are not, so that
    # a long head is not read twice for one bad line at its end.
    cdef list fields = []
    cdef Py_ssize_t i = 0
    cdef Py_ssize_t name, name_size, value, end
    cdef Field field
    cdef bint has_length = False
    while size - i > 2:
        name = i
        name_size = token_size(text + i, size - i)
        i += name_size
        if name_size == 0 or i == size or text[i] != c':' or len(fields) == fields_max:
            return None
        field = field_of(text + name, name_size)
        if field == TRANSFER_ENCODING or field == UPGRADE or field == PROXY_CONNECTION:
            return None
        i += 1
        while i < size and (text[i] == c' ' or text[i] == c'\t'):
            i += 1
        value = i
        i += value_size(text + i, size - i)
        if size - i < 2 or text[i] != c'\r' or text[i + 1] != c'\n':
            return None
        end = i
        while end > value and (text[end - 1] == c' ' or text[end - 1] == c'\t'):
            end -= 1
        if field == CONTENT_LENGTH:
            if has_length or parse_length(text + value, end - value) < 0:
                return None
            has_length = True
        fields.append((lower_case(text + name, name_size) if lowers_names else text[name:name + name_size], text[value:end]))
        i += 2
    return fields if size - i == 2 and text[i] == c'\r' and text[i + 1] == c'\n' else None


cdef tuple plain_head(const char *text, Py_ssize_t size, Py_ssize_t fields_max, bint lowers_names):
    # (method, target, fields) of a whole head, its blank line included; None: not plain.
    cdef str method = usual_method(text, size)
    cdef Py_ssize_t start, end
    cdef list fields
    if method is None:
        return None
    start = len(method) + 1
    end = plain_target(text + start, size - start)
    if end == 0:
        return None
    end += start
    fields = plain_fields(text + end + VERSION_BYTES, size - end - VERSION_BYTES, fields_max, lowers_names)
    return None if fields is None else (method, text[start:end], fields)


def read_plain_head(bytes head, Py_ssize_t fields_max=100, *, bint lowers_names=False):
    """(method, target, fields) of a plain head, its blank line included, as str, bytes and a list of pairs of bytes; else None.

    For tests and the bench.
    """
    return plain_head(PyBytes_AS_STRING(head), PyBytes_GET_SIZE(head), fields_max, lowers_names)
