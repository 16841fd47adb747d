"""What the kernel holds of answers that nobody reads: little until a peer is seen to read, and nothing once its connection is cut;
and how much of them has come to the peer.

Left alone, the kernel takes up to 4 MiB (tcp_wmem) for a peer that reads nothing: no byte of it is in the process, and yet it is
the container's memory (cgroup v2 counts it), as it is what makes TCP short of memory for everybody (tcp_mem). And a socket that
is closed with bytes unsent stays with the kernel until its peer takes them, or minutes have passed. Invariant: what a peer is sent
does not depend on any of this. Not here: when (http1_connection.pyx). Source: tcp(7), TCP_NOTSENT_LOWAT, TCP_INFO; socket(7),
SO_LINGER; unix(7), SIOCOUTQ.
"""
from libc.stdint cimport int64_t, uint64_t

cdef extern from "<sys/socket.h>" nogil:
    enum:
        SOL_SOCKET, SO_LINGER
    struct linger:
        int l_onoff
        int l_linger
    int getsockopt(int fd, int level, int name, void *value, unsigned int *size)
    int setsockopt(int fd, int level, int name, const void *value, unsigned int size)

cdef extern from "<netinet/in.h>" nogil:
    enum:
        IPPROTO_TCP

cdef extern from "<linux/tcp.h>" nogil:         # whose tcp_info is longer than that of <netinet/tcp.h>
    enum:
        TCP_INFO, TCP_NOTSENT_LOWAT
    struct tcp_info:
        uint64_t tcpi_bytes_acked               # Linux 4.1

cdef extern from "<sys/ioctl.h>" nogil:
    int ioctl(int fd, unsigned long request, int *value)

cdef extern from "<linux/sockios.h>" nogil:
    enum:
        SIOCOUTQ

cdef enum:
    QUEUE_MAX = 0x7fffffff
    UNSENT_MAX = 128 * 1024         # bytes that the kernel takes beyond what is on its way; h2o has 128 KiB, Apple advises 16


cdef void limit_unsent(int fd) noexcept:
    # Of a listening socket: those that it accepts inherit it. Fails where it makes no sense (Unix sockets), which is no matter.
    cdef int most = UNSENT_MAX
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &most, sizeof(most))


cdef void lift_limit(int fd) noexcept:
    # PERF: bench/run.py slow. With the limit a fast download takes half as much again of the server's CPU: it is woken more often.
    cdef int most = 0                   # the system's, net.ipv4.tcp_notsent_lowat
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &most, sizeof(most))


cdef void drop_on_close(int fd) noexcept:
    # Its close will reset the connection, and so drop what was not taken.
    cdef linger at_once
    at_once.l_onoff = 1
    at_once.l_linger = 0
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once))


cdef int64_t acknowledged_bytes(int fd) noexcept:
    # What has come to the peer, counted from somewhere. Of a Unix socket: while nothing is sent, what its queue has lost, in pieces.
    cdef tcp_info info
    cdef unsigned int size = sizeof(info)
    cdef int unread = 0
    info.tcpi_bytes_acked = 0
    if getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0:
        return <int64_t>info.tcpi_bytes_acked
    ioctl(fd, SIOCOUTQ, &unread)
    return QUEUE_MAX - unread
