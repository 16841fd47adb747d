"""HTTP/1.1 servers. Source: Node, http."""

from treadle.http.limits import Limits, Timeouts
from treadle.http.message import IncomingMessage, ServerResponse
from treadle.http.server import Server, ServerStatistics, create_server
from treadle.http.static import StaticFiles, serve_static

__all__ = [
    "IncomingMessage",
    "Limits",
    "Server",
    "ServerResponse",
    "ServerStatistics",
    "StaticFiles",
    "Timeouts",
    "create_server",
    "serve_static",
]
