"""A client leaves at every byte of a small request, and at every byte of a small answer, while both are stages of pipelines.

Whatever has come or gone by then: every stage is destroyed once, the pipeline fails once and with what happened, and no
descriptor stays.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest

from tests.unit.http.support import bounded, until
from treadle import TreadleError, http
from treadle.streams import Readable, Transform, Writable, finished, pipeline
from treadle.timers import promises

REQUESTS = {
    "counted": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "chunked": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
}
BODY = b"hello"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset
ONCE_EACH = dict.fromkeys(
    ["req error", "req close", "res close", "transform destroyed", "sink destroyed", "sink error", "sink close"], 1
)


def leave(client: socket.socket, *, resets: bool) -> None:
    if resets:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.close()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


class Handled:
    """What became of one request."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.outcome: str | None = None

    def count(self, name: str, *_: object) -> None:
        self.counts[name] += 1

    def destroy(self, name: str) -> Callable[..., None]:
        """A destroy hook."""

        def hook(error: BaseException | None, callback: Callable[..., None]) -> None:
            self.count(f"{name} destroyed")
            callback(error)

        return hook

    def hear(self, name: str, emitter: Any) -> None:
        emitter.on("close", lambda: self.count(f"{name} close"))
        emitter.on("error", lambda _: self.count(f"{name} error"))

    async def run(self, *stages: Any) -> None:
        try:
            await pipeline(*stages)
            self.outcome = "well"
        except TreadleError as error:
            self.outcome = error.code


def pass_on(chunk: bytes, _: str, callback: Callable[..., None]) -> None:
    callback(None, chunk)


def connect(server: http.Server) -> socket.socket:
    client = socket.socket()
    client.connect(server.address())  # type: ignore[arg-type]
    client.setblocking(False)
    return client


@pytest.mark.parametrize("resets", [True, False], ids=["reset", "end"])
@pytest.mark.parametrize("framing", REQUESTS)
def test_at_every_byte_of_a_request(framing: str, resets: bool) -> None:
    sent = REQUESTS[framing]
    head = sent.index(b"\r\n\r\n") + 4

    async def main() -> None:
        handled: list[Handled] = []

        async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            one = Handled()
            handled.append(one)
            one.hear("req", req)
            one.hear("res", res)
            sink = Writable(write=lambda chunk, _, done: done(), destroy=one.destroy("sink"))
            one.hear("sink", sink)
            await one.run(req, Transform(transform=pass_on, destroy=one.destroy("transform")), sink)
            if one.outcome == "well":
                res.end("thanks")

        server = http.create_server(handler).listen(0)
        before = descriptors()
        for size in range(1, len(sent)):
            handled.clear()
            client = connect(server)
            client.send(sent[:size])
            await until(lambda: server.statistics().requests == 1)
            if size >= head:
                await until(lambda: handled)
            leave(client, resets=resets)
            await until(lambda: server.connections == 0 and server.statistics().handlers == 0)
            await promises.immediate()
            assert len(handled) == (size >= head), size
            if handled:
                assert handled[0].outcome == "ERR_HTTP_REQUEST_ABORTED", size
                assert handled[0].counts == ONCE_EACH, size
        assert descriptors() == before
        server.close()

    bounded(main)


def whole_answer() -> bytes:
    head = b"HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n"


@pytest.mark.parametrize("kind", ["generator", "stream", "pipe"])
def test_at_every_byte_of_an_answer(kind: str) -> None:
    """The source gives one byte whenever the client has read all before it: it is not through before the client leaves, unless
    that wanted to see the end."""
    size_of_all = len(whole_answer())

    async def main() -> None:
        one = Handled()
        asked = asyncio.Semaphore(0)

        async def pieces() -> AsyncIterator[bytes]:
            try:
                for byte in BODY:
                    await asked.acquire()
                    yield bytes([byte])
                await asked.acquire()
            finally:
                one.count("source closed")

        async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            one.hear("res", res)
            if kind == "generator":
                await one.run(pieces(), res)
                return
            source = Readable.from_(pieces(), object_mode=False)
            if kind == "stream":
                await one.run(source, Transform(transform=pass_on), res)
                return
            closed = asyncio.Event()
            res.on("close", closed.set)
            source.pipe(res)
            await closed.wait()
            one.outcome = "well" if res.writable_finished else "ERR_STREAM_PREMATURE_CLOSE"
            source.destroy()

        server = http.create_server(handler).listen(0)
        before = descriptors()
        for size in range(size_of_all + 1):
            one = Handled()
            asked = asyncio.Semaphore(0)
            client = connect(server)
            client.send(GET)
            await until(lambda: server.statistics().handlers == 1)
            got, steps = b"", 0
            while len(got) < size:
                try:
                    got += client.recv(size - len(got))
                except BlockingIOError:
                    asked.release()
                    steps += 1
                    await promises.immediate()
            if size == size_of_all:
                assert got.partition(b"\r\n\r\n")[2] == whole_answer().partition(b"\r\n\r\n")[2]
            has_ended = steps > len(BODY) and one.outcome is not None
            leave(client, resets=True)
            await until(lambda: server.connections == 0 and server.statistics().handlers == 0)
            await until(partial(one.counts.__getitem__, "source closed"))
            await promises.immediate()
            assert one.outcome == ("well" if has_ended else "ERR_STREAM_PREMATURE_CLOSE"), size
            assert one.counts == {"res close": 1, "source closed": 1}, size
        assert descriptors() == before
        server.close()

    bounded(main)


def test_behind_an_end_that_the_kernel_has_not_taken() -> None:
    """end() was called, and most of it still waits: the answer is not finished, and whoever waits for that is told."""

    async def main() -> None:
        one = Handled()

        async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            one.hear("res", res)
            res.on("finish", lambda: one.count("finish"))
            await promises.immediate()
            res.end(bytes(64 << 20), callback=lambda error: one.count("end", error))
            try:
                await finished(res)
            except TreadleError as error:
                one.outcome = error.code

        server = http.create_server(handler).listen(0)
        client = connect(server)
        client.send(GET)
        while True:
            try:
                assert client.recv(1)
                break
            except BlockingIOError:
                await promises.immediate()
        leave(client, resets=True)
        await until(lambda: server.connections == 0 and one.outcome)
        assert one.outcome == "ERR_STREAM_PREMATURE_CLOSE"
        assert one.counts == {"res close": 1, "end": 1}
        server.close()

    bounded(main)


def test_while_the_socket_is_paused() -> None:
    """A sink is slow, the socket is not read meanwhile, and the client has left when it is."""

    async def main() -> None:
        one = Handled()
        waiting: list[Callable[[], None]] = []

        async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            sink = Writable(write=lambda chunk, _, done: waiting.append(done), high_water_mark=1, destroy=one.destroy("sink"))
            one.hear("req", req)
            one.hear("res", res)
            await one.run(req, sink)

        server = http.create_server(handler).listen(0)
        client = connect(server)
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n")
        idle = 0
        while idle < 50:
            try:
                client.send(bytes(1 << 16))
                idle = 0
            except BlockingIOError:
                idle += 1
            await promises.immediate()
        leave(client, resets=True)
        while server.connections or server.statistics().handlers:
            if waiting:
                waiting.pop()()
            await promises.immediate()
        assert one.outcome == "ERR_HTTP_REQUEST_ABORTED"
        assert one.counts == {"req error": 1, "req close": 1, "res close": 1, "sink destroyed": 1}
        server.close()

    bounded(main)
