"""Jobs that read and write: into, and out of, memory that belongs to Python.

    memory of the request <--- under the lock ---> step, memory of the job <--- one system call ---> the file

Between file and memory stands a step, so that no system call is made on memory that may be taken away: the buffer of a write
that is cancelled can be used again at once, though the thread may hang for ever. It costs a copy of what is in a core's cache, on
the thread. Invariants: `result` counts bytes that the kernel has taken or given, never more; an error behind some bytes is not
lost: the next call meets it. What fits a step is one system call. Source: Node, filehandle.write and writeFile.
Not here: read_file by a path, the quick way (file_jobs), and reads that need no thread (fs_jobs).
"""
from libc.errno cimport EFBIG, EINTR, EINVAL, errno
from libc.stdint cimport int64_t
from libc.string cimport memcpy
from posix.stat cimport S_ISREG, fstat, struct_stat
from posix.unistd cimport SEEK_CUR, fsync, lseek, pread, pwrite, read, write

from treadle._native.fs_job cimport (
    ECANCELED, STEP_BYTES, TURN_BYTES, FsJob, align_step, close_once, fail, fd_of, has_step, open_file,
)
from treadle._native.pool_threads cimport ASKS, DONE, MORE, Outcome, pthread_mutex_lock, pthread_mutex_unlock

cdef enum:
    UNSIZED_BYTES = 64 * 1024               # the first read of a file that does not tell its size
    FILE_BYTES_MAX = 2_147_483_647          # of a file that is read whole; Node, kIoMaxLength


# ---- views


cdef Py_ssize_t move_step(FsJob *job, Py_ssize_t size, bint is_outward) noexcept nogil:
    # Between the step and the views, from where they stand; they do not move on. How much; -1: the memory is gone.
    cdef Py_ssize_t moved = 0
    cdef Py_ssize_t index = job.view
    cdef Py_ssize_t skipped = job.view_done
    cdef Py_ssize_t part
    cdef char *memory
    pthread_mutex_lock(&job.lock)
    if job.is_abandoned:
        moved = -1
    else:
        while moved < size and index < job.view_count:
            memory = job.views[index].memory + skipped
            part = min(size - moved, job.views[index].size - skipped)
            if is_outward:
                memcpy(job.step + moved, memory, part)
            else:
                memcpy(memory, job.step + moved, part)
            moved += part
            index += 1
            skipped = 0
    pthread_mutex_unlock(&job.lock)
    return moved


cdef void go_on(FsJob *job, Py_ssize_t moved) noexcept nogil:
    job.result += moved
    while job.view < job.view_count and moved >= job.views[job.view].size - job.view_done:
        moved -= job.views[job.view].size - job.view_done
        job.view += 1
        job.view_done = 0
    job.view_done += moved


cdef inline Py_ssize_t next_step(FsJob *job) noexcept nogil:
    return min(job.size - job.result, <int64_t>STEP_BYTES)


# ---- reading


cdef Outcome perform_read(FsJob *job) noexcept nogil:
    # file, views, position -> result. One call; of a regular file until the views are full, or it is at its end.
    cdef int64_t turn_end = job.result + TURN_BYTES
    cdef Py_ssize_t wanted
    cdef Py_ssize_t count
    while True:
        wanted = next_step(job)
        if wanted == 0 or not has_step(job, wanted):
            return DONE
        count = read_once(job, wanted)
        if count < 0:
            return DONE if job.result else fail(job, errno)
        if count == 0 or move_step(job, count, False) < 0:
            return DONE
        go_on(job, count)
        if count < wanted or job.result == job.size or not is_regular(job.file.fd):
            return DONE
        if job.result >= turn_end:
            return MORE


