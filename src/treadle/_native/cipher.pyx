"""What stands between a stream and its socket where what travels is encrypted.

A `Cipher` is a stream's, one for each: plaintext on the stream's side, records on the socket's. The stream counts plaintext, and
keeps what was written until the socket has its records: marks, order and callbacks are those of a plain stream. A base: TLS is
in tls_cipher.pyx. Not here: sockets (tcp.pyx).
"""
from cpython.buffer cimport PyBuffer_FillInfo

from treadle._native.poll_epoll cimport PollHandle


cdef class Window:
    """Memory that somebody else owns, shown as a buffer for the length of one call. Empty but for that moment."""

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, <void *>self.data, self.size, not self.is_writable, flags)


cdef class Cipher(PollHandle):
    """A base; native units above say what it does."""

    cdef int begin(self, PollHandle stream) except -1:
        raise NotImplementedError

    cdef int read_some(self, PollHandle stream) except -1:
        raise NotImplementedError

    cdef Py_ssize_t give_out(self, PollHandle stream, const void *data, Py_ssize_t size) except -2:
        raise NotImplementedError

    cdef Py_ssize_t give_out_all(self, PollHandle stream, iovec *pieces, Py_ssize_t count) except -2:
        raise NotImplementedError

    cdef bint flush(self, PollHandle stream) except -1:
        raise NotImplementedError

    cdef int interest_of(self, PollHandle stream, int interest) except -1:
        raise NotImplementedError

    cdef int resumed(self, PollHandle stream) except -1:
        raise NotImplementedError

    cdef int all_sent(self, PollHandle stream) except -1:
        raise NotImplementedError

    cdef int end_output(self, PollHandle stream) except -1:
        raise NotImplementedError

    cdef bint is_busy(self) except -1:
        raise NotImplementedError

    cdef object take_error(self):
        raise NotImplementedError

    cdef int let_go(self) except -1:
        raise NotImplementedError
