"""The answers of one poll leave together: in the poll phase, soon, in bounded numbers, and whatever else happens."""

import socket
from collections.abc import Callable, Iterator

import pytest

import treadle
from tests.unit.loop.support import spin
from treadle import http

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
DEADLINE_S = 10.0


@pytest.fixture
def loop() -> Iterator[treadle.EventLoop]:
    loop = treadle.EventLoop()
    yield loop
    loop.close()


class Clients:
    """Connections to a server of this thread's loop, each with one request under way before the loop polls."""

    def __init__(self, loop: treadle.EventLoop, count: int, handler: Callable[..., object]) -> None:
        self.loop = loop
        self.handled = 0
        self.sockets: list[socket.socket] = []
        self.handler = handler

        def counted(req: http.IncomingMessage, res: http.ServerResponse) -> object:
            self.handled += 1
            return handler(req, res)

        async def main() -> http.Server:
            return http.create_server(counted).listen(0)

        self.server = loop.run_until_complete(main())
        for _ in range(count):
            client = socket.create_connection(self.server.address())  # type: ignore[arg-type]
            client.settimeout(DEADLINE_S)
            self.sockets.append(client)
        while self.server.connections < count:
            self.turn()
        for client in self.sockets:
            client.sendall(REQUEST)

    def turn(self) -> None:
        """Once around the phases."""
        self.loop.stop()
        self.loop.run_forever()

    def answered(self) -> int:
        """How many have an answer that can be read at once."""
        count = 0
        for client in self.sockets:
            client.setblocking(False)
            try:
                count += bool(client.recv(1, socket.MSG_PEEK))
            except BlockingIOError:
                pass
            client.settimeout(DEADLINE_S)
        return count

    def close(self) -> None:
        for client in self.sockets:
            client.close()
        self.server.close_all_connections()
        self.server.close()
        self.turn()


def answer(req: http.IncomingMessage, res: http.ServerResponse) -> None:
    res.end("ok")


def test_all_have_left_when_the_poll_phase_is_over(loop: treadle.EventLoop) -> None:
    clients = Clients(loop, 5, answer)
    seen: list[int] = []
    loop.set_immediate(lambda: seen.append(clients.answered()))
    clients.turn()
    assert (clients.handled, seen) == (5, [5])
    clients.close()


def test_they_wait_for_each_other(loop: treadle.EventLoop) -> None:
    seen: list[int] = []

    def look(req: http.IncomingMessage, res: http.ServerResponse) -> None:
        seen.append(clients.answered())
        res.end("ok")

    clients = Clients(loop, 3, look)
    while clients.handled < 3:
        clients.turn()
    assert seen[0] == 0
    assert clients.answered() == 3
    clients.close()


def test_no_more_than_batch_max_wait(loop: treadle.EventLoop) -> None:
    seen: list[int] = []

    def look(req: http.IncomingMessage, res: http.ServerResponse) -> None:
        seen.append(clients.handled - 1 - clients.answered())
        res.end("ok")

    loop.batch_max = 2
    clients = Clients(loop, 7, look)
    while clients.handled < 7:
        clients.turn()
    assert len(seen) == 7
    assert max(seen) < 2
    clients.close()


def test_one_alone_waits_for_nobody(loop: treadle.EventLoop) -> None:
    loop.batch_max = 1
    seen: list[int] = []

    def look(req: http.IncomingMessage, res: http.ServerResponse) -> None:
        seen.append(clients.handled - 1 - clients.answered())
        res.end("ok")

    clients = Clients(loop, 4, look)
    while clients.handled < 4:
        clients.turn()
    assert seen == [0, 0, 0, 0]
    clients.close()


def test_a_slow_handler_holds_up_others_once(loop: treadle.EventLoop) -> None:
    seen: list[int] = []

    def slow(req: http.IncomingMessage, res: http.ServerResponse) -> None:
        seen.append(clients.handled - 1 - clients.answered())
        res.end("ok")
        spin(1)  # ms: ten times as long as an answer waits for others

    clients = Clients(loop, 4, slow)
    while clients.handled < 4:
        clients.turn()
    assert seen == [0, 1, 0, 0]  # the second one could not be known to be slow; from then on nobody waits
    clients.close()


def test_what_was_answered_before_the_program_is_ended_still_leaves(loop: treadle.EventLoop) -> None:
    def last(req: http.IncomingMessage, res: http.ServerResponse) -> None:
        if clients.handled == 3:
            raise SystemExit(3)
        res.end("ok")

    clients = Clients(loop, 3, last)
    with pytest.raises(SystemExit):
        while True:
            clients.turn()
    assert clients.answered() == 2
    clients.close()
