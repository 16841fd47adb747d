"""Jobs on directories and what is in them: mkdir with its parents, readdir and rm with all that is below.

    readdir   text: | kind name 0 | kind name 0 | ...       names below the root; those that are directories are read in turn,
                      ^ state: the next to look into        as they stand in the text, so the order is breadth first
    rm        state: root -> child -> ... -> where it is    at most OPEN_LEVELS of them open; the others are found by ".."

Invariants: no symbolic link below the root is followed, not even one that takes the place of a directory meanwhile: what rm
opens is opened from its parent's descriptor, by O_NOFOLLOW; what readdir opens from the root's, by RESOLVE_NO_SYMLINKS. However
deep a tree is, the stack of the thread and the descriptors are bounded. A job that nobody waits for stops at the next entry.
Source: Node, fs.rm and fs.readdir; openat(2).
"""
from libc.errno cimport (
    EACCES, EBUSY, EEXIST, EINVAL, EISDIR, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR, ENOTEMPTY, ESTALE, errno,
)
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc, qsort, realloc
from libc.string cimport memcpy, strcmp, strlen
from posix.fcntl cimport O_RDONLY
from posix.stat cimport S_ISDIR, fstat, mkdir, stat, struct_stat
from posix.types cimport dev_t, ino_t
from posix.unistd cimport close

from treadle._native.fs_job cimport TURN_ENTRIES, FsJob, Text, append, done, fail, is_abandoned, open_file
from treadle._native.pool_threads cimport DONE, MORE, Outcome

cdef extern from "<fcntl.h>" nogil:
    int O_CLOEXEC, O_DIRECTORY, O_NOFOLLOW, AT_FDCWD, AT_REMOVEDIR, AT_SYMLINK_NOFOLLOW
    int openat(int directory, const char *path, int flags, ...)
    int unlinkat(int directory, const char *path, int flags)
    int fstatat(int directory, const char *path, struct_stat *status, int flags)

cdef extern from "<dirent.h>" nogil:
    ctypedef struct DIR:
        pass
    ctypedef struct Entry "struct dirent":
        unsigned char d_type
        char d_name[256]
    unsigned char DT_UNKNOWN, DT_DIR
    DIR *fdopendir(int fd)
    Entry *readdir(DIR *directory)
    void rewinddir(DIR *directory)
    int closedir(DIR *directory)
    int dirfd(DIR *directory)

cdef extern from *:
    """
    #include <errno.h>
    static inline void treadle_clear_errno(void) { errno = 0; }     /* readdir() says by it whether it is at the end */
    """
    void clear_errno "treadle_clear_errno"() noexcept nogil

cdef extern from *:
    """
    #include <fcntl.h>
    #include <stdint.h>
    #include <sys/syscall.h>
    #include <unistd.h>

    /* A directory below, by names none of which is a link. Before Linux 5.6, and where a container forbids the call, only the
       last of them is looked at. */
    static inline int treadle_open_below(int root, const char *path) {
        int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
        struct { uint64_t flags, mode, resolve; } how = {(uint64_t)flags, 0, 0x04 /* RESOLVE_NO_SYMLINKS */};
        int fd = (int)syscall(437 /* openat2 */, root, path, &how, sizeof how);
        return fd < 0 && (errno == ENOSYS || errno == EPERM) ? openat(root, path, flags) : fd;
    }
    """
    int open_below "treadle_open_below"(int root, const char *path) noexcept nogil

cdef enum:
    OPEN_LEVELS = 32        # directories that rm holds open at once; deeper trees are gone through by ".."
    LEVELS_MAX = 100_000    # how deep rm goes; some 5 MB
    PASSES_MAX = 16         # times that rm begins a directory anew, which somebody fills meanwhile
    CLIMBS_MAX = 64         # times that mkdir begins anew, since somebody removes what it has made


cdef inline bint is_self_or_parent(const char *name) noexcept nogil:
    return name[0] == b"." and (name[1] == 0 or (name[1] == b"." and name[2] == 0))


cdef inline size_t size_without_slashes(const char *path) noexcept nogil:
    # Those at its end do not count; of the root directory one stays.
    cdef size_t size = strlen(path)
    while size > 1 and path[size - 1] == b"/":
        size -= 1
    return size


