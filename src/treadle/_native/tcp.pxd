"""Declarations of tcp.pyx: what other native units may touch."""
from libc.stdint cimport int64_t, uint16_t, uint32_t

from treadle._native.cipher cimport Cipher, iovec
from treadle._native.loop cimport LoopCore
from treadle._native.movers cimport Mover
from treadle._native.poll_epoll cimport PollHandle
from treadle._native.queues cimport Ring

cdef extern from "<sys/socket.h>" nogil:
    ctypedef unsigned int socklen_t
    struct sockaddr:
        unsigned short sa_family

cdef extern from "<netinet/in.h>" nogil:
    struct in6_addr:
        pass
    struct sockaddr_in6:
        uint16_t sin6_port
        uint32_t sin6_flowinfo
        in6_addr sin6_addr
        uint32_t sin6_scope_id

cdef enum:
    MARK_DEFAULT = 64 * 1024        # bytes unsent before on_full(); asyncio and Node alike


cdef void set_nodelay(int fd, int is_on=*) noexcept
cdef object address_name(sockaddr *address)     # as socket shows it; "" for a Unix socket, None for what is unknown


cdef class Stream(PollHandle):
    cdef LoopCore loop
    cdef object sock                # socket.socket that owns the fd; None while nobody asked for one
    cdef bint is_fd_ours            # the fd is closed here, not by `sock`; cleared when `sock` takes it over
    cdef sockaddr_in6 peer          # as accept4 gave it; family 0: unknown
    cdef Cipher cipher              # stands between it and the socket; None: what is written is what is sent
    cdef Ring unsent                # bytes objects; None until something could not be sent at once
    cdef Py_ssize_t unsent_offset   # into the first of them
    cdef Py_ssize_t unsent_bytes
    cdef Py_ssize_t read_size       # at most, per receive; 0: the loop's whole buffer
    cdef Py_ssize_t high_water_mark
    cdef Py_ssize_t low_water_mark
    cdef bint reading               # wants to read; set by resume(), cleared by pause(), at the end of input, at close
    cdef Mover sender               # sends in its place, and what is written meanwhile stands behind; None: nobody does
    cdef Py_ssize_t ahead           # so many of `unsent` go before what the sender sends
    cdef Mover taker                # receives in its place; None: nobody does
    cdef bint is_corked             # writes are gathered until uncork()
    cdef bint is_over_mark          # on_full() was called, on_drained() is due
    cdef bint is_shutting           # write side: shut down once everything is sent
    cdef bint closing               # set by close_after_flush() and end_now(), never cleared
    cdef bint is_ended              # the close phase has it, or has had it
    cdef object error               # the exception that ended it, or None

    cdef int resume(self) except -1
    cdef int pause(self) except -1
    cdef int rewatch(self) except -1
    cdef int read_some(self) except -1
    cdef int received_nothing(self, Py_ssize_t size) except -1
    cdef int send_bytes(self, bytes data) except -1
    cdef int queue_bytes(self, bytes data) except -1
    cdef int uncork(self) except -1
    cdef int flush(self) except -1
    cdef Py_ssize_t flush_queue(self) except -1
    cdef int note_level(self) except -1
    cdef int all_sent(self) except -1
    cdef Py_ssize_t take_in(self, void *buffer, Py_ssize_t room) noexcept       # -1: see errno
    cdef Py_ssize_t look_ahead(self, void *buffer, Py_ssize_t room) noexcept    # likewise, and it stays where it is
    cdef Py_ssize_t give_out(self, const void *data, Py_ssize_t size) noexcept  # likewise
    cdef Py_ssize_t give_out_all(self, iovec *pieces, Py_ssize_t count) noexcept
    cdef int end_side(self) except -1       # tell the peer that nothing more comes
    cdef int encrypt_by(self, Cipher cipher) except -1
    cdef int lend_sink(self, Mover sender) except -1
    cdef int take_back_sink(self, Mover sender) except -1
    cdef int lend_source(self, Mover taker) except -1
    cdef int take_back_source(self, Mover taker) except -1
    cdef int lose_taker(self) except -1
    cdef int lose_movers(self) except -1
    cdef int shut_down(self) except -1
    cdef int close_after_flush(self) except -1
    cdef int end_now(self, error) except -1
    cdef int fail_as_kernel_says(self) except -1
    cdef int fail(self, int error_number) except -1
    cdef int finish(self) except -1
    cdef int release_fd(self) except -1
    cdef object peer_name(self)
    cdef object local_name(self)

    # What subclasses are told. None of these may raise: they handle what their user's code raises.
    cdef int on_bytes(self, const char *data, Py_ssize_t size) except -1
    cdef int on_end(self) except -1         # the peer has ended its side
    cdef int on_full(self) except -1        # more than high_water_mark waits to be sent
    cdef int on_drained(self) except -1     # no more than low_water_mark waits
    cdef int on_writable(self) except -1    # poll phase; flush() is due
    cdef int on_flushed(self) except -1     # nothing waits
    cdef int on_backlog(self, Py_ssize_t sent) except -1    # after a send that left something; it took `sent` bytes
    cdef int on_secure(self) except -1      # the handshake is done
    cdef int on_insecure(self, error, bint is_plain) except -1  # it has failed; is_plain: no TLS came. The stream ends, unless it
                                            # has let go of its cipher: then it goes on as a plain one
    cdef int on_no_data(self) except -1     # what was received held no data for the stream: it was TLS's own
    cdef int on_truncated(self, error) except -1    # the socket has ended, and no goodbye came before that
    cdef int on_moved(self, int64_t sent, bint is_full) except -1   # by a mover. is_full: it waits for the peer to take more
    cdef int on_closed(self) except -1      # close phase; the fd is closed; self.error says why
    cdef int paused_interest(self) noexcept # HALF_CLOSED | GONE: what to wait for while it neither reads nor sends; 0: nothing
    cdef int on_departure(self, bint is_gone) except -1     # that has come. Unless is_gone, the peer has only ended its side


cdef class Listener(PollHandle):
    cdef LoopCore loop
    cdef readonly object sock       # OWNER of the fd
    cdef bint is_paused             # set by pause(), cleared by start()
    cdef bint is_over               # set by stop_accepting(), never cleared

    cdef int take_waiting(self) except -1
    cdef bint accept_some(self, bint is_phase) except -1
    cdef int on_connection(self, int fd, sockaddr_in6 *peer) except -1
    cdef int on_exhausted(self, error) except -1    # no descriptor or memory left, or the socket failed: it is paused
