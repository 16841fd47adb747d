"""Heads that are written plainly, as nearly all are: read here, without the parser.

Plain is: a usual method, a target that begins with a slash, HTTP/1.1, one field a line, a body of a known length or none; nothing
that has two readings. Whatever is not plain gets no verdict here: it is the parser's (ADR 0003).
Invariant: what is found plain, the parser accepts, and reads in the same way (tests/unit/native/test_http1_plain.py).
Not here: what a head means (http1_messages.pyx).
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memchr, memcmp

from treadle._native.http1_grammar cimport (
    CONTENT_LENGTH, PROXY_CONNECTION, TRANSFER_ENCODING, UPGRADE, Field, field_of, parse_length, token_size, value_size,
)
from treadle._native.http1_names cimport FieldNames, KnownName

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


cdef list plain_fields(const char *text, Py_ssize_t *size, Py_ssize_t fields_max, FieldNames names, unsigned char *kinds):
    # The fields that text begins with, (name, value) each, as far as their blank line, behind which size points then; and which
    # of those they are that mean something to a connection, in kinds, which has room for fields_max of them. None: not plain. Too
    # many are not, so that a long head is not read twice for one bad line at its end.
    cdef list fields = []
    cdef Py_ssize_t count = 0
    cdef Py_ssize_t left = size[0]
    cdef const char *at = text
    cdef const char *colon
    cdef const char *value
    cdef const char *end
    cdef KnownName *known
    cdef Field field
    cdef bytes name
    cdef bint has_length = False
    while left > 2 and at[0] != c'\r':
        colon = <const char *>memchr(at, c':', left)
        if colon is NULL or colon == at or count == fields_max:
            return None
        known = names.find(at, colon - at)
        if known is not NULL:
            name = <bytes>known.name
            field = known.field
        elif token_size(at, colon - at) == colon - at:
            field = field_of(at, colon - at)
            name = names.learn(at, colon - at)
        else:
            return None
        if field == TRANSFER_ENCODING or field == UPGRADE or field == PROXY_CONNECTION:
            return None
        kinds[count] = field
        count += 1
        left -= colon + 1 - at
        at = colon + 1
        while left and (at[0] == c' ' or at[0] == c'\t'):
            at += 1
            left -= 1
        value = at
        at += value_size(at, left)
        left -= at - value
        if left < 2 or at[0] != c'\r' or at[1] != c'\n':
            return None
        end = at
        while end > value and (end[-1] == c' ' or end[-1] == c'\t'):
            end -= 1
        if field == CONTENT_LENGTH:
            if has_length or parse_length(value, end - value) < 0:
                return None
            has_length = True
        fields.append((name, PyBytes_FromStringAndSize(value, end - value)))
        at += 2
        left -= 2
    if left < 2 or at[0] != c'\r' or at[1] != c'\n':
        return None
    size[0] = at + 2 - text
    return fields


cdef tuple plain_head(const char *text, Py_ssize_t *size, Py_ssize_t fields_max, FieldNames names, unsigned char *kinds):
    # (method, target, fields) of the whole head that text begins with, behind which size points then; and kinds, as plain_fields()
    # has it, of room for PLAIN_FIELDS_MAX. None: it is not plain, or not whole.
    cdef str method = usual_method(text, size[0])
    cdef Py_ssize_t start, end, fields_size
    cdef list fields
    if method is None:
        return None
    start = len(method) + 1
    end = plain_target(text + start, size[0] - start)
    if end == 0:
        return None
    end += start
    fields_size = size[0] - end - VERSION_BYTES
    fields = plain_fields(text + end + VERSION_BYTES, &fields_size, min(fields_max, PLAIN_FIELDS_MAX), names, kinds)
    if fields is None:
        return None
    size[0] = end + VERSION_BYTES + fields_size
    return method, text[start:end], fields


def read_plain_head(bytes head, Py_ssize_t fields_max=100, FieldNames names=FieldNames()):
    """(method, target, fields) of a plain head, its blank line included, as str, bytes and a list of pairs of bytes; else None.

    For tests and the bench.
    """
    cdef unsigned char kinds[PLAIN_FIELDS_MAX]
    cdef Py_ssize_t size = PyBytes_GET_SIZE(head)
    found = plain_head(PyBytes_AS_STRING(head), &size, fields_max, names, kinds)
    return found if size == PyBytes_GET_SIZE(head) else None
