"""The system calls by which the kernel tells what changes in directories, and the records that it tells it in.

Not here: what the records mean, and who watches what (treadle.fs). Source: inotify(7).
"""
from cpython.bytes cimport PyBytes_FromString
from libc.errno cimport EAGAIN, EINTR, EINVAL, errno
from libc.stdint cimport uint32_t
from libc.stdlib cimport free, malloc
from posix.unistd cimport read

cdef extern from "<sys/inotify.h>" nogil:
    struct inotify_event:
        int wd
        uint32_t mask
        uint32_t len
        char *name
    int IN_CLOEXEC, IN_NONBLOCK
    int inotify_init1(int flags)
    int inotify_add_watch(int fd, const char *path, unsigned int mask)
    int inotify_rm_watch(int fd, int watch)

cdef extern from "Python.h":
    object PyErr_SetFromErrno(object kind)

cdef enum:
    READ_BYTES = 64 * 1024      # of one read: some 1,000 changes, then others have their turn


def open_inotify():
    """A descriptor that does not block. OWNER: the caller. Raises OSError: EMFILE where there are too many of this user."""
    cdef int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK)
    if fd < 0:
        PyErr_SetFromErrno(OSError)
    return fd


def add_watch(int fd, bytes path not None, unsigned int mask):
    """The number of the watch. Raises OSError: ENOENT, EACCES, ENOSPC (this user's watches are all in use)."""
    cdef const char *name = path
    cdef int watch
    with nogil:
        watch = inotify_add_watch(fd, name, mask)
    if watch < 0:
        PyErr_SetFromErrno(OSError)
    return watch


def remove_watch(int fd, int watch):
    """End a watch; one that has ended by itself meanwhile is left alone. Raises OSError."""
    if inotify_rm_watch(fd, watch) < 0 and errno != EINVAL:
        PyErr_SetFromErrno(OSError)


def read_changes(int fd):
    """What has changed since: a list of (number of the watch, mask, name), some 1,000 at most, the oldest first. The name is b"" where
    the change is one of what is watched. Raises OSError."""
    cdef char *data = <char *>malloc(READ_BYTES)
    cdef Py_ssize_t size, start = 0
    cdef inotify_event *record
    cdef list found = []
    if data is NULL:
        raise MemoryError()
    try:
        size = read(fd, data, READ_BYTES)
        if size < 0 and errno != EAGAIN and errno != EINTR:
            PyErr_SetFromErrno(OSError)
        while start < size:
            record = <inotify_event *>(data + start)
            start += sizeof(inotify_event) + record.len
            found.append((record.wd, record.mask, PyBytes_FromString(record.name) if record.len else b""))
    finally:
        free(data)
    return found
