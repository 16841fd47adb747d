"""A server's connections, as its listeners see them: new ones, and those that are sockets of a listener's from then on.

Invariants: a socket that a connection has become counts as the server's until it is closed, and in its place one that takes its
connection over (TLS); one whose listener fails, or that none wants, is destroyed.
Not here: how a socket changes hands (_native.handover), when (_native.http1_connection).
Source: Node, http.Server: 'connection', 'upgrade', 'connect', 'clientError'.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any

from treadle._base.errors import TreadleError
from treadle._native.http1_connection import Connection
from treadle._native.socket_stream import SocketStream
from treadle.events import EventEmitter
from treadle.http.message import IncomingMessage
from treadle.http.policy import Policy
from treadle.http.refusals import REFUSALS
from treadle.loop.current import get_loop
from treadle.net import Socket
from treadle.tls import socket_of

__all__ = ["ServerConnection", "Sockets"]

logger = logging.getLogger("treadle.http")


class ServerConnection(EventEmitter):
    """A connection of a server, for whoever counts or cuts them. Its bytes are HTTP's: COMPAT(node): it is no stream.

    Events: 'close', also where an upgrade has taken it over: once that is closed.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection: Connection | None = connection
        self.remote_address = connection.remote_address  # (host, port), "" for a Unix socket, None where it is not known
        self.local_address = connection.local_address
        connection.observe(self._closed)

    @property
    def destroyed(self) -> bool:
        """It is closed."""
        return self._connection is None

    def destroy(self) -> None:
        """Cut it, with the answer under way. No effect on what has taken it over."""
        if self._connection is not None:
            self._connection.destroy()

    def _closed(self, *_: object) -> None:
        self._connection = None
        self.emit("close")

    def __repr__(self) -> str:
        return f"<ServerConnection {'closed' if self.destroyed else 'open'} {self.remote_address}>"


class _Held:
    # A connection that is a socket, and whoever is told when it closes.

    def __init__(self, socket: Socket, observer: Callable[[], object] | None) -> None:
        self.socket = socket  # the last to have taken it over
        self.observer = observer


class Sockets:
    """Those that were connections of one server, and the listeners that get them."""

    def __init__(self, core: Policy, emitter: EventEmitter, linger_ms: float) -> None:
        self._core = core
        self._emitter = emitter
        self._linger_ms = linger_ms
        self._open: dict[Socket, _Held] = {}

    def __len__(self) -> int:
        return len(self._open)

    def give(
        self, event: str, request: IncomingMessage, handle: SocketStream, head: bytes, observer: Callable[[], object] | None
    ) -> None:
        """Call the listeners of 'upgrade' or 'connect' with (request, socket, head)."""
        held = self._take(handle, observer)
        contextvars.copy_context().run(self._call, event, held, request, held.socket, head)

    def give_faulty(self, reason: str, detail: str | None, handle: SocketStream, observer: Callable[[], object] | None) -> None:
        """Call those of 'client_error' with (error, socket): it may be answered. What still comes is thrown away."""
        held = self._take(handle, observer)
        socket = held.socket
        # Whoever forgets it holds no descriptor for a hostile client, whatever that sends.
        timer = get_loop().set_timeout(socket.destroy, self._linger_ms).unref()
        socket.once("close", lambda *_: timer.close())
        socket.resume()
        status, text = REFUSALS[reason]
        error = TreadleError("ERR_HTTP_CLIENT_ERROR", text=text, reason=reason, status=status, detail=detail)
        contextvars.copy_context().run(self._call, "client_error", held, error, socket)

    def end(self) -> None:
        """End our side of all of them."""
        for socket in list(self._open):
            socket.end()

    def destroy(self) -> None:
        """Close all of them at once."""
        for socket in list(self._open):
            socket.destroy()

    def _take(self, handle: SocketStream, observer: Callable[[], object] | None) -> _Held:
        held = _Held(socket_of(handle, allow_half_open=True), observer)
        self._core.socket_count += 1
        self._hold(held)
        return held

    def _hold(self, held: _Held) -> None:
        socket = held.socket
        self._open[socket] = held
        socket._keeper = self
        socket.on("error", _note_error)  # a peer that resets ends no program; its listeners hear of it beside this
        socket.once("close", functools.partial(self._closed, socket))

    def _adopt(self, socket: Socket, former: Socket) -> None:
        """It has taken over the connection of another one of these."""
        if (held := self._open.pop(former, None)) is not None:
            held.socket = socket
            self._hold(held)

    def _forget(self, socket: Socket) -> None:
        """It is destroyed, and counts until it is closed."""

    def _server_shown(self) -> None:
        """Node has the HTTP server here; whoever needs it has it."""

    def _closed(self, socket: Socket, _: object = None) -> None:
        held = self._open.pop(socket, None)
        if held is None:  # another one has taken its connection over
            return
        self._core.socket_count -= 1
        if held.observer is not None:
            held.observer()
        if not self._core.connection_count:
            self._core.drained()

    def _call(self, event: str, held: _Held, *arguments: Any) -> None:
        results: list[object] = []
        try:
            for listener in self._emitter.raw_listeners(event):
                results.append(listener(*arguments))  # noqa: PERF401  # what was returned before one raises is closed
        except BaseException as error:
            for result in results:
                if inspect.iscoroutine(result):
                    result.close()  # the socket goes: there is nothing for it to do
            if isinstance(error, (SystemExit, KeyboardInterrupt)):
                held.socket.destroy()
                raise
            self._failed(event, held, error)
            return
        if not results:  # its last listener has gone meanwhile
            held.socket.destroy()
        for result in results:
            if inspect.iscoroutine(result):
                task = self._core.loop.begin_task(result)
                task.add_done_callback(functools.partial(self._ended, event, held))

    def _ended(self, event: str, held: _Held, task: asyncio.Task[object]) -> None:
        # A coroutine owns the socket that it was called with, and what it has made of that.
        if task.cancelled():
            held.socket.destroy()
        elif (error := task.exception()) is not None:
            if isinstance(error, OSError):
                logger.debug("'%s': the peer has left (%r)", event, error)
                held.socket.destroy()
            else:
                self._failed(event, held, error)

    def _failed(self, event: str, held: _Held, error: BaseException) -> None:
        logger.error("a listener of '%s' has failed", event, exc_info=error)
        held.socket.destroy()


def _note_error(error: object) -> None:
    logger.debug("a socket that was a connection has failed: %r", error)
