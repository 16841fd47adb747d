"""What Python asks of files, as jobs of the pool: one table of operations, one request for all of them.

    start(pool, OPERATIONS["stat"], callback, path="a")  -->  FsJob, on a thread  -->  callback(None, Stats), in the poll phase

Invariants: the memory that a job reads or writes is held by its request, and let go of on the loop's thread only, at once when
it is cancelled; what a job has opened is closed unless its callback got it. A stat in a directory that is known to be of this
machine (file_jobs), and a read of an open file that is, is answered by the loop's thread, if the kernel can do so without
waiting. Not here: what the operations do (fs_calls, fs_transfers, fs_trees, fs_copies, fs_replacements), flags and encodings, and
other things that users may write (treadle.fs).
"""
cimport cython
from cpython.buffer cimport PyBUF_CONTIG, PyBUF_CONTIG_RO, PyBuffer_Release, PyObject_GetBuffer
from cpython.exc cimport PyErr_SetObject, PyErr_WriteUnraisable
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.object cimport PyObject
from libc.errno cimport EINTR, ENOMEM
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc
from libc.string cimport memcmp, strlen, strrchr
from posix.stat cimport S_ISLNK, S_ISREG

from treadle._native.file_facts cimport ask_status, device_of, new_dirent, new_stats
from treadle._native.file_jobs cimport (
    AT_ONCE_BYTES, ELSEWHERE, directory_of, encoded, has_waited, is_of_this_machine, note_directory, open_if_cached,
    read_if_cached, waits_so_far,
)
from treadle._native.fs_calls cimport (
    perform_access, perform_chmod, perform_chown, perform_close, perform_fdatasync, perform_fsync, perform_link,
    perform_mkdtemp, perform_open, perform_readlink, perform_realpath, perform_rename, perform_rmdir, perform_stat,
    perform_symlink, perform_truncate, perform_unlink, perform_utimes,
)
from treadle._native.fs_copies cimport perform_copy_file
from treadle._native.fs_job cimport (
    FsJob, Perform, View, close_once, free_fs_job, has_begun, is_abandoned, let_go, new_fs_job, open_file,
)
from treadle._native.fs_replacements cimport perform_write_file_atomic
from treadle._native.fs_transfers cimport (
    go_on, is_regular, perform_read, perform_read_file, perform_write, perform_write_file,
)
from treadle._native.fs_trees cimport perform_mkdir, perform_readdir, perform_rm
from treadle._native.open_files cimport (
    MAY_READ, MUST_NOT_READ, NOT_KNOWN, Descriptor, OpenFile, keep_file, new_descriptor, new_open_file,
)
from treadle._native.pool cimport TURNS_OF_ONE_CALL, Pool, Request, os_error
from treadle._native.pool_threads cimport DONE, MORE, Job, Outcome, pthread_mutex_lock, pthread_mutex_unlock
from treadle._native.queues cimport COMPLETION, SOON, Handle, disown
from treadle._native.timers cimport clock_ns

cdef extern from "<fcntl.h>" nogil:
    int fcntl(int fd, int command)
    int F_GETFL, O_DIRECT, O_NOFOLLOW, O_PATH, AT_EMPTY_PATH, AT_STATX_DONT_SYNC, AT_SYMLINK_NOFOLLOW

cdef extern from "Python.h":
    PyObject *new_bytes "PyBytes_FromStringAndSize"(const char *data, Py_ssize_t size) except NULL
    int _PyBytes_Resize(PyObject **data, Py_ssize_t size) except -1
    object PyUnicode_DecodeFSDefaultAndSize(const char *text, Py_ssize_t size)
    object PyDictProxy_New(object mapping)


# ---- the table


@cython.no_gc
cdef class Operation:
    """What a job does, and what becomes of it. Made here only: see OPERATIONS."""

    def __init__(self):
        raise TypeError("operations stand in OPERATIONS")

    def __repr__(self):
        return f"<Operation {self.kind}>"


cdef Operation new_operation(str kind, Perform perform, Answer answer):
    cdef Operation operation = Operation.__new__(Operation)
    operation.kind = f"fs.{kind}"
    operation.perform = perform
    operation.answer = answer
    return operation


