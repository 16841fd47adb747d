"""Server: accepts connections. Source: https://nodejs.org/api/net.html#class-netserver

Invariants: the listening descriptor is closed once, by close() or with the loop; 'close' follows when the last connection has
ended. Not here: connections (_socket.py), binding (treadle.loop.binding).
"""

import asyncio
import logging
import os
import socket as sockets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from treadle._base.arguments import require_callable
from treadle._base.errors import TreadleError
from treadle._native.socket_stream import SocketListener, SocketStream
from treadle._native.tcp import Listener
from treadle.events import AbortSignal, EventEmitter
from treadle.events.abort import AbortEvent
from treadle.loop.current import get_loop
from treadle.loop.listening import BACKLOG, ListeningPlace
from treadle.net._addresses import Address, address_of, ends_of, require_port
from treadle.net._socket import Socket

__all__ = ["BACKLOG", "Server", "ServerStatistics", "create_server"]

logger = logging.getLogger("treadle.net")


@dataclass(frozen=True)
class ServerStatistics:
    """A server at one moment."""

    is_listening: bool
    connections: int  # open ones
    accepted: int  # so far
    dropped: int  # so far, by max_connections


def create_server(
    listener: Callable[[Socket], object] | None = None,
    *,
    allow_half_open: bool = False,
    pause_on_connect: bool = False,
    no_delay: bool = True,
    keep_alive: bool = False,
    keep_alive_initial_delay: float = 0,
    high_water_mark: int | None = None,
) -> "Server":
    """A server that calls listener(socket), a function or a coroutine function, for each connection. Call listen() on the result.

    The options count for the connections: allow_half_open, no_delay, keep_alive and high_water_mark are those of Socket;
    pause_on_connect lets nothing be read of a connection before it is resumed.

    Raises TreadleError: ERR_NO_LOOP, ERR_INVALID_ARG_TYPE.
    """
    server = Server(
        allow_half_open=allow_half_open,
        pause_on_connect=pause_on_connect,
        no_delay=no_delay,
        keep_alive=keep_alive,
        keep_alive_initial_delay=keep_alive_initial_delay,
        high_water_mark=high_water_mark,
    )
    if listener is not None:
        require_callable(listener, "listener")
        server.on("connection", listener)
    return server


