"""close() and shutdown() of a server, inside its own loop: what the kernel holds at that moment, who is told, and the budget."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from tests.unit.http.support import bounded, until
from treadle import fs, http
from treadle.http.stopping import PHASES, Budget
from treadle.loop.current import get_loop
from treadle.timers import promises

REQUEST = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"


def hello(req: http.IncomingMessage, res: http.ServerResponse) -> None:
    res.end("hello")


def connected(server: http.Server) -> socket.socket:
    """In the kernel's backlog until the loop turns."""
    client = socket.create_connection(server.address())  # type: ignore[arg-type]
    client.setblocking(False)
    return client


async def received(client: socket.socket) -> bytes:
    """All of it, until the server ends its side; a reset raises."""
    loop, data = asyncio.get_running_loop(), b""
    while piece := await loop.sock_recv(client, 65_536):
        data += piece
    return data


async def one_answer(client: socket.socket) -> bytes:
    loop, data = asyncio.get_running_loop(), b""
    while not data.endswith(b"hello"):
        data += await loop.sock_recv(client, 65_536)
    return data


def test_a_request_in_the_kernel_is_answered_for_the_last_time() -> None:
    async def main() -> None:
        server = http.create_server(hello).listen()
        with connected(server) as client:
            client.send(REQUEST)
            assert b"Connection: close" not in await one_answer(client)
            client.send(REQUEST)
            server.close()  # no turn between the two
            answer = await received(client)
            assert answer.startswith(b"HTTP/1.1 200") and b"Connection: close" in answer
        await server.wait_closed()

    bounded(main)


def test_a_connection_in_the_backlog_is_served() -> None:
    async def main() -> None:
        server = http.create_server(hello).listen()
        with connected(server) as client:
            client.send(REQUEST)
            server.close()
            answer = await received(client)
            assert answer.startswith(b"HTTP/1.1 200") and b"Connection: close" in answer
        await server.wait_closed()

    bounded(main)


@pytest.mark.parametrize("sent", [b"", b"\r\n\r\n"], ids=["nothing", "empty lines"])
def test_a_connection_that_has_sent_no_request_is_closed(sent: bytes) -> None:
    async def main() -> None:
        server = http.create_server(hello).listen()
        with connected(server) as client:
            await until(lambda: server.connections == 1)
            client.send(sent)
            server.close()
            await server.wait_closed()

    bounded(main)


def test_close_within_a_handler_leaves_what_is_pipelined_behind_it_whole_or_unanswered() -> None:
    async def main() -> None:
        def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            res.end("hello")
            server.close()

        server = http.create_server(handler).listen()
        with connected(server) as client, connected(server) as other:
            other.send(REQUEST)
            client.send(REQUEST * 3)
            for one in (client, other):
                for answer in (await received(one)).split(b"HTTP/1.1 200")[1:]:
                    assert answer.endswith(b"hello")
        await server.wait_closed()

    bounded(main)


def test_closing_is_told_before_close() -> None:
    async def main() -> None:
        events: list[str] = []
        server = http.create_server(hello).listen()
        server.on("closing", lambda: events.append("closing")).on("close", lambda: events.append("close"))
        server.close()
        await until(lambda: len(events) == 2)
        assert events == ["closing", "close"]

    bounded(main)


