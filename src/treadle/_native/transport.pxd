"""Declarations of transport.pyx: what other native units may touch."""
from libc.stdint cimport uint64_t

from treadle._native.reader_feed cimport NO_TEXT, text_now
from treadle._native.tcp cimport Listener, Stream


cdef class Receiver:
    cdef int receive(self, const char *data, Py_ssize_t size) except -1


cdef class Transport(Stream):
    cdef object protocol
    cdef Receiver receiver          # the protocol, if it is one
    cdef object context
    cdef object server
    cdef dict extra
    cdef bint is_buffered           # the protocol is a BufferedProtocol
    cdef uint64_t fed_text          # of asyncio's streams, where the protocol is theirs: see reader_feed.pyx
    cdef bint is_connected          # connection_made was called
    cdef object eof_told            # the protocol that was told the end of input, or None: none is told twice
    cdef object empty_waiter        # asyncio's sendfile: a future, done once nothing waits to be sent; no write() meanwhile
    cdef bint is_reading_paused     # by the user: set by pause_reading(), cleared by resume_reading()
    cdef object __weakref__

    cdef int resume_if_wanted(self) except -1
    cdef int take_protocol(self, protocol) except -1
    cdef int learn_addresses(self) except -1
    cdef object address(self, str kind)
    cdef object get_socket(self)
    cdef object transport_socket(self)
    cdef int lose_sendfile(self) except -1
    cdef int tell(self, str what, argument) except -1
    cdef int hand_to_receiver(self, const char *data, Py_ssize_t size) except -1
    cdef bint feed_reader(self, const char *data, Py_ssize_t size) except -1
    cdef inline bint feeds_reader(self) noexcept:
        # Data is for asyncio's StreamReader, and nobody else need be told.
        return self.fed_text != NO_TEXT and self.fed_text == text_now()

    cdef bytes checked(self, data)
    cdef int tell_bare(self, callback, str what) except -1
    cdef int end_failed(self, str what, exception) except -1
    cdef int tell_handler(self, exception, str message) except -1


cdef class TransportListener(Listener):
    cdef object protocol_factory
    cdef object exhausted           # called with (self, error)
    cdef object server
    cdef object context
