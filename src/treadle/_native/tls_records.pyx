"""Where a record of TLS ends on the wire, and how many may come that give no data.

OpenSSL goes on to the next record by itself where one gives no data, to the end of what it has: 64 KiB of records that change
keys take it 45 ms. So it is given one at a time, and those without data are counted. Invariant: a header is looked at, nothing is
believed of it but its length. Not here: what a record says (tls_cipher.pyx). Source: RFC 8446, section 5.1; the same in TLS 1.2.
"""
from libc.string cimport memcpy

cdef enum:
    HEADER_BYTES = 5
    CIPHERTEXT_BYTES_MAX = RECORD_BYTES + 2048  # TLS 1.2, RFC 5246, section 6.2.3; OpenSSL refuses longer ones by their header
    # New keys, tickets, empty records, hands to be shaken again: 32 of them, some 0.6 ms, ahead of the data that came. OpenSSL
    # stops at 32 empty ones; whoever changes keys in earnest has sent gigabytes before (RFC 8446, section 5.5).
    OWED_BYTES_MAX = 32 * 1024
    RECORD_COSTS = 1024                         # bytes that one counts as, at least


cdef Py_ssize_t next_record(RecordWalk *walk, const char *data, Py_ssize_t size, bint *is_whole) noexcept:
    # How much of `data` belongs to the current record. is_whole: that is all of it, and the next call begins another one.
    cdef Py_ssize_t taken = 0
    cdef Py_ssize_t part
    is_whole[0] = False
    if walk.header_bytes < HEADER_BYTES:
        taken = min(<Py_ssize_t>(HEADER_BYTES - walk.header_bytes), size)
        memcpy(walk.header + walk.header_bytes, data, taken)
        walk.header_bytes += <int>taken
        if walk.header_bytes < HEADER_BYTES:
            return taken
        walk.left = walk.header[3] << 8 | walk.header[4]
        walk.size = HEADER_BYTES + walk.left
        if walk.left > CIPHERTEXT_BYTES_MAX:
            walk.left = 0           # it will be refused at once
    part = min(walk.left, size - taken)
    walk.left -= part
    if walk.left == 0:
        walk.header_bytes = 0
        is_whole[0] = True
    return taken + part


cdef bint is_flood(RecordWalk *walk, Py_ssize_t plain_bytes) noexcept:
    # A record has given so much data. True: too many have given none.
    if plain_bytes:
        walk.owed = max(walk.owed - plain_bytes, <Py_ssize_t>0)
        return False
    walk.owed += max(walk.size, <Py_ssize_t>RECORD_COSTS)
    return walk.owed > OWED_BYTES_MAX
