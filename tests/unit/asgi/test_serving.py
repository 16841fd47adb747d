"""An application served on a loop that runs already."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

import treadle
from tests.unit.http.support import bounded, until
from treadle import http
from treadle._base.errors import TreadleError
from treadle.asgi import ServeConfig, Serving, StartupError
from treadle.loop.listening import ListeningPlace


class App:
    """Says what it is called for; an exchange waits until it is let go."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.begun = 0
        self.go = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                await receive()
                self.said.append(step)
                await send({"type": f"lifespan.{step}.complete"})
            return
        self.begun += 1
        if scope["path"] == "/wait":
            await self.go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})


async def get(address: Any, target: str = "/") -> bytes:
    if isinstance(address, str):
        reader, writer = await asyncio.open_unix_connection(address)
    else:
        reader, writer = await asyncio.open_connection(*address)
    try:
        writer.write(f"GET {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode())
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


def test_two_of_one_loop_and_no_signal_is_touched(tmp_path: Path) -> None:
    async def main() -> None:
        handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        levels = [logging.getLogger(name).level for name in ("treadle", "treadle.asgi")]
        apps = [App(), App()]
        tcp, unix = Serving(apps[0], ServeConfig(port=0)), Serving(apps[1], ServeConfig(uds=str(tmp_path / "s")))
        assert tcp.addresses == ()
        for serving in (tcp, unix):
            await serving.start()
            assert (await get(serving.addresses[0])).endswith(b"hello")
        assert handlers == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        assert levels == [logging.getLogger(name).level for name in ("treadle", "treadle.asgi")]
        await tcp.stop()
        with pytest.raises(OSError):
            await get(tcp.addresses[0])
        assert (await get(unix.addresses[0])).endswith(b"hello")
        await unix.stop()
        assert not (tmp_path / "s").exists()
        assert [app.said for app in apps] == [["startup", "shutdown"]] * 2

    bounded(main)


def test_in_a_thread() -> None:
    app, failures = App(), []

    async def main() -> None:
        serving = Serving(app, ServeConfig(port=0))
        await serving.start()
        assert (await get(serving.addresses[0])).endswith(b"hello")
        await serving.stop(1)

    def run() -> None:
        try:
            treadle.run(main())
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(20)
    assert not thread.is_alive() and failures == []
    assert app.said == ["startup", "shutdown"]


def test_stop_waits_for_requests_under_way_and_a_second_one_for_the_first() -> None:
    async def main() -> None:
        app = App()
        serving = Serving(app, ServeConfig(port=0))
        await serving.start()
        answer = asyncio.create_task(get(serving.addresses[0], "/wait"))
        await until(lambda: app.begun)
        assert [(method, target) for _, method, target in serving.handlers()] == [("GET", "/wait")]
        first, second = asyncio.create_task(serving.stop()), asyncio.create_task(serving.stop())
        await asyncio.sleep(0)
        assert not first.done() and not second.done() and app.said == ["startup"]
        app.go.set()
        assert (await answer).endswith(b"hello")
        await asyncio.gather(first, second)
        assert app.said == ["startup", "shutdown"]
        await serving.stop()

    bounded(main)


def test_a_stop_that_is_cancelled_cuts_what_is_left() -> None:
    async def main() -> None:
        app = App()
        serving = Serving(app, ServeConfig(port=0))
        await serving.start()
        answer = asyncio.create_task(get(serving.addresses[0], "/wait"))
        await until(lambda: app.begun)
        stopping = asyncio.create_task(serving.stop())
        await asyncio.sleep(0)
        stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopping
        assert await answer == b""
        await until(lambda: not serving.handlers())

    bounded(main)


def test_an_address_that_is_taken_starts_nothing() -> None:
    async def main() -> None:
        app = App()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            serving = Serving(app, ServeConfig(port=taken.getsockname()[1]))
            with pytest.raises(StartupError):
                await serving.start()
        await serving.stop()
        assert app.said == []

    bounded(main)


def test_an_address_that_is_taken_during_the_start_up_ends_the_lifespan(monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(place: ListeningPlace, *_: object) -> None:
        place.close()  # as listen() does where it fails
        raise OSError(98, "Address already in use")

    async def main() -> None:
        app = App()
        monkeypatch.setattr(ListeningPlace, "listen", taken)
        serving = Serving(app, ServeConfig(port=0))
        with pytest.raises(StartupError):
            await serving.start()
        await serving.stop()
        assert app.said == ["startup", "shutdown"]

    bounded(main)


def test_a_start_that_fails_or_is_cancelled_lets_go_of_its_address(tmp_path: Path) -> None:
    async def fails(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no"})

    async def hangs(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        path = tmp_path / "s"
        with pytest.raises(StartupError):
            await Serving(fails, ServeConfig(uds=str(path))).start()
        assert not path.exists()
        starting = asyncio.create_task(Serving(hangs, ServeConfig(uds=str(path))).start())
        await until(path.exists)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert not path.exists()
        await until(lambda: not [task for task in asyncio.all_tasks() if task.get_name() == "treadle lifespan"])

    bounded(main)


def test_it_starts_once() -> None:
    async def main() -> None:
        serving = Serving(App(), ServeConfig(port=0))
        await serving.start()
        with pytest.raises(RuntimeError):
            await serving.start()
        await serving.stop(0)

    bounded(main)


class Endpoint:
    """An application that is a class, whose instances are awaited, as Starlette's endpoints."""

    def __init__(self, scope: Any, receive: Any, send: Any) -> None:
        self._exchange = (scope, receive, send)

    def __await__(self) -> Any:
        return App()(*self._exchange).__await__()


def in_a_task(scope: Any, receive: Any, send: Any) -> Any:
    """An application that returns a future."""
    return asyncio.ensure_future(App()(scope, receive, send))


@pytest.mark.parametrize("app", [Endpoint, in_a_task])
def test_whatever_can_be_awaited_is(app: Any) -> None:
    async def main() -> None:
        serving = Serving(app, ServeConfig(port=0))
        await serving.start()
        assert (await get(serving.addresses[0])).endswith(b"hello")
        await serving.stop()

    bounded(main)


def test_what_cannot_be_awaited_is_500(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        serving = Serving(lambda scope, receive, send: None, ServeConfig(port=0, lifespan="off"))
        await serving.start()
        assert (await get(serving.addresses[0])).startswith(b"HTTP/1.1 500 ")
        await serving.stop()

    bounded(main)
    assert "a coroutine was expected, got None" in caplog.text


def test_a_configuration_that_contradicts_itself_is_seen_before_the_application_starts(tmp_path: Path) -> None:
    """Nobody would tell the application to end."""

    async def main() -> None:
        app = App()
        path = tmp_path / "s"
        with pytest.raises(TreadleError):
            await Serving(app, ServeConfig(uds=str(path), routes={"no slash": http.Route()})).start()
        assert app.said == [] and not path.exists()
        assert not [task for task in asyncio.all_tasks() if task.get_name() == "treadle lifespan"]

    bounded(main)
