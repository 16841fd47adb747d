"""TLS of a native stream: ssl.SSLObject between two MemoryBIOs, since Python has no C API for libssl.

    socket --recv--> incoming --decrypt--> on_bytes()
    send_bytes() --encrypt--> outgoing --> records --send--> the socket takes all -- else --> watched for room

Invariants:
- behind a read `incoming` holds less than one record: what is decrypted is handed over at once, whatever the stream says then, or
  held where nobody read when it came. So a stream that pauses need not be woken by anything but its socket;
- what the stream has written counts as unsent until the socket has taken its records, in proportion; at most RECORDS_BYTES of it
  are encrypted ahead;
- OpenSSL is given one record at a time, once hands are shaken, and a peer whose records say nothing is cut (tls_records.pyx);
- answers of TLS itself (tickets, key updates) that wait are bounded: past CHOKE_BYTES nothing more is read;
- the input ends with the peer's close_notify; where the socket ends without one the stream is told that it was cut;
- our output ends with close_notify, once all is sent; a stream that is ended at once says none, so that the peer can tell.
Not here: contexts, names and certificates (treadle.tls), asyncio's TLS (tls.pyx). Source: RFC 8446, RFC 5246; Python, ssl.
"""
import ssl
from ssl import SSLError, SSLObject, SSLSyscallError, SSLWantReadError, SSLZeroReturnError

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.errno cimport EAGAIN, EINTR, EPROTO, errno
from libc.string cimport memcpy

from treadle._native.cipher cimport Cipher, Window, iovec
from treadle._native.poll_epoll cimport READABLE, WRITABLE, PollHandle
from treadle._native.tcp cimport Stream
from treadle._native.tls_records cimport RECORD_BYTES, RECORD_BYTES_WIRE, is_flood, next_record

cdef enum:
    RECORDS_BYTES = 64 * 1024           # plaintext encrypted ahead of the socket
    GIVE_BYTES_MAX = 256 * 1024         # encrypted in one call, then others have their turn: some 0.1 ms
    READ_BYTES_MAX = 64 * 1024          # one receive; half of the loop's buffer, whose other half takes the plaintext
    PLAIN_BYTES_MAX = READ_BYTES_MAX + 2 * RECORD_BYTES     # of one receive and what lay before it
    CHOKE_BYTES = 64 * 1024
    HANDSHAKE = 22                      # how the first record of TLS begins: RFC 8446, section 5.1

cdef tuple AGAIN = (SSLWantReadError, SSLSyscallError)      # the second as in asyncio.sslproto, SSLAgainErrors


