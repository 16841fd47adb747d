"""What the tests of TLS stand on: a TLSSocket whose peer is worked by hand, record by record."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Any

from tests.integration.loop.tls_wire import Wire
from tests.unit.net.support import DEADLINE_S, KIB, MIB, content, run, until, within
from treadle import tls

__all__ = [
    "DEADLINE_S",
    "KIB",
    "MIB",
    "Seen",
    "content",
    "descriptors",
    "raw_pair",
    "run",
    "shake",
    "turns",
    "until",
    "wired",
    "within",
]


def raw_pair() -> tuple[socket.socket, socket.socket]:
    """The two ends of a TCP connection with small buffers, so that tests know when the kernel is full. They do not block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname(), DEADLINE_S)
        theirs, _ = listener.accept()
    for sock in (ours, theirs):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * KIB)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * KIB)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
    return ours, theirs


class Seen:
    """What a socket tells: its events in order, and its data."""

    def __init__(self, sock: tls.TLSSocket, *, reads: bool = True) -> None:
        self.trace: list[Any] = []
        self.data = bytearray()
        for event in ("secure_connect", "end", "finish", "close"):
            sock.on(event, lambda *_, event=event: self.trace.append(event))
        self.error: BaseException | None = None
        sock.on("error", self._failed)
        if reads:
            sock.on("data", self.data.extend)

    def _failed(self, error: BaseException) -> None:
        self.error = error
        self.trace.append("error")

    def closed(self) -> bool:
        return "close" in self.trace


async def turns(count: int) -> None:
    """So many turns of the loop."""
    for _ in range(count):
        await asyncio.sleep(0)


async def shake(sock: tls.TLSSocket, wire: Wire) -> None:
    """Until both ends have shaken hands."""

    def is_done() -> bool:
        with contextlib.suppress(ssl.SSLError):
            wire.shake_hands()
        return not sock.secure_connecting

    await until(is_done, "shaken hands")
    wire.take()


@contextlib.asynccontextmanager
async def wired(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], *, is_client: bool = False, shakes: bool = True, **options: Any
) -> AsyncIterator[tuple[tls.TLSSocket, Wire]]:
    """A TLSSocket, the server's unless is_client, and its peer. Both are closed afterwards, and no descriptor stays open."""
    ours, theirs = raw_pair()
    if is_client:
        wire = Wire(theirs, contexts[0], server_side=True)
        sock = tls.TLSSocket(context=contexts[1], servername="localhost", sock=ours, **options)
    else:
        wire = Wire(theirs, contexts[1], server_hostname="localhost")
        sock = tls.TLSSocket(context=contexts[0], is_server=True, sock=ours, **options)
    fd = sock.fileno()
    name = descriptors()[fd]
    closed = asyncio.get_running_loop().create_future()
    sock.on("close", lambda *_: closed.done() or closed.set_result(None))
    try:
        if shakes:
            await shake(sock, wire)
        yield sock, wire
        sock.destroy()
        await within(closed)
        assert descriptors().get(fd) != name
    finally:
        theirs.close()


def descriptors() -> dict[int, str]:
    """Which are open, and what they are."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # that of the folder itself
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return found
