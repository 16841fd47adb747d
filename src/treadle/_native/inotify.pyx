"""The three system calls by which the kernel tells what changes in directories. What it tells is read from the descriptor.

Not here: what the records say, and who watches what (treadle.fs). Source: inotify(7).
"""
from libc.errno cimport EINVAL, errno

cdef extern from "<sys/inotify.h>" nogil:
    int IN_CLOEXEC, IN_NONBLOCK
    int inotify_init1(int flags)
    int inotify_add_watch(int fd, const char *path, unsigned int mask)
    int inotify_rm_watch(int fd, int watch)

cdef extern from "Python.h":
    object PyErr_SetFromErrno(object kind)


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
