"""Nobody waits for an answer any more: the signal of its request says so, and its handler is cancelled where that is wanted."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from tests.unit.http.support import bounded, until
from tests.unit.http.test_departures import connect, reset
from treadle import TreadleError, http
from treadle.events import AbortEvent, AbortSignal

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
UPLOAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"


def end_own_side(client: socket.socket) -> None:
    client.shutdown(socket.SHUT_WR)


class Sleeper:
    """A handler that waits for ever; what it has seen."""

    def __init__(self, *, cancels: bool | None = None) -> None:
        self.told: list[str] = []
        self.signals: list[AbortSignal] = []
        self._cancels = cancels

    async def __call__(self, req: http.IncomingMessage, res: http.ServerResponse) -> None:
        if self._cancels is not None:
            req.cancel_on_disconnect = self._cancels
        self.signals.append(req.signal)
        req.signal.add_event_listener("abort", self._aborted)
        self.told.append("called")
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            self.told.append("cancelled")
            raise

    def _aborted(self, event: AbortEvent) -> None:
        self.told.append(event.target.reason.code)


@pytest.mark.parametrize("leave", [reset, end_own_side])
@pytest.mark.parametrize("sent", [GET, UPLOAD], ids=["answering", "body"])
def test_a_client_that_leaves(leave: Any, sent: bytes) -> None:
    async def main() -> None:
        sleeper = Sleeper()
        server = http.create_server(sleeper, cancel_on_disconnect=True).listen(0)
        client = connect(server)
        client.sendall(sent)
        await until(lambda: sleeper.told)
        leave(client)
        await until(lambda: server.statistics().handlers == 0 and server.connections == 0)
        assert sleeper.told == ["called", "ERR_HTTP_REQUEST_ABORTED", "cancelled"]
        client.close()
        server.close()

    bounded(main)


@pytest.mark.parametrize(("of_server", "of_handler"), [(False, None), (True, False)])
def test_without_cancelling_it_is_only_told(of_server: bool, of_handler: bool | None) -> None:
    async def main() -> None:
        sleeper = Sleeper(cancels=of_handler)
        server = http.create_server(sleeper, cancel_on_disconnect=of_server).listen(0)
        client = connect(server)
        client.sendall(GET)
        await until(lambda: sleeper.told)
        reset(client)
        await until(lambda: len(sleeper.told) == 2)
        for _ in range(5):
            await asyncio.sleep(0)
        assert sleeper.told == ["called", "ERR_HTTP_REQUEST_ABORTED"]
        assert server.statistics().handlers == 1
        server._core.cancel_tasks()
        await until(lambda: server.statistics().handlers == 0)
        server.close()

    bounded(main)


@pytest.mark.parametrize("is_wanted", [True, False])
def test_a_route_and_a_handler_may_ask_for_it(is_wanted: bool) -> None:
    async def main() -> None:
        sleeper = Sleeper(cancels=None if is_wanted else False)
        server = http.create_server(sleeper, routes={"/a": http.Route(cancel_on_disconnect=True)}).listen(0)
        client = connect(server)
        client.sendall(GET.replace(b"/ ", b"/a/b?c ", 1))
        await until(lambda: sleeper.told)
        reset(client)
        await until(lambda: len(sleeper.told) > 1 and server.connections == 0)
        if not is_wanted:
            server._core.cancel_tasks()
        await until(lambda: server.statistics().handlers == 0)
        assert sleeper.told[-1] == "cancelled"
        server.close()

    bounded(main)


def test_a_handler_whose_answer_is_complete_goes_on() -> None:
    async def main() -> None:
        done: list[str] = []
        signals: list[AbortSignal] = []
        release = asyncio.Event()

        async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            signals.append(req.signal)
            res.end("done")
            await release.wait()
            done.append("background work")

        server = http.create_server(handler, cancel_on_disconnect=True).listen(0)
        client = connect(server)
        client.sendall(GET)
        await until(lambda: signals)
        reset(client)
        await until(lambda: server.connections == 0)
        for _ in range(5):
            await asyncio.sleep(0)
        release.set()
        await until(lambda: server.statistics().handlers == 0)
        assert done == ["background work"]
        assert not signals[0].aborted
        server.close()

    bounded(main)


def test_who_answers_in_the_turn_in_which_the_client_ended_its_side_is_not_cancelled() -> None:
    async def main() -> None:
        told: list[str] = []

        async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            gone = asyncio.get_running_loop().create_future()
            req.signal.add_event_listener("abort", lambda _: gone.set_result(None))
            told.append("called")
            await gone
            res.end("late")
            await asyncio.sleep(0.01)
            told.append("through")

        server = http.create_server(handler, cancel_on_disconnect=True).listen(0)
        client = connect(server)
        client.sendall(GET)
        await until(lambda: told)
        end_own_side(client)
        await until(lambda: server.statistics().handlers == 0 and server.connections == 0)
        client.setblocking(True)
        assert client.recv(1000).endswith(b"late")
        assert told == ["called", "through"]
        client.close()
        server.close()

    bounded(main)


def test_who_destroys_the_exchange_itself_is_not_cancelled() -> None:
    async def main() -> None:
        told: list[str] = []

        async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            (req if req.url == "/req" else res).destroy()
            for _ in range(5):
                await asyncio.sleep(0.001)
            told.append(str(req.signal.aborted))

        server = http.create_server(handler, cancel_on_disconnect=True).listen(0)
        for target in (b"/req", b"/res"):
            client = connect(server)
            client.sendall(GET.replace(b"/", target, 1))
            await until(lambda: server.statistics().handlers == 0 and server.connections == 0 and told)
            client.close()
        await until(lambda: len(told) == 2)
        assert told == ["True", "True"]
        server.close()

    bounded(main)


@pytest.mark.parametrize("leave", [reset, end_own_side])
def test_cleaning_up_is_not_cancelled(leave: Any) -> None:
    async def main() -> None:
        told: list[str] = []

        async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            told.append("called")
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                told.append("cleaning up")
                await asyncio.sleep(0.05)
                told.append("clean")

        server = http.create_server(handler, cancel_on_disconnect=True).listen(0)
        client = connect(server)
        client.sendall(GET)
        await until(lambda: told)
        leave(client)
        await until(lambda: server.statistics().handlers == 0 and server.connections == 0)
        assert told == ["called", "cleaning up", "clean"]
        client.close()
        server.close()

    bounded(main)


def test_asked_for_later_it_is_aborted_already() -> None:
    async def main() -> None:
        kept: list[Any] = []
        server = http.create_server(lambda req, res: kept.extend((req, res))).listen(0)
        client = connect(server)
        client.sendall(GET)
        await until(lambda: kept)
        assert kept[0]._controller is None
        reset(client)
        await until(lambda: server.connections == 0)
        assert kept[0].signal.aborted
        assert kept[0].signal is kept[0].signal
        with pytest.raises(TreadleError) as raised:
            kept[0].signal.throw_if_aborted()
        assert raised.value.code == "ERR_HTTP_REQUEST_ABORTED"
        server.close()

    bounded(main)


def test_the_server_stops() -> None:
    async def main() -> None:
        sleeper = Sleeper()
        server = http.create_server(sleeper, cancel_on_disconnect=True).listen(0)
        client = connect(server)
        client.sendall(GET)
        await until(lambda: sleeper.told)
        server.close()
        await asyncio.sleep(0)
        assert not sleeper.signals[0].aborted
        server.close_all_connections()
        await until(lambda: server.statistics().handlers == 0)
        assert sleeper.told == ["called", "ERR_HTTP_SERVER_CLOSING", "cancelled"]
        client.close()

    bounded(main)


@pytest.mark.parametrize(
    ("target", "seconds"),
    [("/", 1), ("/a", 2), ("/a/b", 3), ("/a/b/c?d", 3), ("/a/bc", 2), ("/ab", 1), ("/%61", 2), ("http://x/a?y", 2), ("*", 1),
     ("http://x?/a", 1), ("/s/", 4), ("/s/t", 4), ("/s", 1)],
)  # fmt: skip
def test_the_longest_prefix_that_fits_counts(target: str, seconds: int) -> None:
    from treadle.http.routes import Route, Routes

    routes = Routes({"/a": Route(2), "/a/b": Route(3, cancel_on_disconnect=True), "/s/": Route(4)}, (1000, False))
    assert routes(target.encode()) == (seconds * 1000, seconds == 3)


def test_a_route_is_checked() -> None:
    async def main() -> None:
        with pytest.raises(TreadleError) as raised:
            http.Route(response_s=-1)
        assert raised.value.code == "ERR_OUT_OF_RANGE"
        with pytest.raises(TreadleError) as raised:
            http.create_server(routes={"a": http.Route()})
        assert raised.value.code == "ERR_INVALID_ARG_VALUE"

    bounded(main)


@pytest.mark.parametrize("does_leave", [True, False])
def test_a_stop_cancels_each_handler_once(does_leave: bool) -> None:
    """Neither one that the client's leaving has cancelled, nor, where the stop is hurried, one that it has itself."""

    async def main() -> None:
        told: list[str] = []
        may_end = asyncio.Event()

        async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            told.append("called")
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                told.append("cleaning up")
                await may_end.wait()
                told.append("clean")

        server = http.create_server(handler, cancel_on_disconnect=True).listen(0)
        client = connect(server)
        client.sendall(GET)
        await until(lambda: told)
        if does_leave:
            reset(client)
        else:
            server._core.cancel_tasks()
        await until(lambda: len(told) == 2)
        server._core.cancel_tasks()
        for _ in range(5):
            await asyncio.sleep(0)
        may_end.set()
        await until(lambda: server.statistics().handlers == 0)
        assert told == ["called", "cleaning up", "clean"]
        client.close()
        server.close()

    bounded(main)
