"""Declarations of fs_copies.pyx: what other native units may touch. Each is a job's `perform`."""
from treadle._native.fs_job cimport FsJob
from treadle._native.pool_threads cimport Outcome

cdef enum:
    # Node, fs.constants
    COPY_EXCL = 1           # the target must not exist
    COPY_FICLONE = 2        # share the blocks with the source, if the file system can
    COPY_FICLONE_FORCE = 4  # or fail

cdef Outcome perform_copy_file(FsJob *job) noexcept nogil
