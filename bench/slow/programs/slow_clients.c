/* Clients that are slow in five ways, so many of each, all at once.
 *
 *   cc -O2 -o slow_clients slow_clients.c
 *   slow_clients PORT EACH GAP_MS CONNECTS_PER_S SECONDS
 *
 *   header   a head that never ends, a byte in each gap
 *   body     a body of 1 MB, a byte in each gap
 *   reader   asks for /download, reads READ_BYTES in each gap
 *   never    asks for /download, reads nothing
 *   idle     asks for /, reads the answer, and says no more
 *
 * Prints {"event": "connected"} when all are there and {"event": "ended"} when the server has ended all, or SECONDS have passed;
 * then holds what is left until its standard input ends, and prints one line for each kind: how many the server ended, when after
 * the moment at which the deadline of that kind begins, and by what. A client whose receive buffer is full sees a reset, but no
 * end: that stands behind bytes that it does not read. Each kind has an address of its own, 127.0.0.2 to 127.0.0.6.
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
#include <time.h>
#include <unistd.h>

enum { HEADER, BODY, READER, NEVER, IDLE, KINDS };
enum { EVENTS_MAX = 256, TICK_MS = 1, READ_BYTES = 100, RECEIVE_BUFFER = 4096, STATUS_MAX = 600 };
enum ending { OPEN, CLOSED, RESET };

static const char *const NAMES[KINDS] = {"header", "body", "reader", "never", "idle"};
static const char *const SAID[KINDS] = {
    "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: a",
    "PUT /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nx",
    "GET /download HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /download HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
};

struct client {
    int fd, kind, status; /* status: of what was said without being asked for; 0: nothing */
    enum ending ending;
    int64_t begun_us, ended_us; /* ended: the first sign of it */
};

static struct client *clients;
static int count, made, open_now, refused, epoll;
static char buffer[65536];

