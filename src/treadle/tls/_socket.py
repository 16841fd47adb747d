"""TLSSocket: a Socket whose bytes are encrypted. Source: https://nodejs.org/api/tls.html#class-tlstlssocket

Invariants: nothing of the user's is sent before hands are shaken and the peer is who it should be; the end of input is the peer's
close_notify, and a connection that ends without one fails; destroying it says no close_notify. Not here: records
(_native.tls_cipher), contexts (_contexts.py).
"""

import os
import ssl
from collections.abc import Callable
from typing import Any, Final

from treadle._base.arguments import require_callable, require_number
from treadle._base.errors import TreadleError
from treadle._native.socket_stream import SocketStream
from treadle._native.tls_cipher import TLSCipher
from treadle.net import Socket
from treadle.tls._contexts import ClientOptions, client_context

__all__ = ["HANDSHAKE_TIMEOUT_MS", "TLSSocket", "connect", "socket_of"]

HANDSHAKE_TIMEOUT_MS: Final = 20_000  # as long as HTTP waits for a head; Node has 120 s


class TLSSocket(Socket):
    """A connection over TLS. Made by connect() and by a Server.

    Events: those of Socket, and 'secure_connect': hands are shaken, and the peer is who it should be. 'connect' says that the
    connection is there, no more. What is written before is sent then. Errors of TLS are ssl.SSLError, an OSError; a connection
    that the peer has ended without close_notify fails with ssl.SSLEOFError, as long as we have not ended ours.
    """

    encrypted: Final = True
    _open_event = "secure_connect"

    def __init__(
        self,
        *,
        context: ssl.SSLContext,
        is_server: bool = False,
        servername: str | None = None,
        handshake_timeout: float = HANDSHAKE_TIMEOUT_MS,
        socket: Socket | None = None,
        handle: SocketStream | None = None,
        **options: Any,
    ) -> None:
        require_number(handshake_timeout, "handshake_timeout")
        self._received: bytes | None = None  # what its peer has sent before it was there
        if socket is not None:
            handle, self._received = _taken_from(socket)
        self._context = context
        self._is_server = is_server
        self._servername = servername
        self._handshake_ms = handshake_timeout
        self._handshake_timer: Any = None
        self._cipher: TLSCipher | None = None
        self._facts: dict[str, Any] = {}  # what was asked once hands were shaken, for later
        self.secure_connecting = True
        try:
            super().__init__(handle=handle, **options)
        except BaseException:
            if socket is not None and handle is not None:
                handle.close(None)
            raise
        else:
            if socket is not None and socket._keeper is not None and not self.destroyed:  # it has failed at once, perhaps
                socket._keeper._adopt(self, socket)
        finally:
            if socket is not None:
                socket.destroy()

    # -- the handshake ---------------------------------------------------------------------------------------------

    def _begin_open(self, handle: SocketStream) -> None:
        super()._begin_open(handle)
        if isinstance(handle.security, TLSCipher):  # a connection of HTTP's, say, that is an upgrade
            self._cipher = handle.security
            self.secure_connecting = False
            self._note_facts()
            return
        try:
            self._cipher = TLSCipher(self._context, self._is_server, self._servername, received=self._received)
            self._received = None
        except Exception as error:  # a name that is none; or OpenSSL has no room
            self.destroy(error)
            return
        if self._handshake_ms:
            self._handshake_timer = self._loop.set_timeout(self._handshake_timed_out, self._handshake_ms).unref()
        handle.secure(self._cipher, self._secured)

    def _handshake_timed_out(self) -> None:
        self._handshake_timer = None
        self.destroy(TreadleError("ERR_TLS_HANDSHAKE_TIMEOUT", timeout_ms=self._handshake_ms))

    def _secured(self, _: None) -> None:
        self._end_handshake()
        self._note_facts()
        self.emit("secure_connect")

    def _end_handshake(self) -> None:
        self.secure_connecting = False
        if self._handshake_timer is not None:
            self._handshake_timer.close()
            self._handshake_timer = None

    def _note_facts(self) -> None:
        tls = self.ssl_object
        if tls is not None:
            self._facts = {
                "alpn_protocol": tls.selected_alpn_protocol(),
                "protocol": tls.version(),
                "authorized": bool(tls.getpeercert()),
            }
            if self._is_server:
                self._servername = getattr(tls, "servername", None)

    def _destroy(self, error: BaseException | None, callback: Callable[..., object]) -> None:
        self._end_handshake()
        super()._destroy(error, callback)

    def _is_opening(self) -> bool:
        return self.secure_connecting and not self.destroyed and (self.connecting or self._handle is not None)

    # -- zero copy: the bytes are not what the kernel has ----------------------------------------------------------

    def _zero_copy_source(self) -> bool:
        return False

    def _zero_copy_sink(self) -> bool:
        return False

    # -- looking ---------------------------------------------------------------------------------------------------

    @property
    def ssl_object(self) -> ssl.SSLObject | None:
        """What ssl knows of the connection: certificates, ciphers, channel bindings. None before it is connected, and once its
        descriptor is closed."""
        return None if self._cipher is None else self._cipher.tls

    @property
    def authorized(self) -> bool:
        """Whether the peer has shown a certificate, which is good."""
        return bool(self._facts.get("authorized", False))

    @property
    def alpn_protocol(self) -> str | None:
        """What both ends agreed to speak; None before hands are shaken, or where nothing was agreed."""
        protocol: str | None = self._facts.get("alpn_protocol")
        return protocol

    @property
    def servername(self) -> str | None:
        """The name of the server, as a client has asked for it. At a server whose context the user has made: None."""
        return self._servername

    def get_protocol(self) -> str | None:
        """ "TLSv1.3", say; None before hands are shaken."""
        protocol: str | None = self._facts.get("protocol")
        return protocol

    def get_cipher(self) -> tuple[str, str, int] | None:
        """Name, version and secret bits, as ssl.SSLObject.cipher()."""
        return None if (tls := self.ssl_object) is None else tls.cipher()

    def get_peer_certificate(self) -> dict[str, Any] | None:
        """As ssl.SSLObject.getpeercert(): a dict; empty where it was not verified; None where there is none."""
        if (tls := self.ssl_object) is None or self.secure_connecting:
            return None
        certificate: dict[str, Any] | None = tls.getpeercert()
        return certificate