OPERATIONS = PyDictProxy_New({
    "access": new_operation("access", perform_access, NOTHING),
    "chmod": new_operation("chmod", perform_chmod, NOTHING),
    "chown": new_operation("chown", perform_chown, NOTHING),
    "close": new_operation("close", perform_close, NOTHING),
    "copy_file": new_operation("copy_file", perform_copy_file, NOTHING),
    "fdatasync": new_operation("fdatasync", perform_fdatasync, NOTHING),
    "fsync": new_operation("fsync", perform_fsync, NOTHING),
    "link": new_operation("link", perform_link, NOTHING),
    "mkdir": new_operation("mkdir", perform_mkdir, PATH),
    "mkdtemp": new_operation("mkdtemp", perform_mkdtemp, PATH),
    "open": new_operation("open", perform_open, FILE),
    "read": new_operation("read", perform_read, CONTENT),
    "read_file": new_operation("read_file", perform_read_file, CONTENT),
    "read_into": new_operation("read", perform_read, COUNT),
    "readdir": new_operation("readdir", perform_readdir, NAMES),
    "readdir_types": new_operation("readdir", perform_readdir, DIRENTS),
    "readlink": new_operation("readlink", perform_readlink, PATH),
    "realpath": new_operation("realpath", perform_realpath, PATH),
    "rename": new_operation("rename", perform_rename, NOTHING),
    "rm": new_operation("rm", perform_rm, NOTHING),
    "rmdir": new_operation("rmdir", perform_rmdir, NOTHING),
    "stat": new_operation("stat", perform_stat, STATUS),
    "symlink": new_operation("symlink", perform_symlink, NOTHING),
    "truncate": new_operation("truncate", perform_truncate, NOTHING),
    "unlink": new_operation("unlink", perform_unlink, NOTHING),
    "utimes": new_operation("utimes", perform_utimes, NOTHING),
    "write": new_operation("write", perform_write, COUNT),
    "write_file": new_operation("write_file", perform_write_file, NOTHING),
    "write_file_atomic": new_operation("write_file_atomic", perform_write_file_atomic, NOTHING),
})


# ---- on a thread


cdef Outcome run_fs_job(Job *base) noexcept nogil:
    cdef FsJob *job = <FsJob *>base
    cdef Outcome outcome
    while True:
        outcome = job.perform(job)
        if job.error != EINTR or job.state is not NULL or job.fd >= 0 or job.text.size:
            break
        job.error = 0       # nothing has come of it
    if job.asks_where:
        find_where(job)
    job.job.needs_thread = outcome != DONE and has_begun(job)
    if outcome == DONE and job.perform is not perform_open or outcome != MORE and is_abandoned(job):
        let_go(job)     # here: closing and removing files may wait for a disk, and the loop's thread must not
    return outcome


cdef void find_where(FsJob *job) noexcept nogil:
    # Of a regular file: so the loop's thread may ask for what is in the same directory, or go on reading one that is open.
    cdef int fd
    if job.file is not NULL:
        fd = job.file.fd
        job.asks_where = job.error == 0
        job.device = 0 if is_regular(fd) and not fcntl(fd, F_GETFL) & O_DIRECT and is_of_this_machine(fd) else ELSEWHERE
        return
    job.asks_where = job.error == 0 and S_ISREG(job.status.stx_mode)
    if job.asks_where:
        fd = open_file(job.path, O_PATH | O_NOFOLLOW, 0)
        job.asks_where = fd >= 0
        job.device = <int64_t>device_of(&job.status) if fd >= 0 and is_of_this_machine(fd) else ELSEWHERE
        close_once(&fd)


cdef void abandon_fs_job(Job *base) noexcept nogil:
    cdef FsJob *job = <FsJob *>base
    pthread_mutex_lock(&job.lock)
    job.is_abandoned = True
    pthread_mutex_unlock(&job.lock)


cdef void discard_fs_job(Job *base) noexcept nogil:
    free_fs_job(<FsJob *>base)


# ---- on the loop's thread


