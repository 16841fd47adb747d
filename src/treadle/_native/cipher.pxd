"""Declarations of cipher.pyx: what other native units may touch."""
from treadle._native.poll_epoll cimport PollHandle

cdef extern from "<sys/uio.h>" nogil:
    struct iovec:
        void *iov_base
        size_t iov_len


cdef class Window:
    cdef char *data
    cdef Py_ssize_t size
    cdef bint is_writable


cdef class Cipher(PollHandle):
    # What a stream calls in place of its system calls. `stream` is always the one stream that has it.
    cdef int begin(self, PollHandle stream) except -1       # the stream is open: the first records, if they are ours to send
    cdef int read_some(self, PollHandle stream) except -1
    cdef Py_ssize_t give_out(self, PollHandle stream, const void *data, Py_ssize_t size) except -2      # -1: see errno
    cdef Py_ssize_t give_out_all(self, PollHandle stream, iovec *pieces, Py_ssize_t count) except -2    # likewise
    cdef bint flush(self, PollHandle stream) except -1      # True: the stream goes on with what it has to send itself
    cdef int interest_of(self, PollHandle stream, int interest) except -1
    cdef int resumed(self, PollHandle stream) except -1     # the stream wants to read again
    cdef int all_sent(self, PollHandle stream) except -1    # nothing of the stream's waits: what waited for that
    cdef int end_output(self, PollHandle stream) except -1  # all is sent: say goodbye, then end our side, close, or both
    cdef bint is_busy(self) except -1                       # something of its own waits to be sent, or cannot be sent yet
    cdef object take_error(self)                            # what give_out() has failed with, where errno does not tell
    cdef int let_go(self) except -1                         # the stream is closed
