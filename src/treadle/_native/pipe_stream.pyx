"""One end of a pipe, as a stream has it: a SocketStream that reads and writes where that receives and sends.

Invariants: the descriptor does not block, which is no business of who has the other end: that is another description; the
writing end is closed as soon as it has ended, since nothing else tells the reader, and so not in the close phase. A write that
nobody can read fails with EPIPE, as long as SIGPIPE is ignored, which CPython sees to. Not here: pipes themselves, and who is at
their other end (treadle.child_process). Source: pipe(7).
"""
from posix.unistd cimport read, write

from treadle._native.tcp cimport iovec

cdef extern from "<sys/uio.h>" nogil:
    ssize_t writev(int fd, const iovec *pieces, int count)


cdef class PipeStream(SocketStream):
    """A pipe's end, and the stream that it belongs to."""

    cdef Py_ssize_t take_in(self, void *buffer, Py_ssize_t room) noexcept:
        return read(self.fd, buffer, room)

    cdef Py_ssize_t give_out(self, const void *data, Py_ssize_t size) noexcept:
        return write(self.fd, data, size)

    cdef Py_ssize_t give_out_all(self, iovec *pieces, Py_ssize_t count) noexcept:
        return writev(self.fd, pieces, <int>count)

    cdef int end_side(self) except -1:
        # ORDER: not watched any more first, or an event would reach whoever gets the number next.
        self.loop.poller.unwatch(self)
        return self.release_fd()
