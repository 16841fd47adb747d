/* The floor: what the kernel alone costs. One thread, level-triggered epoll, one read and one write per wake-up of a
 * connection, a fixed answer for every "\r\n\r\n" in the bytes read. No parsing, no limits, no timeouts: no server
 * anybody could use, only the number below which nobody gets. The port comes in $PORT.
 *
 *   cc -O2 -o epoll_floor epoll_floor.c
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static const char ANSWER[] = "HTTP/1.1 200 OK\r\n"
                             "Content-Type: text/plain\r\n"
                             "Content-Length: 13\r\n"
                             "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                             "\r\n"
                             "Hello, World!";
enum { ANSWER_LEN = sizeof ANSWER - 1, PIPELINED_MAX = 32, EVENTS_MAX = 512, BACKLOG = 4096 };

static char answers[PIPELINED_MAX * ANSWER_LEN];
static char input[65536];

static int open_listener(int port) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, BACKLOG)) {
        perror("bind");
        exit(1);
    }
    return listener;
}

static void watch(int epoll, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void accept_all(int epoll, int listener) {
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        watch(epoll, fd);
    }
}

static void serve(int fd) {
    ssize_t n = read(fd, input, sizeof input);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN) close(fd);
        return;
    }
    int requests = 0;
    for (char *p = input; (p = memmem(p, input + n - p, "\r\n\r\n", 4)); p += 4) requests++;
    if (requests > PIPELINED_MAX) requests = PIPELINED_MAX;
    if (requests && write(fd, answers, (size_t)requests * ANSWER_LEN) < 0) close(fd);
}

int main(void) {
    const char *port = getenv("PORT");
    int listener = open_listener(port ? atoi(port) : 8000), epoll = epoll_create1(0);
    static struct epoll_event events[EVENTS_MAX];
    for (int i = 0; i < PIPELINED_MAX; i++) memcpy(answers + i * ANSWER_LEN, ANSWER, ANSWER_LEN);
    watch(epoll, listener);
    for (;;) {
        int ready = epoll_wait(epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == listener) accept_all(epoll, listener);
            else serve(events[i].data.fd);
        }
    }
}
