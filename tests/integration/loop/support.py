"""Protocols that write down what they are told, and connections between two of them.

Invariant: every wait has a deadline, and is ended by the event that is waited for. Not here: the loops (conftest.py)."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

import treadle
from tests.integration.support import DEADLINE_S

BIG = bytes(range(256)) * 32_768  # 8 MiB: more than the kernel takes of a connection that nobody reads

Trace = list[object]


def run(loop: asyncio.AbstractEventLoop, coroutine: Any) -> Any:
    """Its result, within the deadline."""
    return loop.run_until_complete(asyncio.wait_for(coroutine, DEADLINE_S))


def test_of_both(function: Callable[..., Any]) -> Callable[..., None]:
    """An async test: run(loop, ...) of it, on the loop of the fixture."""

    @functools.wraps(function)
    def test(loop: asyncio.AbstractEventLoop, **fixtures: Any) -> None:
        run(loop, function(loop, **fixtures))

    return test


test_of_both.__test__ = False  # type: ignore[attr-defined]


def known_bug(request: pytest.FixtureRequest, loop: asyncio.AbstractEventLoop, reason: str) -> None:
    """Of treadle, not of asyncio: a strict xfail of this test where it runs on treadle's loop."""
    if isinstance(loop, treadle.EventLoop):
        request.applymarker(pytest.mark.xfail(reason=reason))


def boom(*_: object) -> Any:
    raise ValueError("boom")


class Recorder(asyncio.Protocol):
    """Its trace has one entry per callback: data is joined, everything else is "made", "eof", "pause", "resume" or
    ("lost", exception)."""

    keeps_open = False  # what eof_received says

    def __init__(self) -> None:
        self.trace: Trace = []
        self.data = bytearray()
        self.transport: Any = None
        self._waiting: list[asyncio.Future[None]] = []

    def note(self, entry: object) -> None:
        self.trace.append(entry)
        self.wake()

    def wake(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        self._waiting.clear()

    async def until(self, probe: Callable[[], object]) -> None:
        """Until the probe, asked after each callback, says yes."""
        async with asyncio.timeout(DEADLINE_S):
            while not probe():
                future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._waiting.append(future)
                await future

    async def until_lost(self) -> BaseException | None:
        await self.until(lambda: self.is_lost)
        return self.losses[0]

    async def until_data(self, size: int) -> bytes:
        await self.until(lambda: len(self.data) >= size)
        return bytes(self.data)

    @property
    def losses(self) -> list[Any]:
        return [entry[1] for entry in self.trace if isinstance(entry, tuple) and entry[0] == "lost"]

    @property
    def is_lost(self) -> bool:
        return bool(self.losses)

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.note("made")

    def data_received(self, data: bytes) -> None:
        assert type(data) is bytes
        self.data += data
        self.wake()

    def eof_received(self) -> bool:
        self.note("eof")
        return self.keeps_open

    def connection_lost(self, exc: Exception | None) -> None:
        self.note(("lost", exc))

    def pause_writing(self) -> None:
        self.note("pause")

    def resume_writing(self) -> None:
        self.note("resume")


class KeepsOpen(Recorder):
    """Its own side stays open when the peer ends."""

    keeps_open = True


class Echo(Recorder):
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.transport.write(data)


Factory = Callable[[], Any]


@contextlib.asynccontextmanager
async def connected(
    loop: asyncio.AbstractEventLoop, kind: str, tmp_path: Path, client: Factory = Recorder, peer: Factory = Recorder
) -> AsyncIterator[tuple[Any, Any]]:
    """Two protocols, the client's and the server's, with a connection between them. Both are lost afterwards."""
    accepted: asyncio.Future[Any] = loop.create_future()

    def accept() -> Any:
        protocol = peer()
        loop.call_soon(lambda: accepted.done() or accepted.set_result(protocol))
        return protocol

    if kind == "unix":
        path = str(tmp_path / "socket")
        server = await loop.create_unix_server(accept, path)
        _, a = await loop.create_unix_connection(client, path)
    else:
        server = await loop.create_server(accept, "127.0.0.1", 0)
        _, a = await loop.create_connection(client, *server.sockets[0].getsockname())
    b = await accepted
    server.close()
    try:
        if isinstance(b, Recorder):
            await b.until(lambda: b.transport)
        yield a, b
    finally:
        for protocol in (a, b):
            if protocol.transport is not None and not protocol.is_lost:  # asyncio's may fail once it is lost
                protocol.transport.abort()
        for protocol in (a, b):
            if isinstance(protocol, Recorder) and protocol.transport is not None:
                await protocol.until_lost()
        await server.wait_closed()


async def turns(count: int = 5) -> None:
    """Let the loop go round, so that what must not happen had its chance."""
    for _ in range(count):
        await asyncio.sleep(0)
