"""Several listeners of one request: one that fails takes nothing from the others."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import treadle
from tests.unit.http.support import bounded
from treadle import http

Listener = Callable[[http.IncomingMessage, http.ServerResponse], Any]


async def answer_of(*listeners: Listener) -> bytes:
    server = http.create_server().listen()
    for listener in listeners:
        server.on("request", listener)
    reader, writer = await asyncio.open_connection(*server.address())  # type: ignore[misc]
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        return await reader.read()
    finally:
        writer.close()
        server.close()
        await server.wait_closed()


async def answers(req: http.IncomingMessage, res: http.ServerResponse) -> None:
    res.end("first")


async def answers_later(req: http.IncomingMessage, res: http.ServerResponse) -> None:
    await asyncio.sleep(0.01)
    res.end("first")


async def does_nothing(req: http.IncomingMessage, res: http.ServerResponse) -> None:
    pass


def fails(req: http.IncomingMessage, res: http.ServerResponse) -> None:
    raise ValueError("marker-listener")


async def fails_later(req: http.IncomingMessage, res: http.ServerResponse) -> None:
    raise ValueError("marker-listener")


@pytest.mark.parametrize(
    ("listeners", "status"),
    [
        ((answers, fails), 200),
        ((answers_later, fails), 200),
        ((does_nothing, fails), 500),
        ((answers_later, does_nothing, fails), 200),
        ((fails, answers), 500),  # as in Node, who stands behind one that raises is not called
        ((answers_later, fails_later), 200),
        ((fails_later, answers_later), 200),
        ((does_nothing, fails_later), 500),
    ],
)
def test_one_that_fails_takes_nothing_from_another(
    listeners: tuple[Listener, ...], status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        answer = await answer_of(*listeners)
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert answer.endswith(b"first") is (status == 200)
        gc.collect()

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        bounded(main)
    assert not [one for one in warned if "never awaited" in str(one.message)]
    assert "marker-listener" in caplog.text


def test_one_that_ends_the_program_leaves_nothing_unawaited() -> None:
    def leaves(req: http.IncomingMessage, res: http.ServerResponse) -> None:
        raise SystemExit(7)

    async def main() -> None:
        await answer_of(answers, leaves)

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with pytest.raises(SystemExit):
            treadle.run(main())
        gc.collect()
    assert not [one for one in warned if "never awaited" in str(one.message)]


def test_all_are_cancelled_together() -> None:
    """A client that has left, where that was asked for."""

    async def main() -> None:
        ended: list[str] = []

        def waits(name: str) -> Listener:
            async def listener(req: http.IncomingMessage, res: http.ServerResponse) -> None:
                begun.set()
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    ended.append(name)
                    raise

            return listener

        begun = asyncio.Event()
        server = http.create_server(cancel_on_disconnect=True).listen()
        server.on("request", waits("one")).on("request", waits("two"))
        _, writer = await asyncio.open_connection(*server.address())  # type: ignore[misc]
        writer.write(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        await begun.wait()
        writer.close()
        while len(ended) < 2:
            await asyncio.sleep(0.001)
        server.close()
        await server.wait_closed()

    bounded(main)
