"""Reading whole files on the threads of a pool.

A file of up to HEAD_BYTES_MAX is one job: open, fstat, read and close without the loop, then a copy into a bytes object. Of a
larger one the first job reads so much; then the loop's thread makes a bytes object of the size that the file tells, and
the job goes on into its memory, in turns.

A small one that the kernel has in memory, its directories included, is read by the loop's thread at once, by calls that do not
wait: handing it over would cost several times as much. Anything that might wait is left to a thread: what is not cached, what
is no regular file, a file system that asks somebody else (a network's, FUSE), a directory where the loop has had to wait all
the same: which is told from a process that was not let run by the switches of the thread that were of its own will. On which
kind of file system one is, a thread finds out, and with the first file of a directory: from then on that is known of all that
are in it.

Invariants: a job touches nothing of Python: its memory is its own, but for `target`, which it writes to under its lock, and
not once it is abandoned. It has the file open from its first run until it is at the end, has failed, or is discarded.
Source: Node, fs.readFile, lib/internal/fs/read/context.js; openat2(2), RESOLVE_CACHED; preadv2(2), RWF_NOWAIT. Not here: threads
(pool_threads), requests (pool).
"""
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.errno cimport EFBIG, EINTR, ELOOP, ENOMEM, errno
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memchr, memcpy, memset, strrchr
from posix.fcntl cimport F_SETFL, O_RDONLY, fcntl, open
from posix.stat cimport S_ISFIFO, S_ISREG, fstat, struct_stat
from posix.unistd cimport close, read

from treadle._native.pool cimport TURNS_OF_A_FILE, Pool, Request, os_error
from treadle._native.pool_threads cimport (
    ASKS, DONE, MORE, Job, Outcome, pthread_mutex_destroy, pthread_mutex_init, pthread_mutex_lock, pthread_mutex_t,
    pthread_mutex_unlock,
)
from treadle._native.queues cimport COMPLETION, SOON, Handle, disown
from treadle._native.timers cimport clock_ns

cdef extern from *:
    """
    #include <errno.h>
    #include <fcntl.h>
    #include <stdint.h>
    #include <stdlib.h>
    #include <sys/mman.h>
    #include <sys/stat.h>
    #include <sys/syscall.h>
    #include <sys/uio.h>
    #include <sys/vfs.h>
    #include <unistd.h>

    /* open(2), unless it would have to wait for a directory. */
    static inline int treadle_open_cached(const char *path, int flags) {
        struct { uint64_t flags, mode, resolve; } how = {flags | O_CLOEXEC, 0, 0x20 /* RESOLVE_CACHED, Linux 5.12 */};
        return (int)syscall(437 /* openat2 */, AT_FDCWD, path, &how, sizeof how);
    }
    /* read(2) or pread(2) of what is in the page cache; EAGAIN where it is not. */
    static inline ssize_t treadle_read_cached(int fd, char *to, size_t room, off_t position) {
        struct iovec into = {to, room};
        return preadv2(fd, &into, 1, position, RWF_NOWAIT);
    }
    #ifndef MADV_POPULATE_WRITE
    #define MADV_POPULATE_WRITE 23      /* Linux 5.14; before, it is refused, which does no harm */
    #endif
    /* glibc lets a thread's heap grow by no more than what is asked for, with an mprotect(2) each time, and the kernel gives it
       page by page: half of what it takes to read a small file. So both are told now and then of what is to come. */
    static inline void treadle_expect_on_heap(size_t wanted) {
        enum { STEP = 96 * 1024, PAGE = 4096 };     /* less than what malloc maps on its own, or gives back by itself */
        static __thread size_t left;
        if (wanted > STEP / 2) return;
        if (left < wanted) {
            void *volatile room = malloc(STEP);     /* volatile: a compiler may know that nobody would miss it */
            if (room) madvise((void *)(((uintptr_t)room + PAGE - 1) & ~(uintptr_t)(PAGE - 1)), STEP - PAGE, MADV_POPULATE_WRITE);
            free(room);
            left = STEP;
        }
        left -= wanted;
    }
    /* Whether opening and looking at a file there never waits for anybody but a disk of this machine, and reading can be told not
       to wait, which overlayfs and tmpfs cannot (Linux 6.18): there a thread does all. */
    static inline int treadle_is_local(int fd) {
        struct statfs found;
        char byte;
        struct iovec probe = {&byte, 1};
        if (fstatfs(fd, &found) < 0 || (preadv2(fd, &probe, 1, 0, RWF_NOWAIT) < 0 && errno == EOPNOTSUPP)) return 0;
        switch ((uint32_t)found.f_type) {
            case 0xef53:        /* ext2, ext3, ext4 */
            case 0x58465342:    /* xfs */
            case 0x9123683e:    /* btrfs */
            case 0xf2f52010:    /* f2fs */
            case 0x2fc12fc1:    /* zfs */
            case 0x01021994:    /* tmpfs */
            case 0x858458f6:    /* ramfs */
            case 0x794c7630:    /* overlayfs */
            case 0x73717368:    /* squashfs */
            case 0xe0f5e1e2:    /* erofs */
                return 1;
            default:
                return 0;
        }
    }
    """
    int O_CLOEXEC, O_NOFOLLOW, O_NONBLOCK
    int open_cached "treadle_open_cached"(const char *path, int flags) nogil
    Py_ssize_t read_cached "treadle_read_cached"(int fd, char *to, size_t room, int64_t position) nogil
    bint is_local "treadle_is_local"(int fd) nogil
    void expect_on_heap "treadle_expect_on_heap"(size_t wanted) nogil

