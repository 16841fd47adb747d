"""What the fields of a request say: where its body ends, where it is meant to go, and whether the connection goes on behind it.

Functions of a list of (name, value) pairs, without a connection. A fault is the name of its row in treadle.http.refusals. Invariant:
of each field that frames or routes there is one reading, or a fault. Not here: the syntax of values (http1_grammar.pyx), what a
fault leads to (http1_messages.pyx). Source: RFC 9110 sections 6.5.1, 7.2, 7.6.1, 7.8, 8.6 and 10.1.1; RFC 9112 sections 3.2, 6
and 9.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from treadle._native.http1_grammar cimport (
    CONNECTION, CONTENT_LENGTH, DATE, EXPECT, HOST, OTHER_FIELD, PROXY_CONNECTION, TRANSFER_ENCODING, UPGRADE, Field,
    authority_of, field_of, has_token, is_host, is_same, parse_length,
)


cdef str read_fields(list fields, const unsigned char *kinds, bint is_1_0, Py_ssize_t fields_max, Said *said):
    # The fields that frame and route the message, into `said`. kinds: which of those each is; NULL: not known. The fault, or None.
    cdef bytes name, value
    cdef Field field
    cdef Py_ssize_t i
    cdef int hosts = 0
    cdef bint has_length = False
    cdef bint wants_close = False
    cdef bint wants_more = not is_1_0
    cdef str fault = "TOO_MANY_FIELDS" if len(fields) > fields_max else None
    said.body_kind = NO_BODY
    said.expects_continue = said.expects_else = said.is_upgrade_offered = said.wants_upgrade = False
    said.is_parser_spent = is_1_0
    for i in range(len(fields)):
        if fault is not None:
            break
        if kinds is not NULL and (kinds[i] == OTHER_FIELD or kinds[i] == DATE):
            continue
        name, value = <tuple>fields[i]
        field = <Field>kinds[i] if kinds is not NULL else field_of(PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
        if field == OTHER_FIELD or field == DATE:
            continue
        if field == HOST:
            hosts += 1
            if not is_host(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value)):
                fault = "HOST"
        elif field == CONNECTION:
            wants_close = wants_close or has_token(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), b"close", 5)
            wants_more = wants_more or has_token(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), b"keep-alive", 10)
            if not is_same(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), b"keep-alive", 10):
                said.is_parser_spent = True
                if has_token(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), b"upgrade", 7):
                    said.wants_upgrade = True
        elif field == PROXY_CONNECTION:         # nothing to us, but the parser takes it for Connection
            said.is_parser_spent = True
        elif field == CONTENT_LENGTH:
            said.body_left = parse_length(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
            if said.body_left < 0 or has_length or said.body_kind == CHUNKED:
                fault = "LENGTH"
            has_length = True
            said.body_kind = COUNTED
        elif field == TRANSFER_ENCODING:
            if is_1_0 or has_length or said.body_kind == CHUNKED:
                fault = "LENGTH" if has_length else "TRANSFER_CODING"
            elif value.lower() != b"chunked":
                fault = "UNKNOWN_CODING" if value.lower().endswith(b"chunked") else "TRANSFER_CODING"
            said.body_kind = CHUNKED
        elif field == UPGRADE:
            said.is_upgrade_offered = said.is_parser_spent = True   # it takes what follows for the new protocol
        elif field == EXPECT:
            said.expects_else = said.expects_else or value.lower() != b"100-continue"
            said.expects_continue = not is_1_0 and not said.expects_else
    if fault is None and (hosts > 1 or (hosts == 0 and not is_1_0)):
        fault = "HOST"
    said.keeps_alive = wants_more and not wants_close
    return fault


cdef bint put_authority(list fields, bytes text) except -1:
    # RFC 9112 section 3.2.2: the authority of an absolute-form target replaces Host. False: it is none.
    cdef const char *target = PyBytes_AS_STRING(text)
    cdef Py_ssize_t size
    cdef const char *start = authority_of(target, PyBytes_GET_SIZE(text), &size)
    cdef Py_ssize_t i
    cdef bytes name, value
    if start is NULL:                       # the asterisk
        return True
    if size == 0 or not is_host(start, size):
        return False
    for i in range(len(fields)):
        name, value = <tuple>fields[i]
        if field_of(PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name)) == HOST:
            fields[i] = (name, start[:size])
    return True


cdef bint has_forbidden_trailer(list trailers) except -1:
    # RFC 9110 section 6.5.1: nothing that frames or routes the message comes behind it.
    cdef bytes name, value
    cdef Field field
    for name, value in trailers:
        field = field_of(PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
        if field != OTHER_FIELD and field != DATE:
            return True
    return False
