"""A pytest plugin for uvicorn's suite: where its tests drive a protocol object with mocks, they drive a live server.

test_http: `get_connected_protocol` gives a connection in the place of the protocol; what the test hands to it is sent,
`run_one` waits for the application's call to end, the transport's buffer is what has come back. test_lifespan: startup and
shutdown are those of a live server. test_proxy_headers: see uvicorn_proxies. test_default_headers, test_ssl, test_server and
the one test of test_http that makes a server itself get a live one, as does test_wsgi, in the place of whose middleware ours
stands. test_logging: lines of the access log are records of its logger. One HTTP implementation of uvicorn's stands for all:
which it is means nothing here.
"""

import asyncio
import contextlib
import logging
import queue
import re
import select
import socket
import ssl
import tempfile
import threading
import time
import types
from typing import ClassVar

import httpx2 as httpx
import pytest
import uvicorn.middleware.wsgi
from live_server import IS_TREADLE, Live
from uvicorn_proxies import Middleware, TrustedHosts

CALL_S = 10.0  # for an application's call to end
QUIET_S = 0.1  # without a byte: all has come
END_S = 0.5  # for a connection to end that will
KEEP_ALIVE_S = 5  # uvicorn's default, which the tests know
OURS = {"root_path"}  # of what a test may configure, what both servers call so
THEIRS = OURS | {"limit_concurrency"}
THEIR_TLS = ("ssl_certfile", "ssl_keyfile", "ssl_keyfile_password", "ssl_ca_certs", "ssl_cert_reqs", "ssl_context_factory")
ONE_OF_EACH = {
    "http_protocol_cls": "httptools",
    "ws_protocol_cls": "wsproto",
    "wsgi_middleware": "from_wsgi" if IS_TREADLE else "_WSGIMiddleware",
}
COMMON_LINE = re.compile(r'^(\S+) .*"(\S+) (\S+) HTTP/(\S+)" (\d+) ', re.MULTILINE)
NOT_DRIVEN = {  # by a server on a thread of the tests' process: signals, and what a process makes of its start
    "test_server_interrupt", "test_shutdown_on_early_exit_during_startup",
    "test_run_exits_with_startup_failure_on_unloadable_app",
}  # fmt: skip

if IS_TREADLE:  # before test_wsgi is imported
    from treadle.wsgi import from_wsgi

    uvicorn.middleware.wsgi._WSGIMiddleware = from_wsgi


def _config(given):
    names = OURS if IS_TREADLE else THEIRS
    config = {name: value for name, value in given.items() if name in names}
    if IS_TREADLE:
        from treadle.http import Timeouts

        return {**config, "timeouts": Timeouts(keep_alive_s=KEEP_ALIVE_S)}
    return {**config, "timeout_keep_alive": KEEP_ALIVE_S}


class Connection:
    """In the place of uvicorn's protocol."""

    opened: ClassVar = []  # by the test that runs

    def __init__(self, app, http_protocol_cls=None, lifespan=None, **config):
        self._app = app
        self._state = None if lifespan is None else lifespan.state
        self._calls = queue.SimpleQueue()
        self.scope = None
        self.timeout_keep_alive_task = None  # not to be seen from here
        self.live = Live(self._recorded, lifespan="off" if self._state is None else "on", **_config(config))
        self.live.start()
        self.opened.append(self)
        self.loop, self.transport = self, Transport(self.live.path)

    async def _recorded(self, scope, receive, send):
        if scope["type"] == "lifespan":
            return await self._start(scope, receive, send)
        self.scope = scope
        try:
            return await self._app(scope, receive, send)
        finally:
            self._calls.put(None)

    async def _start(self, scope, receive, send):
        await receive()
        scope["state"].update(self._state)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    def data_received(self, data):
        self.transport.send(data)

    def eof_received(self):
        self.transport.socket.shutdown(socket.SHUT_WR)

    def connection_lost(self, error):
        self.transport.socket.close()

    def shutdown(self):
        self.live.loop.call_soon_threadsafe(self.live._stop.set)

    async def run_one(self):
        """As MockLoop's: one call of the application, to its end."""
        await asyncio.get_running_loop().run_in_executor(None, self._calls.get, True, CALL_S)
        self.transport.answers += 1

    def run_later(self, with_delay):
        """As MockLoop's; but time passes."""
        time.sleep(with_delay)

    def close(self):
        self.transport.socket.close()
        self.live.stop()


