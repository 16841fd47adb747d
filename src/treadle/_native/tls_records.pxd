"""Declarations of tls_records.pyx: what other native units may touch."""

cdef enum:
    RECORD_BYTES = 16 * 1024                        # plaintext in one, at most (RFC 8446, section 5.1)
    RECORD_BYTES_WIRE = RECORD_BYTES + 5 + 256      # header, tag and padding: RFC 8446, section 5.2


cdef struct RecordWalk:
    unsigned char header[5]         # of the current record, as far as it has come
    int header_bytes
    Py_ssize_t left                 # of its body: what has not come
    Py_ssize_t size                 # on the wire, once its header is known
    Py_ssize_t owed                 # bytes without data, ahead of data


cdef Py_ssize_t next_record(RecordWalk *walk, const char *data, Py_ssize_t size, bint *is_whole) noexcept
cdef bint is_flood(RecordWalk *walk, Py_ssize_t plain_bytes) noexcept
