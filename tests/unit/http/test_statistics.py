"""What a server says of itself: statistics and repr, followed through the life of one request."""

import asyncio
from dataclasses import FrozenInstanceError

import pytest

import treadle
from treadle import http

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def test_statistics_follow_a_request() -> None:
    seen: list[http.ServerStatistics] = []

    async def main() -> None:
        asked, release = asyncio.Event(), asyncio.Event()

        async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            asked.set()
            await release.wait()
            res.end("done")

        server = http.create_server(handler).listen(0)
        seen.append(server.statistics())
        reader, writer = await asyncio.open_connection(*server.address())  # type: ignore[misc]
        writer.write(REQUEST)
        await asked.wait()
        seen.append(server.statistics())
        assert repr(server).endswith(" connections=1 requests=1 handlers=1>")
        release.set()
        assert (await reader.read()).endswith(b"done")
        writer.close()
        server.close()
        await server.wait_closed()
        seen.append(server.statistics())
        assert repr(server) == "<Server closed connections=0 requests=0 handlers=0>"

    treadle.run(main)
    assert seen == [http.ServerStatistics(0, 0, 0), http.ServerStatistics(1, 1, 1), http.ServerStatistics(0, 0, 0)]


def test_statistics_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        http.ServerStatistics(0, 0, 0).connections = 1  # type: ignore[misc]
