"""Declarations of tls.pyx: what other native units may touch."""
from treadle._native.cipher cimport Window
from treadle._native.transport cimport Receiver


cdef class TlsCore(Receiver):
    cdef Window received            # what is being handed to `_incoming`
    cdef object feed                # MemoryBIO.write of `_incoming`, MemoryBIO.read of `_outgoing`
    cdef object drain
    cdef object decrypt             # read() and write() of what is within an ssl.SSLObject; None where that is of a class of the user's
    cdef object encrypt

    # COMPAT(asyncio): fields of its SSLProtocol, whose code finds them here under its names. `public` for that reason alone.
    cdef public object _state
    cdef public object _transport
    cdef public object _incoming
    cdef public object _outgoing
    cdef public object _app_protocol
    cdef public bint _app_protocol_is_buffer
    cdef public object _app_protocol_get_buffer
    cdef public object _app_protocol_buffer_updated
    cdef public object _write_backlog
    cdef public Py_ssize_t _write_buffer_size
    cdef public bint _app_reading_paused
    cdef public bint _app_writing_paused
    cdef public bint _ssl_reading_paused
    cdef public bint _ssl_writing_paused
    cdef public object _incoming_high_water
    cdef public object _incoming_low_water
    cdef public object _outgoing_high_water
    cdef public object _outgoing_low_water

    cdef bint is_steady(self)
    cdef int read(self, Py_ssize_t waiting) except -1
    cdef Py_ssize_t read_records(self, Py_ssize_t waiting) except -1
    cdef Py_ssize_t read_into_buffer(self) except -1
    cdef int end(self) except -1
    cdef int write_bytes(self, bytes data) except -1
    cdef int send(self) except -1
