"""The job that replaces a file as a whole: whoever opens it finds what was there before, or all that is new.

    find the target  -->  a file beside it, under a name that nobody can guess  -->  write, fsync  -->  rename  -->  fsync of the directory

Invariants: up to the rename the target is not touched, and whatever ends the job before removes the other file; only a process
that is killed leaves it. Names are looked up in a directory that is held open, so that one that is moved meanwhile makes no
difference. Source: rename(2), fsync(2), on what a crash leaves. Not here: writing in place (fs_transfers).
"""
from libc.errno cimport EACCES, EEXIST, EINTR, EINVAL, EISDIR, ENOENT, ENOMEM, EPERM, EROFS, errno
from libc.stdint cimport int64_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport strcpy, strlen, strrchr
from posix.fcntl cimport O_CREAT, O_EXCL, O_RDONLY, O_WRONLY
from posix.stat cimport S_ISDIR, S_ISREG, fchmod, lstat, struct_stat
from posix.unistd cimport fchown, fsync

from treadle._native.fs_job cimport ECANCELED, TURN_BYTES, FsJob, append, close_once, fail, is_abandoned, may_change, open_file
from treadle._native.fs_transfers cimport write_step
from treadle._native.pool_threads cimport DONE, MORE, Outcome

cdef extern from "<fcntl.h>" nogil:
    int O_CLOEXEC, O_DIRECTORY, O_NOFOLLOW, AT_SYMLINK_NOFOLLOW
    int openat(int directory, const char *path, int flags, unsigned int mode)

cdef extern from "<stdio.h>" nogil:
    int renameat(int directory, const char *name, int directory2, const char *name2)

cdef extern from "<stdlib.h>" nogil:
    char *realpath(const char *path, char *resolved)

cdef extern from "<sys/random.h>" nogil:
    Py_ssize_t getrandom(void *buffer, size_t size, unsigned int flags)

cdef extern from "<sys/stat.h>" nogil:
    int fstatat(int directory, const char *path, struct_stat *status, int flags)

cdef extern from "<unistd.h>" nogil:
    int unlinkat(int directory, const char *path, int flags)

cdef enum:
    NAME_BYTES = 64     # ".treadle-", 32 digits, ".tmp": short, since the target's own name may be as long as names can be
    SAME_OWNER = -1
    ATTEMPTS = 8        # at a name that is free; the second is never needed unless the system's random numbers are none

cdef struct Replacement:
    # job.fd is the file that is written, job.fd2 the directory.
    char *path          # OWNER: the target's, without links
    char *name          # of the target, in the directory; within `path`
    bint is_there       # the target, and `status` is its
    struct_stat status
    char temporary[NAME_BYTES]      # "": there is none


cdef Outcome perform_write_file_atomic(FsJob *job) noexcept nogil:
    # path, views, mode; is_forced: the mode is asked for, else that of the target stays
    cdef int64_t turn_end = job.result + TURN_BYTES
    if job.state is NULL and not begin(job):
        return end(job)
    while job.result < job.size:
        if job.result >= turn_end:
            return MORE
        if write_step(job) <= 0:
            return end(job)
    if is_wanted(job) and dress(job) and synchronise(job, job.fd) and close_file(job) and is_wanted(job):
        put_in_place(job)
    return end(job)


cdef bint is_wanted(FsJob *job) noexcept nogil:
    if is_abandoned(job):
        fail(job, ECANCELED)
        return False
    return True


cdef bint begin(FsJob *job) noexcept nogil:
    # All is known of the target, and a file is there to be written. False: it has failed.
    cdef Replacement *state = <Replacement *>calloc(1, sizeof(Replacement))
    if state is NULL:
        fail(job, ENOMEM)
        return False
    job.state = state
    job.clean = undo
    job.view = job.view_done = job.result = 0      # also of a job that a signal has cut short: it is done again as a whole
    if not (find_target(job, state) and open_directory(job, state) and look_at_target(job, state)):
        return False
    if not may_change(job):
        fail(job, ECANCELED)
        return False
    return open_temporary(job, state)


cdef bint find_target(FsJob *job, Replacement *state) noexcept nogil:
    # A link stays, and what it leads to is replaced; one that leads nowhere is an error.
    cdef struct_stat status
    state.path = realpath(job.path, NULL)
    if state.path is not NULL:
        return True
    if errno != ENOENT:
        fail(job, errno)
        return False
    if lstat(job.path, &status) == 0:
        fail(job, ENOENT)
        return False
    state.path = <char *>malloc(strlen(job.path) + 1)
    if state.path is NULL:
        fail(job, ENOMEM)
        return False
    strcpy(state.path, job.path)
    return True


