"""Files that are sent where the kernel cannot do it: over TLS, or from what is no file. Over plain sockets:
tests/integration/loop/test_sockets.py."""

from __future__ import annotations

import asyncio
import io
import socket
from pathlib import Path

import pytest

from tests.integration.loop.support import BIG, Recorder, connected, test_of_both


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(BIG)
    return path


async def over_tls(loop, contexts, send) -> bytes:
    """What arrives when `send` has been given the client's transport."""
    peers: list[Recorder] = []
    server = await loop.create_server(lambda: peers.append(Recorder()) or peers[-1], "127.0.0.1", 0, ssl=contexts[0])
    transport, client = await loop.create_connection(
        Recorder, *server.sockets[0].getsockname(), ssl=contexts[1], server_hostname="localhost"
    )
    await send(transport)
    transport.close()
    await client.until_lost()
    await peers[0].until_lost()
    server.close()
    await server.wait_closed()
    return bytes(peers[0].data)


@pytest.mark.parametrize(("offset", "count"), [(0, None), (1000, 100_000)])
@test_of_both
async def test_over_tls(loop, contexts, file, offset, count) -> None:
    async def send(transport) -> None:
        with file.open("rb") as opened:
            sent = await loop.sendfile(transport, opened, offset, count)
        assert sent == (count or len(BIG))

    assert await over_tls(loop, contexts, send) == BIG[offset : offset + count if count else None]


@test_of_both
async def test_over_tls_without_a_fallback(loop, contexts, file) -> None:
    async def send(transport) -> None:
        with file.open("rb") as opened, pytest.raises(RuntimeError, match="fallback is disabled"):
            await loop.sendfile(transport, opened, fallback=False)

    assert await over_tls(loop, contexts, send) == b""


@test_of_both
async def test_what_is_no_file_of_the_system(loop, kind, tmp_path) -> None:
    async with connected(loop, kind, tmp_path) as (client, peer):
        assert await loop.sendfile(client.transport, io.BytesIO(BIG), 5) == len(BIG) - 5
        assert await peer.until_data(len(BIG) - 5) == BIG[5:]


@test_of_both
async def test_what_is_no_file_of_the_system_without_a_fallback(loop, kind, tmp_path) -> None:
    async with connected(loop, kind, tmp_path) as (client, _):
        with pytest.raises(asyncio.SendfileNotAvailableError):
            await loop.sendfile(client.transport, io.BytesIO(BIG), fallback=False)


@test_of_both
async def test_what_is_no_file_of_the_system_to_a_socket(loop) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        assert await loop.sock_sendfile(ours, io.BytesIO(b"abcdef"), 2, 3) == 3
        assert await loop.sock_recv(theirs, 10) == b"cde"
        with pytest.raises(asyncio.SendfileNotAvailableError):
            await loop.sock_sendfile(ours, io.BytesIO(b"abcdef"), fallback=False)


@pytest.mark.parametrize(
    ("change", "error"),
    [({"offset": -1}, ValueError), ({"count": 0}, ValueError), ({"count": 1.5}, TypeError), ({"offset": "1"}, TypeError)],
    ids=str,
)
@test_of_both
async def test_wrong_arguments(loop, file, change, error) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, file.open("rb") as opened:
        ours.setblocking(False)
        with pytest.raises(error):
            await loop.sock_sendfile(ours, opened, **change)
