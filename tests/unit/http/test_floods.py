"""Floods of connections beside the starvation guard: pipelined requests that were put off, and connections lost at once, leave
room for timers and everything else; none of them is forgotten."""

import asyncio
import socket
import struct
import time

import pytest

import treadle
from treadle import http

DEADLINE_S = 20
CONNECTIONS = 60
PIPELINED = 150
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset


def spin(ms: float) -> None:
    """Compute for so long."""
    end_s = time.perf_counter() + ms / 1000
    while time.perf_counter() < end_s:
        pass


def connect(address: object) -> socket.socket:
    """To the backlog of a server that runs in this very thread."""
    return socket.create_connection(address, DEADLINE_S)  # type: ignore[arg-type]


@pytest.mark.slow
def test_pipelined_requests_that_were_put_off() -> None:
    """64 messages of a connection have their turn, then the next one."""
    turns: list[int] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, treadle.EventLoop)

        def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            turns.append(loop.turns)
            if len(turns) % 20 == 0:
                spin(1)
            res.end(req.url)

        server = http.create_server(handler).listen(0)
        clients = [connect(server.address()) for _ in range(CONNECTIONS)]
        for client in clients:
            for number in range(PIPELINED):
                last = "Connection: close\r\n" if number == PIPELINED - 1 else ""
                client.sendall(f"GET /{number} HTTP/1.1\r\nHost: a\r\n{last}\r\n".encode())

        def read(client: socket.socket) -> bytes:
            with client, client.makefile("rb") as file:
                return file.read()

        for answers in await asyncio.gather(*(loop.run_in_executor(None, read, client) for client in clients)):
            bodies = [answer.rpartition(b"\r\n\r\n")[2] for answer in answers.split(b"HTTP/1.1 200 OK")[1:]]
            assert bodies == [b"/%d" % number for number in range(PIPELINED)]
        server.close()
        await server.wait_closed()
        assert loop.statistics()["guard_turns_pending"] > 0

    treadle.run(main)
    assert len(turns) == CONNECTIONS * PIPELINED


@pytest.mark.slow
def test_connections_that_are_lost_at_once() -> None:
    """Their handlers hear of it in the close phase."""
    failed: list[int] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, treadle.EventLoop)
        asked = 0

        async def handler(req: http.IncomingMessage, _: http.ServerResponse) -> None:
            nonlocal asked
            asked += 1
            try:
                await req.read()
            except treadle.TreadleError:
                failed.append(loop.turns)
                spin(2)
                for _number in range(100):
                    loop.queue_microtask(int)
                raise

        server = http.create_server(handler).listen(0)
        clients = [connect(server.address()) for _ in range(CONNECTIONS)]
        for client in clients:
            client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
        while asked < CONNECTIONS:
            await asyncio.sleep(0.001)
        for client in clients:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.close()
        while len(failed) < CONNECTIONS:
            await asyncio.sleep(0.001)
        server.close()
        await server.wait_closed()
        assert loop.statistics()["guard_turns_close"] > 0

    treadle.run(main)
    assert len(set(failed)) > 1
