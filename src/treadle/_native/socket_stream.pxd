"""Declarations of socket_stream.pyx: what other native units may touch."""
from libc.stdint cimport uint64_t

from treadle._native.stream_core cimport StreamCore
from treadle._native.tcp cimport Listener, Stream


cdef class SocketStream(Stream):
    cdef StreamCore owner           # the net.Socket; None once that has closed it
    cdef object context             # what its owner's code runs in
    cdef object write_callback      # of the write that waits for the kernel; or None
    cdef object shut_callback       # of the end of our side
    cdef object connect_callback    # while it connects
    cdef object secure_callback     # while hands are shaken
    cdef object closed_callback
    cdef public object timer        # the owner's Timeout, put off by all that happens; or None
    cdef uint64_t received
    cdef uint64_t dispatched        # handed to it to be sent
    cdef bint is_inside             # code runs in `context`
    cdef bint is_sending            # inside a call of the owner, which looks at the outcome itself
    cdef bint is_gone               # on_closed() was called

    cdef int tell(self, callback, argument) except -1
    cdef int push(self, chunk) except -1
    cdef int enter(self) except -1
    cdef int leave(self) except -1
    cdef int settle_write(self, callback) except -1
    cdef inline int touch(self) except -1:
        if self.timer is not None:
            self.timer.refresh()
        return 0


cdef class SocketListener(Listener):
    cdef object connected           # called with each new SocketStream
    cdef object exhausted           # called with (self, error)
    cdef object context
