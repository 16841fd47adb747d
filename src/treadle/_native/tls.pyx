"""TLS as asyncio does it, with the steady state in C: data comes, is decrypted and delivered; data is written, encrypted and sent.

asyncio's SSLProtocol is the state machine: handshake, shutdown, timeouts, flow control and all that is unusual run in its code. It
keeps the fields that the steady state needs in a C struct, unknowingly: there is one state, and whoever is called goes on from it.
Invariant: the protocol of the application is told what asyncio would tell it, in the same order, and the peer is sent the same records.
Not here: which class speaks TLS on this Python (treadle.loop.tls), and sockets (transport.pyx).
"""
from asyncio import sslproto
from ssl import SSLObject

from treadle._native.cipher cimport Window
from treadle._native.transport cimport Receiver

cdef enum:
    # One byte more than a record holds (RFC 8446, 5.1): whoever gets less has come to its end.
    ASKED_MAX = 16 * 1024 + 1

cdef object WRAPPED = sslproto.SSLProtocolState.WRAPPED
cdef tuple AGAIN = sslproto.SSLAgainErrors
cdef str FAILED = "Fatal error on SSL protocol"     # COMPAT(asyncio): its words


cdef class TlsCore(Receiver):
    """The steady state. A mixin in front of asyncio's SSLProtocol, whose methods it calls for the rest."""

    cdef bint is_steady(self):
        # Whether reading is what read() does.
        return self._state is WRAPPED and not self._app_reading_paused and self.decrypt is not None

    # ---- reading

    cdef int receive(self, const char *data, Py_ssize_t size) except -1:
        self.received.data = <char *>data
        self.received.size = size
        try:
            self.feed(self.received)
        finally:
            self.received.size = 0
        if self.is_steady():
            return self.read(size)
        sslproto.SSLProtocol.buffer_updated(self, 0)    # it has what came: what its state does with that
        return 0

    cdef int read(self, Py_ssize_t waiting) except -1:
        # asyncio's _do_read(). `waiting`: bytes that `_incoming` holds, more or less.
        try:
            waiting = self.read_into_buffer() if self._app_protocol_is_buffer else self.read_records(waiting)
            if len(self._write_backlog):
                self._do_write()
            else:
                self.send()
            if waiting:
                waiting = self._incoming.pending
            if waiting <= self._incoming_low_water if self._ssl_reading_paused else waiting >= self._incoming_high_water:
                self._control_ssl_reading()
        except Exception as error:
            self._fatal_error(error, FAILED)
        return 0

    # asyncio reads until it is told by an exception that there is no more, and that is dear. PERF: bench/run.py loop --only tls.
    # OpenSSL takes from `_incoming` no more than the record that it works on (read_ahead is off, and Python cannot turn it on), and
    # hands out what it has: who is given less than was asked for has come to the end of a record, and another one follows only if
    # `_incoming` holds some of it.

    cdef Py_ssize_t read_records(self, Py_ssize_t waiting) except -1:
        # asyncio's _do_read__copied(). 0 if `_incoming` was left empty.
        cdef bytes chunk = None
        cdef bytes first = None
        cdef list rest = None
        cdef Py_ssize_t asked
        while True:
            asked = min(waiting, ASKED_MAX) or ASKED_MAX    # no record says more than it is long: no memory is taken for nothing
            waiting = ASKED_MAX
            try:
                chunk = self.decrypt(asked)
            except AGAIN:
                break
            if not chunk:
                break
            if first is None:
                first = chunk
            elif rest is None:
                rest = [first, chunk]
            else:
                rest.append(chunk)
            waiting = self._incoming.pending
            if waiting == 0 and len(chunk) < asked:
                break
        if rest is not None:
            self._app_protocol.data_received(b"".join(rest))
        elif first is not None:
            self._app_protocol.data_received(first)
        if chunk is not None and not chunk:
            self.end()
        return waiting

    cdef Py_ssize_t read_into_buffer(self) except -1:
        # asyncio's _do_read__buffered(). 0 if `_incoming` was left empty.
        cdef Py_ssize_t waiting = self._incoming.pending
        cdef object buffer = self._app_protocol_get_buffer(waiting)
        cdef Py_ssize_t room = len(buffer)
        cdef Py_ssize_t filled = 0
        cdef Py_ssize_t count = 1
        while True:
            waiting = ASKED_MAX
            try:
                # COMPAT(asyncio): a slice of the buffer itself, of which a bytearray would make a copy, and what is read be lost
                count = self.decrypt(room - filled, memoryview(buffer)[filled:] if filled else buffer)
            except AGAIN:
                break
            if count <= 0:
                break
            filled += count
            if filled >= room:
                self._loop.call_soon(self._do_read)
                break
            waiting = self._incoming.pending
            if waiting == 0:
                break
        if filled > 0:
            self._app_protocol_buffer_updated(filled)
        if count == 0:
            self.end()
        return waiting

    cdef int end(self) except -1:
        # The peer said goodbye (close_notify).
        self._call_eof_received()
        self._start_shutdown()
        return 0

    # ---- writing

    cdef int write_bytes(self, bytes data) except -1:
        # asyncio's _write_appdata() and _do_write(), of one piece. `data` is not empty. OpenSSL, as Python sets it up, takes all of
        # it or nothing.
        if self._state is not WRAPPED or len(self._write_backlog) or self.encrypt is None:
            self._write_appdata((data,))
            return 0
        try:
            try:
                self.encrypt(data)
            except Exception as error:
                self._write_backlog.append(data)
                self._write_buffer_size += len(data)
                if not isinstance(error, AGAIN):
                    raise
            self.send()
        except Exception as error:
            self._fatal_error(error, FAILED)
        return 0

    cdef int send(self) except -1:
        # asyncio's _process_outgoing().
        cdef Py_ssize_t waiting = self._write_buffer_size
        cdef bytes data
        if not self._ssl_writing_paused:
            data = self.drain()
            if data:
                self._transport.write(data)
        if self._ssl_writing_paused:
            waiting += self._outgoing.pending
        if waiting <= self._outgoing_low_water if self._app_writing_paused else waiting >= self._outgoing_high_water:
            self._control_app_writing()
        return 0


