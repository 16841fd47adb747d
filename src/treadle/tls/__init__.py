"""TLS: contexts from files, servers and connections over it, as streams. Source: https://nodejs.org/api/tls.html

Not here: the records (_native.tls_cipher), plain sockets (treadle.net), HTTP (treadle.http), asyncio's TLS (treadle.loop).
"""

from treadle.tls._contexts import HTTP_PROTOCOLS, ClientCertificate, ClientOptions, ServerOptions, server_context
from treadle.tls._files import Reloader
from treadle.tls._server import HANDSHAKE_TIMEOUT_MS, Server, create_server
from treadle.tls._socket import TLSSocket, connect, socket_of

__all__ = [
    "HANDSHAKE_TIMEOUT_MS",
    "HTTP_PROTOCOLS",
    "ClientCertificate",
    "ClientOptions",
    "Reloader",
    "Server",
    "ServerOptions",
    "TLSSocket",
    "connect",
    "create_server",
    "server_context",
    "socket_of",
]
