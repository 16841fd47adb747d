# cython: binding=False, embedsignature=True, embedsignature.format=clinic
"""What a readable side holds: chunks, of which a part may be taken, and bytes that become text.

    keep() ──► [chunk, chunk, ...] ──take()──► a chunk as it came, a part of it, or several joined
                 └ first_offset of the first was taken

Invariants: the first chunk has more than first_offset left; with a decoder all that is held is text, but for bytes that were put
back. Not here: when it is filled, and who is told (readable.pyx); length, which its owner counts.
Source: https://nodejs.org/api/stream.html#readablesetencodingencoding; what is not written there was seen in Node 24.
"""
from treadle._native.stream_core cimport StreamCore

cdef extern from "Python.h":
    int width_of "PyUnicode_KIND"(object text) noexcept     # bytes a character takes; 4: some are beyond U+FFFF

cdef enum:
    WIDE = 4


cdef class ReadableBuffer(Half):
    cdef object in_units(self, text):
        # COMPAT(node): text that waits is counted, and cut by read(size), in units of UTF-16: a wide character is two of them here.
        if width_of(text) < WIDE:
            return text
        self.has_pairs = True
        return self.stream()._split_pairs(text)

    cdef int keep_text(self, text, bint is_first) except -1:
        if isinstance(text, str):       # COMPAT(node): bytes that are put back wait as bytes, see told()
            text = self.in_units(text)
        self.keep(text, is_first)
        self.length += length_of(text)
        return 0

    cdef int keep_first(self, chunk) except -1:
        if self.first_offset:
            rest = self.take_first()
            self.buffer.push_first(rest)
        return self.buffer.push_first(chunk)

    cdef object take_first(self):
        # What is left of the first chunk.
        cdef object first = self.buffer.first()
        if self.first_offset:
            first = first[self.first_offset:]
            self.first_offset = 0
        self.buffer.pop()
        return first

    cdef object take_some(self, Py_ssize_t count):
        # A part of the first chunk, or more than it, joined.
        cdef list pieces = []
        cdef object first
        cdef Py_ssize_t rest
        while count > 0 and self.buffer.size:
            first = self.buffer.first()
            rest = length_of(first) - self.first_offset
            if count < rest:
                pieces.append(first[self.first_offset:self.first_offset + count])
                self.first_offset += count
                break
            pieces.append(self.take_first())
            count -= rest
        if len(pieces) == 1:
            return pieces[0]
        return b"".join(pieces) if self.decoder is None else self.joined_text(pieces)

    cdef str joined_text(self, list pieces):
        cdef StreamCore stream = self.stream()
        return "".join([piece if isinstance(piece, str) else stream._decode(piece, "utf8") for piece in pieces])

    cdef object told(self, chunk):
        # What was taken where there is a decoder. INVARIANT: length says what is left. COMPAT(node): bytes that were put back are
        # text where they are the last that is held, and stay bytes in front of others.
        if isinstance(chunk, str):
            return self.stream()._join_pairs(chunk) if self.has_pairs else chunk
        return chunk if self.object_mode or self.length else self.stream()._decode(chunk, "utf8")

    cdef int set_decoder(self, decoder, str encoding) except -1:
        # What is buffered is decoded, too; where that is no text, nothing changes.
        cdef list chunks = []
        cdef str text
        while self.buffer is not None and self.buffer.size:
            chunks.append(self.take_first())
        try:
            text = self.in_units("".join([decoder.decode(chunk) for chunk in chunks]))
        except BaseException:
            for chunk in chunks:
                self.buffer.push(chunk)
            raise
        self.decoder = decoder
        self.encoding = encoding
        self.length = 0
        if text:
            self.buffer.push(text)
            self.length = 1 if self.object_mode else length_of(text)
        return 0
