"""A child process: made, given its descriptors, and turned into another program.

    parent   vfork() .......... waits, this thread alone ........... looks at the report: nothing, or what has failed
    child    become(): group, descriptors, directory, ids, signals, execve() -- fails --> report, _exit()

The child borrows the parent's memory until it executes (vfork(2)), and leaves its report there: it costs the same however large
the parent is, where fork(2) copies its page tables.

Also a child that is to have another user or group, which is where care is needed: that user's programs must not get at our memory
by way of the child. The kernel sees to it. As rights change it takes the mark off the memory that says who may look at it
(PR_SET_DUMPABLE), before the new rights hold: then nobody may attach to the child, or open its memory, but who might do so with
us as well. The mark is put back when the child has left the memory, and so one such child at a time borrows it (the lender);
another one is forked, as all of them are where the system leaves the mark on (fs.suid_dumpable). The ids are changed by the
system calls themselves: libc's functions of those names tell all threads that they find in the memory to do the same.

Invariants: what runs in the child is C that touches nothing of Python and allocates nothing; it returns never; no signal handler
of the parent's runs there; it inherits the descriptors that it was given and no other, whatever the parent has left inheritable.
The GIL is not held meanwhile. Source: vfork(2), execve(2), close_range(2), prctl(2), ptrace(2) "access mode checking"; CPython's
_posixsubprocess and libuv's uv_spawn, which order the steps likewise. Not here: who waits for its end (treadle.loop.children).
"""
from cpython.bytes cimport PyBytes_AS_STRING
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.errno cimport EACCES, EINTR, ENOENT, ENOEXEC, ENOTDIR, errno
from libc.signal cimport SIG_DFL, SIG_IGN, SIGPIPE, sighandler_t
from posix.unistd cimport _exit, chdir, close, dup2, execve, fork, getegid, geteuid, gid_t, pid_t, read, setpgid, setsid
from posix.unistd cimport uid_t, write

cdef extern from "<signal.h>" nogil:
    ctypedef struct sigset_t:
        pass
    struct sigaction_t "sigaction":
        sighandler_t sa_handler
        int sa_flags
    int sigaction(int number, const sigaction_t *action, sigaction_t *before)
    int sigfillset(sigset_t *signals)
    int pthread_sigmask(int how, const sigset_t *signals, sigset_t *before)
    int SIG_SETMASK, SIGXFSZ

cdef extern from "<unistd.h>" nogil:
    pid_t vfork()
    int pipe2(int *ends, int flags)     # declared with _GNU_SOURCE, which Python.h defines
    long syscall(long number, ...)

cdef extern from "<sys/wait.h>" nogil:
    pid_t waitpid(pid_t pid, int *status, int options)

cdef extern from "<fcntl.h>" nogil:
    int F_DUPFD_CLOEXEC, F_SETFD, F_GETFL, F_SETFL, O_CLOEXEC, O_NONBLOCK, O_RDONLY
    int fcntl(int fd, int command, ...)
    int open(const char *path, int flags)

cdef extern from "<sys/prctl.h>" nogil:
    int PR_GET_DUMPABLE, PR_SET_DUMPABLE
    int prctl(int option, unsigned long value, unsigned long, unsigned long, unsigned long)