cdef extern from "<poll.h>" nogil:
    struct pollfd:
        int fd
        short events
    int POLLIN
    int poll(pollfd *files, unsigned long count, int timeout_ms)

cdef extern from "<sys/resource.h>":
    int RUSAGE_THREAD
    struct rusage:
        long ru_nvcsw
    int getrusage(int who, rusage *used)

cdef extern from "Python.h":
    bytes PyUnicode_EncodeFSDefault(object text)
    PyObject *new_bytes "PyBytes_FromStringAndSize"(const char *data, Py_ssize_t size) except NULL
    Py_ssize_t PY_SSIZE_T_MAX
    int _PyBytes_Resize(PyObject **data, Py_ssize_t size) except -1

cdef enum:
    DIRECTORIES_MAX = 1024                  # of which it is known whether they are local; then they are forgotten
    HEAD_BYTES_MAX = 256 * 1024             # a file read as one job, and copied on the loop's thread: some 20 us
    UNSIZED_BYTES = 16 * 1024               # the first read of a file that does not tell its size
    STEP_BYTES = 128 * 1024                 # one read of a larger file; it stays in a core's cache
    TURN_BYTES = 4 * 1024 * 1024            # read in one go, then jobs that wait go first: some 3 ms
    GROWTH_BYTES_MAX = 2_147_483_647        # past the size it told, or in all; Node, kIoMaxLength


# ---- on a thread


cdef struct FileJob:
    Job job
    pthread_mutex_t lock    # around is_abandoned, and every write to the target
    bint is_abandoned       # set by abandon, never cleared: the target is gone
    bint is_at_end          # everything is read
    int fd                  # -1: not open
    int error               # errno; 0: none so far
    bint asks_where         # of its directory nothing is known yet; cleared where this file does not tell either
    int64_t device          # ... which file system it is on, if that is of this machine; else ELSEWHERE
    bint is_fifo            # it was opened without waiting: who opens it is to wait for a writer
    Py_ssize_t told         # its size, by fstat; 0: it does not tell
    char *head              # what is read, while there is no target
    char *target            # where the rest goes, in memory of the request, which has `room` from here on
    char *step              # one read. OWNER of head and step: the job
    Py_ssize_t filled
    Py_ssize_t room
    Py_ssize_t wanted       # the room that it needs to go on
    # the path follows


cdef inline bint is_abandoned(FileJob *job) noexcept nogil:
    pthread_mutex_lock(&job.lock)
    cdef bint abandoned = job.is_abandoned
    pthread_mutex_unlock(&job.lock)
    return abandoned


cdef inline char *path_of(FileJob *job) noexcept nogil:
    return <char *>(job + 1)