def test_shutdown_waits_for_whoever_ends_when_told() -> None:
    async def main() -> None:
        def stream(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            res.write("begun;")
            server.once("closing", lambda: res.end("hello"))

        server = http.create_server(stream).listen()
        closed: list[None] = []
        server.on("close", lambda: closed.append(None))
        with connected(server) as client:
            client.send(REQUEST)
            await until(lambda: server.statistics().requests == 1)
            stopping = asyncio.create_task(server.shutdown(20))
            assert (await received(client)).endswith(b"5\r\nhello\r\n0\r\n\r\n")
        await stopping
        await until(lambda: closed)

    bounded(main)


def test_at_the_end_of_its_budget_shutdown_refuses_cuts_and_cancels() -> None:
    async def main() -> None:
        ended: list[str] = []

        async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            if req.url == "/events":
                res.set_header("Content-Type", "text/event-stream")
                res.write("data: 1\n\n")
            elif req.url == "/begun":
                res.write("begun")
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                ended.append(req.url)
                raise

        server = http.create_server(handler).listen()
        targets = ("/silent", "/begun", "/events")
        clients = [connected(server) for _ in targets]
        for client, target in zip(clients, targets, strict=True):
            client.send(REQUEST.replace(b" / ", f" {target} ".encode()))
        await until(lambda: server.statistics().handlers == 3)
        stopping = asyncio.create_task(server.shutdown(0))
        silent, begun, events = [await received(client) for client in clients]
        await stopping
        for client in clients:
            client.close()
        assert silent.startswith(b"HTTP/1.1 503 ")
        assert begun.endswith(b"5\r\nbegun\r\n")  # no last chunk: it is cut
        assert events.endswith(b"9\r\ndata: 1\n\n\r\n0\r\n\r\n")
        assert sorted(ended) == sorted(targets)
        assert server.statistics() == http.ServerStatistics(0, 0, 0)

    bounded(main)


def test_shutdown_that_is_cancelled_leaves_nothing() -> None:
    async def main() -> None:
        server = http.create_server(lambda req, res: asyncio.sleep(3600)).listen()
        with connected(server) as client:
            client.send(REQUEST)
            await until(lambda: server.statistics().handlers == 1)
            stopping = asyncio.create_task(server.shutdown())
            await asyncio.sleep(0)
            stopping.cancel()
            with pytest.raises(asyncio.CancelledError):
                await stopping
            await until(lambda: server.statistics() == http.ServerStatistics(0, 0, 0))

    bounded(main)


def test_a_server_that_does_not_listen_is_shut_down_at_once() -> None:
    async def main() -> None:
        await http.create_server(hello).shutdown()

    bounded(main)


class Clock:
    """A loop as a Budget sees it."""

    now_s = 100.0

    def time(self) -> float:
        return self.now_s


@pytest.mark.parametrize("total_s", [30.0, 4.0])
def test_every_phase_leaves_something_to_those_behind_it(total_s: float) -> None:
    clock: Any = Clock()
    budget = Budget(clock, total_s)
    waiting = [phase.name for phase in PHASES if phase.leaves is not None]
    lefts = [budget.left_s(name) for name in waiting]
    assert lefts == sorted(lefts) and len(set(lefts)) == len(lefts)
    assert lefts[0] == total_s - min(5.0, total_s / 2)
    assert lefts[-1] == total_s
    clock.now_s += total_s + 1
    assert all(0 < budget.left_s(name) <= 0.1 for name in waiting)


def test_a_budget_is_of_the_loop() -> None:
    async def main() -> None:
        assert Budget(get_loop(), 10).left_s("rest") <= 10

    bounded(main)


# ---- connections that have said nothing yet


def test_the_first_request_of_a_connection_may_be_on_its_way_when_the_server_stops() -> None:
    """nginx and Node leave such a connection open, too; to close it would reset it under its request."""

    async def main() -> None:
        server = http.create_server(hello).listen()
        with connected(server) as client:
            await until(lambda: server.connections == 1)
            stopping = asyncio.create_task(server.shutdown(20))
            while server.is_listening:
                await asyncio.sleep(0)
            client.send(REQUEST)  # the connection was accepted, and the idle ones are gone
            answer = await received(client)
            assert answer.startswith(b"HTTP/1.1 200") and b"Connection: close" in answer
        await stopping

    bounded(main)


def test_one_that_goes_on_saying_nothing_is_closed_soon() -> None:
    async def main() -> None:
        server = http.create_server(hello).listen()
        with connected(server) as client:
            await until(lambda: server.connections == 1)
            server.close()
            server.close_idle_connections()  # the wait does not begin anew
            await server.wait_closed()
            assert await received(client) == b""

    bounded(main)


def test_idle_ones_are_closed_without_those_that_have_said_nothing() -> None:
    """COMPAT(node): closeIdleConnections() does not take a connection that has had no request for idle."""

    async def main() -> None:
        server = http.create_server(hello).listen()
        with connected(server) as fresh, connected(server) as used:
            used.send(REQUEST)
            await one_answer(used)
            await until(lambda: server.connections == 2)
            server.close_idle_connections()
            assert await received(used) == b""
            fresh.send(REQUEST)
            assert b"Connection: close" not in await one_answer(fresh)
        server.close()
        await server.wait_closed()

    bounded(main)


def test_at_the_deadline_one_that_has_said_nothing_is_ended_and_not_reset() -> None:
    async def main() -> None:
        server = http.create_server(hello).listen()
        with connected(server) as client:
            await until(lambda: server.connections == 1)
            server._core.cut_answers()
            assert await received(client) == b""  # FIN
            client.send(REQUEST)  # it was on its way, say
            for _ in range(50):
                await promises.sleep(0)
            assert client.recv(1) == b""  # a reset would raise
        server.close()
        await server.wait_closed()

    bounded(main)


def trusted() -> http.Origin:
    return http.Origin(trusted="127.0.0.1", proxy_protocol=True)


def test_a_proxy_whose_header_is_on_its_way_is_heard_when_the_server_stops() -> None:
    async def main() -> None:
        def tell(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            res.end(f"{req.remote_address} hello")

        server = http.create_server(tell, origin=trusted()).listen()
        with connected(server) as client:
            await until(lambda: server.connections == 1)  # it counts from the beginning
            server.close()
            client.send(b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 80\r\n" + REQUEST)
            answer = await received(client)
            assert b"Connection: close" in answer and b"192.0.2.1" in answer
        await server.wait_closed()

    bounded(main)


def test_a_header_that_is_there_when_its_time_is_over_is_in_time() -> None:
    """Timers come before the poll: a loop that was held up hears of both at once."""

    async def main() -> None:
        server = http.create_server(hello, origin=trusted(), timeouts=http.Timeouts(headers_s=0.05)).listen()
        with connected(server) as client:
            await until(lambda: server.connections == 1)
            await promises.immediate()  # in the check phase: the timers are next
            client.send(b"PROXY UNKNOWN\r\n" + REQUEST)
            end_s = time.monotonic() + 0.1
            while time.monotonic() < end_s:  # the loop stands still
                pass
            assert (await one_answer(client)).startswith(b"HTTP/1.1 200 ")
        server.close()
        await server.wait_closed()

    bounded(main)


def test_a_proxy_that_says_nothing_holds_no_stop(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        server = http.create_server(hello, origin=trusted()).listen()
        with connected(server) as client:
            await until(lambda: server.connections == 1)
            server.close()
            await server.wait_closed()
            assert await received(client) == b""
        server.listen()
        with connected(server) as client:
            await until(lambda: server.connections == 1)
            await server.shutdown(0)
            assert await received(client) == b""

    bounded(main)
    assert not caplog.records or "did not come" not in caplog.text


def test_a_file_that_the_kernel_sends_is_cut_with_the_other_answers(tmp_path: Path) -> None:
    """Not one phase later: whoever sends it hears of it as of a peer that has left."""
    size = 200_000_000  # a hole, and more than two sockets hold
    path = tmp_path / "huge"
    with open(path, "wb") as file:
        file.truncate(size)

    async def main() -> None:
        raised: list[BaseException] = []

        async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            res.write_head(200, {"Content-Length": str(size)})
            async with await fs.open(path) as file:
                try:
                    await res.write_file(file, 0, size)
                except BaseException as error:
                    raised.append(error)
                    raise

        server = http.create_server(handler).listen()
        with connected(server) as client:
            client.send(REQUEST)
            got = len(await asyncio.get_running_loop().sock_recv(client, 1000))
            assert server._core.cut_answers() == (0, 0, 1)
            await until(lambda: raised)  # although the peer reads nothing now
            assert getattr(raised[0], "code", None) == "ERR_HTTP_REQUEST_ABORTED"
            got += len(await received(client))  # no reset, either
            assert 0 < got < size
        server.close()
        await server.wait_closed()

    bounded(main)