class TlsProtocol(TlsCore, sslproto.SSLProtocol):
    """asyncio's SSLProtocol, with TlsCore's steady state. Contract: asyncio.sslproto.SSLProtocol."""

    def __init__(self, *args, **kwargs):
        cdef TlsCore core = self
        # COMPAT(asyncio): its buffer of this size is for transports that ask for one, and get_buffer() makes it then. treadle's
        # receive into the loop's. That is 256 KiB less for each connection.
        self.max_size = 0
        sslproto.SSLProtocol.__init__(self, *args, **kwargs)
        del self.max_size
        core.received = Window()
        core.feed = self._incoming.write
        core.drain = self._outgoing.read
        if type(self._sslobj) is SSLObject:
            core.decrypt = self._sslobj._sslobj.read
            core.encrypt = self._sslobj._sslobj.write

    def _get_app_transport(self):
        if self._app_transport is None and not self._app_transport_created:
            self._app_transport = SSLTransport(self._loop, self)
            self._app_transport_created = True
        return sslproto.SSLProtocol._get_app_transport(self)

    def _do_read(self):
        cdef TlsCore core = self
        if core.is_steady():
            core.read(0)
        else:
            sslproto.SSLProtocol._do_read(self)


class SSLTransport(sslproto._SSLProtocolTransport):
    """asyncio's transport of a TLS connection, whose write() of bytes is TlsCore's. COMPAT(asyncio): its name says SSL, as who asks
    what a connection is made of expects."""

    def write(self, data):
        """Send data (bytes-like); never blocks. Past the high-water mark the protocol's pause_writing is called. Raises TypeError."""
        protocol = self._ssl_protocol
        if type(data) is not bytes or protocol is None:
            sslproto._SSLProtocolTransport.write(self, data)
        elif data:
            (<TlsCore?>protocol).write_bytes(data)
