"""An upgrade over TLS: the socket goes to its listener with what stands between, and nothing leaves it in the clear."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.integration.tls import Contexts
from tests.unit.http.support import bounded
from treadle import http
from treadle.streams import pipeline

UPGRADE = b"GET /up HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
DATA = bytes(range(256)) * 2_000


async def echo(_: Any, socket: Any, head: bytes) -> None:
    socket.write(SWITCHING + head)
    await pipeline(socket, socket)


@pytest.mark.parametrize("before", [b"", GET], ids=["alone", "behind a request"])
@pytest.mark.parametrize("head", [b"", b"abc", DATA], ids=["no head", "a head", "a large head"])
def test_bytes_go_both_ways(contexts: Contexts, before: bytes, head: bytes) -> None:
    async def main() -> None:
        ours, theirs = contexts
        large = b"x" * 3_000_000
        server = http.create_server(lambda req, res: res.end(large), tls=ours).on("upgrade", echo).listen(0)
        host, port = server.address()  # type: ignore[misc]
        reader, writer = await asyncio.open_connection(host, port, ssl=theirs, server_hostname="localhost")
        writer.write(before + UPGRADE + head)
        got = await reader.readuntil(b"\r\n\r\n")
        if before:
            assert await reader.readexactly(len(large)) == large
            got = await reader.readuntil(b"\r\n\r\n")
        assert got == SWITCHING
        assert await reader.readexactly(len(head)) == head
        for data in (DATA, b"more"):
            writer.write(data)
            assert await reader.readexactly(len(data)) == data
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        assert server.connections == 0

    bounded(main)


def test_a_client_that_is_refused_is_told_in_tls(contexts: Contexts) -> None:
    async def main() -> None:
        ours, theirs = contexts
        server = http.create_server(tls=ours).on("client_error", lambda error, socket: socket.end(b"HTTP/1.1 400 Mine\r\n\r\n"))
        server.listen(0)
        host, port = server.address()  # type: ignore[misc]
        reader, writer = await asyncio.open_connection(host, port, ssl=theirs, server_hostname="localhost")
        writer.write(b"bad\r\n\r\n")
        assert await reader.read() == b"HTTP/1.1 400 Mine\r\n\r\n"
        writer.close()
        await asyncio.wait_for(writer.wait_closed(), 10)
        server.close()
        await server.wait_closed()

    bounded(main)