def socket_of(handle: SocketStream, **options: Any) -> Socket:
    """The socket of a connection that was accepted elsewhere, and may have been used: a TLSSocket where it is encrypted."""
    cipher = handle.security
    if not isinstance(cipher, TLSCipher) or cipher.tls is None:
        return Socket(handle=handle, **options)
    return TLSSocket(context=cipher.tls.context, is_server=cipher.tls.server_side, handle=handle, **options)


def _taken_from(socket: Any) -> tuple[SocketStream, bytes | None]:
    """The connection of a plain socket, which is closed without it, and what it has read ahead. Raises TreadleError:
    ERR_INVALID_ARG_TYPE, ERR_INVALID_STATE."""
    if not isinstance(socket, Socket) or isinstance(socket, TLSSocket):
        raise TreadleError("ERR_INVALID_ARG_TYPE", name="socket", expected="a net.Socket", received=type(socket).__name__)
    handle = socket._handle
    if handle is None or not socket.writable or not socket.readable or socket.writable_length or handle.moves():
        raise TreadleError("ERR_INVALID_STATE", state="the plain socket is not open, or still has something to send")
    received = socket.read()
    if isinstance(received, str):
        raise TreadleError("ERR_INVALID_STATE", state="the plain socket reads text: set_encoding()")
    handle.stop_reading()
    handle.timer = None
    socket._handle = None
    return handle, received


def connect(
    port: int | None = None,
    host: str = "127.0.0.1",
    callback: Callable[[], object] | None = None,
    *,
    tls: ClientOptions | ssl.SSLContext | None = None,
    servername: str | None = None,
    socket: Socket | None = None,
    path: str | os.PathLike[str] | None = None,
    timeout: float = 0,
    family: int = 0,
    local_address: str | None = None,
    local_port: int = 0,
    connect_timeout: float | None = None,
    attempt_timeout: float | None = None,
    **options: Any,
) -> TLSSocket:
    """A new TLSSocket that connects, as net.connect() does. 'secure_connect' follows, and calls `callback`; else 'error'.

    tls: whom to trust; None: who is certified by one of the system's authorities. servername: who the peer must be, `host` unless
    given; "localhost" for a Unix socket. socket: a net.Socket that is connected already, whose connection is taken over: it is
    closed, and what is sent from here on is encrypted (STARTTLS, a proxy's CONNECT). handshake_timeout: ms from the connection
    on, 20,000; 0: for ever.

    Raises TreadleError as Socket.connect(), and what ClientOptions.load() raises.
    """
    context = client_context(tls)
    if servername is None:
        servername = host if path is None else "localhost"
    secure = TLSSocket(context=context, servername=servername, socket=socket, **options)
    if callback is not None:
        require_callable(callback, "callback")
        secure.once("secure_connect", callback)
    if timeout:
        secure.set_timeout(timeout)
    if socket is not None:
        return secure
    attempts: dict[str, Any] = {} if attempt_timeout is None else {"attempt_timeout": attempt_timeout}
    return secure.connect(
        port, host, path=path, family=family, local_address=local_address, local_port=local_port,
        connect_timeout=connect_timeout, **attempts,
    )  # fmt: skip
