"""An answer that fails right behind its first piece: what was handed over leaves before the connection is cut."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.unit.asgi.test_serving import get
from tests.unit.http.support import bounded
from treadle import http
from treadle.asgi import ServeConfig, Serving

START = {"type": "http.response.start", "status": 200, "headers": []}


@pytest.mark.parametrize("is_async", [False, True])
def test_in_nodes_manner(is_async: bool) -> None:
    def fail(req: http.IncomingMessage, res: http.ServerResponse) -> None:
        res.write("first")
        raise ValueError("of the test")

    async def fail_as_coroutine(req: http.IncomingMessage, res: http.ServerResponse) -> None:
        fail(req, res)

    async def main() -> None:
        server = http.create_server(fail_as_coroutine if is_async else fail).listen(0)
        assert (await get(server.address())).endswith(b"\r\n\r\n5\r\nfirst\r\n")  # and no last chunk
        server.close()
        await server.wait_closed()

    bounded(main)


def test_of_an_asgi_application() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        raise ValueError("of the test")

    async def main() -> None:
        serving = Serving(app, ServeConfig(port=0, lifespan="off"))
        await serving.start()
        assert (await get(serving.addresses[0])).endswith(b"\r\n\r\n5\r\nfirst\r\n")
        await serving.stop()

    bounded(main)


def test_a_handler_that_hears_that_its_client_has_left_has_not_failed(caplog: pytest.LogCaptureFixture) -> None:
    """Most clients leave by ending their side, as curl does that has waited long enough."""

    async def main() -> None:
        begun, ended = asyncio.Event(), asyncio.Event()

        async def report(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            begun.set()
            try:
                async with req.signal.scope():
                    await asyncio.sleep(60)
            finally:
                ended.set()

        server = http.create_server(report).listen(0)
        _, writer = await asyncio.open_connection(*server.address())  # type: ignore[misc]
        writer.write(b"GET /report HTTP/1.1\r\nHost: a\r\n\r\n")
        await begun.wait()
        writer.close()
        await ended.wait()
        server.close()
        await server.wait_closed()

    with caplog.at_level("DEBUG", "treadle.http"):
        bounded(main)
    assert [record.levelname for record in caplog.records if "/report" in record.getMessage()] == ["DEBUG"]
