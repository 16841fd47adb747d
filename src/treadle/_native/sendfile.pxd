"""Declarations of sendfile.pyx: what other native units may touch."""
from libc.stdint cimport int64_t

from treadle._native.movers cimport Mover
from treadle._native.pool cimport Pool, Request
from treadle._native.tcp cimport Stream


cdef struct SendJob


cdef class FileSlice(Request):
    cdef FileSend move      # None: it has nothing to do with this any more

cdef class FileSend(Mover):
    cdef Pool pool
    cdef Stream sink
    cdef FileSlice slice    # the job under way, or None
    cdef int file_fd        # duplicates, so that their users may close theirs. OWNER: the job while there is one, then -1 here
    cdef int socket_fd
    cdef int64_t offset     # of the next byte
    cdef int64_t left
    cdef int64_t slice_bytes
    cdef bint is_begun      # the pool has taken it on
    cdef bint is_corked     # the socket holds back what fills no segment, until the sink is given back
    cdef bint is_cancelled  # by its user, while a thread has the job: the sink is given back once that returns

    cdef int submit_slice(self) except -1
    cdef SendJob *new_job(self) noexcept
    cdef bint take_job(self, SendJob *job) except -1
