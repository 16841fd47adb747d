/* What the kernel alone takes: a file to a socket by sendfile, or a proxy by splice over a pipe; one connection at a time.
 *
 *   cc -O2 -o bulk_floor bulk_floor.c
 *   PORT=8000 FILE=path bulk_floor file_to_socket
 *   PORT=8000 UPSTREAM=8001 bulk_floor socket_to_socket
 *
 * The next connection waits until the one before has ended: no poll, no thread. No server that anybody could use is so simple.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

enum { AT_ONCE_BYTES = 1 << 20, BACKLOG = 128 };

static struct sockaddr_in local(const char *at) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(at)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return address;
}

static void send_file(int client) {
    int file = open(getenv("FILE"), O_RDONLY);
    while (sendfile(client, file, NULL, AT_ONCE_BYTES) > 0) continue;
    close(file);
}

static void join_upstream(int client) {
    int upstream = socket(AF_INET, SOCK_STREAM, 0), ends[2];
    struct sockaddr_in address = local(getenv("UPSTREAM"));
    if (!connect(upstream, (struct sockaddr *)&address, sizeof address) && !pipe(ends)) {
        fcntl(ends[1], F_SETPIPE_SZ, AT_ONCE_BYTES);
        ssize_t got, sent = 1;
        while (sent > 0 && (got = splice(upstream, NULL, ends[1], NULL, AT_ONCE_BYTES, SPLICE_F_MOVE)) > 0)
            for (; got > 0 && sent > 0; got -= sent) sent = splice(ends[0], NULL, client, NULL, got, SPLICE_F_MOVE);
        close(ends[0]);
        close(ends[1]);
    }
    close(upstream);
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    void (*serve)(int) = strcmp(argv[1], "file_to_socket") ? join_upstream : send_file;
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in address = local(getenv("PORT"));
    signal(SIGPIPE, SIG_IGN);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, BACKLOG)) return 1;
    for (;;) {
        int client = accept(listener, NULL, NULL);
        if (client < 0) continue;
        serve(client);
        close(client);
    }
}
