"""A client leaves while nobody reads what it has sent: the server hears of it all the same.

Reading is paused by a handler that does not read, or by what is pipelined behind a request that is not answered. A reset is
noticed at once; a client that has only ended its side still gets its answer, for as long as a request may take. Not here: clients
that leave while they are read (test_gone.py).
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.http.support import bounded, until
from treadle import TreadleError, http
from treadle.streams import PassThrough, Writable, pipeline
from treadle.timers import promises

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
UPLOAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset
KEEP_ALIVE_MS = 50
BUFFERS_FULL = 50  # turns in which the kernel takes nothing more of a client
MANY = GET * 60_000  # more than the server keeps and the kernels hold between them

Handler = Callable[[http.IncomingMessage, http.ServerResponse], object]


def connect(server: http.Server) -> socket.socket:
    address = server.address()
    client = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    client.connect(address)  # type: ignore[arg-type]
    client.setblocking(False)
    return client


def reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.close()


async def send_all_it_takes(client: socket.socket, data: bytes) -> int:
    """Until all is sent, or the server has stopped reading and the buffers between are full. How much was sent."""
    sent = idle = 0
    while sent < len(data) and idle < BUFFERS_FULL:
        try:
            sent += client.send(data[sent : sent + 65_536])
            idle = 0
        except BlockingIOError:
            idle += 1
        await promises.immediate()
    return sent


class Exchange:
    """What is told of one request and its answer. It holds both: forgotten answers are answered for the handler."""

    def __init__(self, req: http.IncomingMessage, res: http.ServerResponse) -> None:
        self.told: Counter[str] = Counter()
        self.halves = (req, res)
        self.outcome: str | None = None
        for name, half in (("req", req), ("res", res)):
            half.on("close", lambda name=name: self.told.update([f"{name} close"]))
            half.on("error", lambda _, name=name: self.told.update([f"{name} error"]))

    async def run(self, *stages: object) -> None:
        try:
            await pipeline(*stages)  # type: ignore[arg-type]
            self.outcome = "well"
        except TreadleError as error:
            self.outcome = error.code


@pytest.mark.parametrize(
    ("sent", "ends_first"),
    [(GET + GET, True), (MANY, False), (UPLOAD + bytes(500_000), False), (UPLOAD + bytes(1_000_000) + MANY, True)],
    ids=["ended behind a pipelined request", "many pipelined", "body unread", "all unread, and ended"],
)
def test_a_reset_is_noticed(sent: bytes, ends_first: bool) -> None:
    async def main() -> None:
        exchanges: list[Exchange] = []
        server = http.create_server(lambda req, res: exchanges.append(Exchange(req, res))).listen(0)
        before = len(os.listdir("/proc/self/fd"))
        client = connect(server)
        await send_all_it_takes(client, sent)
        await until(lambda: exchanges)
        if ends_first:
            client.shutdown(socket.SHUT_WR)
            for _ in range(BUFFERS_FULL):
                await promises.immediate()
            assert server.connections == 1
        reset(client)
        await until(lambda: server.connections == 0)
        await until(lambda: len(exchanges[0].told) >= 2)
        assert len(exchanges) == 1
        assert exchanges[0].told["req close"] == exchanges[0].told["res close"] == 1
        assert server.statistics().requests == 0
        assert len(os.listdir("/proc/self/fd")) == before
        server.close()

    bounded(main)


def test_a_reset_fails_a_pipeline_that_answers() -> None:
    async def main() -> None:
        exchanges: list[Exchange] = []

        async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            exchange = Exchange(req, res)
            exchanges.append(exchange)
            await exchange.run(PassThrough(), res)

        server = http.create_server(handler).listen(0)
        client = connect(server)
        await send_all_it_takes(client, MANY)
        await until(lambda: exchanges)
        reset(client)
        await until(lambda: server.connections == 0 and server.statistics().handlers == 0)
        assert [exchange.outcome for exchange in exchanges] == ["ERR_STREAM_PREMATURE_CLOSE"]
        server.close()

    bounded(main)


def test_a_unix_client_that_closes_is_gone(tmp_path: Path) -> None:
    """Such a socket tells a close from an end of one side without a reset."""

    async def main() -> None:
        exchanges: list[Exchange] = []
        server = http.create_server(lambda req, res: exchanges.append(Exchange(req, res)))
        server.listen(path=tmp_path / "socket")
        client = connect(server)
        await send_all_it_takes(client, GET)
        await until(lambda: exchanges)
        client.close()
        await until(lambda: server.connections == 0 and exchanges[0].told["res close"])
        server.close()

    bounded(main)


def test_a_half_closed_client_is_answered() -> None:
    """Its end lies behind a body that is not read at first, and is no reason to cut it off."""

    async def main() -> None:
        body = bytes(1_000_000)
        read_on = asyncio.Event()

        async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            await read_on.wait()
            res.end(str(len(await req.read())))

        server = http.create_server(handler).listen(0)
        client = connect(server)
        sent = await send_all_it_takes(client, UPLOAD + body[:200_000])
        assert sent == len(UPLOAD) + 200_000
        reading = asyncio.ensure_future(asyncio.get_running_loop().sock_recv(client, 4096))
        read_on.set()
        rest = UPLOAD + body
        while sent < len(rest):
            sent += await send_all_it_takes(client, rest[sent:])
        client.shutdown(socket.SHUT_WR)
        assert (await reading).endswith(b"1000000")
        client.close()
        server.close()

    bounded(main)


@pytest.mark.parametrize(
    "sent", [GET + GET, GET + MANY[:180_000], UPLOAD + bytes(200_000)], ids=["read", "unread", "body unread"]
)
def test_the_end_of_a_half_closed_client_is_told_once(sent: bytes) -> None:
    """The poll is level-triggered: what is known already must not wake the loop again and again."""

    async def main() -> None:
        exchanges: list[Exchange] = []
        server = http.create_server(lambda req, res: exchanges.append(Exchange(req, res))).listen(0)
        client = connect(server)
        await send_all_it_takes(client, sent)
        client.shutdown(socket.SHUT_WR)
        for _ in range(BUFFERS_FULL):
            await promises.immediate()
        assert len(exchanges) == server.connections == 1
        before = asyncio.get_running_loop().statistics()["events"]
        await promises.sleep(20)
        assert asyncio.get_running_loop().statistics()["events"] == before
        client.close()
        exchanges.clear()
        server.close_all_connections()
        server.close()

    bounded(main)


@pytest.mark.parametrize("behind", [GET, MANY[:180_000]], ids=["read", "unread"])
def test_a_half_closed_client_that_is_never_answered_has_its_time(behind: bytes) -> None:
    async def main() -> None:
        exchanges: list[Exchange] = []
        timeouts = http.Timeouts(request_s=0.2)
        server = http.create_server(lambda req, res: exchanges.append(Exchange(req, res)), timeouts=timeouts).listen(0)
        client = connect(server)
        assert await send_all_it_takes(client, GET + behind) == len(GET + behind)
        client.shutdown(socket.SHUT_WR)
        await until(lambda: exchanges)
        await until(lambda: server.connections == 0 and exchanges[0].told["res close"])
        assert exchanges[0].told["res close"] == 1
        client.close()
        server.close()

    bounded(main)


@pytest.mark.parametrize("behind", [GET, MANY[: len(GET) * 6_000]], ids=["read", "unread"])
def test_a_half_closed_client_has_its_time_for_each_request(behind: bytes) -> None:
    """What was left between two messages is not what the handler of the second one has."""

    async def main() -> None:
        answer_first = asyncio.Event()
        seen = 0

        async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            nonlocal seen
            seen += 1
            if seen == 1:
                await answer_first.wait()
            elif seen == 2:
                await promises.sleep(4 * KEEP_ALIVE_MS)
            res.end()

        timeouts = http.Timeouts(keep_alive_s=KEEP_ALIVE_MS / 1000)
        server = http.create_server(handler, timeouts=timeouts).listen(0)
        client = connect(server)
        assert await send_all_it_takes(client, GET + behind) == len(GET + behind)
        client.shutdown(socket.SHUT_WR)
        for _ in range(BUFFERS_FULL):
            await promises.immediate()
        answer_first.set()
        answers = b""
        while piece := await asyncio.get_running_loop().sock_recv(client, 65_536):
            answers += piece
        assert answers.count(b"HTTP/1.1 200") == 1 + behind.count(GET)
        client.close()
        server.close()

    bounded(main)


def test_a_corked_answer_says_so() -> None:
    """COMPAT(node): what is piped into it waits for an uncork() or, below the mark, for the end. Its repr tells why."""

    async def main() -> None:
        answers: list[http.ServerResponse] = []

        async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            answers.append(res)
            res.cork()
            await pipeline(req, res)

        server = http.create_server(handler).listen(0)
        client = connect(server)
        await send_all_it_takes(client, UPLOAD + bytes(1_000_000))
        await until(lambda: answers and "corked" in repr(answers[0]))
        assert answers[0].writable_corked == 1
        reset(client)
        await until(lambda: server.connections == 0)
        server.close()

    bounded(main)


def random_message(chance: random.Random) -> bytes:
    size = chance.choice([0, 3, 1_000, 70_000, 200_000])
    kind = chance.choice(["none", "counted", "chunked"])
    reading = chance.choice(["nothing", "iterate", "read", "data", "pause", "pipe", "pipeline"])
    answer = chance.choice(["end", "write", "pipeline", "never", "large"])
    head = f"POST /{reading}/{answer} HTTP/1.1\r\nHost: a\r\n"
    if kind == "none":
        return f"{head}\r\n".encode()
    if kind == "counted":
        return f"{head}Content-Length: {size}\r\n\r\n".encode() + bytes(size)
    pieces = [f"{head}Transfer-Encoding: chunked\r\n\r\n".encode()]
    while size:
        piece = min(size, chance.randint(1, 50_000))
        pieces.append(b"%x\r\n%b\r\n" % (piece, bytes(piece)))
        size -= piece
    return b"".join(pieces) + b"0\r\n\r\n"


def swallow() -> Writable:
    return Writable(write=lambda chunk, _, done: done())


async def read_as(way: str, req: http.IncomingMessage) -> None:
    if way == "iterate":
        async for _ in req:
            pass
    elif way == "read":
        await req.read()
    elif way == "data":
        req.on("data", lambda _: None)
    elif way == "pause":
        req.on("data", lambda _: req.pause())
    elif way == "pipe":
        req.pipe(swallow())
    elif way == "pipeline":
        await pipeline(req, swallow())


async def answer_as(way: str, req: http.IncomingMessage, res: http.ServerResponse) -> None:
    if way == "end":
        res.end("well")
    elif way == "write":
        for _ in range(20):
            if not res.write(bytes(1_000)):
                await res.ready()
        res.end()
    elif way == "pipeline":
        await pipeline(req, PassThrough(), res)
    elif way == "large":
        res.end(bytes(3_000_000))


@pytest.mark.parametrize("seed", range(8))
def test_resets_at_random(seed: int) -> None:
    """Whatever was sent, however much of it, and whatever the handlers do: nothing stays of a client that has reset."""

    async def main() -> None:
        chance = random.Random(seed)
        failures: Counter[str] = Counter()
        exchanges: list[Exchange] = []

        async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            exchanges.append(Exchange(req, res))
            _, reading, answer = req.url.split("/")
            try:
                await read_as(reading if answer != "pipeline" else "nothing", req)
                await answer_as(answer, req, res)
            except TreadleError as error:
                failures[error.code] += 1

        server = http.create_server(handler).listen(0)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(6):
            client = connect(server)
            sent = b"".join(random_message(chance) for _ in range(chance.randint(1, 4)))
            cut = chance.choice([len(sent), chance.randint(1, len(sent)), chance.randint(1, min(len(sent), 300))])
            ends_first = chance.random() < 0.5
            try:
                await send_all_it_takes(client, sent[:cut])
                if ends_first:
                    client.shutdown(socket.SHUT_WR)
                for _ in range(chance.randint(0, 10)):
                    await promises.immediate()
            except OSError:  # the server has answered, and gone, first
                pass
            reset(client)
            await until(lambda: server.connections == 0)
            await until(lambda: all(exchange.told["res close"] == 1 for exchange in exchanges))
            exchanges.clear()
        await until(lambda: server.statistics().handlers == 0)
        assert failures.keys() <= {"ERR_HTTP_REQUEST_ABORTED", "ERR_STREAM_PREMATURE_CLOSE"}
        assert server.statistics().requests == 0
        assert len(os.listdir("/proc/self/fd")) == before
        server.close()

    bounded(main)
