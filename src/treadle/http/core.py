"""The native core of a node-style server, with its policy."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from treadle._native.http1_connection import Connection
from treadle._native.socket_stream import SocketStream
from treadle.http.connections import Sockets
from treadle.http.limits import Limits, Timeouts
from treadle.http.message import IncomingMessage, ServerResponse
from treadle.http.policy import Policy
from treadle.http.routes import Route
from treadle.loop.event_loop import EventLoop

__all__ = ["Core"]


class Listeners(Protocol):
    """What a server does for its listeners."""

    sockets: Sockets

    def wants_upgrade(self, request: IncomingMessage) -> bool:
        """Whether the socket of this request goes to the listeners of 'upgrade'."""

    def connected(self, connection: Connection) -> None:
        """A new connection."""

    def dropped(self, local: Any, remote: Any) -> None:
        """One too many was closed; between these names."""


class Core(Policy):
    """Of one server."""

    logger = logging.getLogger("treadle.http")

    def __init__(
        self,
        loop: EventLoop,
        limits: Limits,
        timeouts: Timeouts,
        on_drained: Callable[[], None],
        cancel_on_disconnect: bool = False,
        routes: Mapping[str, Route] | None = None,
    ) -> None:
        super().__init__(loop, asyncio.Task)
        self.request_type = IncomingMessage
        self.response_type = ServerResponse
        self.adopt(limits, timeouts, on_drained, cancel_on_disconnect, routes)
        self.listeners: Listeners | None = None  # set by the server, before its first connection

    # ---- what listeners of the server hear

    def wants_upgrade(self, request: IncomingMessage) -> bool:
        """Somebody listens for 'upgrade': do they get this one?"""
        return self.listeners is not None and self.listeners.wants_upgrade(request)

    def switched(
        self, request: IncomingMessage, handle: SocketStream, head: bytes, observer: Callable[[], object] | None
    ) -> None:
        """A connection is a socket of a listener's."""
        assert self.listeners is not None
        event = "connect" if request.method == "CONNECT" else "upgrade"
        self.listeners.sockets.give(event, request, handle, head, observer)

    def refused(self, reason: str, detail: str | None, handle: SocketStream, observer: Callable[[], object] | None) -> None:
        """Likewise, since what came on it is refused."""
        assert self.listeners is not None
        self.listeners.sockets.give_faulty(reason, detail, handle, observer)

    def connected(self, connection: Connection) -> None:
        """A new connection."""
        self.loop.next_tick(self._tell_connected, connection)

    def _tell_connected(self, connection: Connection) -> None:
        assert self.listeners is not None
        self.listeners.connected(connection)

    def dropped(self, local: Any, remote: Any) -> None:
        """One too many."""
        if self.listeners is not None:
            self.loop.next_tick(self.listeners.dropped, local, remote)

    # ---- a stop

    def cut_answers(self) -> tuple[int, int, int]:
        """As ServerCore; sockets that were connections end, too."""
        if self.listeners is not None:
            self.listeners.sockets.end()
        return super().cut_answers()

    def close_all_connections(self) -> None:
        """As ServerCore, and these sockets."""
        super().close_all_connections()
        if self.listeners is not None:
            self.listeners.sockets.destroy()
