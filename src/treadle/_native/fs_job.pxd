"""Declarations of fs_job.pyx: what other native units may touch."""
from libc.errno cimport errno
from libc.stdint cimport int64_t
from posix.time cimport timespec

from treadle._native.file_facts cimport statx_t
from treadle._native.open_files cimport OpenFile
from treadle._native.pool_threads cimport DONE, Job, Outcome, pthread_mutex_lock, pthread_mutex_t, pthread_mutex_unlock

cdef extern from "<errno.h>" nogil:
    int ECANCELED       # of a job that stop() has kept from its end

cdef enum:
    STEP_BYTES = 512 * 1024             # one system call, and the memory of its own that a job needs; Node, writeFile's chunk
    TURN_BYTES = 4 * 1024 * 1024        # moved in one go, then jobs that wait go first: some 3 ms
    TURN_ENTRIES = 2000                 # of directories, likewise

cdef struct Text:
    # Bytes that grow. OWNER: who has the struct.
    char *bytes
    size_t size
    size_t room

cdef struct View:
    # A part of memory that a request owns.
    char *memory
    Py_ssize_t size

cdef struct FsJob
ctypedef Outcome (*Perform)(FsJob *job) noexcept nogil
ctypedef void (*Clean)(FsJob *job) noexcept nogil

cdef struct FsJob:
    Job job
    pthread_mutex_t lock    # around is_abandoned, and whatever touches the memory of views
    bint is_abandoned       # set by abandon and by stop(), never cleared: that memory is, or may soon be, gone
    Perform perform
    # what it is asked: set before it is submitted; each operation says which of these it reads
    OpenFile *file          # OWNER: one of its users; NULL: it works by `path`
    char *path              # in memory of the job, which may write to it
    char *path2
    int flags               # of the system call
    unsigned int mode       # of a file that is made; who may access it; the owner
    unsigned int group
    int64_t position        # in the file; -1: where the descriptor stands
    int64_t size            # bytes of all views; the length to cut to
    timespec times[2]       # of access, of modification
    bint asks_where         # of its directory nothing is known yet; cleared where this file does not tell either
    bint is_recursive
    bint is_forced
    bint is_flushed
    View *views             # OWNER: the job has the list, its request the memory
    Py_ssize_t view_count
    # how far it is
    Py_ssize_t view         # the first that is not done
    Py_ssize_t view_done    # bytes of that one
    int fd                  # what it has opened itself; OWNER; -1: none
    int fd2
    bint is_plain           # a copy goes through `step`: the kernel does not make it by itself
    char *step              # what one system call reads into, or writes from
    void *state             # of an operation that goes by turns; OWNER: it is freed by `clean`
    Clean clean             # NULL, or what undoes an operation that does not come to its end
    bint wants_room         # set by a read that asks: it goes on once its views have `size` bytes in all
    # what comes out
    int64_t device          # where it asks: which file system it is on, if that is of this machine; else ELSEWHERE
    int error               # errno; 0: none
    int64_t result          # what the system call has returned; bytes moved; entries found
    Text text               # a path, or entries; with an error: where below `path` it is
    bint is_elsewhere       # with an error: no, `text` is all of the path
    statx_t status


cdef FsJob *new_fs_job(const char *path, size_t path_bytes, const char *path2, size_t path2_bytes,
                       size_t spare_bytes) noexcept nogil
cdef void free_fs_job(FsJob *job) noexcept nogil
cdef void let_go(FsJob *job) noexcept nogil     # of what it has opened and not brought to its end
cdef inline bint has_begun(FsJob *job) noexcept nogil:
    # Something that let_go() would have to wait for a disk with.
    return job.fd >= 0 or job.fd2 >= 0 or job.clean is not NULL
cdef bint append(Text *text, const char *bytes, size_t size) noexcept nogil     # False: no memory
cdef int open_file(const char *path, int flags, unsigned int mode) noexcept nogil      # -1: errno says why
cdef bint close_once(int *fd) noexcept nogil    # False: what was written may be lost, see errno
cdef bint has_step(FsJob *job, size_t size) noexcept nogil      # False: no memory, and the job has failed
cdef bint align_step(FsJob *job, size_t size) noexcept nogil    # False: it is aligned, or there is no memory; errno stays


cdef inline int fd_of(FsJob *job) noexcept nogil:
    return job.file.fd if job.file is not NULL else job.fd


cdef inline Outcome fail(FsJob *job, int error) noexcept nogil:
    job.error = error
    return DONE


cdef inline Outcome done(FsJob *job, int64_t result) noexcept nogil:
    # What a system call has returned.
    if result < 0:
        job.error = errno
    else:
        job.result = result
    return DONE


cdef inline bint is_abandoned(FsJob *job) noexcept nogil:
    pthread_mutex_lock(&job.lock)
    cdef bint abandoned = job.is_abandoned
    pthread_mutex_unlock(&job.lock)
    return abandoned


cdef inline bint may_change(FsJob *job) noexcept nogil:
    # Before it makes what `clean` takes back. False: nobody waits for it any more, and it is to end.
    pthread_mutex_lock(&job.lock)       # ORDER: the end of a pool first abandons a job, then looks whether it undoes
    cdef bint abandoned = job.is_abandoned
    if not abandoned:
        job.job.undoes = True
    pthread_mutex_unlock(&job.lock)
    return not abandoned