cdef Outcome run_file_job(Job *base) noexcept nogil:
    # ASKS: it goes on once it is given `wanted` bytes of room.
    cdef FileJob *job = <FileJob *>base
    cdef Outcome outcome = DONE
    if job.is_fifo:
        wait_for_writer(job)
    elif job.fd < 0 and not open_file(job):
        return DONE
    if job.target is NULL:
        read_head(job)
    else:
        outcome = read_on(job)
    if outcome == DONE and not job.is_at_end and job.error == 0:
        outcome = ASKS
    job.job.needs_thread = outcome != DONE      # to close the file, which a file server may hold up
    if outcome != MORE and is_abandoned(job):
        end_file(job, 0)
    return outcome


cdef void abandon_file_job(Job *base) noexcept nogil:
    cdef FileJob *job = <FileJob *>base
    pthread_mutex_lock(&job.lock)
    job.is_abandoned = True
    pthread_mutex_unlock(&job.lock)


cdef void discard_file_job(Job *base) noexcept nogil:
    cdef FileJob *job = <FileJob *>base
    end_file(job, 0)
    pthread_mutex_destroy(&job.lock)
    free(job.head)
    free(job.step)
    free(job)


cdef bint end_file(FileJob *job, int error) noexcept nogil:
    # Nothing is read from it any more. Always False.
    if job.fd >= 0:
        close(job.fd)       # frees the descriptor whatever it returns, see close(2)
        job.fd = -1
    job.error = error
    return False


cdef bint open_file(FileJob *job) noexcept nogil:
    # False: it has failed, or nobody wants it any more.
    cdef struct_stat status
    while True:
        # May take for ever: a FIFO, a file server that is gone. A link tells nothing of the directory that it is in.
        job.fd = open(path_of(job), O_RDONLY | O_CLOEXEC | (O_NOFOLLOW if job.asks_where else 0))
        if job.fd >= 0:
            break
        if errno == ELOOP and job.asks_where:
            job.asks_where = False
        elif errno != EINTR:
            return end_file(job, errno)
    if fstat(job.fd, &status) < 0:
        return end_file(job, errno)
    job.asks_where = job.asks_where and S_ISREG(status.st_mode)
    if job.asks_where:
        job.device = <int64_t>status.st_dev if is_local(job.fd) else ELSEWHERE
    if S_ISREG(status.st_mode):
        job.told = status.st_size
        if job.told > PY_SSIZE_T_MAX - GROWTH_BYTES_MAX:
            return end_file(job, EFBIG)
    # One byte more than it tells: so the read that ends it needs no more room.
    job.wanted = job.told + 1 if job.told else UNSIZED_BYTES
    if is_abandoned(job):
        return end_file(job, 0)
    return True


cdef void wait_for_writer(FileJob *job) noexcept nogil:
    # As open(2) does. Source: pipe(7), poll(2): a FIFO is not hung up before somebody has opened it for writing.
    cdef pollfd file
    job.is_fifo = False
    job.wanted = UNSIZED_BYTES
    fcntl(job.fd, F_SETFL, 0)
    file.fd = job.fd
    file.events = POLLIN
    while poll(&file, 1, -1) < 0 and errno == EINTR:
        pass


cdef Py_ssize_t read_some(FileJob *job, char *to, Py_ssize_t room) noexcept nogil:
    # 0: it is at its end, or has failed.
    cdef Py_ssize_t count
    while True:
        count = read(job.fd, to, room)
        if count > 0:
            return count
        if count == 0:
            job.is_at_end = True
            end_file(job, 0)
            return 0
        if errno != EINTR:
            end_file(job, errno)
            return 0


cdef void read_head(FileJob *job) noexcept nogil:
    # Up to HEAD_BYTES_MAX and one more, into memory of the job.
    cdef Py_ssize_t count
    cdef char *head
    while job.wanted <= HEAD_BYTES_MAX + 1:
        expect_on_heap(job.wanted)
        head = <char *>realloc(job.head, job.wanted)
        if head is NULL:
            end_file(job, ENOMEM)
            return
        job.head = head
        job.room = job.wanted
        while job.filled < job.room:
            count = read_some(job, job.head + job.filled, job.room - job.filled)
            if count == 0:
                return
            job.filled += count
            if job.filled == job.told:      # COMPAT(node): what is written meanwhile may be missing
                job.is_at_end = True
                end_file(job, 0)
                return
        job.wanted = 2 * job.room