cdef class TLSCipher(Cipher):
    """TLS of one stream; `received`: what has come from its peer already. Raises what ssl.SSLContext.wrap_bio raises."""

    def __init__(self, context, bint is_server, server_hostname=None, session=None, bytes received=None):
        self.fd = -1
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, is_server, server_hostname, session)
        self.feed = self.incoming.write
        self.drain = self.outgoing.read
        engine = self.tls._sslobj if type(self.tls) is SSLObject else self.tls      # PERF: a frame less for each record
        self.decrypt = engine.read
        self.encrypt = engine.write
        self.window = Window()
        self.is_shaking = True
        if received:
            self.is_begun = True
            self.first_byte = received[0]
            self.feed(received)

    # ---- the handshake

    cdef int begin(self, PollHandle handle) except -1:
        cdef Stream stream = <Stream>handle
        if not self.tls.server_side:
            self.shake_hands(stream)    # which calls nobody yet: it says hello
        if stream.is_ended:
            return 0
        if self.is_begun:
            self.come_back(stream)
        return stream.rewatch()

    cdef int shake_hands(self, Stream stream) except -1:
        try:
            self.tls.do_handshake()
        except AGAIN:
            return self.send_own(stream)
        except Exception as error:      # SSLError; CertificateError; ValueError, where a name is none
            if not self.is_plain():
                self.send_own(stream)   # an alert, as far as the socket takes it
            return 0 if stream.is_ended else self.fail_handshake(stream, error)
        self.is_shaking = False
        self.send_own(stream)
        if stream.is_ended:
            return 0
        stream.on_secure()
        stream.loop.drain_if_any()      # ORDER: between any two callbacks
        if stream.is_ended:
            return 0
        if stream.unsent_bytes and not stream.is_corked:
            return stream.flush()
        if stream.unsent_bytes == 0 and (stream.is_shutting or stream.closing):
            return stream.all_sent()
        return stream.rewatch()

    cdef bint is_plain(self) noexcept:
        # What has come is no TLS.
        return self.is_begun and self.first_byte != HANDSHAKE

    cdef int fail_handshake(self, Stream stream, error) except -1:
        cdef TLSCipher held = self      # OWNER: the stream may let go of it, and its methods are on the stack
        stream.on_insecure(error, self.is_plain())
        if stream.cipher is not held:
            if self.resuming is None:
                stream.loop.defer(self)     # which has it until they are through
            return self.let_go()
        return stream.end_now(error)

    # ---- reading

    cdef int read_some(self, PollHandle handle) except -1:
        cdef Stream stream = <Stream>handle
        cdef char *buffer = stream.loop.io_buffer
        cdef Py_ssize_t room = READ_BYTES_MAX
        cdef Py_ssize_t size
        if not self.interest_of(stream, READABLE if stream.reading else 0) & READABLE:
            return 0            # what was ready when the kernel was asked is nobody's business any more
        if stream.read_size:    # at least a record: a part of one cannot be handed over
            room = min(max(stream.read_size, <Py_ssize_t>RECORD_BYTES_WIRE), room)
        size = stream.take_in(buffer, room)
        if size <= 0:
            return self.socket_ended(stream) if size == 0 else stream.received_nothing(size)
        if not self.is_begun:
            self.is_begun = True
            self.first_byte = <unsigned char>buffer[0]
        if self.is_shaking:
            self.put_in(buffer, size)
            return self.go_on_shaking(stream)
        return self.take_records(stream, buffer, size)

    cdef int put_in(self, const char *data, Py_ssize_t size) except -1:
        self.window.data = <char *>data
        self.window.size = size
        try:
            self.feed(self.window)
        finally:
            self.window.size = 0
        return 0

    cdef int go_on_shaking(self, Stream stream) except -1:
        # With what `incoming` has. OpenSSL reads no further than to the end of the record that ends the handshake.
        cdef bytes rest
        cdef Py_ssize_t at = 0
        self.shake_hands(stream)
        if self.is_shaking or stream.is_ended or self.incoming.pending == 0:
            return 0
        rest = self.incoming.read()
        while at < PyBytes_GET_SIZE(rest) and not self.is_input_over and not stream.is_ended:
            self.take_records(stream, PyBytes_AS_STRING(rest) + at, min(PyBytes_GET_SIZE(rest) - at, <Py_ssize_t>READ_BYTES_MAX))
            at += READ_BYTES_MAX
        return 0

    cdef int take_records(self, Stream stream, const char *data, Py_ssize_t size) except -1:
        # READ_BYTES_MAX at most.
        cdef char *plain = stream.loop.io_buffer + READ_BYTES_MAX
        cdef Py_ssize_t filled = 0
        cdef Py_ssize_t part, got
        cdef bint is_whole
        while size and not self.is_input_over:
            part = next_record(&self.walk, data, size, &is_whole)
            self.put_in(data, part)
            data += part
            size -= part
            if is_whole:
                got = self.decrypt_record(plain + filled, PLAIN_BYTES_MAX - filled)
                filled += got
                if is_flood(&self.walk, got) and not self.is_input_over:
                    self.is_input_over = True
                    self.input_error = SSLError(ssl.SSL_ERROR_SSL, "the peer sends too many records without data")
        if self.records is not None or self.outgoing.pending:
            self.send_own(stream)       # ORDER: an alert leaves before the stream ends
            if stream.is_ended:
                return 0
        if filled:
            self.hand_over(stream, plain, filled)
            if self.is_input_over:
                stream.loop.drain_if_any()      # ORDER: likewise
        elif not self.is_input_over and self.walk.header_bytes == 0:
            return stream.on_no_data()
        if self.is_input_over and stream.reading and self.held is None and not stream.is_ended:
            self.end_input(stream)
        return 0

    cdef Py_ssize_t decrypt_record(self, char *buffer, Py_ssize_t room) except -1:
        # What the one in `incoming` gives. INVARIANT: there is room for all of it. PERF: bench/tls_hello.py. That it gives none is
        # told by an exception, which is dear.
        cdef Py_ssize_t size = 0
        self.window.data = buffer
        self.window.size = room
        self.window.is_writable = True
        try:
            size = self.decrypt(room, self.window)
            self.is_input_over = size == 0
        except AGAIN:
            pass
        except SSLZeroReturnError:
            self.is_input_over = True
        except SSLError as error:
            self.is_input_over = True
            self.input_error = error
        finally:
            self.window.size = 0
            self.window.is_writable = False
        if self.is_input_over and self.input_error is None:
            self.has_peer_said_goodbye = True
        return size

    cdef int hand_over(self, Stream stream, char *data, Py_ssize_t size) except -1:
        if stream.reading and self.held is None:
            return stream.on_bytes(data, size)
        self.held = data[:size] if self.held is None else self.held + data[:size]      # once: what came with the handshake
        return self.come_back(stream) if stream.reading else 0

    cdef int end_input(self, Stream stream) except -1:
        cdef object error = self.input_error
        self.is_input_over = False
        self.input_error = None
        stream.pause()
        if error is None:
            return stream.on_end()
        return stream.end_now(error)

    cdef int socket_ended(self, Stream stream) except -1:
        cdef object error
        if self.is_shaking:
            error = ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "the peer ended the connection amid the handshake")
            return self.fail_handshake(stream, error)
        stream.pause()
        if self.is_goodbye_said:        # we have ended first, and nothing that we wait for is missing
            return stream.on_end()
        error = ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "the connection was cut: the peer ended it without close_notify")
        return stream.on_truncated(error)

    cdef int resumed(self, PollHandle handle) except -1:
        cdef Stream stream = <Stream>handle
        if self.has_peer_said_goodbye and self.held is None:
            self.is_input_over = True       # as recv() == 0, it is told to each who asks: the socket may have another owner since
        return self.come_back(stream) if self.held is not None or self.is_input_over else 0

    cdef int come_back(self, Stream stream) except -1:
        # To on_pending().
        if self.resuming is None:
            stream.loop.defer(self)
        self.resuming = stream      # whoever has the socket now
        return 0

    cdef int on_pending(self) except -1:
        cdef Stream stream = self.resuming
        cdef bytes held = self.held
        self.resuming = None
        if stream is None or stream.is_ended:
            return 0
        if self.is_shaking:
            return self.go_on_shaking(stream)
        if not stream.reading:
            return 0
        if held is not None:
            self.held = None
            stream.on_bytes(PyBytes_AS_STRING(held), PyBytes_GET_SIZE(held))
            stream.loop.drain_if_any()      # ORDER: likewise
        if self.is_input_over and stream.reading and not stream.is_ended:
            self.end_input(stream)
        return 0

    cdef bint has_part(self) except -1:
        return self.incoming.pending > 0

    # ---- writing

    cdef Py_ssize_t give_out(self, PollHandle stream, const void *data, Py_ssize_t size) except -2:
        cdef iovec piece
        piece.iov_base = <void *>data
        piece.iov_len = size
        return self.give_out_all(stream, &piece, 1)

    cdef Py_ssize_t give_out_all(self, PollHandle handle, iovec *pieces, Py_ssize_t count) except -2:
        # INVARIANT: the pieces begin with what is encrypted already and was not told to have gone.
        cdef Stream stream = <Stream>handle
        cdef Py_ssize_t left = GIVE_BYTES_MAX
        cdef Py_ssize_t gone, i, size = 0, told = 0
        if self.is_shaking:
            return 0
        for i in range(count):
            size += pieces[i].iov_len
        while True:
            gone = self.send_records(stream)
            if gone < 0:
                return -1
            told += gone
            if self.records is not None or told == size or left <= 0:
                return told
            try:
                gone = self.encrypt_some(pieces, count, told)
            except SSLError as error:
                self.output_error = error
                errno = EPROTO
                return -1
            left -= gone
            self.plain_bytes = gone

    cdef Py_ssize_t encrypt_some(self, iovec *pieces, Py_ssize_t count, Py_ssize_t skipped) except -1:
        # What follows the first `skipped` bytes, as far as RECORDS_BYTES; small pieces share a record. How many bytes.
        # A full record is drained at once: `outgoing` would keep the room for as many as it ever held.
        cdef char gathered[RECORD_BYTES]
        cdef Py_ssize_t done = 0
        cdef Py_ssize_t filled = 0
        cdef Py_ssize_t i, rest, part
        cdef const char *data
        cdef list drained = []
        for i in range(count):
            data = <const char *>pieces[i].iov_base
            rest = pieces[i].iov_len
            if skipped >= rest:
                skipped -= rest
                continue
            data += skipped
            rest -= skipped
            skipped = 0
            while rest and done < RECORDS_BYTES:
                if filled == 0 and (rest >= RECORD_BYTES or i == count - 1):
                    part = min(rest, <Py_ssize_t>RECORD_BYTES)
                    self.encrypt_piece(data, part, drained)
                else:
                    part = min(rest, RECORD_BYTES - filled)
                    memcpy(gathered + filled, data, part)
                    filled += part
                    if filled == RECORD_BYTES:
                        self.encrypt_piece(gathered, filled, drained)
                        filled = 0
                data += part
                rest -= part
                done += part
        if filled:
            self.encrypt_piece(gathered, filled, drained)
        if done:
            self.records = drained[0] if len(drained) == 1 else b"".join(drained)
        return done

    cdef int encrypt_piece(self, const char *data, Py_ssize_t size, list drained) except -1:
        self.window.data = <char *>data
        self.window.size = size
        try:
            self.encrypt(self.window)
        finally:
            self.window.size = 0
        drained.append(self.drain())
        return 0

    cdef Py_ssize_t send_records(self, Stream stream) except -2:
        # As far as the socket takes them. How much of what the stream has written has gone with them; -1: see errno.
        cdef Py_ssize_t told = 0
        cdef Py_ssize_t size, sent, gone
        while True:
            if self.records is None:
                if self.outgoing.pending == 0:
                    self.is_choked = False
                    return told
                self.records = self.drain()
            size = PyBytes_GET_SIZE(self.records)
            sent = stream.give_out(PyBytes_AS_STRING(self.records) + self.records_offset, size - self.records_offset)
            if sent < 0:
                if errno != EAGAIN and errno != EINTR:
                    return -1
                sent = 0
            self.records_offset += sent
            gone = self.plain_bytes * self.records_offset // size       # less than all, as long as a byte is left
            told += gone - self.plain_told
            self.plain_told = gone
            if self.records_offset < size:
                self.is_choked = self.outgoing.pending > CHOKE_BYTES
                return told
            self.records = None
            self.records_offset = self.plain_bytes = self.plain_told = 0

    cdef int send_own(self, Stream stream) except -1:
        # What TLS itself has to say. Where records of the stream's wait they go first, and give_out() sends both.
        if self.plain_bytes:
            self.is_choked = self.outgoing.pending > CHOKE_BYTES
            return stream.rewatch()
        if self.send_records(stream) < 0:
            return stream.fail(errno)
        stream.rewatch()
        if self.records is not None and not self.is_shaking and not stream.is_ended:
            stream.on_backlog(0)
        return 0

    cdef bint flush(self, PollHandle handle) except -1:
        cdef Stream stream = <Stream>handle
        cdef bint was_owing = self.records is not None and not self.is_shaking
        if stream.unsent_bytes and not self.is_shaking:
            return not stream.is_corked
        self.send_own(stream)
        if was_owing and self.records is None and not stream.is_ended:
            self.all_sent(stream)
        return False

    cdef int all_sent(self, PollHandle handle) except -1:
        cdef Stream stream = <Stream>handle
        if (stream.is_shutting or stream.closing) and not self.is_shaking and not self.is_goodbye_said:
            self.say_goodbye(stream)
        if stream.is_ended or self.records is not None:     # flush() comes back to it
            return 0
        stream.on_flushed()
        return 0 if stream.is_ended else self.end_output(stream)

    cdef int interest_of(self, PollHandle handle, int interest) except -1:
        cdef Stream stream = <Stream>handle
        if self.is_shaking:
            interest = READABLE
        elif self.is_choked or self.is_input_over or self.has_peer_said_goodbye:
            interest &= ~READABLE
        if self.records is not None and not (stream.is_corked and self.plain_bytes):
            interest |= WRITABLE
        return 0 if stream.is_ended else interest

    # ---- ending

    cdef int end_output(self, PollHandle handle) except -1:
        cdef Stream stream = <Stream>handle
        if stream.is_ended or not (stream.is_shutting or stream.closing):
            return 0
        if self.is_shaking:
            return stream.finish() if stream.closing else 0     # else shake_hands() comes back to it
        if not self.is_goodbye_said:
            self.say_goodbye(stream)
        if stream.is_ended or self.records is not None:
            return 0
        if stream.is_shutting:
            stream.end_side()
        return stream.finish() if stream.closing else 0

    cdef int say_goodbye(self, Stream stream) except -1:
        cdef bytes kept = self.incoming.read()
        self.is_goodbye_said = True
        try:
            self.tls.unwrap()       # it writes close_notify, looks for the peer's, and would take data for a fault: so there is none
        except (SSLError, OSError):
            pass
        if kept:
            self.feed(kept)
        return self.send_own(stream)

    cdef bint is_busy(self) except -1:
        return self.is_shaking or self.records is not None

    cdef object take_error(self):
        cdef object error = self.output_error
        self.output_error = None
        return error

    cdef int let_go(self) except -1:
        # What is known of the connection stays in `tls` for whoever has asked for it.
        self.tls = self.incoming = self.outgoing = self.feed = self.drain = self.decrypt = self.encrypt = None
        self.records = self.held = None
        self.resuming = None
        return 0

    cpdef int abandon(self) except -1:
        return self.let_go()
