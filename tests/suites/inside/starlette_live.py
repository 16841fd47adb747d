"""A pytest plugin for Starlette's suite: its test client speaks to a live server, instead of calling the application.

Each client has a server of its own on a thread. A shim in front of the application gives the scope what a test may choose and a
socket cannot carry (client, server, scheme, root_path), keeps what the application raises for the client to raise again, and
takes `http.response.debug`. Trailers, which its client shows and httpcore drops, are taken from h11. Fields that only a server
adds (Date, Server, Connection, Transfer-Encoding) are not shown to the tests. WebSockets go the way of Starlette's own client.
Tests without a client call no server: they are left out.
"""

import contextlib
import itertools
import threading
from typing import ClassVar

import h11
import httpx2 as httpx
import pytest
import starlette.testclient
from httpcore2._sync.http11 import HTTP11Connection
from live_server import Live

MARK = b"x-live-request"
ADDED = {"date", "server", "connection", "transfer-encoding", "keep-alive"}
DONE_S = 20.0


received = threading.local()  # .trailers: of the answer that this thread has read last
receive_event = HTTP11Connection._receive_event


def receive_event_and_trailers(*args, **kwargs):
    """In the place of httpcore's."""
    event = receive_event(*args, **kwargs)
    if isinstance(event, h11.EndOfMessage):
        received.trailers = list(event.headers)
    return event


HTTP11Connection._receive_event = receive_event_and_trailers


class Exchange:
    """One request, as the client and the shim see it."""

    def __init__(self, request, transport):
        host, port = request.url.raw_host.decode("ascii"), request.url.port
        self.scheme = request.url.scheme
        self.server = [host, {"http": 80, "https": 443}[self.scheme] if port is None else port]
        self.client, self.root_path = transport.client, transport.root_path
        self.is_raising = transport.raise_server_exceptions
        self.exception = None
        self.debug = None
        self.names = set()  # of the fields that the application has sent
        self.done = threading.Event()

    def finish(self):
        """Wait for the application, and raise what it has raised."""
        self.done.wait(DONE_S)
        if self.exception is not None and self.is_raising:
            raise self.exception


class Transport(starlette.testclient._TestClientTransport):
    """In the place of Starlette's."""

    _numbers = itertools.count()

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._exchanges = {}
        self._live = self._wire = None

    def start(self, lifespan="off"):
        live = Live(self._shim, lifespan=lifespan)
        with self._lifespan_raises():
            live.start()
        self._live, self._wire = live, httpx.HTTPTransport(uds=live.path)

    @property
    def is_started(self):
        return self._live is not None

    def stop(self):
        if self._live is not None:
            live, self._live = self._live, None
            self._wire.close()
            with self._lifespan_raises():
                live.stop()

    @contextlib.contextmanager
    def _lifespan_raises(self):
        """What the application has raised there, and not what the server says of it."""
        self._lifespan_error = None
        try:
            yield
        finally:
            if self._lifespan_error is not None:
                raise self._lifespan_error

    async def _shim(self, scope, receive, send):
        if scope["type"] != "http":
            try:
                await self.app(scope, receive, send)
            except BaseException as error:
                self._lifespan_error = error
                raise
            return
        headers = [(name, value) for name, value in scope["headers"] if name != MARK]
        exchange = self._exchanges.pop(next(value for name, value in scope["headers"] if name == MARK).decode())
        scope.update(
            headers=headers, scheme=exchange.scheme, client=exchange.client, server=exchange.server, root_path=exchange.root_path
        )
        scope["extensions"] = {**scope.get("extensions", {}), "http.response.debug": {}}

        async def send_on(message):
            if message["type"] == "http.response.debug":
                exchange.debug = message["info"]
                return
            if message["type"] == "http.response.start":
                exchange.names = {name.decode("latin-1").lower() for name, _ in message.get("headers", [])}
            await send(message)

        try:
            await self.app(scope, receive, send_on)
        except BaseException as error:
            exchange.exception = error
            raise
        finally:
            exchange.done.set()

    def handle_request(self, request):
        if request.url.scheme in ("ws", "wss"):
            return super().handle_request(request)
        if not self.is_started:
            self.start()
        exchange, number = Exchange(request, self), str(next(self._numbers))
        self._exchanges[number] = exchange
        sent = httpx.Request(
            request.method,
            request.url.copy_with(scheme="http"),
            headers=[*request.headers.raw, (MARK, number.encode())],
            stream=request.stream,
            extensions=request.extensions,
        )
        try:
            response = self._wire.handle_request(sent)
        except httpx.TransportError:
            if self._exchanges.pop(number, None) is None:
                exchange.finish()  # the application has been called: it is the reason, and says more
            raise
        if self._exchanges.pop(number, None) is not None:
            exchange.done.set()  # a refusal by the server alone
        headers = [
            (name, value)
            for name, value in response.headers.raw
            if (lower := name.decode("latin-1").lower()) not in ADDED or lower in exchange.names
        ]
        body = Body(response.stream, exchange)
        shown = httpx.Response(
            response.status_code,
            headers=headers,
            stream=body,
            request=request,
            extensions=response.extensions,
        )
        body.extensions = shown.extensions
        if exchange.debug is not None:
            shown.extensions["http.response.debug"] = exchange.debug
            for name in {"template", "context"} & exchange.debug.keys():
                setattr(shown, name, exchange.debug[name])
        return shown


class Body(httpx.SyncByteStream):
    """What comes of the answer's body. Whoever has it all, or closes it, gets what the application has raised."""

    def __init__(self, stream, exchange):
        self._stream, self._exchange = stream, exchange
        self.extensions = {}  # of the answer

    def __iter__(self):
        received.trailers = []
        try:
            yield from self._stream
            if received.trailers:
                self.extensions["http.response.trailers"] = received.trailers
        except httpx.TransportError:
            self._exchange.finish()
            raise

    def close(self):
        self._stream.close()
        self._exchange.finish()


class LiveClient(starlette.testclient.TestClient):
    """`with` runs the lifespan on the live server, as one that is served has it."""

    __test__ = False
    made: ClassVar = []  # by the test that runs

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.made.append(self)

    def __enter__(self):
        self._transport.start("on")
        return self

    def __exit__(self, *_):
        self._transport.stop()


starlette.testclient._TestClientTransport = Transport
starlette.testclient.TestClient = LiveClient  # before conftest.py and the tests import it


@pytest.fixture(autouse=True)
def closed_clients():
    """What a test leaves open is closed."""
    yield
    while LiveClient.made:
        with contextlib.suppress(Exception):  # what the end of an application raises, its test has seen
            LiveClient.made.pop()._transport.stop()


def pytest_collection_modifyitems(config, items):
    """Tests without a client are left out."""
    without = [item for item in items if "test_client_factory" not in item.fixturenames]
    items[:] = [item for item in items if item not in without]
    config.hook.pytest_deselected(items=without)
