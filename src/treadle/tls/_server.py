"""Server: accepts connections over TLS. Source: https://nodejs.org/api/tls.html#class-tlsserver

Invariants: who listens is called once hands are shaken, and not before; a handshake that fails, or takes too long, ends its own
connection and nothing else; a new context counts for new connections. Not here: accepting (treadle.net), contexts
(_contexts.py).
"""

import logging
import ssl
from collections.abc import Callable
from typing import Any

from treadle._base.arguments import require_callable
from treadle._native.socket_stream import SocketStream
from treadle.net import Server as NetServer
from treadle.net import Socket
from treadle.tls._contexts import ServerOptions, server_context
from treadle.tls._socket import HANDSHAKE_TIMEOUT_MS, TLSSocket

__all__ = ["HANDSHAKE_TIMEOUT_MS", "Server", "create_server"]

logger = logging.getLogger("treadle.tls")


def create_server(
    listener: Callable[[TLSSocket], object] | None = None,
    *,
    tls: ServerOptions | ssl.SSLContext,
    handshake_timeout: float = HANDSHAKE_TIMEOUT_MS,
    **options: Any,
) -> "Server":
    """A server that calls listener(socket), a function or a coroutine function, for each connection once hands are shaken.

    handshake_timeout: ms for that; 0: for ever. `options` are those of net.create_server(). Raises as that, and as
    ServerOptions.load().
    """
    server = Server(tls=tls, handshake_timeout=handshake_timeout, **options)
    if listener is not None:
        require_callable(listener, "listener")
        server.on("secure_connection", listener)
    return server


class Server(NetServer):
    """A net.Server whose connections are TLSSockets.

    Events: those of net.Server, but 'secure_connection' (socket) in place of 'connection', and 'tls_client_error' (error,
    socket): hands were not shaken, and the connection is closed.
    """

    def __init__(
        self, *, tls: ServerOptions | ssl.SSLContext, handshake_timeout: float = HANDSHAKE_TIMEOUT_MS, **options: Any
    ) -> None:
        super().__init__(**options)
        self._context = server_context(tls)
        self._handshake_ms = handshake_timeout

    def set_secure_context(self, tls: ServerOptions | ssl.SSLContext) -> None:
        """Other certificates, for connections to come. Reads files. Raises as ServerOptions.load(), and changes nothing then."""
        self._context = server_context(tls)

    def _make_socket(self, handle: SocketStream, **options: Any) -> Socket:
        return TLSSocket(context=self._context, is_server=True, handshake_timeout=self._handshake_ms, handle=handle, **options)

    def _introduce(self, socket: Socket) -> None:
        def fail(error: Exception) -> None:
            logger.debug("no handshake with %s: %s", socket.remote_address, error)
            self.emit("tls_client_error", error, socket)

        def secured() -> None:
            socket.off("error", fail)
            self._announce("secure_connection", socket)

        socket.on("error", fail)
        socket.once("secure_connect", secured)
