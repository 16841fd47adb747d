/* GET / at a fixed rate, whatever the server does: the time of a request begins when it was due, not when it could be sent.
 *
 *   cc -O2 -o paced_load paced_load.c
 *   paced_load PORT RATE CONNECTIONS
 *
 * Each line of the standard input ends a section, and is answered with one line of JSON about the requests that were due in it
 * and are over, or are still waited for. A request that finds no connection free waits for one. A connection that the server
 * has closed between two requests is made anew; one that ends within a request is an error.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_MAX = 64, LATENCY_MAX = 200000, BUCKET_US = 10, CONNECTIONS_MAX = 1024, QUEUE_MAX = 1 << 20 };

static const char REQUEST[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

struct connection {
    int fd, is_busy;
    int64_t due_us;
};

static uint32_t latencies[LATENCY_MAX + 1]; /* how many requests took so many tens of microseconds */
static uint64_t over, errors, renewed, longest_us;
static int64_t *queue; /* when those were due that wait for a connection */
static uint64_t queued, taken;
static struct connection connections[CONNECTIONS_MAX];
static int count, port, epoll;
static char buffer[65536];

static int64_t now_us(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void note(int64_t took) {
    int64_t bucket = took / BUCKET_US;
    latencies[bucket < LATENCY_MAX ? bucket : LATENCY_MAX]++;
    if ((uint64_t)took > longest_us) longest_us = took;
    over++;
}

static void connect_anew(struct connection *one) {
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(port)};
    int is_on = 1;
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    one->is_busy = 0;
    one->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(one->fd, (struct sockaddr *)&server, sizeof server)) {
        perror("paced_load");
        exit(1);
    }
    setsockopt(one->fd, IPPROTO_TCP, TCP_NODELAY, &is_on, sizeof is_on);
    fcntl(one->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event watched = {.events = EPOLLIN, .data.ptr = one};
    epoll_ctl(epoll, EPOLL_CTL_ADD, one->fd, &watched);
}

static void ended(struct connection *one) {
    if (one->is_busy) errors++;
    else renewed++;
    close(one->fd);
    connect_anew(one);
}

static void receive(struct connection *one) {
    ssize_t got = read(one->fd, buffer, sizeof buffer);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        ended(one);
    } else if (one->is_busy) { /* the answer is small: its head comes with it, and "World!" is its end */
        if (!memmem(buffer, got, "World!", 6)) return;
        one->is_busy = 0;
        note(now_us(CLOCK_MONOTONIC) - one->due_us);
    }
}

static void send_what_is_due(void) {
    for (int i = 0; i < count && taken < queued; i++) {
        static int turn;
        struct connection *one = &connections[turn++ % count];
        if (one->is_busy) continue;
        one->due_us = queue[taken++ % QUEUE_MAX];
        one->is_busy = 1;
        if (write(one->fd, REQUEST, sizeof REQUEST - 1) != sizeof REQUEST - 1) ended(one);
    }
}

static double percentile_ms(double share) {
    uint64_t seen = 0;
    for (int bucket = 0; bucket <= LATENCY_MAX; bucket++)
        if ((seen += latencies[bucket]) >= over * share) return bucket * BUCKET_US / 1e3;
    return LATENCY_MAX * BUCKET_US / 1e3;
}

static void report(int64_t begun, int64_t cpu_us) {
    int64_t now = now_us(CLOCK_MONOTONIC);
    uint64_t waiting = 0;
    for (int i = 0; i < count; i++)
        if (connections[i].is_busy) waiting++, note(now - connections[i].due_us);
    for (uint64_t i = taken; i < queued; i++) waiting++, note(now - queue[i % QUEUE_MAX]);
    printf("{\"requests\": %lu, \"seconds\": %.3f, \"p50_ms\": %.2f, \"p99_ms\": %.2f, \"p999_ms\": %.2f, \"longest_ms\": %.2f, "
           "\"waiting\": %lu, \"errors\": %lu, \"renewed\": %lu, \"cpu_s\": %.3f}\n",
           over, (now - begun) / 1e6, percentile_ms(0.5), percentile_ms(0.99), percentile_ms(0.999), longest_us / 1e3, waiting, errors,
           renewed, (now_us(CLOCK_PROCESS_CPUTIME_ID) - cpu_us) / 1e6);
    fflush(stdout);
    memset(latencies, 0, sizeof latencies);
    over = errors = renewed = longest_us = 0;
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    port = atoi(argv[1]);
    double every_us = 1e6 / atof(argv[2]);
    count = atoi(argv[3]);
    if (count < 1 || count > CONNECTIONS_MAX) return 2;
    queue = malloc(sizeof *queue * QUEUE_MAX);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct epoll_event input = {.events = EPOLLIN}, tick = {.events = EPOLLIN, .data.ptr = &timer}, events[EVENTS_MAX];
    epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &input);
    epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &tick);
    for (int i = 0; i < count; i++) connect_anew(&connections[i]);
    long every_ns = (long)(every_us * 1e3);
    struct itimerspec pace = {{every_ns / 1000000000, every_ns % 1000000000}, {every_ns / 1000000000, every_ns % 1000000000}};
    timerfd_settime(timer, 0, &pace, NULL);
    int64_t first = now_us(CLOCK_MONOTONIC), begun = first, cpu_us = now_us(CLOCK_PROCESS_CPUTIME_ID);
    for (;;) {
        int ready = epoll_wait(epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr == &timer) {
                uint64_t expired;
                if (read(timer, &expired, sizeof expired) < 0) continue;
                int64_t now = now_us(CLOCK_MONOTONIC);
                for (; queued < (now - first) / every_us; queued++) {
                    if (queued - taken == QUEUE_MAX) return 1;
                    queue[queued % QUEUE_MAX] = first + (int64_t)(queued * every_us);
                }
            } else if (events[i].data.ptr) {
                receive(events[i].data.ptr);
            } else {
                if (read(STDIN_FILENO, buffer, sizeof buffer) <= 0) return 0;
                report(begun, cpu_us);
                begun = now_us(CLOCK_MONOTONIC);
                cpu_us = now_us(CLOCK_PROCESS_CPUTIME_ID);
            }
        }
        send_what_is_due();
    }
}
