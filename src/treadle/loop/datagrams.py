"""A datagram socket's peer that has no name: the other end of a socketpair.

asyncio's transport takes the empty name for no peer at all, and cannot send to it. Not here: the transport itself, asyncio's own.
"""

import socket
from typing import Any


class NoName(str):
    """The empty name, and yet true: somebody is there."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return True


def named_by(sock: socket.socket, extra: dict[str, Any] | None) -> dict[str, Any] | None:
    """The extra information of a transport for sock, with its peer in it if that has no name."""
    try:
        is_unnamed = sock.getpeername() == ""
    except OSError:  # it is not connected
        return extra
    return {**(extra or {}), "peername": NoName()} if is_unnamed else extra