class Transport:
    """What has come back."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(CALL_S)
        self.socket.connect(path)
        self.answers = 0  # that are expected since the last clear_buffer()
        self._received = b""
        self._is_ended = False

    def send(self, data):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # refused before its end
            self.socket.sendall(data)

    def _read(self, quiet_s):
        while not self._is_ended and select.select([self.socket], [], [], quiet_s)[0]:
            try:
                data = self.socket.recv(65_536)
            except ConnectionResetError:
                data = b""
            self._received += data
            self._is_ended = not data

    @property
    def buffer(self):
        self._read(QUIET_S)
        return self._received

    def clear_buffer(self):
        """Drop the answers to the calls so far; those of pipelined requests behind them may have come, too."""
        starts = [match.start() for match in re.finditer(rb"HTTP/1\.1 [2-5]\d\d ", self.buffer)]
        self._received = self._received[starts[self.answers] :] if len(starts) > self.answers else b""
        self.answers = 0

    def is_closing(self):
        self._read(END_S)
        return self._is_ended

    @property
    def read_paused(self):
        raise NotImplementedError("whether a server reads cannot be seen from its client")


class Lifespan:
    """In the place of uvicorn's LifespanOn and LifespanOff."""

    def __init__(self, config):
        self._app = config.app
        self._mode = config.lifespan
        self.error_occurred = self.startup_failed = self.shutdown_failed = self.should_exit = False
        self._live = None

    async def _recorded(self, scope, receive, send):
        if scope["type"] == "http":  # asked for the state
            self._seen = scope["state"]
            await send({"type": "http.response.start", "status": 204})
            await send({"type": "http.response.body"})
            return

        async def send_on(message):
            self.startup_failed |= message["type"] == "lifespan.startup.failed"
            self.shutdown_failed |= message["type"] == "lifespan.shutdown.failed"
            await send(message)

        try:
            await self._app(scope, receive, send_on)
        except BaseException:
            self.error_occurred = True
            raise

    async def startup(self):
        live = Live(self._recorded, lifespan=self._mode)
        try:
            live.start()
        except Exception:
            self.should_exit = True
        else:
            self._live = live

    async def shutdown(self):
        live, self._live = self._live, None
        if live is not None:
            try:
                live.stop()
            except Exception:
                self.should_exit = True

    @property
    def state(self):
        if self._live is None:
            return {}
        transport = Transport(self._live.path)
        transport.send(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        transport.is_closing()
        transport.socket.close()
        return self._seen


class Server:
    """In the place of uvicorn's, for tests that run one on a thread."""

    def __init__(self, config):
        self._live = Live(config.app, port=config.port)
        self.started = self.should_exit = False

    def run(self):
        self._live.start()
        try:
            while not self.should_exit:
                time.sleep(0.01)
        finally:
            self._live.stop()

    async def serve(self):
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._live.start)
        self.started = True
        while not self.should_exit:
            await asyncio.sleep(0.01)
        await loop.run_in_executor(None, self._live.stop)


def _tls(config):
    if not IS_TREADLE:
        return {name: getattr(config, name) for name in THEIR_TLS}
    if config.ssl_context_factory is not None:
        pytest.fail("it takes no context that is made elsewhere")
    if config.ssl_certfile is None:
        return {}
    from treadle.tls import ServerOptions

    return {
        "tls": ServerOptions(
            cert=config.ssl_certfile,
            key=config.ssl_keyfile,
            passphrase=config.ssl_keyfile_password,
            client_ca=config.ssl_ca_certs,
            client_cert={ssl.CERT_NONE: "none", ssl.CERT_OPTIONAL: "optional"}.get(config.ssl_cert_reqs, "required"),
        )
    }


@contextlib.asynccontextmanager
async def run_server(config, sockets=None):
    """In the place of tests.utils'."""
    with access_records() as more:
        live = Live(config.app, port=config.port, **more, **_tls(config))
        live.start()
        try:
            yield live
        finally:
            live.stop()


@contextlib.contextmanager
def access_records():
    """What lets a server keep an access log whose lines are records of uvicorn's logger, once it has ended."""
    if not IS_TREADLE:
        yield {}
        return
    from treadle.http import access_log
    from treadle.http.edge import Edge

    with tempfile.NamedTemporaryFile("r", prefix="live-") as lines:
        log = access_log(lines.name)
        try:
            yield {"edge": Edge(access_log=log)}
        finally:
            log.close()
            for found in COMMON_LINE.findall(lines.read()):
                *words, status = found
                logging.getLogger("uvicorn.access").info('%s - "%s %s HTTP/%s" %d', *words, int(status))


class LiveTransport(httpx.AsyncBaseTransport):
    """In the place of httpx' ASGITransport: a server of its own for each."""

    def __init__(self, app, raise_app_exceptions=True):
        self._live = Live(app)
        self._live.start()
        self._wire = httpx.AsyncHTTPTransport(uds=self._live.path)

    async def handle_async_request(self, request):
        return await self._wire.handle_async_request(request)

    async def aclose(self):
        await self._wire.aclose()
        self._live.stop()


@pytest.fixture(autouse=True)
def closed_connections():
    """What a test leaves open is closed."""
    yield
    while Connection.opened:
        Connection.opened.pop().close()
    assert threading.active_count() < 20, "servers are left"


def pytest_unconfigure():
    """The servers that several tests have asked end."""
    TrustedHosts.close()


def pytest_collection_modifyitems(config, items):
    """The tests' names for uvicorn's ways mean ours; of each implementation, one."""
    for module in {item.module for item in items}:
        for name, ours in {
            "get_connected_protocol": Connection,
            "LifespanOn": Lifespan,
            "LifespanOff": Lifespan,
            "Server": Server,
            "run_server": run_server,
            "ProxyHeadersMiddleware": Middleware,
            "_TrustedHosts": TrustedHosts,
        }.items():
            if hasattr(module, name) and not (name == "LifespanOn" and module.__name__.endswith("test_http")):
                setattr(module, name, ours)
        if module.__name__.endswith("test_wsgi"):
            module.httpx2 = types.SimpleNamespace(AsyncClient=httpx.AsyncClient, ASGITransport=LiveTransport)
    others = [item for item in items if not _is_wanted(item)]
    items[:] = [item for item in items if item not in others]
    config.hook.pytest_deselected(items=others)


def _is_wanted(item):
    if item.originalname in NOT_DRIVEN:
        return False
    parameters = getattr(item, "callspec", None)
    if parameters is None:
        return True
    return all(fixture not in parameters.params or wanted in parameters.id for fixture, wanted in ONE_OF_EACH.items())
