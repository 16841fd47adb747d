"""The job that copies a file: by sharing its blocks, else within the kernel, else through memory of its own.

    FICLONE, where it is asked for  -->  copy_file_range(2)  -->  read(2) and write(2), for what the kernel cannot copy by itself

Invariants: a copy that fails, or that nobody waits for any more, leaves no half of a file behind: the target is removed, if it is
a regular file and still the one that was written to. A file copied to itself stays as it is.
Source: Node, fs.copyFile (uv_fs_copyfile); copy_file_range(2), ioctl_ficlone(2). Not here: copying trees.
"""
from libc.errno cimport EINTR, EINVAL, EISDIR, ENOSYS, EOPNOTSUPP, EPERM, EXDEV, errno
from libc.stdint cimport int64_t
from posix.fcntl cimport O_CREAT, O_EXCL, O_RDONLY, O_WRONLY
from posix.stat cimport S_ISDIR, S_ISREG, fchmod, fstat, lstat, struct_stat
from posix.unistd cimport ftruncate, read, unlink

from treadle._native.fs_job cimport STEP_BYTES, TURN_BYTES, FsJob, close_once, fail, has_step, is_abandoned, may_change, open_file
from treadle._native.fs_transfers cimport write_all
from treadle._native.pool_threads cimport DONE, MORE, Outcome

cdef extern from "<linux/fs.h>" nogil:
    unsigned long FICLONE

cdef extern from "<sys/ioctl.h>" nogil:
    int ioctl(int fd, unsigned long request, ...)

cdef extern from "<unistd.h>" nogil:
    Py_ssize_t copy_file_range(int source, int64_t *from_, int target, int64_t *to, size_t size, unsigned int flags)


cdef Outcome perform_copy_file(FsJob *job) noexcept nogil:
    # path, path2, flags (COPY_...)
    cdef bint is_through = False
    cdef int64_t turn_end = job.result + TURN_BYTES
    if job.fd2 < 0 and not begin(job, &is_through):
        return end(job)
    while not is_through:
        if is_abandoned(job):
            remove_target(job)
            return DONE
        if job.result >= turn_end:
            return MORE
        if job.is_plain:
            is_through = copy_step(job)
        else:
            is_through = copy_range(job)
    return end(job)


cdef bint begin(FsJob *job, bint *is_through) noexcept nogil:
    # Both files open, the target empty. False: it has failed, or they are the same.
    cdef struct_stat source
    cdef struct_stat target
    job.fd = open_file(job.path, O_RDONLY, 0)
    if job.fd < 0 or fstat(job.fd, &source) < 0:
        fail(job, errno)
        return False
    if S_ISDIR(source.st_mode):
        fail(job, EISDIR)       # as read(2) would say, but before the target is emptied
        return False
    if not may_change(job):         # to open the source may have taken hours: a FIFO, a file server
        return False
    job.fd2 = open_file(job.path2, O_WRONLY | O_CREAT | (O_EXCL if job.flags & COPY_EXCL else 0), source.st_mode & 0o777)
    if job.fd2 < 0 or fstat(job.fd2, &target) < 0:
        fail(job, errno)
        return False
    if target.st_dev == source.st_dev and target.st_ino == source.st_ino:
        return False
    job.clean = remove_target
    if S_ISREG(target.st_mode) and (ftruncate(job.fd2, 0) < 0 or fchmod(job.fd2, source.st_mode & 0o7777) < 0 and errno != EPERM):
        fail(job, errno)
        return False
    if job.flags & (COPY_FICLONE | COPY_FICLONE_FORCE):
        if ioctl(job.fd2, FICLONE, job.fd) == 0:
            is_through[0] = True
        elif job.flags & COPY_FICLONE_FORCE:
            fail(job, errno)
            return False
    return True


cdef bint copy_range(FsJob *job) noexcept nogil:
    # True: it is through, or has failed.
    cdef Py_ssize_t count = copy_file_range(job.fd, NULL, job.fd2, NULL, TURN_BYTES, 0)
    if count > 0:
        job.result += count
        return False
    if count == 0 and job.result:
        return True
    if count < 0 and errno == EINTR:
        return False
    if count < 0 and errno not in (EINVAL, ENOSYS, EOPNOTSUPP, EPERM, EXDEV):
        fail(job, errno)
        return True
    # Files of /proc are empty to it, and a pipe is no file. Both descriptors stand where it has come to.
    job.is_plain = True
    return False


cdef bint copy_step(FsJob *job) noexcept nogil:
    # The same, through memory.
    cdef Py_ssize_t count
    if not has_step(job, STEP_BYTES):
        return True
    count = read(job.fd, job.step, STEP_BYTES)
    if count < 0 and errno == EINTR:
        return False
    if count < 0 or not write_all(job.fd2, job.step, count):
        fail(job, errno)
        return True
    job.result += count
    return count == 0


cdef Outcome end(FsJob *job) noexcept nogil:
    if job.error and job.clean is not NULL:
        job.clean(job)
    job.clean = NULL
    if not close_once(&job.fd2) and job.error == 0:
        fail(job, errno)
    return DONE


cdef void remove_target(FsJob *job) noexcept nogil:
    cdef struct_stat written
    cdef struct_stat named
    job.clean = NULL
    if (job.fd2 >= 0 and fstat(job.fd2, &written) == 0 and S_ISREG(written.st_mode) and lstat(job.path2, &named) == 0
            and named.st_ino == written.st_ino and named.st_dev == written.st_dev):
        unlink(job.path2)
