"""How many forks lie between this process and the one that loaded the unit: who remembers the number knows, without a
system call, whether it was made in this very process.

Counted by pthread_atfork, so also forks of C libraries; not seen are raw clone(2) calls. Invariant: it only grows, and only
in the child, before fork() returns there. Native code keeps it per process and not per loop, since what it counts is the
process. Not here: what a child does about it (poll_epoll, pool).
"""

cdef extern from *:
    """
    #include <pthread.h>

    static unsigned int treadle_forks;
    static int treadle_forks_error;
    static pthread_once_t treadle_forks_once = PTHREAD_ONCE_INIT;

    static void treadle_forked(void) { treadle_forks++; }
    static void treadle_start_counting(void) { treadle_forks_error = pthread_atfork(NULL, NULL, treadle_forked); }

    /* Once per process, however many interpreters load the unit. 0, or the errno. */
    static int treadle_count_forks(void) {
        pthread_once(&treadle_forks_once, treadle_start_counting);
        return treadle_forks_error;
    }
    """
    unsigned int forks "treadle_forks"
    int count_forks "treadle_count_forks"() nogil


cdef unsigned int fork_count() noexcept nogil:
    return forks


if count_forks():
    raise MemoryError()
