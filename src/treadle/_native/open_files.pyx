"""Open descriptors that several threads use at once.

A job that nobody waits for any more may still be inside read(2). Were its descriptor closed meanwhile, the number could be
another file's by the time the call is made: what was meant for one file would be written to another. So each job counts as a
user of the file, and whoever lets go last closes it, on whatever thread. Invariant: a descriptor is closed exactly once.
Not here: what is done with a file (the fs units), when its owner wants it closed (treadle.fs).
"""
from libc.errno cimport EINPROGRESS, EINTR, errno
from libc.stdlib cimport free, malloc
from posix.unistd cimport close

cdef extern from *:
    """
    static inline void treadle_keep(int *users) { __atomic_add_fetch(users, 1, __ATOMIC_RELAXED); }
    static inline int treadle_let_go(int *users) { return __atomic_sub_fetch(users, 1, __ATOMIC_ACQ_REL); }
    """
    void count_up "treadle_keep"(int *users) noexcept nogil
    int count_down "treadle_let_go"(int *users) noexcept nogil


cdef OpenFile *new_open_file(int fd) noexcept nogil:
    cdef OpenFile *file = <OpenFile *>malloc(sizeof(OpenFile))
    if file is not NULL:
        file.fd = fd
        file.users = 1
    return file


cdef void keep_file(OpenFile *file) noexcept nogil:
    count_up(&file.users)


cdef int let_go_file(OpenFile *file) noexcept nogil:
    cdef int error = 0
    if count_down(&file.users) == 0:
        # Linux frees the number whatever close(2) returns: it is never called again.
        if close(file.fd) < 0 and errno != EINTR and errno != EINPROGRESS:
            error = errno
        free(file)
    return error


cdef class Descriptor:
    """One user of an open file, on the loop's thread, and how many requests are under way on it. Made by a job that opens a file;
    lets go of it when it is collected."""

    def __init__(self):
        raise TypeError("descriptors are made by the jobs that open files")

    def __dealloc__(self):
        cdef OpenFile *file = self.file
        self.file = NULL
        if file is not NULL:
            let_go_file(file)

    @property
    def fd(self):
        """The number; -1 once it was handed to a job that closes it."""
        return self.file.fd if self.file is not NULL else -1

    def close(self):
        """Let go of it at once, on this thread, whatever is under way: where no loop is left that could do better."""
        cdef OpenFile *file = self.file
        self.file = NULL
        if file is not NULL:
            let_go_file(file)

    cdef void enter(self) noexcept:
        self.under_way += 1

    cdef int leave(self) except -1:
        self.under_way -= 1
        on_idle = self.on_idle
        if self.under_way == 0 and on_idle is not None:
            self.on_idle = None
            on_idle()
        return 0


cdef Descriptor new_descriptor(OpenFile *file):
    # OWNER: the user that `file` was counted for is the descriptor from here on.
    cdef Descriptor descriptor = Descriptor.__new__(Descriptor)
    descriptor.file = file
    return descriptor
