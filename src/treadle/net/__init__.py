"""Stream sockets, TCP and Unix: servers and connections, as streams. Source: https://nodejs.org/api/net.html

A socket is a Duplex: what streams do, it does. Not here: files (treadle.fs), HTTP (treadle.http), asyncio's own transports
(treadle.loop).
"""

from treadle._base.ip import is_ip, is_ipv4, is_ipv6
from treadle.net._addresses import Address
from treadle.net._server import BACKLOG, Server, ServerStatistics, create_server
from treadle.net._socket import Socket, SocketStatistics, connect, create_connection

__all__ = [
    "BACKLOG",
    "Address",
    "Server",
    "ServerStatistics",
    "Socket",
    "SocketStatistics",
    "connect",
    "create_connection",
    "create_server",
    "is_ip",
    "is_ipv4",
    "is_ipv6",
]