cdef extern from *:
    """
    #include <sys/syscall.h>
    #include <unistd.h>

    #ifdef SYS_setuid32                 /* where those without the number take 16 bits */
    #define TREADLE_SETUID SYS_setuid32
    #define TREADLE_SETGID SYS_setgid32
    #define TREADLE_SETGROUPS SYS_setgroups32
    #else
    #define TREADLE_SETUID SYS_setuid
    #define TREADLE_SETGID SYS_setgid
    #define TREADLE_SETGROUPS SYS_setgroups
    #endif

    /* The process that lends its memory to a child of other rights, or 0. One, as the mark is the process's; what a forked child
       finds here is its parent's. */
    static int treadle_lender;

    static int treadle_begin_to_lend(void) {
        const int us = (int)getpid();
        int found = __atomic_load_n(&treadle_lender, __ATOMIC_RELAXED);
        return found != us && __atomic_compare_exchange_n(&treadle_lender, &found, us, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
    }

    static void treadle_end_lending(void) { __atomic_store_n(&treadle_lender, 0, __ATOMIC_RELEASE); }
    """
    enum:
        SYS_SETUID "TREADLE_SETUID"
        SYS_SETGID "TREADLE_SETGID"
        SYS_SETGROUPS "TREADLE_SETGROUPS"
    bint begin_to_lend "treadle_begin_to_lend"() nogil
    void end_lending "treadle_end_lending"() nogil

cdef enum:
    SYS_CLOSE_RANGE = 436       # close_range(2), the same everywhere; Linux 5.9
    CLOSE_RANGE_CLOEXEC = 4     # Linux 5.11; before, what is inheritable is inherited, and Python makes nothing so unasked
    SIGNALS_MAX = 64            # Linux
    STANDARD = 3                # descriptors that programs read from and write to as if they could wait there
    MARKED = 1                  # prctl(2), SUID_DUMP_USER: whoever has our rights may look at our memory

cdef enum Step:
    PROCESS
    GROUP
    DESCRIPTORS
    CHDIR
    IDS
    EXEC

STEP_CHDIR = CHDIR
STEP_EXEC = EXEC


cdef struct Report:
    int step
    int error


cdef struct Plan:
    char **programs             # what to execute: the first that is there
    char **arguments            # behind a free place, see execute()
    char **environment
    const char *directory       # NULL: the parent's
    int *descriptors            # the child's n is a copy of the n-th; -1: it has none
    int count
    int report_fd               # of a forked child, at least `count`; -1: it has our memory
    Report report               # all 0: it is executed
    bint has_own_session
    bint has_own_group
    bint has_uid
    bint has_gid
    uid_t uid
    gid_t gid
    sigset_t mask               # of the parent's thread


# ---- in the child


cdef void become(Plan *plan) noexcept nogil:
    # Returns never.
    cdef Report report
    report.step = GROUP
    report.error = join_group(plan)
    if report.error == 0:
        report.step = DESCRIPTORS
        report.error = place_descriptors(plan)
    if report.error == 0 and plan.directory != NULL and chdir(plan.directory) < 0:
        report.step = CHDIR
        report.error = errno
    if report.error == 0:
        report.step = IDS
        report.error = change_ids(plan)
    if report.error == 0:
        report.step = EXEC
        restore_signals(plan)
        report.error = execute(plan)
    if plan.report_fd >= 0:
        write(plan.report_fd, &report, sizeof(report))
    else:
        plan.report = report
    _exit(127)


cdef int join_group(Plan *plan) noexcept nogil:
    if plan.has_own_session:
        return errno if setsid() < 0 else 0
    if plan.has_own_group:
        return errno if setpgid(0, 0) < 0 else 0
    return 0


cdef int place_descriptors(Plan *plan) noexcept nogil:
    cdef int n, fd, flags
    for n in range(plan.count):         # ORDER: out of the way first, so that none is overwritten before it is copied
        fd = plan.descriptors[n]
        if 0 <= fd < plan.count and fd != n:
            fd = fcntl(fd, F_DUPFD_CLOEXEC, plan.count)
            if fd < 0:
                return errno
            plan.descriptors[n] = fd
    for n in range(plan.count):
        fd = plan.descriptors[n]
        if fd < 0:
            close(n)
            continue
        if fd == n:
            if fcntl(n, F_SETFD, 0) < 0:
                return errno
        elif dup2(fd, n) < 0:
            return errno
        if n < STANDARD:                # COMPAT(node): few programs expect EAGAIN there
            flags = fcntl(n, F_GETFL)
            if flags >= 0 and flags & O_NONBLOCK:
                fcntl(n, F_SETFL, flags & ~O_NONBLOCK)
    syscall(SYS_CLOSE_RANGE, <unsigned int>plan.count, <unsigned int>-1, <unsigned int>CLOSE_RANGE_CLOEXEC)
    return 0