static int64_t now_us(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void let_go(struct client *one) {
    if (one->fd < 0) return;
    close(one->fd);
    one->fd = -1;
    open_now--;
}

static void end(struct client *one, enum ending how) {
    if (!one->ended_us) one->ended_us = now_us(CLOCK_MONOTONIC);
    one->ending = how;
    let_go(one);
}

static void make(struct client *one, int kind, int port) {
    struct sockaddr_in own = {.sin_family = AF_INET}, server = {.sin_family = AF_INET, .sin_port = htons(port)};
    int is_on = 1, room = RECEIVE_BUFFER;
    struct timeval most = {.tv_sec = 10};
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + kind);
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    one->kind = kind;
    one->fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(one->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &is_on, sizeof is_on);
    setsockopt(one->fd, IPPROTO_TCP, TCP_NODELAY, &is_on, sizeof is_on);
    setsockopt(one->fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most); /* of connect() */
    if (kind == READER || kind == NEVER) setsockopt(one->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (bind(one->fd, (struct sockaddr *)&own, sizeof own) || connect(one->fd, (struct sockaddr *)&server, sizeof server)) {
        perror(NAMES[kind]);
        close(one->fd);
        one->fd = -1;
        refused++;
        return;
    }
    fcntl(one->fd, F_SETFL, O_NONBLOCK);
    open_now++;
    struct epoll_event watched = {.events = EPOLLRDHUP, .data.ptr = one};
    if (kind != READER && kind != NEVER) watched.events |= EPOLLIN;
    epoll_ctl(epoll, EPOLL_CTL_ADD, one->fd, &watched);
    if (write(one->fd, SAID[kind], strlen(SAID[kind])) < 0) end(one, RESET);
    one->begun_us = now_us(CLOCK_MONOTONIC);
}

/* What the server says: the answer to an idle one's request is expected, all else is its end. */
static void hear(struct client *one) {
    ssize_t got = read(one->fd, buffer, one->kind == READER ? READ_BYTES : sizeof buffer);
    if (got < 0) {
        if (errno != EAGAIN) end(one, RESET);
    } else if (got == 0) {
        end(one, CLOSED);
    } else if (one->kind == IDLE && !one->ended_us && memmem(buffer, got, " 200 ", 5)) {
        one->begun_us = now_us(CLOCK_MONOTONIC);
    } else if (one->kind != READER && !one->status && got > 12 && !memcmp(buffer, "HTTP/1.", 7)) {
        one->ended_us = now_us(CLOCK_MONOTONIC);
        one->status = atoi(buffer + 9);
        if (one->status < 0 || one->status >= STATUS_MAX) one->status = 0;
    }
}

static void on_event(struct client *one, uint32_t events) {
    if (one->fd < 0) return;
    if (one->kind != READER && one->kind != NEVER) {
        hear(one); /* what was said before a reset is still there */
        return;
    }
    int error = 0;
    socklen_t room = sizeof error;
    getsockopt(one->fd, SOL_SOCKET, SO_ERROR, &error, &room);
    end(one, error || events & EPOLLERR ? RESET : CLOSED);
}

static void act(struct client *one) {
    if (one->fd < 0 || one->status) return;
    if (one->kind == READER) hear(one);
    else if ((one->kind == HEADER || one->kind == BODY) && write(one->fd, "a", 1) < 0 && errno != EAGAIN) end(one, RESET);
}

static void say(const char *event) {
    printf("{\"event\": \"%s\"}\n", event);
    fflush(stdout);
}

static int by_value(const void *one, const void *other) {
    int64_t a = *(const int64_t *)one, b = *(const int64_t *)other;
    return (a > b) - (a < b);
}

static void report(int kind) {
    static int answers[STATUS_MAX];
    int64_t *took = malloc(sizeof *took * count);
    int connected = 0, ended = 0, endings[RESET + 1] = {0};
    memset(answers, 0, sizeof answers);
    for (int i = 0; i < made; i++) {
        struct client *one = &clients[i];
        if (one->kind != kind || !one->begun_us) continue;
        connected++;
        endings[one->ending]++;
        answers[one->status]++;
        if (one->ending != OPEN) took[ended++] = one->ended_us - one->begun_us;
    }
    qsort(took, ended, sizeof *took, by_value);
    printf("{\"kind\": \"%s\", \"connected\": %d, \"ended\": %d, \"closed\": %d, \"reset\": %d", NAMES[kind], connected, ended,
           endings[CLOSED], endings[RESET]);
    if (ended)
        printf(", \"first_s\": %.3f, \"median_s\": %.3f, \"last_s\": %.3f", took[0] / 1e6, took[ended / 2] / 1e6, took[ended - 1] / 1e6);
    printf(", \"answers\": {");
    const char *comma = "";
    for (int status = 1; status < STATUS_MAX; status++)
        if (answers[status]) {
            printf("%s\"%d\": %d", comma, status, answers[status]);
            comma = ", ";
        }
    printf("}}\n");
    free(took);
}

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    int port = atoi(argv[1]), each = atoi(argv[2]);
    double gap_us = atof(argv[3]) * 1e3, connects_per_us = atof(argv[4]) / 1e6, seconds = atof(argv[5]);
    struct epoll_event events[EVENTS_MAX], input = {.events = EPOLLIN};
    int64_t begun = now_us(CLOCK_MONOTONIC), all_made = 0;
    int is_told = 0;
    count = each * KINDS;
    clients = calloc(count, sizeof *clients);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &input);
    uint64_t acted = 0; /* in turns: each once in a gap */
    for (;;) {
        int ready = epoll_wait(epoll, events, EVENTS_MAX, TICK_MS), is_over = 0;
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr) on_event(events[i].data.ptr, events[i].events);
            else is_over = 1;
        }
        if (is_over) break;
        int64_t now = now_us(CLOCK_MONOTONIC);
        while (made < count && made < (now - begun) * connects_per_us) {
            make(&clients[made], made % KINDS, port);
            made++;
        }
        if (made < count) continue;
        if (!all_made) {
            all_made = now;
            say("connected");
        }
        for (uint64_t due = (now - all_made) / gap_us * count; acted < due; acted++) act(&clients[acted % count]);
        if (!is_told && (open_now == 0 || now - all_made > seconds * 1e6)) {
            is_told = 1;
            say("ended");
        }
    }
    int left = open_now;
    for (int kind = 0; kind < KINDS; kind++) report(kind);
    printf("{\"event\": \"over\", \"left\": %d, \"refused\": %d, \"seconds\": %.3f, \"cpu_s\": %.3f}\n", left, refused,
           (now_us(CLOCK_MONOTONIC) - begun) / 1e6, now_us(CLOCK_PROCESS_CPUTIME_ID) / 1e6);
    return 0;
}