cdef bint open_directory(FsJob *job, Replacement *state) noexcept nogil:
    cdef char *slash = strrchr(state.path, b"/")
    state.name = state.path
    if slash is not NULL:
        state.name = slash + 1
        slash[0] = 0
    if state.name[0] == 0:      # "a/", and "/", which is no file; or nothing at all
        fail(job, EISDIR if slash is not NULL else ENOENT)
        return False
    job.fd2 = open_file(directory_of(state), O_RDONLY | O_DIRECTORY, 0)
    if job.fd2 < 0:
        fail_in_directory(job, state, errno)
        return False
    return True


cdef const char *directory_of(Replacement *state) noexcept nogil:
    if state.name is state.path:
        return b"."
    if state.path[0] == 0:
        return b"/"
    return state.path


cdef void fail_in_directory(FsJob *job, Replacement *state, int error) noexcept nogil:
    # Where it is the directory that does not let one do it, that is what the error names: the target may well be writable.
    cdef const char *directory = directory_of(state)
    fail(job, error)
    if error in (EACCES, EPERM, EROFS):
        job.is_elsewhere = append(&job.text, directory, strlen(directory))


cdef bint look_at_target(FsJob *job, Replacement *state) noexcept nogil:
    if fstatat(job.fd2, state.name, &state.status, AT_SYMLINK_NOFOLLOW) == 0:
        state.is_there = True
        if not S_ISREG(state.status.st_mode):
            fail(job, EISDIR if S_ISDIR(state.status.st_mode) else EINVAL)
    elif errno != ENOENT:
        fail(job, errno)
    return job.error == 0


cdef bint open_temporary(FsJob *job, Replacement *state) noexcept nogil:
    # What is to be no wider than the target never is.
    cdef uint64_t number[2]
    cdef int attempt
    cdef unsigned int mode = 0o600 if state.is_there and not job.is_forced else job.mode
    for attempt in range(ATTEMPTS):
        while getrandom(number, sizeof(number), 0) != sizeof(number):
            if errno != EINTR:
                fail(job, errno)
                return False
        snprintf(state.temporary, NAME_BYTES, ".treadle-%016lx%016lx.tmp", number[0], number[1])
        job.fd = openat(job.fd2, state.temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)
        if job.fd >= 0:
            return True
        state.temporary[0] = 0
        if errno != EEXIST and errno != EINTR:
            break
    fail_in_directory(job, state, errno)
    return False


cdef bint dress(FsJob *job) noexcept nogil:
    # In the target's owner and mode.
    cdef Replacement *state = <Replacement *>job.state
    cdef unsigned int mode
    if not state.is_there:
        return True
    mode = state.status.st_mode & 0o7777
    if fchown(job.fd, state.status.st_uid, state.status.st_gid) < 0:
        if errno != EPERM and errno != EINVAL:      # EINVAL: an owner that this user namespace has no name for
            fail(job, errno)
            return False
        mode &= 0o1777      # it is its writer's from now on: no one else may act in his name
        if fchown(job.fd, SAME_OWNER, state.status.st_gid) < 0:
            mode = mode & ~0o070 | (mode & 0o007) << 3      # nor does his group get what it was not given
    if not job.is_forced and fchmod(job.fd, mode) < 0:
        fail(job, errno)
        return False
    return True


cdef bint synchronise(FsJob *job, int fd) noexcept nogil:
    while fsync(fd) < 0:
        if errno != EINTR:
            fail(job, errno)
            return False
    return True


cdef bint close_file(FsJob *job) noexcept nogil:
    if close_once(&job.fd):
        return True
    fail(job, errno)
    return False


cdef void put_in_place(FsJob *job) noexcept nogil:
    cdef Replacement *state = <Replacement *>job.state
    if renameat(job.fd2, state.temporary, job.fd2, state.name) < 0:
        fail(job, errno)
        return
    state.temporary[0] = 0
    if not synchronise(job, job.fd2) and job.error == EINVAL:
        job.error = 0       # file systems whose directories cannot be synchronised: fsync(2)


cdef Outcome end(FsJob *job) noexcept nogil:
    undo(job)
    close_once(&job.fd)
    close_once(&job.fd2)
    return DONE


cdef void undo(FsJob *job) noexcept nogil:
    cdef Replacement *state = <Replacement *>job.state
    job.clean = NULL
    if state is NULL:
        return
    job.state = NULL
    if state.temporary[0]:
        unlinkat(job.fd2, state.temporary, 0)
    free(state.path)
    free(state)
