"""Connections whose PROXY header has not come yet count as connections, whichever listener has taken them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from tests.unit.http.support import bounded, until
from treadle import http

HEADER = b"PROXY TCP4 192.0.2.1 198.51.100.2 4711 443\r\n"
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
    res.end("hello")


def test_a_limit_of_connections_holds_over_all_listeners() -> None:
    async def main() -> None:
        server = http.create_server(handler, origin=http.Origin("127.0.0.1", proxy_protocol=True))
        server.max_connections = 2
        drops: list[Any] = []
        server.on("drop", drops.append)
        peers = []
        for count in (1, 2, 2):
            server.listen(0)
            peers.append(await asyncio.open_connection(*server.address()))  # type: ignore[misc]
            peers[-1][1].write(HEADER[:9])  # one that says nothing has a second once its listener is closed
            if count > len(peers) - 1:
                await until(lambda: server.connections == len(peers))
            else:
                assert await peers[-1][0].read() == b""
            server.close()
        assert len(drops) == 1
        assert server.connections == 2
        for reader, writer in peers[:2]:
            writer.write(HEADER[9:] + REQUEST)
            assert (await reader.read()).endswith(b"hello")
        for _, writer in peers:
            writer.close()
        await server.wait_closed()

    bounded(main)


def test_all_of_them_end_with_all_connections() -> None:
    async def main() -> None:
        server = http.create_server(handler, origin=http.Origin("127.0.0.1", proxy_protocol=True)).listen(0)
        closed = asyncio.Event()
        server.on("close", closed.set)
        silent = await asyncio.open_connection(*server.address())  # type: ignore[misc]
        begun = await asyncio.open_connection(*server.address())  # type: ignore[misc]
        begun[1].write(HEADER[:9])
        await until(lambda: server.connections == 2)
        assert server.statistics() == http.ServerStatistics(2, 0, 0)
        server.close_idle_connections()
        assert server.connections == 2, "it does not close: they may have come this very moment"
        server.close()
        server.close_all_connections()
        await closed.wait()
        await server.wait_closed()
        assert server.connections == 0
        for reader, writer in (silent, begun):
            with contextlib.suppress(ConnectionResetError):  # of what has come of the header not all need have been read
                assert await reader.read() == b""
            writer.close()

    bounded(main)
