"""An answer has a time to be complete in: 504 where nothing was sent, a cut where something was."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from tests.unit.http.support import bounded, until
from tests.unit.http.test_departures import connect
from treadle import TreadleError, http

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
SHORT = http.Timeouts(response_s=0.03)


async def received(client: Any) -> bytes:
    """All until the server ends its side."""
    loop = asyncio.get_running_loop()
    data = b""
    while chunk := await loop.sock_recv(client, 65_536):
        data += chunk
    client.close()
    return data


async def exchange(server: http.Server, sent: bytes = GET) -> bytes:
    client = connect(server)
    client.sendall(sent)
    return await received(client)


class Sleeper:
    def __init__(self, first: bytes | None = None) -> None:
        self.told: list[str] = []
        self._first = first

    async def __call__(self, req: http.IncomingMessage, res: http.ServerResponse) -> None:
        req.signal.add_event_listener("abort", lambda event: self.told.append(event.target.reason.code))
        if self._first is not None:
            res.write(self._first)
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            self.told.append("cancelled")
            raise


@pytest.mark.parametrize("sent", [GET, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"], ids=["answering", "body"])
def test_nothing_was_sent(sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        sleeper = Sleeper()
        server = http.create_server(sleeper, timeouts=SHORT).listen(0)
        client = connect(server)
        client.sendall(sent)
        answer = (await asyncio.gather(received(client)))[0]
        assert answer.startswith(b"HTTP/1.1 504 Gateway Timeout\r\n")
        assert b"Connection: close\r\n" in answer
        await until(lambda: server.statistics().handlers == 0)
        assert sleeper.told == ["ERR_HTTP_RESPONSE_TIMEOUT", "cancelled"]
        server.close()

    with caplog.at_level(logging.INFO, "treadle.http"):
        bounded(main)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_something_was_sent(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        sleeper = Sleeper(b"first")
        server = http.create_server(sleeper, timeouts=SHORT).listen(0)
        answer = await exchange(server)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.endswith(b"5\r\nfirst\r\n")  # its last chunk never comes
        await until(lambda: server.statistics().handlers == 0)
        assert sleeper.told == ["ERR_HTTP_RESPONSE_TIMEOUT", "cancelled"]
        server.close()

    bounded(main)


def test_a_route_has_its_own_and_a_handler_too() -> None:
    async def main() -> None:
        async def handler(req: Any, res: Any) -> None:
            if req.url == "/mine":
                res.set_timeout(30)
            if req.url == "/none":
                res.set_timeout(0)
            await asyncio.sleep(0.2 if req.url in ("/slow", "/none") else 30)
            res.end("slow")

        routes = {"/slow": http.Route(response_s=0), "/mine": http.Route(response_s=20)}
        server = http.create_server(handler, timeouts=SHORT, routes=routes).listen(0)
        last = GET.replace(b"Host: a", b"Host: a\r\nConnection: close")
        targets = (b"/slow", b"/none", b"/x", b"/mine")
        answers = await asyncio.gather(*(exchange(server, last.replace(b"/", target, 1)) for target in targets))
        assert [answer.split()[1] for answer in answers] == [b"200", b"200", b"504", b"504"]
        server.close()

    bounded(main)


def test_it_ends_with_the_answer() -> None:
    async def main() -> None:
        times: list[str] = []

        async def handler(req: Any, res: Any) -> None:
            res.set_timeout(20, lambda: times.append("timeout"))
            res.end("well")

        server = http.create_server(handler).listen(0)
        client = connect(server)
        for _ in range(2):
            client.sendall(GET)
            await until(lambda: server.statistics().requests == 0)
            await asyncio.sleep(0.05)
        assert server.connections == 1
        assert times == []
        client.close()
        server.close()

    bounded(main)


def test_who_listens_sees_to_it() -> None:
    async def main() -> None:
        kept: list[Any] = []

        def handler(req: Any, res: Any) -> None:
            kept.append(res)
            res.set_timeout(10, lambda: res.write_head(503).end("busy"))

        server = http.create_server(handler).listen(0)
        client = connect(server)
        client.sendall(GET)
        await until(lambda: kept and kept[0].finished)
        client.setblocking(True)
        assert client.recv(1000).startswith(b"HTTP/1.1 503 ")
        client.close()
        server.close()

    bounded(main)


def test_what_cannot_be() -> None:
    async def main() -> None:
        codes: list[str] = []

        def handler(req: Any, res: Any) -> None:
            for value in (-1, 2**31, "1"):
                try:
                    res.set_timeout(value)
                except TreadleError as error:
                    codes.append(error.code)
            res.end()

        server = http.create_server(handler).listen(0)
        await exchange(server, GET.replace(b"Host: a", b"Host: a\r\nConnection: close"))
        assert codes == ["ERR_OUT_OF_RANGE", "ERR_OUT_OF_RANGE", "ERR_INVALID_ARG_TYPE"]
        server.close()

    bounded(main)
