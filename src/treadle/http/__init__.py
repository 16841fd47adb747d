"""HTTP/1.1 servers. Source: Node, http."""

from treadle.http.limits import Limits, Timeouts
from treadle.http.message import IncomingMessage, ServerResponse
from treadle.http.server import Server, create_server

__all__ = ["IncomingMessage", "Limits", "Server", "ServerResponse", "Timeouts", "create_server"]