cdef int change_ids(Plan *plan) noexcept nogil:
    # INVARIANT: the system calls, and never libc's functions, which would change the threads of the parent as well.
    if plan.has_uid or plan.has_gid:
        syscall(SYS_SETGROUPS, <long>0, <const gid_t *>NULL)    # COMPAT(node): fails for who may not, and they keep theirs
    if plan.has_gid and syscall(SYS_SETGID, plan.gid) < 0:
        return errno
    if plan.has_uid and syscall(SYS_SETUID, plan.uid) < 0:
        return errno
    return 0


cdef void restore_signals(Plan *plan) noexcept nogil:
    # What the parent handles has its default, also in the moment before execve(2); what CPython ignores, too.
    cdef sigaction_t now
    cdef int number
    for number in range(1, SIGNALS_MAX + 1):
        if sigaction(number, NULL, &now) < 0 or now.sa_handler == SIG_DFL:
            continue
        if now.sa_handler != SIG_IGN or number == SIGPIPE or number == SIGXFSZ:
            now.sa_handler = SIG_DFL
            now.sa_flags = 0
            sigaction(number, &now, NULL)
    pthread_sigmask(SIG_SETMASK, &plan.mask, NULL)


cdef int execute(Plan *plan) noexcept nogil:
    # As execvp(3): the first program that there is; what is no program is a script of the shell's. The errno.
    cdef char **program = plan.programs
    cdef bint is_refused = False
    while program[0] != NULL:
        execve(program[0], plan.arguments + 1, plan.environment)
        if errno == ENOEXEC:
            plan.arguments[0] = <char *>b"sh"
            plan.arguments[1] = program[0]      # in the place of the name that it was to see
            execve(b"/bin/sh", plan.arguments, plan.environment)
            return ENOEXEC
        if errno == EACCES:
            is_refused = True
        elif errno != ENOENT and errno != ENOTDIR:
            return errno
        program += 1
    return EACCES if is_refused else ENOENT


# ---- in the parent


cdef pid_t start(Plan *plan) noexcept nogil:
    # INVARIANT: nothing but become() runs in the child.
    cdef pid_t pid
    if plan.report_fd >= 0:
        pid = fork()
    else:
        pid = vfork()
    if pid == 0:
        become(plan)
    if pid < 0:
        plan.report.step = PROCESS
        plan.report.error = errno
    return pid


cdef bint is_mark_taken_off() noexcept nogil:
    # Whether the kernel takes it off memory whose process changes its rights. fs.suid_dumpable: 1 leaves it there (proc(5)).
    cdef char text = 0
    cdef ssize_t size
    cdef int fd = open(b"/proc/sys/fs/suid_dumpable", O_RDONLY | O_CLOEXEC)
    if fd < 0:
        return False
    size = read(fd, &text, 1)
    close(fd)
    return size == 1 and (text == b"0" or text == b"2")


cdef pid_t lend_and_start(Plan *plan) noexcept nogil:
    # ORDER: the mark is back before another one may borrow the memory. It stays off where this process has changed its rights.
    cdef int mark = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)
    cdef uid_t uid = geteuid()
    cdef gid_t gid = getegid()
    cdef pid_t pid = start(plan)
    if mark == MARKED and geteuid() == uid and getegid() == gid:
        prctl(PR_SET_DUMPABLE, MARKED, 0, 0, 0)
    end_lending()
    return pid


cdef void await_exec(Plan *plan, int report_fd) noexcept nogil:
    # Of a forked child, until it executes the program, or has failed.
    cdef ssize_t size
    while True:
        size = read(report_fd, &plan.report, sizeof(Report))
        if size >= 0 or errno != EINTR:
            break
    if size != sizeof(Report):
        plan.report.step = plan.report.error = 0


