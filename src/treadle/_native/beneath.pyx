"""Finding a file below a directory, for somebody who may not leave it: a server's clients.

One job opens it, looks at it, looks for a sibling that is rather wanted, and reads what is small. Where the kernel has all of that
in memory, on a file system that is known to be of this machine (file_jobs), the loop's thread does it at once by calls that do
not wait, and crosses into no other file system.

Invariants: what is opened lies below the root, whatever the path says and whoever changes directories and links meanwhile, since
the kernel itself looks (openat2(2), RESOLVE_BENEATH), or, where it cannot, no link is followed; unless links are said to be
trusted. Nothing but a regular file is handed out, and opening waits for nobody: not for the writer of a FIFO, not for a device. A
small file that is changed while it is read is read again. Source: openat2(2), open(2). Not here: which path a request means
(treadle.http), threads (pool).
"""
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.errno cimport EINTR, EISDIR, ENODEV, ENOENT, ENOMEM, errno
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, strlen
from posix.stat cimport S_ISDIR, S_ISREG, fstat, struct_stat
from posix.unistd cimport close

from treadle._native.file_jobs cimport (
    AT_ONCE_BYTES, ELSEWHERE, directory_of, encoded, has_waited, is_of_this_machine, note_directory, open_if_cached,
    read_if_cached, waits_so_far,
)
from treadle._native.open_files cimport OpenFile, new_descriptor, new_open_file
from treadle._native.pool cimport Pool, Request, os_error
from treadle._native.pool_threads cimport DONE, Job, Outcome
from treadle._native.queues cimport COMPLETION, SOON, Handle
from treadle._native.timers cimport clock_ns

cdef extern from *:
    """
    #include <errno.h>
    #include <fcntl.h>
    #include <stdint.h>
    #include <string.h>
    #include <sys/syscall.h>
    #include <unistd.h>

    enum { LINKS_REFUSED, LINKS_INSIDE, LINKS_ANYWHERE };
    /* O_NONBLOCK: a FIFO, or a device, is opened at once, and then refused. */
    enum { TREADLE_LOOK = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY };

    /* A step at a time, where openat2(2) is not known (before Linux 5.6) or not allowed (containers): no link is followed. */
    static int treadle_walk_below(int root, const char *path) {
        int directory = root, fd, error;
        for (;;) {
            char name[256];
            const char *slash = strchr(path, '/');
            size_t size = slash ? (size_t)(slash - path) : strlen(path);
            fd = -1;
            if (size >= sizeof name) errno = ENAMETOOLONG;
            else if (size == 2 && memcmp(path, "..", 2) == 0) errno = EXDEV;
            else {
                memcpy(name, path, size);
                name[size] = 0;
                do fd = openat(directory, name, (slash ? O_PATH | O_DIRECTORY | O_CLOEXEC : TREADLE_LOOK) | O_NOFOLLOW);
                while (fd < 0 && errno == EINTR);
            }
            error = errno;
            if (directory != root) close(directory);
            errno = error;
            if (fd < 0 || !slash) return fd;
            directory = fd;
            path = slash + 1;
        }
    }
    /* As openat2() below, unless it would have to wait: EAGAIN, or an errno that says where it leads. */
    static int treadle_open_below_cached(int root, const char *path, int links) {
        struct { uint64_t flags, mode, resolve; } how = {TREADLE_LOOK, 0, 0x01 | 0x02 | 0x20};    /* ..._NO_XDEV, _CACHED */
        if (links != LINKS_ANYWHERE) how.resolve |= 0x08;
        if (links == LINKS_REFUSED) how.resolve |= 0x04;
        return (int)syscall(437, root, path, &how, sizeof how);
    }
    static int treadle_open_below(int root, const char *path, int links, int has_openat2) {
        struct { uint64_t flags, mode, resolve; } how = {TREADLE_LOOK, 0, 0x02 /* RESOLVE_NO_MAGICLINKS */};
        int fd = -1, tries = 0;
        if (links != LINKS_ANYWHERE) how.resolve |= 0x08;   /* RESOLVE_BENEATH */
        if (links == LINKS_REFUSED) how.resolve |= 0x04;    /* RESOLVE_NO_SYMLINKS */
        errno = ENOSYS;
        if (has_openat2) {
            do fd = (int)syscall(437 /* openat2 */, root, path, &how, sizeof how);
            while (fd < 0 && (errno == EINTR || (errno == EAGAIN && ++tries < 16)));    /* something was renamed meanwhile */
        }
        if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) return fd;
        if (links != LINKS_ANYWHERE) return treadle_walk_below(root, path);
        do fd = openat(root, path, TREADLE_LOOK);
        while (fd < 0 && errno == EINTR);
        return fd;
    }
    """
    int LINKS_REFUSED, LINKS_INSIDE, LINKS_ANYWHERE
    int open_below "treadle_open_below"(int root, const char *path, int links, bint has_openat2) nogil
    int open_below_cached "treadle_open_below_cached"(int root, const char *path, int links) nogil