class Server(EventEmitter):
    """Accepts connections on a TCP port or a Unix socket. While it listens it holds the program, see unref().

    Events: 'listening', 'connection' (socket), 'drop' (a mapping of the addresses of a connection too many), 'error', 'close'.
    max_connections: more are accepted and closed at once; None: no limit.
    """

    max_connections: int | None = None

    def __init__(self, *, allow_half_open: bool = False, pause_on_connect: bool = False, **options: Any) -> None:
        super().__init__()
        self.allow_half_open = allow_half_open  # of the connections to come
        self.pause_on_connect = pause_on_connect  # likewise
        self._loop = get_loop()
        self._options = options
        self._place = ListeningPlace(self._loop, logger)
        self._sockets: set[Socket] = set()
        self._accepted = 0
        self._connecting: Socket | None = None  # whose listeners run now
        self._dropped = 0
        self._failures: list[OSError] = []  # of listen(); each until it is told, or a block has raised it

    def __repr__(self) -> str:
        state = f"listening on {self.address()}" if self._place.is_open else "closed"
        return f"<{type(self).__name__} {state} connections={len(self._sockets)}>"

    # -- listening -------------------------------------------------------------------------------------------------

    def listen(
        self,
        port: int = 0,
        host: str = "127.0.0.1",
        callback: Callable[[], object] | None = None,
        *,
        path: str | os.PathLike[str] | None = None,
        backlog: int = BACKLOG,
        sock: sockets.socket | None = None,
        signal: AbortSignal | None = None,
    ) -> Self:
        """Bind and listen, at once: on a TCP port (0: any free one), on a Unix socket at `path`, or on a bound `sock`.

        'listening' follows on the next tick, and calls `callback`; or 'error', an OSError. Aborting `signal` closes the server.

        Raises TreadleError: ERR_SERVER_ALREADY_LISTEN, ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE.
        """
        self._place.require_closed()
        require_port(port)
        if callback is not None:
            require_callable(callback, "callback")
            self.once("listening", callback)
        if signal is not None:
            self._heed(signal)
        try:
            self._place.open(self._make_listener, port, host, path, sock, backlog)
        except OSError as error:
            self._failures.append(error)
            self._loop.next_tick(self._tell_failure, error)
        else:
            self._loop.next_tick(self._tell_listening)
        return self

    def _make_listener(self, sock: sockets.socket, on_failed: Callable[[Listener, OSError], object]) -> SocketListener:
        return SocketListener(self._loop, sock, self._connected, on_failed)

    def _heed(self, signal: AbortSignal) -> None:
        def abort(_: AbortEvent | None = None) -> None:
            self.close()

        if signal.aborted:
            self._loop.next_tick(abort)
        else:
            signal.add_event_listener("abort", abort)
            self.once("close", lambda: signal.remove_event_listener("abort", abort))  # which may be heard for longer

    def _tell_failure(self, error: OSError) -> None:
        is_raised = error not in self._failures  # whoever listens hears of it all the same
        if not is_raised:
            self._failures.remove(error)
        if not is_raised or self.listener_count("error"):
            self.emit("error", error)

    def _tell_listening(self) -> None:
        if self._place.is_open:
            self.emit("listening")

    def _connected(self, handle: SocketStream) -> None:
        if self.max_connections is not None and len(self._sockets) >= self.max_connections:
            self._dropped += 1
            ends = ends_of(handle.own_name(), handle.remote_name())
            handle.close(None)
            self.emit("drop", ends)
            return
        try:
            socket = self._make_socket(
                handle, allow_half_open=self.allow_half_open, pause_on_create=self.pause_on_connect, **self._options
            )
        except BaseException:
            handle.close(None)
            raise
        self._accepted += 1
        self._sockets.add(socket)
        socket._keeper = self
        self._introduce(socket)

    def _make_socket(self, handle: SocketStream, **options: Any) -> Socket:
        return Socket(handle=handle, **options)

    def _introduce(self, socket: Socket) -> None:
        self._announce("connection", socket)

    def _announce(self, event: str, socket: Socket) -> None:
        self._connecting = socket
        try:
            self.emit(event, socket)
        finally:
            self._connecting = None

    def _follow(self, result: object) -> None:
        # What a listener has returned. A coroutine owns the socket that it was called with: it hears of errors where it awaits.
        socket = self._connecting
        if socket is None or not isinstance(result, Coroutine):
            super()._follow(result)
            return
        socket.on("error", lambda error: None)
        get_loop().begin_task(result).add_done_callback(lambda task: self._owner_ended(socket, task))

    @staticmethod
    def _owner_ended(socket: Socket, task: asyncio.Future[object]) -> None:
        # One that has failed leaves nothing open. An error of the socket itself it may have heard by itself, and is no news.
        if task.cancelled() or task._exception is None:  # does not count as asking for it
            return
        if task._exception is socket.errored:
            task.exception()
            logger.debug("a connection has failed: %r", socket.errored)
        socket.destroy()

    def _emit_rejection(self, error: Exception) -> None:
        self.emit("error", error)

    # -- looking ---------------------------------------------------------------------------------------------------

    def address(self) -> Address | str | None:
        """Where it listens: (address, port, family), the path of a Unix socket, or None while it does not."""
        name = self._place.name
        return name if isinstance(name, str) or name is None else address_of(name)

    @property
    def listening(self) -> bool:
        """True from listen() to close()."""
        return self._place.is_open

    @property
    def connections(self) -> int:
        """Open connections."""
        return len(self._sockets)

    def get_connections(self, callback: Callable[[None, int], object]) -> Self:
        """callback(None, count) on the next tick: how many connections are open."""
        require_callable(callback, "callback")
        self._loop.next_tick(callback, None, len(self._sockets))
        return self

    def statistics(self) -> ServerStatistics:
        """How it stands: a frozen snapshot."""
        return ServerStatistics(self.listening, len(self._sockets), self._accepted, self._dropped)

    def ref(self) -> Self:
        """Let it hold the program while it listens (the default)."""
        self._place.set_ref(True)
        return self

    def unref(self) -> Self:
        """Let the program end although it listens."""
        self._place.set_ref(False)
        return self

    # -- ending ----------------------------------------------------------------------------------------------------

    def close(self, callback: Callable[..., object] | None = None) -> Self:
        """Stop accepting. 'close' follows when the last connection has ended; none is ended by this.

        callback() is called with 'close'; with ERR_SERVER_NOT_RUNNING where it did not listen.
        """
        if callback is not None:
            require_callable(callback, "callback")
            if not self._place.is_open:
                self.once("close", lambda: callback(TreadleError("ERR_SERVER_NOT_RUNNING")))
            else:
                self.once("close", callback)
        self._place.close()
        self._close_if_drained()
        return self

    def _adopt(self, socket: Socket, former: Socket) -> None:
        # It has taken over the connection of another one.
        self._sockets.discard(former)
        self._sockets.add(socket)
        socket._keeper = self

    def _server_shown(self) -> Self:
        return self

    def _forget(self, socket: Socket) -> None:
        self._sockets.discard(socket)
        self._close_if_drained()

    def _close_if_drained(self) -> None:
        if not self._place.is_open and not self._sockets:
            self._loop.next_tick(self.emit, "close")

    async def wait_closed(self) -> None:
        """Wait until it does not listen and its last connection has ended."""
        if not self._place.is_open and not self._sockets:
            return
        closed: asyncio.Future[None] = self._loop.create_future()

        def on_close() -> None:
            if not closed.done():
                closed.set_result(None)

        self.once("close", on_close)
        try:
            await closed
        finally:
            self.off("close", on_close)

    async def __aenter__(self) -> Self:
        """Raises OSError, where listen() was called just before, and has failed."""
        if self._failures and not self._place.is_open:
            raise self._failures.pop()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it, and wait until its last connection has ended; where the block has failed, these are destroyed."""
        if self._place.is_open:
            self.close()
        if error is not None:
            for socket in list(self._sockets):
                socket.destroy()
        await self.wait_closed()
