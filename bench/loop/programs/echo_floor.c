/* What the kernel alone costs to echo: one thread, level-triggered epoll, one read and one write per wake-up of a connection.
 * What the kernel does not take at once is lost: for messages far smaller than a socket's buffer. The port comes in $PORT.
 *
 *   cc -O2 -o echo_floor echo_floor.c
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS_MAX = 512, BACKLOG = 128, READ_MAX = 65536 };

static void watch(int epoll, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void echo(int fd) {
    static char data[READ_MAX];
    ssize_t size = read(fd, data, sizeof data);
    if (size > 0 && write(fd, data, size) == size) return;
    if (size >= 0 || errno != EAGAIN) close(fd);
}

int main(void) {
    const char *port = getenv("PORT");
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), epoll = epoll_create1(0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port ? atoi(port) : 8000)};
    static struct epoll_event events[EVENTS_MAX];
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, BACKLOG)) {
        perror("bind");
        return 1;
    }
    watch(epoll, listener);
    for (;;) {
        int ready = epoll_wait(epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) {
                echo(fd);
                continue;
            }
            while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                watch(epoll, fd);
            }
        }
    }
}
