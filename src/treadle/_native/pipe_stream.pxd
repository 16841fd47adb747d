"""Declarations of pipe_stream.pyx: what other native units may touch."""
from treadle._native.socket_stream cimport SocketStream


cdef class PipeStream(SocketStream):
    pass
