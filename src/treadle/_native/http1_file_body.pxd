"""Declarations of http1_file_body.pyx: what other native units may touch."""
from treadle._native.http1_response cimport ResponseCore


cdef bint has_kept(ResponseCore response) except -1
cdef int begin(ResponseCore response) except -1     # the head leaves, unless it has; raises where nobody gets the rest
cdef int cut_connection(ResponseCore response) except -1