cdef Py_ssize_t read_once(FsJob *job, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t count
    while True:
        if job.position < 0:
            count = read(job.file.fd, job.step, size)
        else:
            count = pread(job.file.fd, job.step, size, job.position + job.result)
        if count >= 0 or (errno != EINTR and not (errno == EINVAL and align_step(job, size))):
            return count


cdef Outcome perform_read_file(FsJob *job) noexcept nogil:
    # file, from where it stands on; or path, flags, mode -> result. ASKS: it goes on once the views have `size` bytes in all.
    cdef int64_t turn_end = job.result + TURN_BYTES
    cdef Py_ssize_t count
    job.wants_room = False
    if job.view_count == 0:
        return open_to_read(job)
    while job.result < job.size:
        if job.result >= turn_end:
            return MORE
        if not has_step(job, STEP_BYTES):
            break
        count = read(fd_of(job), job.step, next_step(job))
        if count < 0 and errno == EINTR:
            continue
        if count < 0:
            job.error = errno
        if count <= 0 or move_step(job, count, False) < 0:
            break
        go_on(job, count)
    else:
        return want_room(job, job.size + max(job.size >> 1, <int64_t>UNSIZED_BYTES))
    close_once(&job.fd)
    return DONE


cdef Outcome open_to_read(FsJob *job) noexcept nogil:
    cdef struct_stat status
    cdef int64_t place
    cdef int64_t told
    if job.file is NULL:
        job.fd = open_file(job.path, job.flags, job.mode)
        if job.fd < 0:
            return fail(job, errno)
    if fstat(fd_of(job), &status) < 0:
        return fail(job, errno)
    place = lseek(fd_of(job), 0, SEEK_CUR)
    if not S_ISREG(status.st_mode) or place < 0:
        return want_room(job, UNSIZED_BYTES)
    told = max(status.st_size - place, <int64_t>0)
    if told > FILE_BYTES_MAX:
        return fail(job, EFBIG)
    # One byte more than it tells: so the read that ends it needs no more room.
    return want_room(job, told + (1 if status.st_size else UNSIZED_BYTES))


cdef inline Outcome want_room(FsJob *job, int64_t size) noexcept nogil:
    # Up to one byte more than a file may have, which says that it has too many.
    if job.size > FILE_BYTES_MAX:
        return fail(job, EFBIG)
    job.size = min(size, <int64_t>FILE_BYTES_MAX + 1)
    job.wants_room = True
    return ASKS


cdef bint is_regular(int fd) noexcept nogil:
    cdef struct_stat status
    return fstat(fd, &status) == 0 and S_ISREG(status.st_mode)


# ---- writing


cdef Outcome perform_write(FsJob *job) noexcept nogil:
    # file, views, position -> result. Until all is written, or the kernel takes less than it is given.
    cdef Py_ssize_t written
    cdef int64_t turn_end = job.result + TURN_BYTES
    while True:
        written = write_step(job)
        if job.error and job.result:
            job.error = 0       # the count is the truth; the next write meets the error
        if written < STEP_BYTES or job.result == job.size:
            return DONE
        if job.result >= turn_end:
            return MORE


cdef Outcome perform_write_file(FsJob *job) noexcept nogil:
    # file; or path, flags, mode. views, is_flushed. All of it, or an error.
    cdef int64_t turn_end = job.result + TURN_BYTES
    if job.file is NULL and job.fd < 0:
        job.fd = open_file(job.path, job.flags, job.mode)
        if job.fd < 0:
            return fail(job, errno)
    while job.result < job.size:
        if job.result >= turn_end:
            return MORE
        if write_step(job) <= 0:
            close_once(&job.fd)
            return DONE
    if job.is_flushed and fsync(fd_of(job)) < 0:
        job.error = errno
    if not close_once(&job.fd) and job.error == 0:
        job.error = errno       # of a file server, or a quota: written, and lost
    return DONE


cdef Py_ssize_t write_step(FsJob *job) noexcept nogil:
    # One system call. How much it has written; 0: it was given up, or has failed.
    cdef Py_ssize_t size = next_step(job)
    cdef Py_ssize_t written
    if size == 0 or not has_step(job, size):
        return 0
    if move_step(job, size, True) < 0:
        job.error = ECANCELED
        return 0
    while True:
        if job.position < 0:
            written = write(fd_of(job), job.step, size)
        else:
            written = pwrite(fd_of(job), job.step, size, job.position + job.result)
        if written >= 0:
            go_on(job, written)
            return written
        if errno != EINTR and not (errno == EINVAL and align_step(job, size)):
            job.error = errno
            return 0


cdef bint write_all(int fd, const char *bytes, Py_ssize_t size) noexcept nogil:
    # False: errno says why.
    cdef Py_ssize_t written
    while size:
        written = write(fd, bytes, size)
        if written > 0:
            bytes += written
            size -= written
        elif errno != EINTR:
            return False
    return True
