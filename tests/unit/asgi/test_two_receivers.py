"""Two that wait in receive() at once: one for the body, one for the client to leave."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.unit.http.support import bounded
from treadle.asgi import ServeConfig, Serving

CHUNKS = 50


def depth(waiting: Any) -> int:
    """How many coroutines wait for one another."""
    inner = getattr(waiting, "cr_await", None)
    return 0 if inner is None else 1 + depth(inner)


def test_who_gets_no_chunk_does_not_wait_ever_deeper() -> None:
    got: list[int] = []
    calls: dict[int, Any] = {}
    depths: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def listen(who: int) -> None:
            while True:
                calls[who] = receive()
                event = await calls[who]
                depths.extend(map(depth, calls.values()))
                if event["type"] == "http.disconnect" or not event["more_body"]:
                    return
                got.append(who)

        both = [asyncio.create_task(listen(1)), asyncio.create_task(listen(2))]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"whole"})
        await asyncio.wait(both)

    async def main() -> None:
        serving = Serving(app, ServeConfig(port=0, lifespan="off"))
        await serving.start()
        reader, writer = await asyncio.open_connection(*serving.addresses[0])  # type: ignore[misc]
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n")
        for count in range(CHUNKS):
            writer.write(b"1\r\nx\r\n")
            while len(got) <= count:
                await asyncio.sleep(0)
        writer.write(b"0\r\n\r\n")
        assert (await reader.read()).endswith(b"whole")
        writer.close()
        await serving.stop()

    bounded(main)
    assert len(got) == CHUNKS
    assert 1 <= max(depths) <= 2  # the future, at most below one coroutine