cdef extern from "<fcntl.h>" nogil:
    int open(const char *path, int flags)
    int O_PATH, O_DIRECTORY, O_CLOEXEC

cdef extern from "<unistd.h>" nogil:
    ssize_t pread(int fd, void *memory, size_t room, int64_t position)

cdef enum:
    SUFFIXES_MAX = 8        # of siblings; each is a call of open(2)
    READS_MAX = 3           # of a small file that keeps being changed; then whoever sends it sees

LINKS = {"refuse": LINKS_REFUSED, "inside": LINKS_INSIDE, "follow": LINKS_ANYWHERE}     # what is done about symbolic links


# ---- on a thread


cdef struct FindJob:
    Job job
    int links
    bint has_openat2
    int64_t read_max
    bint asks_where     # of the file's directory nothing is known yet; cleared where nothing was found
    int suffix_count
    int fd              # OWNER: the job; -1: none
    int suffix          # of the file that was found, counted from 1; 0: the one that was asked for
    int error           # errno; 0: none
    int64_t size
    int64_t mtime_ns
    int64_t device      # st_dev; where it asks, ELSEWHERE unless it is of this machine
    char *content       # of a small one; OWNER: the job
    # the paths follow: the root, the file, each of its siblings


cdef inline const char *root_of(FindJob *job) noexcept nogil:
    return <const char *>(job + 1)


cdef Outcome run_find_job(Job *base) noexcept nogil:
    cdef FindJob *job = <FindJob *>base
    cdef int root
    while True:
        root = open(root_of(job), O_PATH | O_DIRECTORY | O_CLOEXEC)
        if root >= 0:
            break
        if errno != EINTR:
            job.error = errno
            return DONE
    find(job, root)
    close(root)
    job.asks_where = job.asks_where and job.error == 0
    if job.asks_where and not is_of_this_machine(job.fd):
        job.device = ELSEWHERE
    if job.error == 0 and job.size <= job.read_max:
        read_all(job)
    return DONE


cdef void find(FindJob *job, int root) noexcept nogil:
    cdef const char *path = root_of(job) + strlen(root_of(job)) + 1
    cdef int i, fd
    job.fd = open_below(root, path, job.links, job.has_openat2)
    if job.fd < 0:
        job.error = errno
        return
    job.error = look(job, job.fd)
    if job.error:
        close_file(job)
        return
    for i in range(job.suffix_count):
        path += strlen(path) + 1
        fd = open_below(root, path, job.links, job.has_openat2)
        if fd >= 0:
            if look(job, fd) == 0:
                close(job.fd)
                job.fd = fd
                job.suffix = i + 1
                return
            close(fd)


cdef int look(FindJob *job, int fd) noexcept nogil:
    # 0: it is a regular file; else an errno that says what it is, and nothing has changed.
    cdef struct_stat status
    if fstat(fd, &status) < 0:
        return errno
    if not S_ISREG(status.st_mode):
        return EISDIR if S_ISDIR(status.st_mode) else ENODEV
    job.size = status.st_size
    job.device = <int64_t>status.st_dev
    job.mtime_ns = <int64_t>status.st_mtim.tv_sec * 1_000_000_000 + status.st_mtim.tv_nsec
    return 0


