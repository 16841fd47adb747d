"""A body has to come at some rate, on the whole, while it is read: who dribbles is refused, who waits for us is not."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

import pytest

from tests.unit.http.support import bounded
from tests.unit.http.test_departures import connect
from tests.unit.http.test_handover import read, send
from treadle import TreadleError, http

GRACE_S = 0.1
QUICK = http.Timeouts(body_grace_s=GRACE_S)
LAST = "Connection: close\r\n"


def head(length: int | str, fields: str = LAST) -> bytes:
    framing = f"Content-Length: {length}" if isinstance(length, int) else "Transfer-Encoding: chunked"
    return f"POST / HTTP/1.1\r\nHost: a\r\n{fields}{framing}\r\n\r\n".encode()


async def whole(req: Any, res: Any) -> None:
    res.end(str(len(await req.read())))


def read_late(server: http.Server) -> None:
    """Begin to read long behind the grace. From then on there is much of that, so that a busy machine fails no test."""

    async def handler(req: Any, res: Any) -> None:
        await asyncio.sleep(6 * GRACE_S)
        server._core.body_grace_ms = 20_000
        await whole(req, res)

    server.on("request", handler)


async def dribble(client: socket.socket, piece: bytes) -> None:
    """A piece now and then, until the server has had enough."""
    with contextlib.suppress(ConnectionError):
        while True:
            await send(client, piece)
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def listening(handler: Any, **options: Any) -> Any:
    server = http.create_server(handler, **{"timeouts": QUICK, **options}).listen(0)
    try:
        yield server
    finally:
        server.close()
        server.close_all_connections()
        await server.wait_closed()


@pytest.mark.parametrize(
    ("length", "piece"), [(100_000, b"x"), ("chunked", b"1\r\nx\r\n"), (100_000, b"")], ids=["counted", "chunked", "stalled"]
)
def test_who_dribbles_is_refused(length: int | str, piece: bytes) -> None:
    async def main() -> None:
        errors: list[str] = []

        async def handler(req: Any, res: Any) -> None:
            try:
                await req.read()
            except TreadleError as error:
                errors.append(error.code)
                raise

        async with listening(handler, limits=http.Limits(body_bytes_per_s=100_000)) as server:
            client = connect(server)
            client.sendall(head(length))
            dribbling = asyncio.ensure_future(dribble(client, piece) if piece else asyncio.sleep(0))
            answer = await read(client)
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert b"too slowly" in answer
            dribbling.cancel()
            await asyncio.gather(dribbling, return_exceptions=True)
            assert errors == ["ERR_HTTP_REQUEST_ABORTED"]
            client.close()

    bounded(main)


@pytest.mark.parametrize("rate", [None, 1])
def test_slow_is_a_matter_of_the_limit(rate: int | None) -> None:
    async def main() -> None:
        async with listening(whole, limits=http.Limits(body_bytes_per_s=rate)) as server:
            client = connect(server)
            client.sendall(head(60) + b"x" * 59)
            await asyncio.sleep(4 * GRACE_S)
            client.sendall(b"x")
            assert (await read(client)).endswith(b"\r\n\r\n60")
            client.close()

    bounded(main)


def test_what_came_early_counts() -> None:
    """A thousand times as much as is asked for a second, then a stall."""

    async def main() -> None:
        async with listening(whole, limits=http.Limits(body_bytes_per_s=50)) as server:
            client = connect(server)
            client.sendall(head(50_001) + b"x" * 50_000)
            await asyncio.sleep(4 * GRACE_S)
            client.sendall(b"x")
            assert (await read(client)).endswith(b"\r\n\r\n50001")
            client.close()

    bounded(main)


def test_a_handler_that_does_not_read_is_not_the_clients_fault() -> None:
    size = 3_000_000

    async def main() -> None:
        async with listening(None, limits=http.Limits(body_bytes_per_s=100_000)) as server:
            read_late(server)
            client = connect(server)
            sending = asyncio.ensure_future(send(client, head(size) + bytes(size)))
            assert (await read(client)).endswith(b"\r\n\r\n%d" % size)
            await sending
            client.close()

    bounded(main)


def test_nor_where_the_body_was_too_much_at_once_with_its_head() -> None:
    """The server pauses in the same step in which it begins to look at the clock."""
    size = 40_000

    async def main() -> None:
        limits = http.Limits(body_bytes_per_s=10_000_000, body_high_water_mark=1_000)
        async with listening(None, limits=limits, timeouts=http.Timeouts(body_grace_s=1.0)) as server:

            async def handler(req: Any, res: Any) -> None:
                await asyncio.sleep(0.3)
                await whole(req, res)

            server.on("request", handler)
            client = connect(server)
            client.sendall(head(size) + bytes(size // 2))
            await asyncio.sleep(1.1)  # behind the first look; what is asked for counts from then on
            client.sendall(bytes(size // 2))
            assert (await read(client)).endswith(b"\r\n\r\n%d" % size)
            client.close()

    bounded(main)


def test_who_waits_for_100_continue_is_not_slow() -> None:
    async def main() -> None:
        async with listening(None, limits=http.Limits(body_bytes_per_s=100_000)) as server:
            read_late(server)
            client = connect(server)
            client.sendall(head(5, LAST + "Expect: 100-continue\r\n"))
            asked = b"HTTP/1.1 100 Continue\r\n\r\n"
            assert await read(client, len(asked)) == asked
            client.sendall(b"hello")
            assert (await read(client)).endswith(b"\r\n\r\n5")
            client.close()

    bounded(main)


def test_the_whole_has_an_end_that_is_fixed() -> None:
    async def main() -> None:
        timeouts = http.Timeouts(body_grace_s=0.02, request_s=0.2)
        server = http.create_server(whole, timeouts=timeouts, limits=http.Limits(body_bytes_per_s=1)).listen(0)
        client = connect(server)
        client.sendall(head(100_000) + b"x" * 50_000)
        answer = await read(client)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"too slowly" not in answer
        client.close()
        server.close()
        await server.wait_closed()

    bounded(main)


def test_limits_are_checked() -> None:
    for wrong in (0, -1):
        with pytest.raises(TreadleError) as raised:
            http.Limits(body_bytes_per_s=wrong)
        assert raised.value.code == "ERR_OUT_OF_RANGE"
