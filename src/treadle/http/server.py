"""`create_server` and the server it makes. Source: Node, http.Server.

Not here: connections (_native.http1_connection), what a handler gets (message.py), the limits' reasons (limits.py).
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from treadle._base.arguments import require_callable
from treadle._base.errors import TreadleError
from treadle._native.http1_connection import Connection
from treadle._native.http1_server import HTTPListener, ServerCore
from treadle.events import EventEmitter
from treadle.http.access_log import AccessLog
from treadle.http.connections import ServerConnection, Sockets
from treadle.http.core import Core
from treadle.http.edge import Edge
from treadle.http.limits import Limits, Timeouts
from treadle.http.message import IncomingMessage, ServerResponse
from treadle.http.origin import Origin
from treadle.http.request_id import RequestIds
from treadle.http.routes import Route
from treadle.http.stopping import BUDGET_S, Budget, Stopping
from treadle.loop.current import get_loop
from treadle.loop.listening import BACKLOG, ListeningPlace
from treadle.net._addresses import ends_of
from treadle.tls import HTTP_PROTOCOLS, ServerOptions, server_context

__all__ = ["BACKLOG", "Handler", "Server", "ServerStatistics", "create_server"]

logger = logging.getLogger("treadle.http")

Handler = Callable[[IncomingMessage, ServerResponse], Any]


@dataclass(frozen=True, slots=True)
class ServerStatistics:
    """A server at one moment."""

    connections: int  # open ones
    requests: int  # of which something has arrived, and whose answer is not complete
    handlers: int  # coroutines that are suspended, background work behind an answer included


def create_server(
    handler: Handler | None = None,
    *,
    limits: Limits | None = None,
    timeouts: Timeouts | None = None,
    tls: ServerOptions | ssl.SSLContext | None = None,
    cancel_on_disconnect: bool = False,
    routes: Mapping[str, Route] | None = None,
    origin: Origin | None = None,
    request_ids: RequestIds = "off",
    access_log: AccessLog | None = None,
) -> Server:
    """A server that calls handler(req, res), a function or a coroutine function, for each request.

    A handler that raises answers 500, or cuts the connection when part of its answer was sent; the traceback goes to the logger
    ``treadle.http``, and the server goes on. cancel_on_disconnect: the task of a handler is cancelled when its client has left,
    unless the answer is complete. routes: what is different below a prefix of the path, the longest that fits. origin: which
    proxies are believed. request_ids: "on": `req.id`; "echo": the answer tells it, too. access_log: of http.access_log(); close
    it once the server is closed. tls: it speaks HTTPS, with these certificates.

    Call ``listen()`` on the result. Raises TreadleError: ERR_NO_LOOP outside a program, ERR_INVALID_ARG_VALUE,
    ERR_INVALID_ARG_TYPE; and what ServerOptions.load() raises.
    """
    if handler is not None:
        require_callable(handler, "handler")
    edge = Edge(origin or Origin(), request_ids, access_log)
    server = Server(handler, limits or Limits(), timeouts or Timeouts(), cancel_on_disconnect, routes)
    edge.apply(server._core)
    if tls is not None:
        server.set_secure_context(tls)
    return server


#: Event -> what of the core says that somebody listens for it.
_TAKEN: Final = {
    "connection": "tells_connections",
    "upgrade": "takes_upgrades",
    "connect": "takes_tunnels",
    "client_error": "takes_faults",
}


class Server(EventEmitter):
    """An HTTP/1.1 server.

    Events: 'request' (req, res); in place of it 'check_continue' (req, res) for a client that waits for 100 Continue, and
    'check_expectation' (req, res) for one that expects something else, where somebody listens for these; 'upgrade' and
    'connect' (req, socket, head): the connection is the listener's; 'connection' (connection), 'client_error' (error,
    socket), 'drop' (ends); 'listening', 'closing' (it stops: who streams or waits for long may come to an end), 'close'.
    While it listens it holds the program, see unref().

    should_upgrade: called with a request that offers an upgrade, while somebody listens for those; False: it is a plain request.
    """

    should_upgrade: Callable[[IncomingMessage], bool] | None = None

    def __init__(
        self,
        handler: Handler | None,
        limits: Limits,
        timeouts: Timeouts,
        cancel_on_disconnect: bool = False,
        routes: Mapping[str, Route] | None = None,
    ) -> None:
        super().__init__()
        self.limits = limits
        self.timeouts = timeouts
        self._loop = get_loop()
        self._core = Core(self._loop, limits, timeouts, self._drained, cancel_on_disconnect, routes)
        self._core.handler = self._emit_request
        self._core.listeners = _Listeners(self, Sockets(self._core, self, timeouts.linger_s * 1000))
        self._handler = handler
        self._place = ListeningPlace(self._loop, logger)
        self._closed: asyncio.Future[None] | None = None
        if handler is not None:
            self.on("request", handler)
        self.on("new_listener", self._listeners_changed)
        self.on("remove_listener", self._listeners_changed)
        if handler is not None:
            self._core.handler = handler

    def __repr__(self) -> str:
        state = f"listening on {self.address()}" if self._place.is_open else "closed"
        now = self.statistics()
        return f"<{type(self).__name__} {state} connections={now.connections} requests={now.requests} handlers={now.handlers}>"

    def set_secure_context(self, tls: ServerOptions | ssl.SSLContext) -> None:
        """Speak HTTPS on connections to come, with these certificates; those that are open stay as they are. Reads files.

        Raises what ServerOptions.load() raises, and changes nothing then; TreadleError: ERR_INVALID_ARG_TYPE."""
        self._core.tls_context = server_context(tls, alpn_protocols=HTTP_PROTOCOLS)

    # ---- requests

    def _listeners_changed(self, event: str, _: object) -> None:
        if event in ("request", "check_continue", "check_expectation"):
            self._core.handler = self._emit_request  # no longer the one handler alone
        if event == "check_expectation":
            self._core.takes_expectations = True  # _emit_request looks whether anybody is left
        elif event in _TAKEN:
            self._loop.next_tick(self._note_taken)  # ORDER: 'new_listener' comes before the listener is one
            setattr(self._core, _TAKEN[event], True)

    def _note_taken(self) -> None:
        for event, flag in _TAKEN.items():
            setattr(self._core, flag, self.listener_count(event) > 0)

    def _emit_request(self, req: IncomingMessage, res: ServerResponse) -> Any:
        """Call every listener of 'request', or of what an expectation is told by, up to one that raises. All that they return to
        be awaited is awaited, at once, and to its end: one that fails takes nothing from another."""
        event = "request"
        if req.http_version == "1.1" and "expect" in req.headers:
            is_usual = req.headers["expect"].lower() == "100-continue"
            if not is_usual and not self.listener_count("check_expectation"):
                self._core.give_up(res, "EXPECTATION")
                return None
            if not is_usual or self.listener_count("check_continue"):
                event = "check_continue" if is_usual else "check_expectation"
        started: list[Awaitable[Any]] = []
        try:
            for listener in self.raw_listeners(event):
                result = listener(req, res)
                if inspect.isawaitable(result):
                    started.append(result)
        except Exception as error:
            if not started:
                raise
            return _awaited(started, error)
        except BaseException:
            for one in started:
                if inspect.iscoroutine(one):
                    one.close()
            raise
        return _awaited(started) if len(started) > 1 else started[0] if started else None

    # ---- settings of Node's, which may change while it listens

    @property
    def max_connections(self) -> int | None:
        """More are closed at once, and told by 'drop'; None: no limit."""
        return None if self._core.connections_max < 0 else self._core.connections_max

    @max_connections.setter
    def max_connections(self, count: int | None) -> None:
        self._core.connections_max = -1 if count is None else max(count, 0)

    @property
    def max_requests_per_socket(self) -> int:
        """The answer to the last of them ends its connection; 0: no limit. COMPAT(node): what is pipelined behind has none."""
        return self._core.requests_max

    @max_requests_per_socket.setter
    def max_requests_per_socket(self, count: int) -> None:
        self._core.requests_max = max(count, 0)

    @property
    def headers_timeout(self) -> int:
        """Timeouts.headers_s, in ms; of the heads to come."""
        return self._core.headers_ms

    @headers_timeout.setter
    def headers_timeout(self, delay_ms: int) -> None:
        self._core.headers_ms = _duration("headers_timeout", delay_ms)

    @property
    def request_timeout(self) -> int:
        """Timeouts.request_s, in ms; of the requests to come."""
        return self._core.request_ms

    @request_timeout.setter
    def request_timeout(self, delay_ms: int) -> None:
        self._core.request_ms = _duration("request_timeout", delay_ms)

    @property
    def keep_alive_timeout(self) -> int:
        """Timeouts.keep_alive_s, in ms; of the waits to come."""
        return self._core.keep_alive_ms

    @keep_alive_timeout.setter
    def keep_alive_timeout(self, delay_ms: int) -> None:
        self._core.keep_alive_ms = _duration("keep_alive_timeout", delay_ms)

    # ---- listening

    def listen(
        self,
        port: int = 0,
        host: str = "127.0.0.1",
        callback: Callable[[], object] | None = None,
        *,
        path: str | os.PathLike[str] | None = None,
        backlog: int = BACKLOG,
        sock: socket.socket | None = None,
    ) -> Server:
        """Bind and listen, at once: on a TCP port (0: any free one), on a Unix socket at `path`, or on a bound `sock`.

        'listening' follows on the next tick. Raises OSError, and TreadleError (ERR_SERVER_ALREADY_LISTEN).
        """
        self._place.require_closed()
        self._place.open(functools.partial(HTTPListener, self._core), port, host, path, sock, backlog)
        self._core.is_closing = False
        if callback is not None:
            self.once("listening", callback)
        self._loop.next_tick(self.emit, "listening")
        return self

    def address(self) -> tuple[str, int] | str | None:
        """(host, port), the path of a Unix socket, or None while it does not listen."""
        name = self._place.name
        return name[:2] if isinstance(name, tuple) else name

    @property
    def is_listening(self) -> bool:
        """True from listen() to close()."""
        return self._place.is_open

    @property
    def connections(self) -> int:
        """Open connections."""
        return self._core.connection_count

    def statistics(self) -> ServerStatistics:
        """How many connections, requests and handlers there are now."""
        return ServerStatistics(self._core.connection_count, self._core.request_count, self._core.task_count)

    def ref(self) -> Server:
        """Let it hold the program while it listens (the default)."""
        self._place.set_ref(True)
        return self

    def unref(self) -> Server:
        """Let the program end although it listens."""
        self._place.set_ref(False)
        return self

    # ---- ending

    def close(self, callback: Callable[[], object] | None = None) -> Server:
        """Stop accepting and end idle connections, those of which nothing has come yet in a second; heads have linger_s;
        answers under way are completed. 'close' follows when the last connection has closed. A second call is no harm; its
        callback is called all the same."""
        if not self._place.is_open and not self._core.is_closing:
            if callback is not None:
                self._loop.next_tick(callback)
            return self
        if callback is not None:
            self.once("close", callback)
        if not self._place.is_open:
            return self
        self._place.close()
        self._core.is_closing = True
        self._core.close_idle_connections()
        self._tell_closing()
        if self._core.connection_count == 0:
            self._loop.next_tick(self._drained)
        return self

    async def shutdown(self, budget_s: float = BUDGET_S) -> None:
        """Close in phases, within budget_s in all: as close(), then wait; once five seconds of it are left, or half, answer what
        is unanswered with 503, cut the rest, and cancel the handlers. 'close' follows. The log says so line by line.

        Cancelled, it cuts and cancels at once. No effect on a server that does not listen. See treadle.http.stopping."""
        if not self._place.is_open:
            return
        stopping = Stopping(
            self._core,
            Budget(self._loop, budget_s),
            logger,
            retire=self._place.close,
            tell=self._tell_closing,
        )
        try:
            await stopping.run()
        finally:
            self._core.close_all_connections()
            self._core.cancel_tasks()
            self._drained()

    async def wait_closed(self) -> None:
        """Wait until close() was called and the last connection has closed."""
        if not self._place.is_open and self._core.connection_count == 0:
            return
        if self._closed is None:
            self._closed = self._loop.create_future()
        await asyncio.shield(self._closed)

    def close_idle_connections(self) -> None:
        """End the connections on which no message is under way."""
        self._core.close_idle_connections()

    def close_all_connections(self) -> None:
        """Cut all connections, answers under way as well; the signals of their requests abort (ERR_HTTP_SERVER_CLOSING).

        COMPAT(node): what an upgrade or a tunnel has taken over goes on."""
        ServerCore.close_all_connections(self._core)

    def _tell_closing(self) -> None:
        self._loop.next_tick(self.emit, "closing")

    def _drained(self) -> None:
        if self._place.is_open or self._core.connection_count:
            return
        if self._closed is not None:
            closed, self._closed = self._closed, None
            if not closed.done():
                closed.set_result(None)
        if self._core.is_closing:
            self._core.is_closing = False
            self._loop.next_tick(self.emit, "close")


async def _awaited(started: list[Awaitable[Any]], error: BaseException | None = None) -> None:
    # All of them, then the first that went wrong, if any did: error did before them.
    for outcome in await asyncio.gather(*started, return_exceptions=True):
        error = error or (outcome if isinstance(outcome, BaseException) else None)
    if error is not None:
        raise error


class _Listeners:
    # What the core asks and tells.

    def __init__(self, server: Server, sockets: Sockets) -> None:
        self.sockets = sockets
        self._server = server

    def wants_upgrade(self, request: IncomingMessage) -> bool:
        if self._server.should_upgrade is None:
            return True
        try:
            return self._server.should_upgrade(request)
        except Exception:
            logger.exception("%s %s: should_upgrade has failed", request.method, request.url)
            return False

    def connected(self, connection: Connection) -> None:
        self._server.emit("connection", ServerConnection(connection))

    def dropped(self, local: Any, remote: Any) -> None:
        self._server.emit("drop", ends_of(local, remote))


def _duration(name: str, delay_ms: int) -> int:
    if not delay_ms > 0:
        raise TreadleError("ERR_OUT_OF_RANGE", name=name, expected="greater than zero", received=delay_ms)
    return delay_ms
