"""asyncio's own transports (datagrams, pipes, TLS) that are open when their loop is closed: their descriptors are closed, and
nobody is told, as the core does with its own. asyncio leaves them to the garbage collector, with a warning.

Not here: stream sockets (treadle._native.tcp), children (children.py).
"""

from __future__ import annotations

from asyncio import sslproto
from typing import Any


def abandon(transport: Any) -> None:
    """Close its descriptor, if it is open. What is called on it later does nothing."""
    transport._closing = True
    transport._conn_lost = 1
    for name in ("_sock", "_pipe"):
        file = getattr(transport, name, None)
        if file is None:
            continue
        setattr(transport, name, None)  # COMPAT(asyncio): its finalizer warns about anything else
        if not is_closed(file):
            transport._loop._remove_reader(file.fileno())
            transport._loop._remove_writer(file.fileno())
            file.close()


def is_closed(file: Any) -> bool:
    """A socket, or a file of a pipe: one whose user has closed it cannot be asked for its descriptor."""
    return bool(file.closed if hasattr(file, "closed") else file.fileno() < 0)


def abandon_tls(protocol: Any) -> None:
    """The same for TLS over a socket that the core has closed, if this protocol is that."""
    if isinstance(protocol, sslproto.SSLProtocol):
        protocol._state = sslproto.SSLProtocolState.UNWRAPPED  # type: ignore[attr-defined]  # no goodbye on a closed loop
        if protocol._app_transport is not None:
            protocol._app_transport._closed = True