cdef inline unsigned char kind_at(int directory, const char *name, unsigned char told) noexcept nogil:
    # Where the directory does not tell, its file is asked.
    cdef struct_stat status
    if told != DT_UNKNOWN or fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) < 0:
        return told
    return <unsigned char>(status.st_mode >> 12)    # IFTODT


# ---- mkdir


cdef Outcome perform_mkdir(FsJob *job) noexcept nogil:
    # path, mode, is_recursive -> text: the first directory that was made, if any
    return make_parents(job) if job.is_recursive else done(job, mkdir(job.path, job.mode))


cdef Outcome make_parents(FsJob *job) noexcept nogil:
    # The path is cut at a slash: up to where one can be made, then down again.
    cdef char *path = job.path
    cdef size_t size = size_without_slashes(path)
    cdef size_t cut = size
    cdef size_t first = 0
    cdef int climbs = 0
    cdef int error
    cdef char kept
    cdef bint is_made
    while True:
        if is_abandoned(job):
            return DONE
        kept = path[cut]
        path[cut] = 0
        error = 0 if mkdir(path, job.mode) == 0 else errno
        is_made = error == 0
        if error == ENOENT and cut > 0 and climbs < CLIMBS_MAX * (1 + <int>size):
            climbs += 1
            path[cut] = kept
            if not climb(path, &cut):
                return fail(job, ENOENT)
            continue
        if error and not is_directory(path):
            if error == EEXIST:
                error = error_of_what_is_there(path, cut == size and kept == 0)
            return fail(job, error)
        path[cut] = kept
        if is_made and first == 0:
            first = cut
        if cut == size:
            if first and not append(&job.text, path, first):
                return fail(job, ENOMEM)
            return DONE
        descend(path, &cut, size)


cdef bint is_directory(const char *path) noexcept nogil:
    cdef struct_stat status
    return stat(path, &status) == 0 and S_ISDIR(status.st_mode)


cdef int error_of_what_is_there(const char *path, bint is_last) noexcept nogil:
    # COMPAT(node): for a file, or a link that leads nowhere.
    cdef struct_stat status
    if not is_last:
        return ENOTDIR
    return EEXIST if stat(path, &status) == 0 else ENOENT


cdef bint climb(const char *path, size_t *cut) noexcept nogil:
    # To the parent; False: there is none.
    cdef size_t place = cut[0]
    while place > 0 and path[place - 1] != b"/":
        place -= 1
    while place > 1 and path[place - 1] == b"/":
        place -= 1
    if place == 0 or place == cut[0]:
        return False
    cut[0] = place
    return True


cdef void descend(const char *path, size_t *cut, size_t size) noexcept nogil:
    cdef size_t place = cut[0]
    while place < size and path[place] == b"/":
        place += 1
    while place < size and path[place] != b"/":
        place += 1
    cut[0] = place


# ---- readdir


cdef Outcome perform_readdir(FsJob *job) noexcept nogil:
    # path, is_recursive -> text: kind, name below the path, 0, again and again; result: how many
    cdef int64_t turn_end = job.result + TURN_ENTRIES
    cdef size_t size
    cdef char *entry
    if job.state is NULL:
        if not list_root(job) or not job.is_recursive:
            return DONE
        job.state = malloc(sizeof(size_t))
        if job.state is NULL:
            return fail(job, ENOMEM)
        job.clean = free_state
        (<size_t *>job.state)[0] = 0
    while (<size_t *>job.state)[0] < job.text.size:
        if is_abandoned(job):
            return DONE
        if job.result >= turn_end:
            return MORE
        entry = job.text.bytes + (<size_t *>job.state)[0]
        size = strlen(entry + 1)
        (<size_t *>job.state)[0] += size + 2
        if entry[0] == DT_DIR and not list_below(job, entry + 1, size):
            return DONE
    return DONE


cdef void free_state(FsJob *job) noexcept nogil:
    free(job.state)
    job.state = NULL


cdef bint list_root(FsJob *job) noexcept nogil:
    # False: it has failed.
    cdef int fd = open_file(job.path, O_RDONLY | O_DIRECTORY, 0)
    if fd < 0:
        fail(job, errno)
        return False
    if not job.is_recursive:
        return list_directory(job, fd, "", 0)
    job.fd = fd
    fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if fd < 0:
        fail(job, errno)
        return False
    return list_directory(job, fd, "", 0)


