"""Declarations of http1_framing.pyx: what other native units may touch."""


cdef enum ChunkState:
    CHUNK_SIZE          # hexadecimal digits
    CHUNK_EXTENSION     # from ; to CR
    CHUNK_SIZE_LF       # the LF behind the size or the extension
    CHUNK_DATA
    CHUNK_DATA_CR
    CHUNK_DATA_LF
    TRAILER_START       # the first byte of a trailer line, or the CR of the last line
    TRAILER_LINE
    TRAILER_LF          # the LF behind a trailer line
    LAST_LF             # the LF that ends the message
    CHUNKS_ENDED


cdef enum ChunkFault:
    CHUNK_FINE
    CHUNK_MALFORMED
    TRAILERS_TOO_LARGE


cdef struct ChunkScanner:
    ChunkState state
    unsigned long long data_left    # of the current chunk
    Py_ssize_t digits               # of its size so far
    Py_ssize_t extension_bytes      # of the current chunk
    Py_ssize_t trailer_bytes        # of all trailer lines
    Py_ssize_t trailer_bytes_max


cdef void start_chunks(ChunkScanner *scanner, Py_ssize_t trailer_bytes_max) noexcept nogil
cdef ChunkFault scan_chunks(ChunkScanner *scanner, const char *data, Py_ssize_t size, Py_ssize_t *used) noexcept nogil
cdef Py_ssize_t find_head_end(const char *data, Py_ssize_t size, int *tail) noexcept nogil