cdef void read_all(FindJob *job) noexcept nogil:
    # And close it. Where that does not work out it stays open, and somebody else reads it.
    cdef int tries
    cdef int64_t size, mtime_ns
    for tries in range(READS_MAX):
        size, mtime_ns = job.size, job.mtime_ns
        free(job.content)
        job.content = <char *>malloc(size + 1)
        if job.content is not NULL and read_exactly(job, size) and look(job, job.fd) == 0 and (
                job.size == size and job.mtime_ns == mtime_ns):
            close_file(job)
            return
        if job.size > job.read_max:
            break
    free(job.content)
    job.content = NULL


cdef bint read_exactly(FindJob *job, int64_t size) noexcept nogil:
    cdef int64_t filled = 0
    cdef ssize_t count
    while filled < size:
        count = pread(job.fd, job.content + filled, size - filled, filled)
        if count > 0:
            filled += count
        elif count == 0 or errno != EINTR:
            return False
    return True


cdef void close_file(FindJob *job) noexcept nogil:
    cdef int fd = job.fd
    job.fd = -1
    if fd >= 0:
        close(fd)


cdef void abandon_find_job(Job *base) noexcept nogil:
    pass        # what it opens is closed with it


cdef void discard_find_job(Job *base) noexcept nogil:
    cdef FindJob *job = <FindJob *>base
    close_file(job)
    free(job.content)
    free(job)


# ---- on the loop's thread


def find_file(Pool pool not None, bytes root not None, bytes path not None, callback, *, str links="inside", tuple suffixes=(),
              int64_t read_max=0, bint is_awaited=False, bint has_openat2=True):
    """Open the regular file `path`, relative to the directory `root`, or, of the siblings whose names have one of the suffixes
    (bytes) at their end, the first that there is. Returns a Request, under way already.

    callback(error, file) in the poll phase: an OSError, or None, and a FoundFile. Besides open(2)'s own the errors are EISDIR (a
    directory), ENODEV (a device, a FIFO, a socket), EXDEV (it lies outside), ELOOP (a link that is not followed). read_max: of
    a file of so many bytes at most the content comes along, and the file is closed again. links: "inside" follows symbolic
    links that stay below the root and are relative, "refuse" none, "follow" all. has_openat2: False does as on a kernel
    without. is_awaited: the callback is a future's, which the program's end leaves alone.
    Raises ValueError (a NUL in a path; too many suffixes), KeyError (links), PoolSaturated, RuntimeError (the loop is closed),
    OSError (not even one thread can be started).
    """
    cdef FileSearch request = FileSearch.__new__(FileSearch)
    cdef FindJob *job
    request.filename = path
    request.directory = place_of(root, path)
    request.set_callback(SOON if is_awaited else COMPLETION, callback)
    job = new_job(root, path, links, suffixes, read_max)
    job.has_openat2 = has_openat2
    try:
        job.job.kind = pool.kind("http.find_file")
        job.asks_where = request.directory not in pool.directories and pool.is_to_ask(request.directory)
    except BaseException:
        discard_find_job(&job.job)
        raise
    pool.submit(request, &job.job)
    return request


def find_now(Pool pool not None, bytes root not None, bytes path not None, *, str links="inside", tuple suffixes=(),
             int64_t read_max=0):
    """As find_file(), but at once: the FoundFile, or None where that might wait, or nothing is found. Raises as find_file() does
    of its arguments."""
    cdef FindJob *job
    cdef FoundFile found = None
    cdef bytes directory = place_of(root, path)
    cdef int64_t begun_ns, waits
    known = pool.directories.get(directory)
    if known is None or known == ELSEWHERE:
        return None
    job = new_job(root, path, links, suffixes, read_max)
    try:
        begun_ns = clock_ns()
        waits = waits_so_far(pool)
        if find_cached(job, known):
            found = new_found_file(job)
            pool.at_once += 1
        if has_waited(pool, begun_ns, waits):
            note_directory(pool, directory, ELSEWHERE)
        elif job.error == 0 and job.device != <int64_t>known:
            pool.directories.pop(directory, None)
    finally:
        discard_find_job(&job.job)
    return found


cdef bytes place_of(bytes root, bytes path):
    # The file's directory: the key of pool.directories.
    cdef bytes whole = root + b"/" + path
    return directory_of(PyBytes_AS_STRING(whole))