cdef Outcome read_on(FileJob *job) noexcept nogil:
    # Until the target is full. Each read goes to `step` first: the target may be taken away while a read hangs.
    cdef Py_ssize_t limit = job.told + GROWTH_BYTES_MAX
    cdef Py_ssize_t turn_end = job.filled + TURN_BYTES
    cdef Py_ssize_t count
    cdef bint abandoned
    if job.step is NULL:
        job.step = <char *>malloc(STEP_BYTES)
        if job.step is NULL:
            end_file(job, ENOMEM)
            return DONE
    while job.filled < job.room:
        if job.filled >= turn_end:
            return MORE
        count = read_some(job, job.step, min(job.room - job.filled, <Py_ssize_t>STEP_BYTES))
        if count == 0:
            return DONE
        pthread_mutex_lock(&job.lock)
        abandoned = job.is_abandoned
        if not abandoned:
            memcpy(job.target + job.filled, job.step, count)
        pthread_mutex_unlock(&job.lock)
        if abandoned:
            return DONE
        job.filled += count
    if job.room >= limit:
        end_file(job, EFBIG)
    job.wanted = min(job.room + max(job.room >> 1, <Py_ssize_t>UNSIZED_BYTES), limit)
    return DONE


cdef int open_if_cached(const char *path, int flags) noexcept nogil:
    return open_cached(path, flags)


cdef bint is_of_this_machine(int fd) noexcept nogil:
    return is_local(fd)


cdef Py_ssize_t read_if_cached(int fd, char *to, size_t room, int64_t position) noexcept nogil:
    return read_cached(fd, to, room, position)


# ---- on the loop's thread


cdef bytes encoded(path):
    cdef bytes text
    if not isinstance(path, bytes):
        text = PyUnicode_EncodeFSDefault(path)
    else:       # of a class derived from it: what it says
        text = path if type(path) is bytes else PyBytes_FromStringAndSize(PyBytes_AS_STRING(path), PyBytes_GET_SIZE(path))
    if memchr(PyBytes_AS_STRING(text), 0, PyBytes_GET_SIZE(text)) is not NULL:
        raise ValueError("embedded null byte")
    return text


cdef bytes directory_of(const char *path):
    cdef const char *slash = strrchr(path, b"/")
    return PyBytes_FromStringAndSize(path, 0 if slash is NULL else slash - path + 1)


cdef int note_directory(Pool pool, bytes directory, int64_t device) except -1:
    if len(pool.directories) >= DIRECTORIES_MAX:
        pool.directories.clear()
    pool.directories[directory] = device
    return 0


cdef int64_t waits_so_far(Pool pool) noexcept:
    cdef rusage used
    if not pool.counts_waits or getrusage(RUSAGE_THREAD, &used) < 0:
        return 0
    return used.ru_nvcsw


cdef bint has_waited(Pool pool, int64_t begun_ns, int64_t waits) noexcept:
    # Who took too long may have waited for somebody: a scanner that looks at what is opened, a file server mounted since. Or it was
    # not let run, by other programs or the limit of a container, which says nothing of the file. The first time nobody knows.
    if clock_ns() - begun_ns <= AT_ONCE_NS_MAX:
        return False
    if not pool.counts_waits:
        pool.counts_waits = True
        return False
    return waits_so_far(pool) != waits