cdef bint list_below(FsJob *job, const char *name, size_t size) noexcept nogil:
    # False: it has failed. What is no directory any more has no entries.
    cdef char *parent
    cdef bint is_listed
    cdef int fd = open_below(job.fd, name)
    if fd < 0 and errno in (ENOENT, ENOTDIR, ELOOP):
        return True
    parent = <char *>malloc(size + 2)       # a copy, since the text moves as it grows
    if fd < 0 or parent is NULL:
        fail(job, errno if fd < 0 else ENOMEM)
        if parent is not NULL:
            say_where(job, name, size)
        close_if_open(fd)
        free(parent)
        return False
    memcpy(parent, name, size)
    parent[size] = b"/"
    is_listed = list_directory(job, fd, parent, size + 1)
    free(parent)
    return is_listed


cdef inline void close_if_open(int fd) noexcept nogil:
    if fd >= 0:
        close(fd)


cdef void say_where(FsJob *job, const char *name, size_t size) noexcept nogil:
    # For the error: which file below `path` it is about. `name` may be a part of the text.
    cdef Text where
    where.bytes = NULL
    where.size = where.room = 0
    append(&where, name, size)      # without memory it is the root's
    free(job.text.bytes)
    job.text = where


cdef bint list_directory(FsJob *job, int fd, const char *parent, size_t parent_size) noexcept nogil:
    # In the order of their names, as Node's. OWNER: fd is closed here. False: it has failed.
    cdef Text names
    cdef size_t count = 0
    names.bytes = NULL
    names.size = names.room = 0
    cdef int error = read_names(fd, &names, &count)
    if error == 0:
        error = add_sorted(job, &names, count, parent, parent_size)
    free(names.bytes)
    if error:
        fail(job, error)
    return error == 0


cdef int read_names(int fd, Text *names, size_t *count) noexcept nogil:
    # 0, or the errno.
    cdef DIR *directory = fdopendir(fd)
    cdef Entry *entry
    cdef char kind
    cdef int error
    if directory is NULL:
        error = errno
        close(fd)
        return error
    while True:
        clear_errno()
        entry = readdir(directory)
        if entry is NULL:
            error = errno
            closedir(directory)
            return error
        if is_self_or_parent(entry.d_name):
            continue
        kind = <char>kind_at(fd, entry.d_name, entry.d_type)
        if not append(names, &kind, 1) or not append(names, entry.d_name, strlen(entry.d_name) + 1):
            closedir(directory)
            return ENOMEM
        count[0] += 1


cdef int add_sorted(FsJob *job, Text *names, size_t count, const char *parent, size_t parent_size) noexcept nogil:
    # 0, or the errno.
    cdef char **entries = <char **>malloc((count + 1) * sizeof(char *))
    cdef char *entry = names.bytes
    cdef size_t index
    cdef int error = 0
    if entries is NULL:
        return ENOMEM
    for index in range(count):
        entries[index] = entry
        entry += strlen(entry + 1) + 2
    qsort(entries, count, sizeof(char *), by_name)
    for index in range(count):
        entry = entries[index]
        if (not append(&job.text, entry, 1) or not append(&job.text, parent, parent_size)
                or not append(&job.text, entry + 1, strlen(entry + 1) + 1)):
            error = ENOMEM
            break
        job.result += 1
    free(entries)
    return error


cdef int by_name(const void *first, const void *second) noexcept nogil:
    return strcmp((<const char **>first)[0] + 1, (<const char **>second)[0] + 1)


# ---- rm


cdef struct Level:
    # A directory on the way from the root of a tree to where it is removed.
    DIR *directory      # NULL: closed meanwhile
    char *name          # in its parent. OWNER: the level
    dev_t device        # which directory it is
    ino_t inode
    int passes          # how often it was begun anew
    bint has_removed    # something, in this pass

cdef struct Descent:
    Level *levels
    int depth
    int room


