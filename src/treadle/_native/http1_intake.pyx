"""What is done to a request between its head and its handler: whose it is is asked where a proxy says so, and it is given an id.

Invariants: a request that names itself well keeps its name, any other gets one that this server gives to no second request; the
handler sees exactly one X-Request-Id, and it is that name. Not here: whom to believe (treadle.http.origin).
"""
import os

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint64_t

from treadle._native.http1_connection cimport Connection
from treadle._native.http1_exchange cimport Intake, Wire
from treadle._native.http1_grammar cimport is_host, is_same
from treadle._native.http1_request cimport RequestCore

cdef extern from "Python.h":
    object PyContextVar_Set(object variable, object value)
    int PyContextVar_Reset(object variable, object token) except -1

FORWARDED_FIELDS = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port", b"forwarded")
ID_SIZE_MAX = 128

cdef enum:
    FORWARDED_COUNT = 5
    FORWARDED = 4                   # where RFC 7239's is among them
    ID_SIZE = 32                    # 128 bits in hexadecimal
    ID_MAX = 128                    # of one that comes with the request


cdef class RequestIntake(Intake):
    def __init__(self, origin_of, variable, is_echoed):
        cdef bytes seed = os.urandom(16)
        self.origin_of = origin_of
        self.variable = variable
        self.is_echoed = is_echoed
        self.first = int.from_bytes(seed[:8], "little")
        self.second = int.from_bytes(seed[8:], "little")

    cdef int head_complete(self, Wire wire) except -1:
        cdef Connection connection = <Connection>wire
        if self.origin_of is not None:
            self.find_origin(connection)
        if self.variable is not None:
            self.name(connection)
        return 0

    cdef int find_origin(self, Connection connection) except -1:
        # What a field says more than once is joined in order, by commas (RFC 9110 section 5.3); of Forwarded the lines stay apart,
        # since a quote that one of them leaves open must not reach into the next.
        cdef list values = None
        cdef bytes name, value
        cdef int i
        for name, value in connection.request.raw_headers:
            i = forwarded_index(PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
            if i >= 0:
                if values is None:
                    values = [None] * FORWARDED_COUNT
                values[i] = value if values[i] is None else <bytes>values[i] + (b"\n" if i == FORWARDED else b",") + value
        if values is None or connection.is_unnamed:
            connection.request.origin = <tuple?>connection.origin if connection.origin is not None else None
        else:
            connection.request.origin = <tuple>self.origin_of(
                connection.scheme(), connection.origin, connection.address_pair(), values)
        return 0

    cdef int name(self, Connection connection) except -1:
        cdef RequestCore request = connection.request
        cdef bytes name, value
        cdef bytes known = None
        cdef int count = 0
        for name, value in request.raw_headers:
            if is_same(PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name), b"x-request-id", 12):
                count += 1
                known = value
        if count != 1 or not is_id(PyBytes_AS_STRING(known), PyBytes_GET_SIZE(known)):
            known = self.next_id()
            if count:
                request.raw_headers = [pair for pair in request.raw_headers if (<bytes>pair[0]).lower() != b"x-request-id"]
            request.raw_headers.append((b"x-request-id", known))    # lower case: ASGI hands names on as they are
        request.id = known.decode("ascii")
        if self.is_echoed:
            connection.response.id_line = b"X-Request-Id: " + known + b"\r\n"
        return 0

    cdef bytes next_id(self):
        # Two counters from random starts, each mixed so that every bit depends on every bit (splitmix64): no two are the same.
        cdef char digits[ID_SIZE]
        cdef uint64_t half
        cdef int i
        self.first += 0x9E3779B97F4A7C15ULL
        self.second += 0x9E3779B97F4A7C15ULL
        half = mixed(self.first)
        for i in range(ID_SIZE):
            if i == ID_SIZE // 2:
                half = mixed(self.second)
            digits[i] = b"0123456789abcdef"[half & 15]
            half >>= 4
        return PyBytes_FromStringAndSize(digits, ID_SIZE)

    cdef object enter(self, Wire wire):
        return None if self.variable is None else PyContextVar_Set(self.variable, (<Connection>wire).request.id)

    cdef int leave(self, object token) except -1:
        return 0 if token is None else PyContextVar_Reset(self.variable, token)


def is_authority(bytes text):
    """Whether it may stand in Host: a name or an address, with a port or without."""
    return is_host(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))


cdef uint64_t mixed(uint64_t z) noexcept nogil:
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL
    return z ^ (z >> 31)


cdef int forwarded_index(const char *name, Py_ssize_t size) noexcept nogil:
    # Into FORWARDED_FIELDS, or -1.
    if size == 15:
        return 0 if is_same(name, size, b"x-forwarded-for", 15) else -1
    if size == 17:
        return 1 if is_same(name, size, b"x-forwarded-proto", 17) else -1
    if size == 16:
        return 2 if is_same(name, size, b"x-forwarded-host", 16) else 3 if is_same(name, size, b"x-forwarded-port", 16) else -1
    return 4 if is_same(name, size, b"forwarded", 9) else -1


cdef bint is_id(const char *text, Py_ssize_t size) noexcept nogil:
    # Letters, digits and -._~+/=:@ : nothing that a log, a shell or an answer would take for more than a word.
    cdef Py_ssize_t i
    cdef char c
    if not 0 < size <= ID_MAX:
        return False
    for i in range(size):
        c = text[i]
        if not (c'a' <= (c | 32) <= c'z' or c'-' <= c <= c':' or c == c'_' or c == c'~' or c == c'+' or c == c'=' or c == c'@'):
            return False
    return True
