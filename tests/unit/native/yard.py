"""What the tests of moves between descriptors stand on: streams of an EventLoop, and the far ends of their connections, which the
test reads and writes between two turns. Invariant: no wait without a deadline."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import time
from collections.abc import Callable

from tests.unit.native.support import DEADLINE_S
from treadle import EventLoop
from treadle._native.pool import Pool
from treadle._native.transport import SocketTransport

KIB = 1024
MIB = 1024 * KIB


def content(size: int) -> bytes:
    return random.Random(size).randbytes(size)


class Lost(asyncio.Protocol):
    """Remembers how its connection ended."""

    is_lost = False
    error: Exception | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost, self.error = True, exc


class Peer:
    """The far end of a stream. What it has received is in `received`."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.near = Lost()  # the stream's protocol
        self.sock.setblocking(False)
        self.received = bytearray()
        self.is_ended = False
        self.outgoing = memoryview(b"")

    def read(self) -> None:
        """All that is there."""
        while not self.is_ended:
            try:
                data = self.sock.recv(MIB)
            except BlockingIOError:
                return
            self.received += data
            self.is_ended = not data

    def send(self, data: bytes) -> None:
        """From write() to write(), as much as the kernel takes."""
        self.outgoing = memoryview(bytes(self.outgoing) + data)
        self.write()

    def write(self) -> None:
        while self.outgoing:
            try:
                self.outgoing = self.outgoing[self.sock.send(self.outgoing) :]
            except BlockingIOError:
                return
            except ConnectionError:  # nobody will read it
                self.outgoing = memoryview(b"")

    def reset(self) -> None:
        """The stream's next call that sends or receives fails."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class Yard:
    """A loop with a pool, streams and peers, and the log that callbacks write to."""

    def __init__(self, pool_size: int = 2, queue_max: int = 65_536) -> None:
        self.loop = EventLoop()
        self.pool = self.loop.pool = Pool(self.loop, pool_size, queue_max=queue_max)
        self.peers: list[Peer] = []
        self.log: list[tuple[OSError | None, int]] = []

    def connect(self, family: int = socket.AF_INET, *, small: bool = False) -> tuple[SocketTransport, Peer]:
        """A stream that does not read, and its peer. small: a Unix socket with little room in the kernel; TCP is slow then."""
        ours, theirs = pair_of(socket.AF_UNIX if small else family)
        for sock in (ours, theirs):  # else the kernel takes as much as the machine's settings say
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * KIB if small else 512 * KIB)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * KIB if small else 512 * KIB)
        ours.setblocking(False)
        self.peers.append(Peer(theirs))
        stream = SocketTransport(self.loop, ours, self.peers[-1].near)
        stream.pause_reading()
        return stream, self.peers[-1]

    def note(self, error: OSError | None, moved: int) -> None:
        self.log.append((error, moved))

    def turn(self, count: int = 1) -> None:
        """So many turns; none of them waits."""
        for _ in range(count):
            self.loop.stop()
            self.loop.run_turns(False)

    def run_until(self, probe: Callable[[], object], what: str) -> None:
        """Turn until the probe, asked between two turns, says yes. Peers write what they have to write."""
        end_s = time.monotonic() + DEADLINE_S
        while not probe():
            assert time.monotonic() < end_s, f"not within {DEADLINE_S} s: {what}"
            for peer in self.peers:
                peer.write()
            self.turn()

    def run_until_read(self, peer: Peer, data: bytes) -> None:
        """It reads until it has read this."""

        def has_all() -> bool:
            peer.read()
            return len(peer.received) >= len(data) or peer.is_ended

        self.run_until(has_all, f"{len(data)} bytes arrive")
        assert len(peer.received) == len(data)
        assert peer.received == data

    def close(self) -> None:
        self.loop.close()
        for peer in self.peers:
            peer.sock.close()


def pair_of(family: int) -> tuple[socket.socket, socket.socket]:
    if family == socket.AF_UNIX:
        return socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        left = socket.create_connection(listener.getsockname(), DEADLINE_S)
        right, _ = listener.accept()
    return left, right
