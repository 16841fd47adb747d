"""HTTP/1.1 servers. Source: Node, http."""

from treadle.http.access_log import AccessLog, AccessLogStatistics, access_log
from treadle.http.edge import Edge
from treadle.http.limits import Limits, Timeouts
from treadle.http.message import IncomingMessage, ServerResponse
from treadle.http.origin import Origin
from treadle.http.request_id import RequestIdFilter, request_id
from treadle.http.routes import Route
from treadle.http.server import Server, ServerStatistics, create_server
from treadle.http.static import StaticFiles, serve_static

__all__ = [
    "AccessLog",
    "AccessLogStatistics",
    "Edge",
    "IncomingMessage",
    "Limits",
    "Origin",
    "RequestIdFilter",
    "Route",
    "Server",
    "ServerResponse",
    "ServerStatistics",
    "StaticFiles",
    "Timeouts",
    "access_log",
    "create_server",
    "request_id",
    "serve_static",
]
