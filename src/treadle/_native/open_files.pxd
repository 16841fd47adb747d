"""Declarations of open_files.pyx: what other native units may touch."""

cdef struct OpenFile:
    # One open descriptor. OWNER: all who use it, counted; the last one to let go closes it.
    int fd
    int users       # atomic

cdef OpenFile *new_open_file(int fd) noexcept nogil     # with one user; NULL: no memory, fd is still the caller's
cdef void keep_file(OpenFile *file) noexcept nogil
cdef int let_go_file(OpenFile *file) noexcept nogil     # the errno of close(2), where this was the last user; else 0


cdef enum ReadsAtOnce:
    # Whether the loop's thread may read what the kernel has in memory.
    NOT_KNOWN       # the first read, on a thread, finds out
    MAY_READ
    MUST_NOT_READ   # it might wait all the same

cdef class Descriptor:
    cdef OpenFile *file     # NULL once taken
    cdef ReadsAtOnce reads_at_once
    cdef readonly int under_way     # requests on it that somebody waits for
    cdef public object on_idle      # called once, as on_idle(), when there are none any more; or None

    cdef void enter(self) noexcept
    cdef int leave(self) except -1

cdef Descriptor new_descriptor(OpenFile *file)
