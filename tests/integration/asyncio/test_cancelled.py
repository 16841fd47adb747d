"""What is cancelled half-way leaves nothing: no descriptor, no watch, nothing that holds the program. On both loops; the fixture
of the loop asks after each. A connection under way: tests/integration/loop/test_server.py."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.integration.loop.support import BIG, Recorder, test_of_both, turns


async def cancel_half_way(awaitable: Any) -> None:
    """After a few turns: it is under way by then, and waits."""
    task = asyncio.ensure_future(awaitable)
    await turns()
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def pair(kind: int = socket.SOCK_STREAM) -> tuple[socket.socket, socket.socket]:
    ends = socket.socketpair(type=kind)
    for end in ends:
        end.setblocking(False)
    return ends


def fill(sock: socket.socket) -> None:
    """Until the kernel takes no more."""
    with pytest.raises(BlockingIOError):
        while True:
            sock.send(BIG)


def is_watched(loop: Any, sock: socket.socket) -> bool:
    return bool(loop.remove_reader(sock)) or bool(loop.remove_writer(sock))


@test_of_both
async def test_receiving(loop) -> None:
    ours, theirs = pair()
    with ours, theirs:
        for receive in (loop.sock_recv(ours, 1), loop.sock_recv_into(ours, bytearray(1))):
            await cancel_half_way(receive)
            assert not is_watched(loop, ours)


@test_of_both
async def test_receiving_datagrams(loop) -> None:
    ours, theirs = pair(socket.SOCK_DGRAM)
    with ours, theirs:
        for receive in (loop.sock_recvfrom(ours, 1), loop.sock_recvfrom_into(ours, bytearray(1))):
            await cancel_half_way(receive)
            assert not is_watched(loop, ours)


@test_of_both
async def test_sending(loop) -> None:
    ours, theirs = pair()
    with ours, theirs:
        await cancel_half_way(loop.sock_sendall(ours, BIG))
        assert not is_watched(loop, ours)


@test_of_both
async def test_accepting(loop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        await cancel_half_way(loop.sock_accept(listening))
        assert not is_watched(loop, listening)


@test_of_both
async def test_a_file_on_its_way(loop, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(BIG)
    ours, theirs = pair()
    with ours, theirs, path.open("rb") as file:
        await cancel_half_way(loop.sock_sendfile(ours, file))
        assert not is_watched(loop, ours)


@pytest.mark.parametrize("is_real", [True, False], ids=["kernel", "fallback"])
@test_of_both
async def test_a_file_on_its_way_to_a_transport(loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_real) -> None:
    path = tmp_path / "file"
    path.write_bytes(BIG)
    if not is_real:
        monkeypatch.delattr(os, "sendfile")
    ours, theirs = pair()
    with theirs, path.open("rb") as file:
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        await cancel_half_way(loop.sendfile(transport, file))
        transport.abort()
        await protocol.until_lost()


@test_of_both
async def test_a_tls_handshake_of_a_client(loop, contexts) -> None:
    """The peer says nothing."""
    ours, theirs = pair()
    with theirs:
        await cancel_half_way(loop.create_connection(asyncio.Protocol, sock=ours, ssl=contexts[1], server_hostname="localhost"))
        await turns()
        assert ours.fileno() == -1


@test_of_both
async def test_a_tls_handshake_of_a_server(loop, contexts) -> None:
    ours, theirs = pair()
    with theirs:
        await cancel_half_way(loop.connect_accepted_socket(asyncio.Protocol, ours, ssl=contexts[0]))
        await turns()
        assert ours.fileno() == -1


@test_of_both
async def test_start_tls(loop, contexts) -> None:
    ours, theirs = pair()
    with theirs:
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        await cancel_half_way(loop.start_tls(transport, protocol, contexts[1], server_hostname="localhost"))
        await turns()
        assert transport.is_closing()


@pytest.mark.parametrize(
    "connect",
    [
        lambda loop: loop.create_connection(asyncio.Protocol, "localhost", 9),
        lambda loop: loop.create_server(asyncio.Protocol, "localhost", 0),
        lambda loop: loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=("localhost", 9)),
        lambda loop: loop.getaddrinfo("localhost", 9),
    ],
    ids=["connection", "server", "datagrams", "bare"],
)
@test_of_both
async def test_a_name_that_is_not_resolved_yet(loop, monkeypatch: pytest.MonkeyPatch, connect) -> None:
    gate, resolve = threading.Event(), socket.getaddrinfo

    def slow(*arguments: Any, **kwargs: Any) -> Any:
        gate.wait()
        return resolve(*arguments, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    try:
        await cancel_half_way(connect(loop))
    finally:
        gate.set()


@test_of_both
async def test_a_datagram_endpoint_whose_protocol_is_told_late(loop) -> None:
    """Cancelled before its first turn: the socket was made, connection_made not called yet."""
    task = asyncio.ensure_future(loop.create_datagram_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", 0)))
    await asyncio.sleep(0)
    task.cancel()
    transports = await asyncio.gather(task, return_exceptions=True)
    for result in transports:
        if isinstance(result, tuple):  # it was made already
            result[0].close()
    await turns()


@pytest.mark.parametrize("mode", ["rb", "wb"])
@test_of_both
async def test_a_pipe(loop, mode) -> None:
    fds = os.pipe()
    ours, theirs = fds if mode == "rb" else fds[::-1]
    connect = loop.connect_read_pipe if mode == "rb" else loop.connect_write_pipe
    task = asyncio.ensure_future(connect(asyncio.Protocol, os.fdopen(ours, mode, 0)))
    await asyncio.sleep(0)
    task.cancel()
    for result in await asyncio.gather(task, return_exceptions=True):
        if isinstance(result, tuple):
            result[0].close()
    await turns()
    os.close(theirs)


@test_of_both
async def test_streams(loop) -> None:
    ours, theirs = pair()
    with theirs:
        reader, writer = await asyncio.open_connection(sock=ours)
        await cancel_half_way(reader.readexactly(10))
        fill(theirs)
        writer.write(BIG)
        await cancel_half_way(writer.drain())
        writer.transport.abort()
        with pytest.raises(ConnectionResetError):
            await writer.drain()