cdef bint read_at_once(FileJob *job, FileRead request, Pool pool) except -1:
    # True: it is read. Else nothing is, or a thread goes on with what is: the file is open.
    cdef struct_stat status
    cdef Py_ssize_t count
    cdef int64_t device
    cdef object known
    request.directory = directory_of(path_of(job))
    known = pool.directories.get(request.directory)
    if known is None:
        job.asks_where = pool.is_to_ask(request.directory)
        return False
    device = known
    if device == ELSEWHERE:
        return False
    job.fd = open_cached(path_of(job), O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    if job.fd < 0:
        return False
    if fstat(job.fd, &status) < 0:
        return end_file(job, 0)
    if S_ISFIFO(status.st_mode):        # which somebody may have been waiting for: it stays open
        job.is_fifo = True
        return False
    if <int64_t>status.st_dev != device:
        del pool.directories[request.directory]
        return end_file(job, 0)
    if not S_ISREG(status.st_mode) or not 0 < status.st_size <= AT_ONCE_BYTES:
        return end_file(job, 0)
    job.told = job.wanted = status.st_size
    request.make_room(job)
    count = read_cached(job.fd, job.target, job.told, -1)
    if count > 0:
        job.filled = count
    job.is_at_end = count == job.told   # COMPAT(node): what is written meanwhile may be missing
    if job.is_at_end:
        end_file(job, 0)
    return job.is_at_end


def read_file(Pool pool not None, filename, callback, *, bint is_awaited=False, make=None):
    """Read a file to its end; callback(error, data) in the poll phase: an OSError with `filename`, or None, and the bytes, or what
    make(bytes) makes of them. Returns a FileRead, under way already.

    filename: str or bytes. is_awaited: the callback is a future's, which the program's end leaves alone. Raises ValueError (a NUL in
    it), PoolSaturated, RuntimeError (the loop is closed), OSError (not even one thread can be started).
    """
    cdef FileRead request
    cdef FileJob *job
    cdef bint is_read = False
    cdef int64_t begun_ns, waits
    cdef bytes path = encoded(filename)
    request = FileRead.__new__(FileRead)
    request.filename = filename
    request.make = make
    request.set_callback(SOON if is_awaited else COMPLETION, callback)
    job = new_file_job(path)
    if job is NULL:
        raise MemoryError()
    try:
        job.job.kind = pool.kind("fs.read_file")
        if pool.at_once_left > 0:
            begun_ns = clock_ns()
            waits = waits_so_far(pool)
            is_read = read_at_once(job, request, pool)
            if has_waited(pool, begun_ns, waits):
                note_directory(pool, request.directory, ELSEWHERE)
    except BaseException:
        job.job.discard(&job.job)
        raise
    if is_read:
        pool.finish_at_once(request, &job.job, TURNS_OF_A_FILE)
    else:
        pool.submit(request, &job.job)
    return request


cdef FileJob *new_file_job(bytes path) except? NULL:
    # NULL without an exception: no memory.
    cdef Py_ssize_t path_bytes = len(path)
    cdef FileJob *job = <FileJob *>malloc(sizeof(FileJob) + path_bytes + 1)     # PERF: calloc(3) has no cache of small ones
    if job is not NULL:
        memset(job, 0, sizeof(FileJob))
        memcpy(path_of(job), PyBytes_AS_STRING(path), path_bytes + 1)
        pthread_mutex_init(&job.lock, NULL)
        job.fd = -1
        job.job.run = run_file_job
        job.job.abandon = abandon_file_job
        job.job.discard = discard_file_job
    return job


@cython.no_gc_clear     # see Request
cdef class FileRead(Request):
    """One read_file under way."""

    def __dealloc__(self):
        self.release_target()

    cdef bint settle(self, Job *base) except -1:
        cdef FileJob *job = <FileJob *>base
        cdef bytes data
        if job.asks_where and job.error == 0:
            job.asks_where = False
            note_directory(<Pool>self.pool, self.directory, job.device)
        if job.error:
            self.args = (os_error(job.error, self.filename), None)
        elif not job.is_at_end:
            try:
                self.make_room(job)
                return False
            except MemoryError:
                self.args = (os_error(ENOMEM, self.filename), None)
        else:
            data = self.take_data(job)
            self.args = (None, data if self.make is None else self.make(data))
        return True

    cdef bytes take_data(self, FileJob *job):
        cdef PyObject *target
        if self.target is NULL:
            return PyBytes_FromStringAndSize(job.head, job.filled)
        _PyBytes_Resize(&self.target, job.filled)
        target = self.target
        self.target = NULL
        return disown(target)

    cdef int make_room(self, FileJob *job) except -1:
        # No thread has the job: the target may move.
        if self.target is NULL:
            self.target = new_bytes(NULL, job.wanted)
            if job.filled:
                memcpy(PyBytes_AS_STRING(<object>self.target), job.head, job.filled)
            free(job.head)
            job.head = NULL
        else:
            _PyBytes_Resize(&self.target, job.wanted)
        job.target = PyBytes_AS_STRING(<object>self.target)
        job.room = job.wanted
        return 0

    cdef void release_target(self) noexcept:
        cdef PyObject *target = self.target
        self.target = NULL
        if target is not NULL:
            disown(target)

    cdef void release(self) noexcept:
        self.release_target()
        self.filename = self.directory = self.make = None
        Handle.release(self)
