"""An answer to HTTP/1.0 whose end is that of the connection: half of one ends by a reset, whatever cuts it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.http.support import bounded
from treadle import http

GET = b"GET / HTTP/1.0\r\n\r\n"
POST = b"POST / HTTP/1.0\r\nContent-Length: 99\r\n\r\nabc"


async def begin(req: http.IncomingMessage, res: http.ServerResponse) -> None:
    res.write("half")
    await asyncio.sleep(60)


async def time_out(req: http.IncomingMessage, res: http.ServerResponse) -> None:
    res.set_timeout(50)
    await begin(req, res)


async def fail(req: http.IncomingMessage, res: http.ServerResponse) -> None:
    res.write("half")
    await asyncio.sleep(0)
    raise ValueError("of the test")


async def destroy(req: http.IncomingMessage, res: http.ServerResponse) -> None:
    res.write("half")
    await asyncio.sleep(0)
    res.destroy()


@pytest.mark.parametrize(
    ("handler", "sent", "ends_its_side", "timeouts"),
    [
        pytest.param(fail, GET, False, {}, id="its handler fails"),
        pytest.param(destroy, GET, False, {}, id="its handler gives it up"),
        pytest.param(time_out, GET, False, {}, id="it has a deadline of its own"),
        pytest.param(begin, GET, False, {"response_s": 0.05}, id="it has the server's deadline"),
        pytest.param(begin, POST, False, {"request_s": 0.05}, id="the body is late"),
        pytest.param(begin, POST, True, {}, id="the body ends short"),
        pytest.param(begin, GET, True, {"request_s": 0.05}, id="the peer has left perhaps"),
    ],
)
def test_it_ends_by_a_reset(handler: Callable[..., Any], sent: bytes, ends_its_side: bool, timeouts: dict[str, float]) -> None:
    async def main() -> None:
        server = http.create_server(handler, timeouts=http.Timeouts(**timeouts)).listen(0)
        loop = asyncio.get_running_loop()
        with socket.create_connection(server.address()) as peer:  # type: ignore[arg-type]
            peer.setblocking(False)
            peer.send(sent)
            got = b""
            while not got.endswith(b"half"):
                piece = await loop.sock_recv(peer, 4096)
                assert piece
                got += piece
            if ends_its_side:
                peer.shutdown(socket.SHUT_WR)
            with pytest.raises(ConnectionResetError):
                assert await loop.sock_recv(peer, 4096) == b"never"
        server.close_all_connections()
        server.close()
        await server.wait_closed()

    bounded(main)


def test_one_whose_head_has_not_left_ends_in_order() -> None:
    """Nothing of it has been sent, so nothing looks whole; and what came before it on the connection is not lost."""

    async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
        res.write_head(200, {"X-A": "b"})
        await asyncio.sleep(0)
        res.destroy()

    async def main() -> None:
        server = http.create_server(handler).listen(0)
        reader, writer = await asyncio.open_connection(*server.address())  # type: ignore[misc]
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert await reader.read() == b""
        writer.close()
        server.close()
        await server.wait_closed()

    bounded(main)