cdef Outcome perform_rm(FsJob *job) noexcept nogil:
    # path, is_recursive, is_forced
    cdef int entries = 0
    if job.state is NULL and not begin_rm(job):
        return DONE
    while job.error == 0 and (<Descent *>job.state).depth:
        if is_abandoned(job):
            break
        if entries >= TURN_ENTRIES:
            return MORE
        entries += 1
        remove_next(job, <Descent *>job.state)
    end_rm(job)
    return DONE


cdef bint begin_rm(FsJob *job) noexcept nogil:
    # False: it is through, or has failed.
    cdef struct_stat status
    cdef size_t size = size_without_slashes(job.path)
    cdef bint is_directory_meant = job.path[size] == b"/"
    cdef int fd
    job.path[size] = 0      # a link with a slash behind it would be followed
    if fstatat(AT_FDCWD, job.path, &status, AT_SYMLINK_NOFOLLOW) < 0:
        if errno != ENOENT or not job.is_forced:
            fail(job, errno)
        return False
    if not S_ISDIR(status.st_mode):
        if is_directory_meant:
            fail(job, ENOTDIR)
        elif unlinkat(AT_FDCWD, job.path, 0) < 0 and not (errno == ENOENT and job.is_forced):
            fail(job, errno)
        return False
    if not job.is_recursive:
        fail(job, EISDIR)
        return False
    if not may_go(job.path):
        fail(job, EBUSY if job.path[0] == b"/" and size == 1 else EINVAL)
        return False
    fd = openat(AT_FDCWD, job.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    if fd < 0 and errno != EACCES:
        fail(job, errno)
        return False
    if fd < 0:
        if unlinkat(AT_FDCWD, job.path, AT_REMOVEDIR) < 0:      # one that is empty needs no look inside
            fail(job, EACCES if errno == ENOTEMPTY else errno)
        return False
    job.state = malloc(sizeof(Descent))
    if job.state is NULL:
        close(fd)
        fail(job, ENOMEM)
        return False
    (<Descent *>job.state).levels = NULL
    (<Descent *>job.state).depth = (<Descent *>job.state).room = 0
    job.clean = end_rm
    push_level(job, <Descent *>job.state, fd, "")
    return True


cdef bint may_go(const char *path) noexcept nogil:
    # rmdir(2) refuses these, but only once they are empty.
    cdef const char *last = path + strlen(path)
    while last > path and (last - 1)[0] != b"/":
        last -= 1
    return last[0] != 0 and not is_self_or_parent(last)


cdef void end_rm(FsJob *job) noexcept nogil:
    cdef Descent *descent = <Descent *>job.state
    job.clean = NULL
    job.state = NULL
    while descent.depth:
        drop_level(descent)
    free(descent.levels)
    free(descent)


cdef bint push_level(FsJob *job, Descent *descent, int fd, const char *name) noexcept nogil:
    # OWNER: fd is the level's, or closed. False: it has failed.
    cdef Level *level
    cdef struct_stat status
    cdef int error = 0
    cdef DIR *directory = NULL
    cdef char *copy = <char *>malloc(strlen(name) + 1)
    if descent.depth >= LEVELS_MAX:
        error = ENAMETOOLONG
    elif copy is NULL or not has_room(descent):
        error = ENOMEM
    elif fstat(fd, &status) < 0:
        error = errno
    else:
        directory = fdopendir(fd)
        if directory is NULL:
            error = errno
    if error:
        free(copy)
        close(fd)
        fail_at(job, descent, name, error)
        return False
    memcpy(copy, name, strlen(name) + 1)
    level = &descent.levels[descent.depth]
    level.directory = directory
    level.name = copy
    level.device = status.st_dev
    level.inode = status.st_ino
    level.passes = 0
    level.has_removed = False
    descent.depth += 1
    if descent.depth > OPEN_LEVELS:
        close_level(&descent.levels[descent.depth - 1 - OPEN_LEVELS])
    return True


cdef bint has_room(Descent *descent) noexcept nogil:
    cdef int room
    cdef Level *levels
    if descent.depth < descent.room:
        return True
    room = max(8, 2 * descent.room)
    levels = <Level *>realloc(descent.levels, room * sizeof(Level))
    if levels is NULL:
        return False
    descent.levels = levels
    descent.room = room
    return True


cdef inline void close_level(Level *level) noexcept nogil:
    if level.directory is not NULL:
        closedir(level.directory)
        level.directory = NULL


cdef void drop_level(Descent *descent) noexcept nogil:
    descent.depth -= 1
    close_level(&descent.levels[descent.depth])
    free(descent.levels[descent.depth].name)


cdef void remove_next(FsJob *job, Descent *descent) noexcept nogil:
    # One entry of the deepest directory, or that directory itself.
    cdef Level *level = &descent.levels[descent.depth - 1]
    cdef int directory = dirfd(level.directory)
    cdef Entry *entry
    clear_errno()
    entry = readdir(level.directory)
    if entry is NULL:
        if errno:
            fail_at(job, descent, NULL, errno)
        else:
            leave_level(job, descent)
    elif not is_self_or_parent(entry.d_name):
        if kind_at(directory, entry.d_name, entry.d_type) == DT_DIR:
            enter(job, descent, directory, entry.d_name)
        else:
            remove_entry(job, descent, directory, entry.d_name, 0)


cdef void enter(FsJob *job, Descent *descent, int directory, const char *name) noexcept nogil:
    cdef int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    if fd >= 0:
        push_level(job, descent, fd, name)
    elif errno == ELOOP or errno == ENOTDIR:
        remove_entry(job, descent, directory, name, 0)      # it was swapped for a link, or a file
    elif errno == EACCES:
        remove_entry(job, descent, directory, name, AT_REMOVEDIR)       # one that is empty needs no look inside
        if job.error == ENOTEMPTY:
            job.error = EACCES
    elif errno != ENOENT:
        fail_at(job, descent, name, errno)


cdef void remove_entry(FsJob *job, Descent *descent, int directory, const char *name, int flags) noexcept nogil:
    if unlinkat(directory, name, flags) == 0:
        descent.levels[descent.depth - 1].has_removed = True
        job.result += 1
    elif errno == EISDIR:
        enter(job, descent, directory, name)        # it was swapped for a directory
    elif errno != ENOENT:
        fail_at(job, descent, name, errno)


cdef void leave_level(FsJob *job, Descent *descent) noexcept nogil:
    # It has been gone through, and should be empty.
    cdef Level *level = &descent.levels[descent.depth - 1]
    cdef Level *parent
    cdef int result
    if descent.depth == 1:
        result = unlinkat(AT_FDCWD, job.path, AT_REMOVEDIR)
    else:
        parent = level - 1
        if parent.directory is NULL and not reopen(job, descent, parent, dirfd(level.directory)):
            return
        result = unlinkat(dirfd(parent.directory), level.name, AT_REMOVEDIR)
    if result < 0 and errno == ENOTEMPTY and level.has_removed and level.passes < PASSES_MAX:
        # Somebody has put something in meanwhile, or the file system loses its place while names go.
        level.passes += 1
        level.has_removed = False
        rewinddir(level.directory)
        return
    if result < 0 and errno != ENOENT:
        fail_at(job, descent, NULL, errno)
        return
    drop_level(descent)
    if descent.depth:
        descent.levels[descent.depth - 1].has_removed = True
    job.result += 1


cdef bint reopen(FsJob *job, Descent *descent, Level *parent, int child) noexcept nogil:
    # False: it has failed. The directory must be the very one that was left: the child may have been moved elsewhere.
    cdef struct_stat status
    cdef int error = 0
    cdef int fd = openat(child, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if fd < 0 or fstat(fd, &status) < 0:
        error = errno
    elif status.st_dev != parent.device or status.st_ino != parent.inode:
        error = ESTALE
    else:
        parent.directory = fdopendir(fd)
        if parent.directory is not NULL:
            return True
        error = errno
    close_if_open(fd)
    fail_at(job, descent, NULL, error)
    return False


cdef void fail_at(FsJob *job, Descent *descent, const char *name, int error) noexcept nogil:
    # NULL: the deepest directory itself.
    cdef int index
    fail(job, error)
    job.text.size = 0
    for index in range(1, descent.depth):
        if job.text.size:
            append(&job.text, "/", 1)
        append(&job.text, descent.levels[index].name, strlen(descent.levels[index].name))
    if name is not NULL:
        if job.text.size:
            append(&job.text, "/", 1)
        append(&job.text, name, strlen(name))
