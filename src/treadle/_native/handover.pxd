"""Declarations of handover.pyx: what other native units may touch."""
from treadle._native.socket_stream cimport SocketStream
from treadle._native.tcp cimport Stream

cdef SocketStream take_socket(Stream stream)