def start(
    Pool pool not None,
    Operation operation not None,
    callback,
    *,
    bint is_awaited=False,
    make=None,
    path=None,
    path2=None,
    Descriptor descriptor=None,
    int flags=0,
    bint is_followed=True,
    unsigned int mode=0,
    unsigned int group=0,
    Py_ssize_t spare=0,
    int64_t position=-1,
    int64_t size=-1,
    int64_t atime_ns=0,
    int64_t mtime_ns=0,
    bint is_recursive=False,
    bint is_forced=False,
    bint is_flushed=False,
    list data=None,
):
    """Begin an operation; callback(error, result) in the poll phase: an OSError with the path, or None, and what make(answer)
    makes of the answer, or the answer. Returns an FsRequest, under way already.

    Which of the arguments count is the operation's: see what its function reads. path: str or bytes; of an operation on a
    descriptor, what its errors name. is_followed: a link at the end of the path is followed. spare: bytes of
    XXXXXX behind the path. data: what is written, or read into. A read without is of `size` bytes. The operation "close" takes
    the descriptor. is_awaited: the callback is a future's, which the program's end leaves alone. Raises ValueError (a NUL in a
    path; a descriptor that was closed), TypeError, BufferError, PoolSaturated, RuntimeError (the loop is closed),
    OSError (not even one thread can be started).
    """
    cdef FsRequest request = FsRequest.__new__(FsRequest)
    cdef bint is_close = operation.perform is perform_close
    cdef bint is_done = False
    cdef FsJob *job
    if descriptor is not None and descriptor.file is NULL:
        raise ValueError("the descriptor was closed")
    request.operation = operation
    request.make = make
    request.filename = path
    request.filename2 = path2
    request.set_callback(SOON if is_awaited else COMPLETION, callback)
    job = new_job(b"" if descriptor is not None else encoded(path), b"" if path2 is None else encoded(path2), spare)
    try:
        job.job.kind = pool.kind(operation.kind)
        job.perform = operation.perform
        job.flags = flags if is_followed else flags | AT_SYMLINK_NOFOLLOW
        job.mode = mode
        job.group = group
        job.position = position
        job.size = size
        set_time(job, 0, atime_ns)
        set_time(job, 1, mtime_ns)
        job.is_recursive = is_recursive
        job.is_forced = is_forced
        job.is_flushed = is_flushed
        if data is not None:
            request.hold(job, data, operation.answer == COUNT and operation.perform is perform_read)
        elif operation.perform is perform_read:
            request.make_room(job)
        if descriptor is not None:
            job.file = descriptor.file
            if is_close:
                descriptor.file = NULL
            else:
                keep_file(job.file)
                request.descriptor = descriptor
                descriptor.enter()
        if pool.at_once_left > 0:
            is_done = request.do_at_once(job, pool)
    except BaseException:
        free_fs_job(job)
        request.release_memory()
        raise
    try:
        if is_done:
            pool.finish_at_once(request, &job.job, TURNS_OF_ONE_CALL)
        else:
            pool.submit(request, &job.job, is_close)    # what is given back is always taken
    except BaseException:
        request.release()
        raise
    return request


cdef bint read_at_once(FsJob *job) noexcept nogil:
    # True: it is done, by what the kernel has in memory, straight to where it belongs. Else a thread goes on from there.
    cdef View *view
    cdef Py_ssize_t count
    go_on(job, 0)       # past memory of no size, of which a read would look like the end of the file
    while job.result < job.size:
        view = &job.views[job.view]
        count = read_if_cached(job.file.fd, view.memory + job.view_done, view.size - job.view_done,
                               -1 if job.position < 0 else job.position + job.result)
        if count <= 0:
            return count == 0
        go_on(job, count)
    return True


cdef FsJob *new_job(bytes path, bytes path2, Py_ssize_t spare) except NULL:
    cdef FsJob *job = new_fs_job(PyBytes_AS_STRING(path), PyBytes_GET_SIZE(path), PyBytes_AS_STRING(path2),
                                 PyBytes_GET_SIZE(path2), spare)
    cdef Py_ssize_t index
    if job is NULL:
        raise MemoryError()
    for index in range(spare):
        job.path[PyBytes_GET_SIZE(path) + index] = b"X"
    job.job.run = run_fs_job
    job.job.abandon = abandon_fs_job
    job.job.discard = discard_fs_job
    return job


cdef inline void set_time(FsJob *job, int index, int64_t time_ns) noexcept:
    job.times[index].tv_sec = time_ns // 1_000_000_000
    job.times[index].tv_nsec = time_ns % 1_000_000_000
    if job.times[index].tv_nsec < 0:    # C rounds to zero
        job.times[index].tv_sec -= 1
        job.times[index].tv_nsec += 1_000_000_000


