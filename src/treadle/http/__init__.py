"""HTTP/1.1 servers. Source: Node, http."""

from treadle.http.limits import Limits, Timeouts
from treadle.http.message import IncomingMessage, ServerResponse
from treadle.http.routes import Route
from treadle.http.server import Server, ServerStatistics, create_server

__all__ = [
    "IncomingMessage",
    "Limits",
    "Route",
    "Server",
    "ServerResponse",
    "ServerStatistics",
    "Timeouts",
    "create_server",
]
