/* A clock that stands still, for a loop that is compiled as it ships: preloaded, it answers for the C library.
 *
 * On a thread that has frozen it, CLOCK_MONOTONIC moves by frozen_clock_spin() and by a poll that waits: the poll ends at once, and
 * the time that it would have waited has passed. Everywhere else both functions do what they always do. Not here: a poll that only
 * another thread could end; it fails with EDEADLK.
 *
 * A program that cannot call C functions asks by truncating a file that is not there: see ftruncate64().
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000
#define NS_PER_MS 1000000

static __thread int is_frozen;
static __thread int64_t now_ns;

void frozen_clock_start(int64_t ns) { now_ns = ns; is_frozen = 1; }
void frozen_clock_spin(int64_t ns) { now_ns += ns; }
int64_t frozen_clock_now_ns(void) { return now_ns; }
void frozen_clock_end(void) { is_frozen = 0; }

int clock_gettime(clockid_t clock, struct timespec *time)
{
    if (!is_frozen || (clock != CLOCK_MONOTONIC && clock != CLOCK_MONOTONIC_COARSE))
        return (int)syscall(SYS_clock_gettime, clock, time);
    time->tv_sec = now_ns / NS_PER_S;
    time->tv_nsec = now_ns % NS_PER_S;
    return 0;
}

int epoll_pwait(int epoll_fd, struct epoll_event *events, int room, int timeout_ms, const sigset_t *signals)
{
    int found = (int)syscall(SYS_epoll_pwait, epoll_fd, events, room, is_frozen ? 0 : timeout_ms, signals, _NSIG / 8);
    if (!is_frozen || found != 0)
        return found;
    if (timeout_ms < 0) {
        errno = EDEADLK;
        return -1;
    }
    now_ns += (int64_t)timeout_ms * NS_PER_MS;
    return 0;
}

int epoll_wait(int epoll_fd, struct epoll_event *events, int room, int timeout_ms)
{
    return epoll_pwait(epoll_fd, events, room, timeout_ms, NULL);
}

enum { START = 0x7fff0000, SPIN };

int ftruncate64(int fd, off64_t ns)
{
    struct timespec time;
    switch (fd) {
    case START: /* at the next whole ms, plus ns */
        clock_gettime(CLOCK_MONOTONIC, &time);
        frozen_clock_start((time.tv_sec * (int64_t)1000 + time.tv_nsec / NS_PER_MS + 1) * NS_PER_MS + ns);
        return 0;
    case SPIN:
        frozen_clock_spin(ns);
        return 0;
    }
    return (int)syscall(SYS_ftruncate, fd, ns);
}