@cython.no_gc_clear     # see Request
cdef class FsRequest(Request):
    """One operation under way."""

    def __dealloc__(self):
        self.release_memory()

    @property
    def kind_of_job(self):
        """What it does: "fs.stat"."""
        return self.operation.kind

    cdef bint do_at_once(self, FsJob *job, Pool pool) except -1:
        # True: it is done. Else it is a thread's, which goes on with what is done.
        cdef Descriptor descriptor = self.descriptor
        cdef bint is_done
        cdef int64_t begun_ns, waits
        if descriptor is None:
            if job.perform is not perform_stat:
                return False
            begun_ns = clock_ns()
            waits = waits_so_far(pool)
            is_done = self.stat_at_once(job, pool)
            if has_waited(pool, begun_ns, waits):
                note_directory(pool, self.directory, ELSEWHERE)
            return is_done
        if job.perform is not perform_read or not 0 < job.size <= AT_ONCE_BYTES:
            return False
        job.asks_where = descriptor.reads_at_once == NOT_KNOWN
        # Where a file stands, the kernel lets one at a time read: beside the handle and this job nobody may have it.
        if descriptor.reads_at_once != MAY_READ or (job.position < 0 and job.file.users > 2):
            return False
        begun_ns = clock_ns()
        waits = waits_so_far(pool)
        is_done = read_at_once(job)
        if has_waited(pool, begun_ns, waits):
            descriptor.reads_at_once = MUST_NOT_READ
        return is_done

    def stop(self):
        """End one that writes a whole file, in order. True: no thread had it, and it is gone as if cancelled. False: its callback
        comes once its thread has let go of the file, with ECANCELED unless everything was written by then."""
        if self.job is NULL:
            return False    # it is through
        if (<Pool>self.pool).withdraw(self):
            self.is_cancelled = True
            self.release()
            return True
        abandon_fs_job(self.job)
        return False

    cdef bint stat_at_once(self, FsJob *job, Pool pool) except -1:
        # True: it is done, by what the kernel has in memory. See file_jobs: on which file systems that does not wait.
        cdef bint is_link_meant = job.flags & AT_SYMLINK_NOFOLLOW
        cdef bint is_told
        cdef int fd
        self.directory = directory_of(job.path)
        known = pool.directories.get(self.directory)
        if known is None:
            job.asks_where = pool.is_to_ask(self.directory)
            return False
        if known == ELSEWHERE:
            return False
        fd = open_if_cached(job.path, O_PATH | O_NOFOLLOW)
        if fd < 0:
            return False
        is_told = ask_status(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, &job.status) == 0
        close_once(&fd)
        return is_told and <int64_t>device_of(&job.status) == known and (is_link_meant or not S_ISLNK(job.status.stx_mode))

    cdef int hold(self, FsJob *job, list data, bint is_written) except -1:
        # Until release_memory(). The job gets the list of where it is.
        cdef Py_ssize_t count = len(data)
        cdef Py_buffer *buffer
        job.size = 0
        job.views = <View *>calloc(count + 1, sizeof(View))
        self.buffers = <Py_buffer *>PyMem_Calloc(count + 1, sizeof(Py_buffer))
        if job.views is NULL or self.buffers is NULL:
            raise MemoryError()
        for item in data:
            buffer = &self.buffers[self.buffer_count]
            PyObject_GetBuffer(item, buffer, PyBUF_CONTIG if is_written else PyBUF_CONTIG_RO)
            job.views[self.buffer_count].memory = <char *>buffer.buf
            job.views[self.buffer_count].size = buffer.len
            job.size += buffer.len
            self.buffer_count += 1
        job.view_count = count
        return 0

    cdef int make_room(self, FsJob *job) except -1:
        # For `size` bytes. No thread has the job: what it has read so far may move.
        if job.views is NULL:
            job.views = <View *>calloc(1, sizeof(View))
            if job.views is NULL:
                raise MemoryError()
        if self.target is NULL:
            self.target = new_bytes(NULL, job.size)
        else:
            _PyBytes_Resize(&self.target, job.size)
        job.views[0].memory = PyBytes_AS_STRING(<object>self.target)
        job.views[0].size = job.size
        job.view_count = 1
        job.view = 0
        job.view_done = job.result
        return 0

    cdef bint settle(self, Job *base) except -1:
        cdef FsJob *job = <FsJob *>base
        if job.asks_where and self.descriptor is not None:
            self.descriptor.reads_at_once = MUST_NOT_READ if job.device == ELSEWHERE else MAY_READ
        elif job.asks_where:
            note_directory(<Pool>self.pool, self.directory, job.device)
        if job.error:
            self.args = (self.error_of(job), None)
            self.leave_descriptor()
            return True
        try:
            if job.wants_room:
                self.make_room(job)
                return False
            self.leave_descriptor()
            answer = self.answer_of(job)
            self.args = (None, answer if self.make is None else self.make(answer))
        except MemoryError:
            self.args = (os_error(ENOMEM, self.filename), None)
        return True

    cdef object error_of(self, FsJob *job):
        error = os_error(job.error, self.filename)
        if job.text.size:
            error.filename = self.path_of(job.text.bytes, job.text.size)
            if not job.is_elsewhere:
                error.filename = self.below(error.filename)
        if self.filename2 is not None:
            error.filename2 = self.filename2
        return error

    cdef object answer_of(self, FsJob *job):
        cdef Answer answer = self.operation.answer
        if answer == NOTHING:
            return None
        if answer == COUNT:
            return job.result
        if answer == FILE:
            return take_file(job)
        if answer == STATUS:
            return new_stats(&job.status)
        if answer == PATH:
            return self.path_of(job.text.bytes, job.text.size) if job.text.size else None
        if answer == CONTENT:
            return self.take_content(job)
        return self.names_of(job, answer == DIRENTS)

    cdef object take_content(self, FsJob *job):
        cdef PyObject *content
        _PyBytes_Resize(&self.target, job.result)
        content = self.target
        self.target = NULL
        return disown(content)

    cdef object path_of(self, const char *text, Py_ssize_t size):
        if isinstance(self.filename, bytes):
            return PyBytes_FromStringAndSize(text, size)
        return PyUnicode_DecodeFSDefaultAndSize(text, size)

    cdef object below(self, name):
        # The path of what has that name below the path that it was asked with.
        slash = b"/" if isinstance(self.filename, bytes) else "/"
        return self.filename + name if self.filename.endswith(slash) else self.filename + slash + name

    cdef list names_of(self, FsJob *job, bint are_dirents):
        # See perform_readdir().
        cdef list found = []
        cdef const char *entry = job.text.bytes
        cdef const char *end = entry + job.text.size
        cdef const char *slash
        cdef Py_ssize_t size
        cdef object parent = self.filename
        cdef Py_ssize_t parent_size = 0
        cdef const char *parent_text = NULL
        while entry < end:
            size = strlen(entry + 1)
            if not are_dirents:
                found.append(self.path_of(entry + 1, size))
            else:
                slash = strrchr(entry + 1, b"/")
                if slash is NULL:
                    found.append(new_dirent(self.path_of(entry + 1, size), parent, entry[0]))
                else:
                    if not is_same(parent_text, parent_size, entry + 1, slash - entry - 1):
                        parent_text = entry + 1
                        parent_size = slash - entry - 1
                        parent = self.below(self.path_of(parent_text, parent_size))
                    found.append(new_dirent(self.path_of(slash + 1, entry + 1 + size - slash - 1), parent, entry[0]))
            entry += size + 2
        return found

    cdef void release_memory(self) noexcept:
        cdef PyObject *target = self.target
        cdef Py_buffer *buffers = self.buffers
        cdef Py_ssize_t count = self.buffer_count
        cdef Py_ssize_t index
        self.target = NULL
        self.buffers = NULL
        self.buffer_count = 0
        if target is not NULL:
            disown(target)
        if buffers is not NULL:
            for index in range(count):
                PyBuffer_Release(&buffers[index])
            PyMem_Free(buffers)

    cdef int leave_descriptor(self) except -1:
        cdef Descriptor descriptor = self.descriptor
        self.descriptor = None
        return 0 if descriptor is None else descriptor.leave()

    cdef void release(self) noexcept:
        self.release_memory()
        try:
            self.leave_descriptor()
        except Exception as error:
            PyErr_SetObject(type(error), error)
            PyErr_WriteUnraisable(self)
        self.make = None
        self.filename = None
        self.filename2 = None
        self.directory = None
        Handle.release(self)


cdef inline bint is_same(const char *text, Py_ssize_t size, const char *other, Py_ssize_t other_size) noexcept:
    return text is not NULL and size == other_size and memcmp(text, other, size) == 0


cdef Descriptor take_file(FsJob *job):
    # What it has opened is the callback's.
    cdef OpenFile *file = new_open_file(job.fd)
    if file is NULL:
        raise MemoryError()
    job.fd = -1
    return new_descriptor(file)
