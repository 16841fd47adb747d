"""However an exchange ends for the loop, its thread is let go."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

import treadle
from treadle.wsgi import from_wsgi

pytest.importorskip("a2wsgi")

DEADLINE_S = 20.0
SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "GET",
    "path": "/",
    "raw_path": b"/",
    "query_string": b"",
    "headers": [],
    "http_version": "1.1",
    "scheme": "http",
    "server": ("127.0.0.1", 80),
    "client": ("127.0.0.1", 1),
}


async def receive() -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}


@pytest.mark.parametrize("how", ["closed", "cancelled"])
def test_a_thread_that_waits_is_let_go(how: str) -> None:
    ended = threading.Event()

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        try:
            while True:
                yield bytes(100_000)  # nobody takes it, so the thread waits
        finally:
            ended.set()

    async def main() -> None:
        stuck = asyncio.Event()

        async def send(_: Any) -> None:
            stuck.set()
            await asyncio.Event().wait()

        exchange = from_wsgi(app)(SCOPE, receive, send)
        assert asyncio.iscoroutine(exchange)
        if how == "cancelled":
            task = asyncio.create_task(exchange)
            await stuck.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            step: Any = exchange.send(None)  # awaited by nobody, and so closed
            while not stuck.is_set():
                step = await step_of(exchange, step)
            exchange.close()
        assert await asyncio.to_thread(ended.wait, DEADLINE_S)

    async def step_of(exchange: Any, step: Any) -> Any:
        if step is not None:
            step._asyncio_future_blocking = False
            await asyncio.wait([step])
        else:
            await asyncio.sleep(0)
        return exchange.send(None)

    treadle.run(main)


def test_a_buffer_that_is_filled_anew_leaves_as_it_was_given() -> None:
    """PEP 3333 has bytes only; a bytearray or a memoryview is taken, too, and is the application's again once it is given."""

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", iter([("X-A", "b")]))
        buffer = bytearray(4)
        for value in range(50):
            buffer[:] = bytes([value]) * 4
            yield memoryview(buffer).cast("I") if value % 2 else buffer
            buffer[:] = b"xxxx"

    async def main() -> None:
        events: list[Any] = []

        async def send(event: Any) -> None:
            await asyncio.sleep(0)
            events.append(event)

        await from_wsgi(app)(SCOPE, receive, send)
        assert events[0]["headers"] == [(b"X-A", b"b")]
        assert b"".join(event["body"] for event in events[1:]) == b"".join(bytes([value]) * 4 for value in range(50))

    treadle.run(main)
