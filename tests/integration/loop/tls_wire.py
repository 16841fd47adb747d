"""The other end of a TLS connection, worked by hand: which bytes it sends at once, and when it reads, is the test's.

Not here: protocols that write down what they are told (support.py), contexts (tests/integration/tls.py)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

from tests.integration.loop.support import Recorder, turns
from tests.integration.tls import Contexts

PIECE_BYTES = 256 * 1024


class Wire:
    """Its TLS is ssl's own, on two MemoryBIOs; its socket does not block."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, **options: Any) -> None:
        self.sock = sock
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, **options)
        self.plain = bytearray()  # what was read
        self.raw_bytes = 0
        self.is_ended = False  # by the end of input
        self.said_goodbye = False  # by close_notify

    def shake_hands(self) -> None:
        """As far as it goes."""
        self._receive()
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        self.send(self.outgoing.read())

    def records(self, *messages: bytes) -> bytes:
        """The records that say so, one or more for each."""
        for message in messages:
            self.tls.write(message)
        return self.outgoing.read()

    def goodbye(self) -> bytes:
        """A close_notify."""
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLError):
            self.tls.unwrap()
        return self.outgoing.read()

    def send(self, data: bytes) -> None:
        """At once, all of it."""
        if data:
            assert self.sock.send(data) == len(data)

    def take(self) -> bytes:
        """Everything that is there, decrypted. Raises what ssl raises."""
        before = len(self.plain)
        self._receive()
        with contextlib.suppress(ssl.SSLWantReadError):
            while not self.said_goodbye:
                try:
                    data = self.tls.read(PIECE_BYTES)
                except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                    data = b""
                self.said_goodbye = not data
                self.plain += data
        return bytes(self.plain[before:])

    def _receive(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            while data := self.sock.recv(PIECE_BYTES):
                self.raw_bytes += len(data)
                self.incoming.write(data)
            self.is_ended = True

    async def take_until(self, probe: Callable[[], object]) -> None:
        """take() again and again, until the probe says yes."""
        while not probe():
            self.take()
            await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def wired(
    loop: asyncio.AbstractEventLoop, protocol: Any, contexts: Contexts, *, is_client: bool = False
) -> AsyncIterator[Wire]:
    """The protocol over TLS, its peer a Wire, the handshake done. Lost afterwards."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    if is_client:
        wire = Wire(theirs, contexts[0], server_side=True)
        connecting = loop.create_connection(lambda: protocol, sock=ours, ssl=contexts[1], server_hostname="localhost")
    else:
        wire = Wire(theirs, contexts[1], server_hostname="localhost")
        connecting = loop.connect_accepted_socket(lambda: protocol, ours, ssl=contexts[0])
    task = loop.create_task(connecting)
    try:
        while not task.done():
            wire.shake_hands()
            await asyncio.sleep(0)
        transport, _ = await task
        wire.shake_hands()
        await turns(3)
        wire.take()
        yield wire
        transport.abort()
        if isinstance(protocol, Recorder):
            await protocol.until_lost()
    finally:
        theirs.close()


class Chunks(Recorder):
    """Its trace has the data, too, one entry for each data_received; `react` is called with it."""

    def __init__(self, react: Callable[[Chunks, bytes], object] | None = None) -> None:
        super().__init__()
        self.react = react

    def data_received(self, data: bytes) -> None:
        assert type(data) is bytes
        self.data += data
        self.note(data)
        if self.react is not None:
            self.react(self, data)


class Filling(asyncio.BufferedProtocol):
    """Receives into a buffer of its own, of any kind; its trace is that of Chunks."""

    def __init__(self, size: int = 65_536, view: Callable[[bytearray], Any] = memoryview) -> None:
        self.trace: list[object] = []
        self.hints: list[int] = []
        self.buffer = bytearray(size)
        self.view = view
        self.transport: Any = None

    @property
    def data(self) -> bytes:
        return b"".join(entry for entry in self.trace if isinstance(entry, bytes))

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.trace.append("made")

    def get_buffer(self, sizehint: int) -> Any:
        self.hints.append(sizehint)
        return self.view(self.buffer)

    def buffer_updated(self, nbytes: int) -> None:
        self.trace.append(bytes(self.buffer[:nbytes]))

    def eof_received(self) -> None:
        self.trace.append("eof")

    def connection_lost(self, exc: Exception | None) -> None:
        self.trace.append(("lost", exc))
