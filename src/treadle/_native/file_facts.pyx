"""What a file system says of a file: Stats, what statx(2) tells, and how it is asked; Dirent, an entry of a directory.

Both know what kind of file it is. Immutable. Source: Node, fs.Stats and fs.Dirent; statx(2), readdir(3).
Not here: the jobs that ask (fs_calls, fs_jobs), reading directories (fs_trees).
"""
from types import GenericAlias

cimport cython
from libc.errno cimport ENOSYS, EPERM, errno
from libc.stdint cimport int64_t, uint64_t
from posix.stat cimport S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK, struct_stat
from posix.time cimport timespec

cdef extern from "<sys/stat.h>" nogil:
    unsigned int STATX_BASIC_STATS, STATX_BTIME
    int statx(int directory, const char *path, int flags, unsigned int mask, statx_t *status)
    int fstatat(int directory, const char *path, struct_stat *status, int flags)

cdef extern from "<sys/sysmacros.h>" nogil:
    unsigned int major(uint64_t device)
    unsigned int minor(uint64_t device)

cdef enum:
    KIND_SHIFT = 12     # a d_type is these bits of a mode, see DTTOIF in dirent.h


@cython.no_gc       # it refers to numbers and text only
cdef class FileKind:
    """What kind of file it is. All of these are False where the file system does not say."""

    def __init__(self):
        raise TypeError(f"{type(self).__name__} is made by treadle.fs")

    def is_file(self):
        """A regular file."""
        return self.kind == S_IFREG

    def is_directory(self):
        """A directory."""
        return self.kind == S_IFDIR

    def is_symbolic_link(self):
        """A symbolic link; stat() never says so, lstat() and readdir() do."""
        return self.kind == S_IFLNK

    def is_fifo(self):
        """A pipe with a name."""
        return self.kind == S_IFIFO

    def is_socket(self):
        """A Unix socket."""
        return self.kind == S_IFSOCK

    def is_block_device(self):
        """A disk or the like."""
        return self.kind == S_IFBLK

    def is_character_device(self):
        """A terminal, /dev/null or the like."""
        return self.kind == S_IFCHR


@cython.no_gc
@cython.auto_pickle(False)
cdef class Stats(FileKind):
    """What stat() says: size in bytes, blocks of 512 bytes, times since 1970 in ns, and as Node has them in ms. A time of birth
    that the file system does not know is 0."""

    def __reduce__(self):
        return _stats, ((self.dev, self.ino, self.nlink, self.rdev, self.size, self.blocks, self.mode, self.uid, self.gid,
                         self.blksize, self.atime_ns, self.mtime_ns, self.ctime_ns, self.birthtime_ns),)

    def __repr__(self):
        return f"<Stats mode={self.mode:#o} size={self.size:_} mtime_ms={self.mtime_ms}>"

    @property
    def atime_ns(self):
        """When it was last read, in ns since 1970."""
        return in_ns(self.atime)

    @property
    def atime_ms(self):
        """The same in ms."""
        return in_ns(self.atime) / 1e6

    @property
    def mtime_ns(self):
        """When its content last changed, in ns since 1970."""
        return in_ns(self.mtime)

    @property
    def mtime_ms(self):
        """The same in ms."""
        return in_ns(self.mtime) / 1e6

    @property
    def ctime_ns(self):
        """When its content, mode or owner last changed, in ns since 1970."""
        return in_ns(self.ctime)

    @property
    def ctime_ms(self):
        """The same in ms."""
        return in_ns(self.ctime) / 1e6

    @property
    def birthtime_ns(self):
        """When it was made, in ns since 1970."""
        return in_ns(self.birthtime)

    @property
    def birthtime_ms(self):
        """The same in ms."""
        return in_ns(self.birthtime) / 1e6


# ---- asking


cdef int ask_status(int directory, const char *path, int flags, statx_t *status) noexcept nogil:
    if statx(directory, path, flags, STATX_BASIC_STATS | STATX_BTIME, status) == 0:
        return 0
    if errno != ENOSYS and errno != EPERM:      # EPERM: a container's filter that does not know the call
        return errno
    return ask_old_status(directory, path, flags, status)