cdef void reap_failed(pid_t pid) noexcept nogil:
    cdef int status
    while waitpid(pid, &status, 0) < 0 and errno == EINTR:
        pass


cdef char **pointers(list texts, int free) except NULL:
    # Borrowed from the bytes objects in there. `free` places before them, NULL behind them.
    cdef Py_ssize_t i
    cdef Py_ssize_t count = len(texts)
    cdef char **found = <char **>PyMem_Malloc((free + count + 1) * sizeof(char *))
    if found is NULL:
        raise MemoryError()
    for i in range(free):
        found[i] = NULL
    for i in range(count):
        found[free + i] = PyBytes_AS_STRING(texts[i])
    found[free + count] = NULL
    return found


def spawn(programs, arguments, environment, directory, descriptors, *, bint has_own_session, bint has_own_group, uid, gid):
    """Start the first of `programs` that is there: (pid, 0, 0), or (0, errno, step that has failed: STEP_...).

    arguments: with the name that the program sees first. environment: b"NAME=value". descriptors: the child's n is a copy of the
    n-th of them, which stay the caller's; -1: none. None of the texts has a NUL in it.
    """
    cdef Plan plan
    cdef int ends[2]
    cdef int i
    cdef int error = 0
    cdef bint has_ids
    cdef bint lends = False
    cdef pid_t pid = -1
    cdef sigset_t every
    cdef list kept = [[bytes(text) for text in texts] for texts in (programs, arguments, environment)]
    cdef bytes place = directory
    cdef list numbers = [int(fd) for fd in descriptors]
    plan.programs = plan.arguments = plan.environment = NULL
    plan.descriptors = NULL
    plan.report.step = plan.report.error = 0
    plan.report_fd = ends[0] = -1
    try:
        plan.programs = pointers(kept[0], 0)
        plan.arguments = pointers(kept[1], 1)
        plan.environment = pointers(kept[2], 0)
        plan.directory = NULL if place is None else PyBytes_AS_STRING(place)
        plan.count = <int>len(numbers)
        plan.descriptors = <int *>PyMem_Malloc((plan.count + 1) * sizeof(int))
        if plan.descriptors is NULL:
            raise MemoryError()
        for i in range(plan.count):
            plan.descriptors[i] = numbers[i]
        plan.has_own_session = has_own_session
        plan.has_own_group = has_own_group
        plan.has_uid = uid is not None
        plan.has_gid = gid is not None
        plan.uid = 0 if uid is None else uid
        plan.gid = 0 if gid is None else gid
        has_ids = plan.has_uid or plan.has_gid
        lends = has_ids and is_mark_taken_off() and begin_to_lend()
        if has_ids and not lends:
            if pipe2(ends, O_CLOEXEC) < 0:
                return 0, errno, DESCRIPTORS
            plan.report_fd = fcntl(ends[1], F_DUPFD_CLOEXEC, plan.count)
            error = errno
            close(ends[1])
            if plan.report_fd < 0:
                close(ends[0])
                return 0, error, DESCRIPTORS
        with nogil:
            sigfillset(&every)
            pthread_sigmask(SIG_SETMASK, &every, &plan.mask)    # ORDER: a handler would run in the child, in our memory
            pid = lend_and_start(&plan) if lends else start(&plan)
            pthread_sigmask(SIG_SETMASK, &plan.mask, NULL)
            if plan.report_fd >= 0:
                close(plan.report_fd)
                if pid > 0:
                    await_exec(&plan, ends[0])
                close(ends[0])
            if pid > 0 and plan.report.error:
                reap_failed(pid)
        if plan.report.error:
            return 0, plan.report.error, plan.report.step
        return pid, 0, 0
    finally:
        PyMem_Free(plan.programs)
        PyMem_Free(plan.arguments)
        PyMem_Free(plan.environment)
        PyMem_Free(plan.descriptors)
