"""What a program of asyncio may have open, one opener each: the table that the tests of this folder go through.

An opener is given a place to put things, and returns what it opened as a Thing. What the other end needs (of a pipe, of a
connection) is the place's, and closed with it. Not here: what is expected of a thing (test_*.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.integration.tls import Contexts


@dataclass
class Place:
    folder: Path
    contexts: Contexts
    ends: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @property
    def loop(self) -> Any:
        return asyncio.get_running_loop()

    def pair(self, kind: int = socket.SOCK_STREAM) -> socket.socket:
        """One end of a pair of Unix sockets; the other one is the place's."""
        ours, theirs = socket.socketpair(type=kind)
        self.ends.enter_context(theirs)
        ours.setblocking(False)
        return ours

    def pipe_end(self, mode: str) -> Any:
        """One end of a pipe, as a file; the other one is the place's."""
        fds = os.pipe()
        ours, theirs = fds if mode == "rb" else fds[::-1]
        self.ends.callback(os.close, theirs)
        return os.fdopen(ours, mode, 0)


@dataclass
class Thing:
    """close: as its user would. fds: of what it watches, which set_fd_ref takes."""

    close: Callable[[], object]
    fds: list[int] = field(default_factory=list)
    pid: int | None = None


def of_transport(transport: Any) -> Thing:
    fd = (transport.get_extra_info("pipe") or transport.get_extra_info("socket")).fileno()
    return Thing(transport.close, [fd])


def of_server(server: asyncio.Server) -> Thing:
    return Thing(server.close, [sock.fileno() for sock in server.sockets])


async def udp(place: Place) -> Thing:
    return of_transport((await place.loop.create_datagram_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", 0)))[0])


async def connected_udp(place: Place) -> Thing:
    peer = place.ends.enter_context(socket.socket(type=socket.SOCK_DGRAM))
    peer.bind(("127.0.0.1", 0))
    address = peer.getsockname()
    return of_transport((await place.loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=address))[0])


async def unix_datagrams(place: Place) -> Thing:
    sock = place.pair(socket.SOCK_DGRAM)
    return of_transport((await place.loop.create_datagram_endpoint(asyncio.DatagramProtocol, sock=sock))[0])


async def read_pipe(place: Place) -> Thing:
    return of_transport((await place.loop.connect_read_pipe(asyncio.Protocol, place.pipe_end("rb")))[0])


async def write_pipe(place: Place) -> Thing:
    return of_transport((await place.loop.connect_write_pipe(asyncio.BaseProtocol, place.pipe_end("wb")))[0])


async def child(place: Place) -> Thing:
    transport, _ = await place.loop.subprocess_exec(asyncio.SubprocessProtocol, "sleep", "600")
    return Thing(transport.close, pid=transport.get_pid())


async def child_without_pipes(place: Place) -> Thing:
    process = await asyncio.create_subprocess_exec("sleep", "600", stdin=asyncio.subprocess.DEVNULL)
    return Thing(process.kill, pid=process.pid)


async def server(place: Place) -> Thing:
    return of_server(await place.loop.create_server(asyncio.Protocol, "127.0.0.1", 0))


async def unix_server(place: Place) -> Thing:
    return of_server(await place.loop.create_unix_server(asyncio.Protocol, str(place.folder / "server")))


async def tls_server(place: Place) -> Thing:
    return of_server(await place.loop.create_server(asyncio.Protocol, "127.0.0.1", 0, ssl=place.contexts[0]))


async def connection(place: Place) -> Thing:
    return of_transport((await place.loop.create_connection(asyncio.Protocol, sock=place.pair()))[0])


async def accepted_connection(place: Place) -> Thing:
    return of_transport((await place.loop.connect_accepted_socket(asyncio.Protocol, place.pair()))[0])


async def tls_connection(place: Place) -> Thing:
    """Both ends, in one loop."""
    peers: list[Any] = []

    class Peer(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            peers.append(transport)

    listening = await place.loop.create_server(Peer, "127.0.0.1", 0, ssl=place.contexts[0])
    address = listening.sockets[0].getsockname()
    transport, _ = await place.loop.create_connection(
        asyncio.Protocol, *address, ssl=place.contexts[1], server_hostname="localhost"
    )
    while not peers:
        await asyncio.sleep(0)
    listening.close()
    fds = [end.get_extra_info("socket").fileno() for end in (transport, *peers)]
    return Thing(transport.close, fds)


async def streams(place: Place) -> Thing:
    _, writer = await asyncio.open_connection(sock=place.pair())
    return Thing(writer.close, of_transport(writer.transport).fds)


async def reader_callback(place: Place) -> Thing:
    sock = place.ends.enter_context(place.pair())
    place.loop.add_reader(sock, print)
    loop = place.loop
    return Thing(lambda: loop.remove_reader(sock), [sock.fileno()])


OPENERS: dict[str, Callable[[Place], Awaitable[Thing]]] = {
    opener.__name__: opener
    for opener in (
        udp,
        connected_udp,
        unix_datagrams,
        read_pipe,
        write_pipe,
        child,
        child_without_pipes,
        server,
        unix_server,
        tls_server,
        connection,
        accepted_connection,
        tls_connection,
        streams,
        reader_callback,
    )
}


async def signal_handler(place: Place) -> Thing:
    """Holds nothing, and is no descriptor of its user."""
    place.loop.add_signal_handler(signal.SIGUSR1, print)
    return Thing(lambda: None)
