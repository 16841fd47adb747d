"""Declarations of file_facts.pyx: what other native units may touch."""
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

cdef extern from "<sys/stat.h>" nogil:
    ctypedef struct statx_time "struct statx_timestamp":
        int64_t tv_sec
        uint32_t tv_nsec
    ctypedef struct statx_t "struct statx":
        uint32_t stx_mask
        uint32_t stx_blksize
        uint32_t stx_nlink
        uint32_t stx_uid
        uint32_t stx_gid
        uint16_t stx_mode
        uint64_t stx_ino
        uint64_t stx_size
        uint64_t stx_blocks
        statx_time stx_atime
        statx_time stx_btime
        statx_time stx_ctime
        statx_time stx_mtime
        uint32_t stx_rdev_major
        uint32_t stx_rdev_minor
        uint32_t stx_dev_major
        uint32_t stx_dev_minor

cdef extern from "<sys/sysmacros.h>" nogil:
    uint64_t makedev(unsigned int major, unsigned int minor)


cdef class FileKind:
    cdef unsigned int kind      # S_IFMT's bits of a mode; 0: not known


cdef class Stats(FileKind):
    cdef readonly unsigned long long dev, ino, nlink, rdev, size, blocks
    cdef readonly unsigned int mode, uid, gid, blksize
    cdef statx_time atime, mtime, ctime, birthtime


cdef class Dirent(FileKind):
    cdef readonly object name
    cdef readonly object parent_path

cdef int ask_status(int directory, const char *path, int flags, statx_t *status) noexcept nogil     # errno; 0: it is told
cdef Stats new_stats(const statx_t *status)
cdef Dirent new_dirent(object name, object parent_path, unsigned char type)


cdef inline uint64_t device_of(const statx_t *status) noexcept nogil:
    return makedev(status.stx_dev_major, status.stx_dev_minor)
