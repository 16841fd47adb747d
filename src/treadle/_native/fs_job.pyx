"""A job on files: what it is asked, how far it is, and what comes out, in one piece of C memory.

Invariants: a job touches nothing of Python, but for the memory of `views`, which its request owns: that it touches under its
lock, and not once it is abandoned. No system call is made under the lock, so that giving up never waits for a disk.
Not here: what is done (fs_calls, fs_transfers, fs_trees, fs_copies, fs_replacements), who asks (fs_jobs).
"""
from libc.errno cimport EINPROGRESS, EINTR, ENOMEM, errno
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy
from posix.fcntl cimport open
from posix.unistd cimport close

from treadle._native.open_files cimport let_go_file
from treadle._native.pool_threads cimport pthread_mutex_destroy, pthread_mutex_init

cdef extern from "<fcntl.h>" nogil:
    int O_CLOEXEC

cdef extern from "<stdlib.h>" nogil:
    int posix_memalign(void **memory, size_t alignment, size_t size)

cdef enum:
    TEXT_BYTES_MIN = 256
    STEP_ALIGNMENT = 4096       # of memory; what no disk asks more than


cdef FsJob *new_fs_job(const char *path, size_t path_bytes, const char *path2, size_t path2_bytes,
                       size_t spare_bytes) noexcept nogil:
    # NULL: no memory. spare_bytes: room behind the first path.
    cdef FsJob *job = <FsJob *>calloc(1, sizeof(FsJob) + path_bytes + spare_bytes + path2_bytes + 2)
    if job is NULL:
        return NULL
    job.path = <char *>(job + 1)
    memcpy(job.path, path, path_bytes)
    job.path2 = job.path + path_bytes + spare_bytes + 1
    memcpy(job.path2, path2, path2_bytes)
    job.fd = job.fd2 = -1
    job.position = -1
    pthread_mutex_init(&job.lock, NULL)
    return job


cdef void free_fs_job(FsJob *job) noexcept nogil:
    # On any thread.
    let_go(job)
    if job.file is not NULL:
        let_go_file(job.file)
    pthread_mutex_destroy(&job.lock)
    free(job.views)
    free(job.step)
    free(job.text.bytes)
    free(job)


cdef void let_go(FsJob *job) noexcept nogil:
    if job.clean is not NULL:
        job.clean(job)
    close_once(&job.fd)
    close_once(&job.fd2)


cdef bint append(Text *text, const char *bytes, size_t size) noexcept nogil:
    cdef size_t wanted = text.size + size
    cdef size_t room
    cdef char *grown
    if wanted > text.room:
        room = max(2 * text.room, wanted, <size_t>TEXT_BYTES_MIN)
        grown = <char *>realloc(text.bytes, room)
        if grown is NULL:
            return False
        text.bytes = grown
        text.room = room
    memcpy(text.bytes + text.size, bytes, size)
    text.size = wanted
    return True


cdef int open_file(const char *path, int flags, unsigned int mode) noexcept nogil:
    cdef int fd
    while True:
        fd = open(path, flags | O_CLOEXEC, mode)
        if fd >= 0 or errno != EINTR:
            return fd


cdef bint close_once(int *fd) noexcept nogil:
    cdef int number = fd[0]
    fd[0] = -1
    return number < 0 or close(number) == 0 or errno == EINTR or errno == EINPROGRESS


cdef bint has_step(FsJob *job, size_t size) noexcept nogil:
    if job.step is NULL:
        job.step = <char *>malloc(size)
        if job.step is NULL:
            job.error = ENOMEM
            return False
    return True


cdef bint align_step(FsJob *job, size_t size) noexcept nogil:
    # For a file that was opened with O_DIRECT, which says EINVAL to memory that is not.
    cdef void *aligned = NULL
    if <size_t>job.step % STEP_ALIGNMENT == 0 or posix_memalign(&aligned, STEP_ALIGNMENT, size) != 0:
        return False
    memcpy(aligned, job.step, size)
    free(job.step)
    job.step = <char *>aligned
    return True
