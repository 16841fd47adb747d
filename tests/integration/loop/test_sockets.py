"""The loop's sock_ methods, asyncio's own code over the core's readers and writers; and sendfile."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.loop.support import BIG, Recorder, connected, test_of_both, turns

Pair = tuple[socket.socket, socket.socket]


async def received(loop: asyncio.AbstractEventLoop, sock: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = await loop.sock_recv(sock, 1_000_000)
        assert piece
        data += piece
    return bytes(data)


@test_of_both
async def test_receiving_waits_for_data(loop, pair) -> None:
    task = loop.create_task(loop.sock_recv(pair[0], 100))
    await turns()
    assert not task.done()
    await loop.sock_sendall(pair[1], b"data")
    assert await task == b"data"


@test_of_both
async def test_receiving_into_a_buffer(loop, pair) -> None:
    buffer = bytearray(10)
    task = loop.create_task(loop.sock_recv_into(pair[0], buffer))
    await turns()
    await loop.sock_sendall(pair[1], b"data")
    assert await task == 4
    assert buffer[:4] == b"data"


@test_of_both
async def test_sending_more_than_the_kernel_takes(loop, pair) -> None:
    task = loop.create_task(loop.sock_sendall(pair[0], BIG))
    await turns()
    assert not task.done()
    assert await received(loop, pair[1], len(BIG)) == BIG
    await task


@test_of_both
async def test_receiving_that_is_cancelled_stops_watching(loop, pair) -> None:
    task = loop.create_task(loop.sock_recv(pair[0], 100))
    await turns()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert loop.remove_reader(pair[0].fileno()) is False
    await loop.sock_sendall(pair[1], b"later")
    assert await loop.sock_recv(pair[0], 100) == b"later"


@test_of_both
async def test_connecting_and_accepting(loop) -> None:
    with socket.socket() as listener, socket.socket() as client:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        client.setblocking(False)
        accepting = loop.create_task(loop.sock_accept(listener))
        await turns()
        await loop.sock_connect(client, listener.getsockname())
        accepted, address = await accepting
        with accepted:
            assert address == client.getsockname()
            assert accepted.gettimeout() == 0
            await loop.sock_sendall(client, b"hello")
            assert await loop.sock_recv(accepted, 100) == b"hello"


@test_of_both
async def test_connecting_where_nobody_listens(loop) -> None:
    with socket.socket() as unused, socket.socket() as client:
        unused.bind(("127.0.0.1", 0))
        client.setblocking(False)
        with pytest.raises(ConnectionRefusedError):
            await loop.sock_connect(client, unused.getsockname())


@test_of_both
async def test_datagrams(loop) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as a, socket.socket(type=socket.SOCK_DGRAM) as b:
        for sock in (a, b):
            sock.bind(("127.0.0.1", 0))
            sock.setblocking(False)
        waiting = loop.create_task(loop.sock_recvfrom(b, 100))
        await turns()
        assert await loop.sock_sendto(a, b"hello", b.getsockname()) == 5
        assert await waiting == (b"hello", a.getsockname())
        buffer = bytearray(10)
        await loop.sock_sendto(a, b"again", b.getsockname())
        assert await loop.sock_recvfrom_into(b, buffer) == (5, a.getsockname())


@test_of_both
async def test_a_blocking_socket_is_refused_in_debug_mode(loop) -> None:
    loop.set_debug(True)
    with socket.socket() as sock, pytest.raises(ValueError):
        await loop.sock_recv(sock, 1)


@test_of_both
async def test_the_socket_of_a_transport_is_refused(loop, tmp_path) -> None:
    async with connected(loop, "tcp", tmp_path) as (a, _):
        with socket.socket(fileno=a.transport.get_extra_info("socket").fileno()) as sock:
            try:
                with pytest.raises(RuntimeError):
                    await loop.sock_recv(sock, 1)
            finally:
                sock.detach()


# -- sendfile


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Any]:
    (tmp_path / "file").write_bytes(BIG)
    with open(tmp_path / "file", "rb") as file:
        yield file


@test_of_both
async def test_a_file_to_a_socket(loop, pair, file) -> None:
    task = loop.create_task(loop.sock_sendfile(pair[0], file, 10, 1_000_000))
    assert await received(loop, pair[1], 1_000_000) == BIG[10:1_000_010]
    assert await task == 1_000_000
    assert file.tell() == 1_000_010


@pytest.mark.parametrize(("offset", "count"), [(0, None), (10, 1_000_000), (len(BIG) - 5, None)])
@test_of_both
async def test_a_file_to_a_transport(loop, kind, tmp_path, file, offset, count) -> None:
    expected = BIG[offset:][:count]
    async with connected(loop, kind, tmp_path) as (a, b):
        a.transport.write(b"before ")
        assert await loop.sendfile(a.transport, file, offset, count) == len(expected)
        a.transport.write(b" after")
        data = await b.until_data(len(expected) + 13)
        assert data == b"before " + expected + b" after"
        assert file.tell() == offset + len(expected)
        assert a.transport.get_protocol() is a
        assert a.transport.is_reading()


@test_of_both
async def test_a_file_to_a_transport_without_a_fallback(loop, kind, tmp_path, file) -> None:
    async with connected(loop, kind, tmp_path) as (a, b):
        assert await loop.sendfile(a.transport, file, fallback=False) == len(BIG)
        assert await b.until_data(len(BIG)) == BIG


@test_of_both
async def test_a_file_to_a_transport_that_is_closing(loop, kind, tmp_path, file) -> None:
    async with connected(loop, kind, tmp_path, Recorder) as (a, _):
        a.transport.close()
        with pytest.raises(RuntimeError):
            await loop.sendfile(a.transport, file)
