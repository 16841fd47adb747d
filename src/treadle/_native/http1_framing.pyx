"""Where an HTTP/1 message ends: the blank line behind a head, and the last chunk of a chunked body.

httptools parses, but shows no offsets; what follows a message must not reach it before the answer is out, and heads, chunk
extensions and trailers have limits. So the bytes are walked here first, strictly, and handed over piece by piece. Invariant: whoever
calls compares the end found here with the parser's; a difference is an error of the peer, never a guess.
Source: RFC 9112 sections 2.2 and 7.1. Not here: what the header fields mean (http1_messages.pyx).
"""
from libc.string cimport memchr

cdef enum:
    EXTENSION_BYTES_MAX = 4 * 1024  # of one chunk; nobody uses them, slow attacks do (CVE-2023-39326 and its like)
    SIZE_DIGITS_MAX = 16            # of one chunk size: 64 bits


cdef Py_ssize_t find_head_end(const char *data, Py_ssize_t size, int *tail) noexcept nogil:
    # How many bytes of data belong to the head: up to its blank line, or all of them. *tail: how much of CR LF CR LF the head
    # seen so far ends with; 4 means that the head is complete. The caller sets it to 0 before the first byte.
    cdef Py_ssize_t i = 0
    cdef const char *found
    while i < size:
        if tail[0] == 0:
            found = <const char *>memchr(data + i, c'\r', size - i)
            if found is NULL:
                return size
            i = found - data + 1
            tail[0] = 1
        elif data[i] == c'\n' and (tail[0] == 1 or tail[0] == 3):
            i += 1
            tail[0] += 1
            if tail[0] == 4:
                return i
        elif data[i] == c'\r':
            i += 1
            tail[0] = 3 if tail[0] == 2 else 1
        else:
            i += 1
            tail[0] = 0
    return size


cdef void start_chunks(ChunkScanner *scanner, Py_ssize_t trailer_bytes_max) noexcept nogil:
    scanner.state = CHUNK_SIZE
    scanner.data_left = 0
    scanner.digits = scanner.extension_bytes = scanner.trailer_bytes = 0
    scanner.trailer_bytes_max = trailer_bytes_max


cdef inline int hex_value(char c) noexcept nogil:
    if c'0' <= c <= c'9':
        return c - c'0'
    if c'a' <= (c | 32) <= c'f':
        return (c | 32) - c'a' + 10
    return -1


cdef ChunkFault scan_chunks(ChunkScanner *scanner, const char *data, Py_ssize_t size, Py_ssize_t *used) noexcept nogil:
    # Walk data. *used: how many of its bytes belong to the body, framing included; state CHUNKS_ENDED once it is complete.
    cdef Py_ssize_t i = 0
    cdef int value
    cdef char c
    while i < size and scanner.state != CHUNKS_ENDED:
        if scanner.state == CHUNK_DATA:
            if scanner.data_left > <unsigned long long>(size - i):
                scanner.data_left -= size - i
                i = size
            else:
                i += <Py_ssize_t>scanner.data_left
                scanner.data_left = 0
                scanner.state = CHUNK_DATA_CR
            continue
        c = data[i]
        i += 1
        if scanner.state == CHUNK_SIZE:
            value = hex_value(c)
            if value >= 0:
                scanner.digits += 1
                if scanner.digits > SIZE_DIGITS_MAX:
                    return CHUNK_MALFORMED
                scanner.data_left = scanner.data_left * 16 + value
            elif scanner.digits == 0:
                return CHUNK_MALFORMED
            elif c == c';':
                scanner.state = CHUNK_EXTENSION
            elif c == c'\r':
                scanner.state = CHUNK_SIZE_LF
            else:
                return CHUNK_MALFORMED
        elif scanner.state == CHUNK_EXTENSION:
            if c == c'\r':
                scanner.state = CHUNK_SIZE_LF
            else:
                scanner.extension_bytes += 1
                if c == c'\n' or scanner.extension_bytes > EXTENSION_BYTES_MAX:
                    return CHUNK_MALFORMED
        elif scanner.state == CHUNK_SIZE_LF:
            if c != c'\n':
                return CHUNK_MALFORMED
            scanner.state = CHUNK_DATA if scanner.data_left else TRAILER_START
            scanner.digits = scanner.extension_bytes = 0
        elif scanner.state == CHUNK_DATA_CR:
            if c != c'\r':
                return CHUNK_MALFORMED
            scanner.state = CHUNK_DATA_LF
        elif scanner.state == CHUNK_DATA_LF:
            if c != c'\n':
                return CHUNK_MALFORMED
            scanner.state = CHUNK_SIZE
        elif scanner.state == TRAILER_START and c == c'\r':
            scanner.state = LAST_LF
        elif scanner.state == LAST_LF:
            if c != c'\n':
                return CHUNK_MALFORMED
            scanner.state = CHUNKS_ENDED
        elif scanner.state == TRAILER_LF:
            if c != c'\n':
                return CHUNK_MALFORMED
            scanner.state = TRAILER_START
        else:   # TRAILER_START with a byte of a line, or TRAILER_LINE
            scanner.trailer_bytes += 1
            if c == c'\n':
                return CHUNK_MALFORMED
            if scanner.trailer_bytes > scanner.trailer_bytes_max:
                return TRAILERS_TOO_LARGE
            scanner.state = TRAILER_LF if c == c'\r' else TRAILER_LINE
    used[0] = i
    return CHUNK_FINE
