"""Jobs that are one system call, or one function of the C library.

A call that a signal has cut short, if the system does not make it again by itself, is made again by whoever runs the job
(fs_jobs); close(2) never is, see open_files.
Source: the man pages; libuv's uv_fs_* for what Node makes of them. Not here: reading and writing (fs_transfers), what walks
through directories (fs_trees), copying (fs_copies).
"""
from libc.errno cimport ENAMETOOLONG, ENOMEM, errno
from libc.stdio cimport rename
from libc.stdlib cimport free, malloc
from libc.string cimport strlen
from posix.stat cimport chmod, fchmod
from posix.time cimport timespec
from posix.unistd cimport access, fchown, fdatasync, fsync, ftruncate, link, readlink, rmdir, symlink, truncate, unlink

from treadle._native.file_facts cimport ask_status
from treadle._native.fs_job cimport FsJob, append, done, fail, open_file
from treadle._native.open_files cimport let_go_file
from treadle._native.pool_threads cimport DONE, Outcome

cdef extern from "<fcntl.h>" nogil:
    int AT_FDCWD, AT_EMPTY_PATH

cdef extern from "<sys/stat.h>" nogil:
    int utimensat(int directory, const char *path, const timespec *times, int flags)
    int futimens(int fd, const timespec *times)

cdef extern from "<unistd.h>" nogil:
    int fchownat(int directory, const char *path, unsigned int owner, unsigned int group, int flags)

cdef extern from "<stdlib.h>" nogil:
    char *mkdtemp(char *template)
    char *realpath(const char *path, char *resolved)

cdef enum:
    LINK_BYTES_MAX = 64 * 1024      # of what a symbolic link says; Linux keeps them below 4096


cdef Outcome perform_open(FsJob *job) noexcept nogil:
    # path, flags, mode
    job.fd = open_file(job.path, job.flags, job.mode)
    return done(job, job.fd)


cdef Outcome perform_close(FsJob *job) noexcept nogil:
    # file: lets go of it. Where a job that was abandoned is still in a call on it, that one closes it.
    cdef int error = let_go_file(job.file)
    job.file = NULL
    return fail(job, error)


# ---- what is known of a file


cdef Outcome perform_stat(FsJob *job) noexcept nogil:
    # file; or path, flags -> status
    if job.file is not NULL:
        return fail(job, ask_status(job.file.fd, "", job.flags | AT_EMPTY_PATH, &job.status))
    return fail(job, ask_status(AT_FDCWD, job.path, job.flags, &job.status))


cdef Outcome perform_access(FsJob *job) noexcept nogil:
    # path, mode
    return done(job, access(job.path, job.mode))


# ---- what is changed of it


cdef Outcome perform_chmod(FsJob *job) noexcept nogil:
    # file or path, mode
    return done(job, fchmod(job.file.fd, job.mode) if job.file is not NULL else chmod(job.path, job.mode))


cdef Outcome perform_chown(FsJob *job) noexcept nogil:
    # mode and group are the owners; file; or path, flags
    if job.file is not NULL:
        return done(job, fchown(job.file.fd, job.mode, job.group))
    return done(job, fchownat(AT_FDCWD, job.path, job.mode, job.group, job.flags))


cdef Outcome perform_utimes(FsJob *job) noexcept nogil:
    # times; file; or path, flags
    if job.file is not NULL:
        return done(job, futimens(job.file.fd, job.times))
    return done(job, utimensat(AT_FDCWD, job.path, job.times, job.flags))


cdef Outcome perform_truncate(FsJob *job) noexcept nogil:
    # file or path, size
    return done(job, ftruncate(job.file.fd, job.size) if job.file is not NULL else truncate(job.path, job.size))


cdef Outcome perform_fsync(FsJob *job) noexcept nogil:
    # file
    return done(job, fsync(job.file.fd))


cdef Outcome perform_fdatasync(FsJob *job) noexcept nogil:
    # file
    return done(job, fdatasync(job.file.fd))


# ---- names


cdef Outcome perform_rename(FsJob *job) noexcept nogil:
    # path, path2
    return done(job, rename(job.path, job.path2))


cdef Outcome perform_link(FsJob *job) noexcept nogil:
    # path, path2
    return done(job, link(job.path, job.path2))


cdef Outcome perform_symlink(FsJob *job) noexcept nogil:
    # path is what the link says, path2 where it is
    return done(job, symlink(job.path, job.path2))


cdef Outcome perform_unlink(FsJob *job) noexcept nogil:
    # path
    return done(job, unlink(job.path))


cdef Outcome perform_rmdir(FsJob *job) noexcept nogil:
    # path
    return done(job, rmdir(job.path))


cdef Outcome perform_readlink(FsJob *job) noexcept nogil:
    # path -> text
    cdef Py_ssize_t size
    cdef char *said = <char *>malloc(LINK_BYTES_MAX)
    if said is NULL:
        return fail(job, ENOMEM)
    size = readlink(job.path, said, LINK_BYTES_MAX)
    if size < 0:
        fail(job, errno)
    elif size == LINK_BYTES_MAX:
        fail(job, ENAMETOOLONG)
    else:
        answer(job, said, size)
    free(said)
    return DONE


cdef Outcome perform_realpath(FsJob *job) noexcept nogil:
    # path -> text
    cdef char *resolved = realpath(job.path, NULL)
    if resolved is NULL:
        return fail(job, errno)
    answer(job, resolved, strlen(resolved))
    free(resolved)
    return DONE


cdef Outcome perform_mkdtemp(FsJob *job) noexcept nogil:
    # path, with XXXXXX at its end -> text
    if mkdtemp(job.path) is NULL:
        return fail(job, errno)
    return answer(job, job.path, strlen(job.path))


cdef Outcome answer(FsJob *job, const char *text, size_t size) noexcept nogil:
    return DONE if append(&job.text, text, size) else fail(job, ENOMEM)
