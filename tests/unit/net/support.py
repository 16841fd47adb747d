"""What the tests of sockets stand on: a program with a deadline, servers and the connections between them. Invariant: no wait
without a deadline."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import treadle
from treadle import events, net

DEADLINE_S = 20.0  # for what takes ms; two busy cores are slow at times
KIB = 1024
MIB = 1024 * KIB


def content(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def run(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """A program, to its end."""

    async def bounded() -> Any:
        return await asyncio.wait_for(main(), DEADLINE_S)

    return treadle.run(bounded)


async def within(step: Awaitable[Any]) -> Any:
    return await asyncio.wait_for(step, DEADLINE_S)


async def until(probe: Callable[[], object], what: str) -> None:
    """Turn until the probe says yes."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + DEADLINE_S
    while not probe():
        assert loop.time() < end_s, f"not within {DEADLINE_S} s: {what}"
        await asyncio.sleep(0.0005)  # a probe that never waits would starve what it waits for


async def pair(**options: Any) -> tuple[net.Socket, net.Socket]:
    """Two sockets that are connected over TCP: the one that has connected, and the one that was accepted."""
    server = net.create_server(**options)
    accepted = events.once(server, "connection")
    server.listen()
    address = server.address()
    assert isinstance(address, net.Address)
    client = net.connect(address.port, **options)
    await client.wait_connected()
    [other] = await within(accepted)
    server.close()
    return client, other


class Raw:
    """The far end of a Socket, without treadle: what it has received is in `received`."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.sock.setblocking(False)
        self.received = bytearray()
        self.is_ended = False
        self.outgoing = memoryview(b"")

    def read(self, size: int = MIB) -> None:
        """What is there, up to size."""
        try:
            data = self.sock.recv(size)
        except BlockingIOError:
            return
        self.received += data
        self.is_ended = not data

    def has_read(self, size: int) -> bool:
        self.write()
        if not self.is_ended:
            self.read()
        return len(self.received) >= size

    def has_ended(self) -> bool:
        self.has_read(0)
        return self.is_ended

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

    def end(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close it, and what is in flight is lost."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()


def adopted(**options: Any) -> tuple[net.Socket, Raw]:
    """A Socket over one end of a TCP connection, and the other end; with so much room in the kernel that tests know when it is
    full."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname(), DEADLINE_S)
        theirs, _ = listener.accept()
    for sock in (ours, theirs):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 256 * KIB)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 256 * KIB)
    return net.Socket(sock=ours, **options), Raw(theirs)