cdef bint find_cached(FindJob *job, int64_t device) noexcept:
    # By what the kernel has in memory. False: somebody else has to look.
    cdef int root = open_if_cached(root_of(job), O_PATH | O_DIRECTORY)
    cdef bint is_found
    job.device = device
    if root < 0:
        job.error = errno
        return False
    is_found = find_in(job, root, device)
    close(root)
    return is_found and (job.size > job.read_max or read_cached(job))


cdef bint find_in(FindJob *job, int root, int64_t device) noexcept:
    cdef const char *path = root_of(job) + strlen(root_of(job)) + 1
    cdef int i, fd
    job.fd = open_below_cached(root, path, job.links)
    job.error = errno if job.fd < 0 else look(job, job.fd)
    if job.error or job.device != device:
        return False
    for i in range(job.suffix_count):
        path += strlen(path) + 1
        fd = open_below_cached(root, path, job.links)
        if fd < 0:
            if errno != ENOENT:
                return False
            continue
        close(job.fd)
        job.fd = fd
        job.suffix = i + 1
        return look(job, fd) == 0 and job.device == device
    return True


cdef bint read_cached(FindJob *job) noexcept:
    # All of it, and it was not changed meanwhile.
    cdef int64_t size = job.size
    cdef int64_t mtime_ns = job.mtime_ns
    if size > AT_ONCE_BYTES:
        return False
    job.content = <char *>malloc(size + 1)
    return job.content is not NULL and (size == 0 or read_if_cached(job.fd, job.content, size, 0) == size) and (
        look(job, job.fd) == 0 and job.size == size and job.mtime_ns == mtime_ns)


cdef FindJob *new_job(bytes root, bytes path, str links, tuple suffixes, int64_t read_max) except NULL:
    cdef FindJob *job
    cdef list paths = [encoded(root), encoded(path or b".")]
    cdef Py_ssize_t size = 0
    cdef bytes text
    cdef char *at
    cdef int how = LINKS[links]
    if len(suffixes) > SUFFIXES_MAX:
        raise ValueError(f"at most {SUFFIXES_MAX} suffixes, not {len(suffixes)}")
    for suffix in suffixes:
        paths.append(encoded(path + suffix))
    for text in paths:
        size += PyBytes_GET_SIZE(text) + 1
    job = <FindJob *>calloc(1, sizeof(FindJob) + size)
    if job is NULL:
        raise MemoryError()
    at = <char *>(job + 1)
    for text in paths:
        memcpy(at, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text) + 1)
        at += PyBytes_GET_SIZE(text) + 1
    job.fd = -1
    job.links = how
    job.read_max = read_max
    job.suffix_count = len(paths) - 2
    job.job.run = run_find_job
    job.job.abandon = abandon_find_job
    job.job.discard = discard_find_job
    return job


@cython.no_gc_clear     # see Request
cdef class FileSearch(Request):
    """One find_file under way."""

    cdef bint settle(self, Job *base) except -1:
        cdef FindJob *job = <FindJob *>base
        if job.asks_where:
            note_directory(<Pool>self.pool, self.directory, job.device)
        if job.error:
            self.args = (os_error(job.error, self.filename), None)
            return True
        try:
            self.args = (None, new_found_file(job))
        except MemoryError:
            self.args = (os_error(ENOMEM, self.filename), None)
        return True

    cdef void release(self) noexcept:
        self.filename = self.directory = None
        Handle.release(self)


cdef FoundFile new_found_file(FindJob *job):
    # OWNER: what the job has open is the FoundFile's.
    cdef FoundFile found = FoundFile.__new__(FoundFile)
    cdef OpenFile *file
    found.size = job.size
    found.mtime_ns = job.mtime_ns
    found.suffix = job.suffix
    if job.content is not NULL:
        found.content = PyBytes_FromStringAndSize(job.content, job.size)
        return found
    file = new_open_file(job.fd)
    if file is NULL:
        raise MemoryError()
    job.fd = -1
    found.descriptor = new_descriptor(file)
    return found


cdef class FoundFile:
    """A regular file as it was found: size in bytes, mtime_ns since 1970; suffix: which sibling it is, counted from 1, 0: itself.
    Either content or descriptor is there, and the other one None."""

    def __init__(self):
        raise TypeError("files are found by find_file()")

    def __repr__(self):
        return f"<FoundFile size={self.size:_} {'closed' if self.descriptor is None else 'open'}>"