cdef int ask_old_status(int directory, const char *path, int flags, statx_t *status) noexcept nogil:
    # Without statx(2): everything but the time of birth.
    cdef struct_stat old
    if fstatat(directory, path, &old, flags) < 0:
        return errno
    status.stx_mode = old.st_mode
    status.stx_ino = old.st_ino
    status.stx_nlink = old.st_nlink
    status.stx_uid = old.st_uid
    status.stx_gid = old.st_gid
    status.stx_size = old.st_size
    status.stx_blksize = old.st_blksize
    status.stx_blocks = old.st_blocks
    status.stx_dev_major, status.stx_dev_minor = major(old.st_dev), minor(old.st_dev)
    status.stx_rdev_major, status.stx_rdev_minor = major(old.st_rdev), minor(old.st_rdev)
    set_time(&status.stx_atime, old.st_atim)
    set_time(&status.stx_mtime, old.st_mtim)
    set_time(&status.stx_ctime, old.st_ctim)
    return 0


cdef inline void set_time(statx_time *to, timespec time) noexcept nogil:
    to.tv_sec = time.tv_sec
    to.tv_nsec = time.tv_nsec


# ---- what was told


cdef object in_ns(statx_time time):
    if -9_223_372_036 < time.tv_sec < 9_223_372_036:    # the year 2262: past it ns take more than 64 bits
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    return <object>time.tv_sec * 1_000_000_000 + time.tv_nsec


cdef statx_time from_ns(ns):
    cdef statx_time time
    time.tv_sec, time.tv_nsec = divmod(ns, 1_000_000_000)
    return time


cdef Stats new_stats(const statx_t *status):
    cdef Stats stats = Stats.__new__(Stats)
    stats.kind = status.stx_mode & S_IFMT
    stats.dev = device_of(status)
    stats.rdev = makedev(status.stx_rdev_major, status.stx_rdev_minor)
    stats.ino = status.stx_ino
    stats.nlink = status.stx_nlink
    stats.size = status.stx_size
    stats.blocks = status.stx_blocks
    stats.mode = status.stx_mode
    stats.uid = status.stx_uid
    stats.gid = status.stx_gid
    stats.blksize = status.stx_blksize
    stats.atime = status.stx_atime
    stats.mtime = status.stx_mtime
    stats.ctime = status.stx_ctime
    stats.birthtime = status.stx_btime
    return stats


def _stats(facts):
    # Out of a pickle.
    cdef Stats stats = Stats.__new__(Stats)
    (stats.dev, stats.ino, stats.nlink, stats.rdev, stats.size, stats.blocks, stats.mode, stats.uid, stats.gid, stats.blksize,
     atime_ns, mtime_ns, ctime_ns, birthtime_ns) = facts
    stats.atime, stats.mtime = from_ns(atime_ns), from_ns(mtime_ns)
    stats.ctime, stats.birthtime = from_ns(ctime_ns), from_ns(birthtime_ns)
    stats.kind = stats.mode & S_IFMT
    return stats


@cython.no_gc
@cython.auto_pickle(False)
cdef class Dirent(FileKind):
    """An entry of a directory: its name, the path of the directory that it is in, and what kind of file it is."""

    def __class_getitem__(cls, text):
        """Dirent[str], Dirent[bytes]: for annotations."""
        return GenericAlias(cls, text)

    def __reduce__(self):
        return _dirent, (self.name, self.parent_path, self.kind)

    def __repr__(self):
        return f"<Dirent {self.name!r} in {self.parent_path!r}>"


cdef Dirent new_dirent(object name, object parent_path, unsigned char type):
    return _dirent(name, parent_path, (<unsigned int>type) << KIND_SHIFT)


def _dirent(name, parent_path, unsigned int kind):
    # Out of a pickle, too.
    cdef Dirent dirent = Dirent.__new__(Dirent)
    dirent.name = name
    dirent.parent_path = parent_path
    dirent.kind = kind
    return dirent
