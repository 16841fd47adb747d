/* The load on a server that sends a file: downloads, a few at a time, whose bytes are counted and thrown away in the kernel. For a
 * proxy it is the upstream, too: a port where whoever connects is sent the file, by sendfile.
 *
 *   cc -O2 -o bulk_load bulk_load.c
 *   bulk_load PORT CONNECTIONS FILE [UPSTREAM_PORT]
 *
 * "ready" says that the upstream listens. Each line of the standard input is a number of downloads; when that many have ended it
 * answers with one line of JSON. errors: downloads that failed, stood still or were not as long as the file.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_MAX = 64, AT_ONCE_BYTES = 1 << 20, STILL_MS = 20000, BACKLOG = 128 };

enum kind { COMMANDS, LISTENER, DOWNLOAD, UPSTREAM };

struct end { /* one descriptor that is watched */
    enum kind kind;
    int fd;
    off_t done; /* bytes received, or sent */
};

static int epoll, file, port, width;
static off_t file_bytes;
static long to_begin, under_way, downloads, errors;
static uint64_t received;
static struct timespec begun, begun_cpu;

static void watch(struct end *one, int operation, uint32_t events) {
    struct epoll_event watched = {.events = events, .data.ptr = one};
    epoll_ctl(epoll, operation, one->fd, &watched);
}

static struct end *new_end(enum kind kind, int fd, uint32_t events) {
    struct end *one = calloc(1, sizeof *one);
    one->kind = kind;
    one->fd = fd;
    watch(one, EPOLL_CTL_ADD, events);
    return one;
}

static struct sockaddr_in local(int at) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(at), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return address;
}

static void drop(struct end *one) {
    close(one->fd);
    free(one);
}

static double since(const struct timespec *from, clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (now.tv_sec - from->tv_sec) + (now.tv_nsec - from->tv_nsec) / 1e9;
}

static void begin_downloads(void) {
    struct sockaddr_in address = local(port);
    while (to_begin && under_way < width) {
        to_begin--;
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)&address, sizeof address)) {
            errors++;
            downloads++;
            close(fd);
            continue;
        }
        under_way++;
        new_end(DOWNLOAD, fd, EPOLLIN);
    }
}

static void report(void) {
    printf("{\"downloads\": %ld, \"bytes\": %lu, \"seconds\": %.4f, \"errors\": %ld, \"cpu_s\": %.4f}\n", downloads, received,
           since(&begun, CLOCK_MONOTONIC), errors, since(&begun_cpu, CLOCK_PROCESS_CPUTIME_ID));
    fflush(stdout);
}

static void download_ended(struct end *one) {
    errors += one->done != file_bytes;
    downloads++;
    under_way--;
    drop(one);
    begin_downloads();
    if (!under_way) report();
}

static void receive(struct end *one) {
    ssize_t got = recv(one->fd, NULL, AT_ONCE_BYTES, MSG_TRUNC | MSG_DONTWAIT); /* thrown away, not copied */
    if (got > 0) {
        one->done += got;
        received += got;
    } else if (!got || errno != EAGAIN) {
        download_ended(one);
    }
}

static void feed(struct end *one) {
    ssize_t sent = sendfile(one->fd, file, &one->done, AT_ONCE_BYTES);
    if (sent > 0 && one->done < file_bytes) return;
    if (sent < 0 && errno == EAGAIN) return;
    if (sent < 0) {
        drop(one);
        return;
    }
    shutdown(one->fd, SHUT_WR);
    watch(one, EPOLL_CTL_MOD, EPOLLIN | EPOLLRDHUP);
    one->done = -1; /* everything is sent: its end is awaited */
}

static void serve(struct end *one) {
    char nothing[4096];
    if (one->done >= 0) {
        feed(one);
        return;
    }
    ssize_t got = recv(one->fd, nothing, sizeof nothing, MSG_DONTWAIT);
    if (!got || (got < 0 && errno != EAGAIN)) drop(one);
}

static void accept_one(struct end *listener) {
    int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK);
    if (fd >= 0) new_end(UPSTREAM, fd, EPOLLOUT);
}

static int command(void) {
    char line[64];
    ssize_t got = read(0, line, sizeof line - 1);
    if (got <= 0) return -1;
    line[got] = 0;
    to_begin = atol(line);
    downloads = errors = 0;
    received = 0;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begun_cpu);
    begin_downloads();
    if (!under_way) report();
    return 0;
}

static int listen_at(int at) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in address = local(at);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, BACKLOG)) return -1;
    new_end(LISTENER, fd, EPOLLIN);
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    port = atoi(argv[1]);
    width = atoi(argv[2]);
    struct stat found;
    if ((file = open(argv[3], O_RDONLY)) < 0 || fstat(file, &found)) {
        perror(argv[3]);
        return 1;
    }
    file_bytes = found.st_size;
    signal(SIGPIPE, SIG_IGN); /* a proxy may drop its upstream at any time */
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (argc > 4 && listen_at(atoi(argv[4]))) {
        perror("listen");
        return 1;
    }
    new_end(COMMANDS, 0, EPOLLIN);
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        int ready = epoll_wait(epoll, events, EVENTS_MAX, under_way ? STILL_MS : -1);
        if (!ready) {
            fprintf(stderr, "%ld downloads stood still for %d ms\n", under_way, STILL_MS);
            return 1;
        }
        for (int i = 0; i < ready; i++) {
            struct end *one = events[i].data.ptr;
            switch (one->kind) {
            case COMMANDS:
                if (command()) return 0;
                break;
            case LISTENER: accept_one(one); break;
            case DOWNLOAD: receive(one); break;
            case UPSTREAM: serve(one); break;
            }
        }
    }
}
