/* The load on an echo server: each connection sends a message, waits until all of it is back, and sends the next.
 *
 *   cc -O2 -o echo_load echo_load.c
 *   echo_load PORT CONNECTIONS BYTES
 *
 * Each line of the standard input is a number of seconds: so long it drives, over the connections that the first line opens;
 * then, nothing being under way any more, it answers with one line of JSON. errors: connections that ended or failed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_MAX = 256, LATENCY_MAX_US = 1000000, LATE_US = 5000000, POLL_MS = 100 };

struct connection {
    int fd;
    size_t received;
    int64_t sent_us;
};

static uint32_t latencies[LATENCY_MAX_US + 1]; /* how many messages took so many microseconds */
static uint64_t messages, errors, waiting;
static size_t size;
static char *message, *answer;
static struct connection *connections;
static int count, epoll;

static int64_t now_us(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void fail(struct connection *one) {
    errors++;
    close(one->fd);
    one->fd = -1;
}

static void send_message(struct connection *one, int64_t us) {
    one->received = 0;
    one->sent_us = us;
    if (write(one->fd, message, size) == (ssize_t)size) waiting++;
    else fail(one);
}

static void receive(struct connection *one, int64_t us, int64_t end_us) {
    ssize_t got = read(one->fd, answer, size);
    if (got <= 0) {
        waiting--;
        fail(one);
        return;
    }
    one->received += got;
    if (one->received < size) return;
    int64_t took = us - one->sent_us;
    latencies[took < LATENCY_MAX_US ? took : LATENCY_MAX_US]++;
    messages++;
    waiting--;
    if (us < end_us) send_message(one, us);
}

static int open_connections(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < count; i++) {
        int fd = connections[i].fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)&address, sizeof address)) return -1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct epoll_event watched = {.events = EPOLLIN, .data.ptr = &connections[i]};
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &watched);
    }
    return 0;
}

static int percentile_us(double share) {
    uint64_t seen = 0;
    for (int us = 0; us <= LATENCY_MAX_US; us++)
        if ((seen += latencies[us]) >= messages * share) return us;
    return LATENCY_MAX_US;
}

static void drive(double seconds) {
    struct epoll_event events[EVENTS_MAX];
    int64_t cpu_us = now_us(CLOCK_PROCESS_CPUTIME_ID), begun = now_us(CLOCK_MONOTONIC), now = begun;
    int64_t end = begun + (int64_t)(seconds * 1e6);
    messages = errors = waiting = 0;
    memset(latencies, 0, sizeof latencies);
    for (int i = 0; i < count; i++)
        if (connections[i].fd >= 0) send_message(&connections[i], begun);
    while (waiting && now < end + LATE_US) {
        int ready = epoll_wait(epoll, events, EVENTS_MAX, POLL_MS);
        now = now_us(CLOCK_MONOTONIC);
        for (int i = 0; i < ready; i++) receive(events[i].data.ptr, now, end);
    }
    cpu_us = now_us(CLOCK_PROCESS_CPUTIME_ID) - cpu_us;
    printf("{\"messages\": %lu, \"seconds\": %.4f, \"errors\": %lu, \"p50_us\": %d, \"p99_us\": %d, \"cpu_s\": %.4f}\n", messages,
           (now - begun) / 1e6, errors + waiting, percentile_us(0.5), percentile_us(0.99), cpu_us / 1e6);
    fflush(stdout);
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    count = atoi(argv[2]);
    size = atoi(argv[3]);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    connections = calloc(count, sizeof *connections);
    message = malloc(size);
    answer = malloc(size);
    memset(message, 'x', size);
    double seconds;
    for (int is_open = 0; scanf("%lf", &seconds) == 1; is_open = 1) {
        if (!is_open && open_connections(atoi(argv[1]))) {
            perror("connect");
            return 1;
        }
        drive(seconds);
    }
    return 0;
}
