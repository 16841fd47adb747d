"""Declarations of http1_fields.pyx: what other native units may touch."""

cdef enum BodyKind:
    NO_BODY
    COUNTED
    CHUNKED


cdef struct Said:
    BodyKind body_kind
    long long body_left             # COUNTED: bytes of the body that are still to come
    bint keeps_alive                # the connection goes on behind it, if it is up to the peer
    bint expects_continue
    bint expects_else               # something that is not 100-continue
    bint is_upgrade_offered
    bint wants_upgrade              # Connection says that the offer is meant for us
    bint is_parser_spent            # llhttp may think that the connection ends behind the message: not used again


cdef str read_fields(list fields, const unsigned char *kinds, bint is_1_0, Py_ssize_t fields_max, Said *said)
cdef bint put_authority(list fields, bytes text) except -1
cdef bint has_forbidden_trailer(list trailers) except -1
