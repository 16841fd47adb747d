"""Descriptors of sockets, as the socket module knows them. Not here: who watches them (_native.socket_stream)."""

import contextlib
import socket as sockets
from collections.abc import Iterator

from treadle._base.errors import TreadleError

__all__ = ["adopt", "borrowed"]


def adopt(sock: sockets.socket | None, fd: int | None) -> int:
    """The descriptor of a connected stream socket of the user's, which is ours from here on. Raises TreadleError:
    ERR_INVALID_ARG_VALUE."""
    if sock is None:
        assert fd is not None
        sock = sockets.socket(fileno=fd)
    if sock.type != sockets.SOCK_STREAM:
        kind = sock.type
        if fd is not None:
            sock.detach()
        raise TreadleError("ERR_INVALID_ARG_VALUE", name="sock", expected="a stream socket", received=kind)
    sock.setblocking(False)
    return sock.detach()


@contextlib.contextmanager
def borrowed(fd: int) -> Iterator[sockets.socket]:
    """A socket object for a descriptor that stays its owner's."""
    sock = sockets.socket(fileno=fd)
    try:
        yield sock
    finally:
        sock.detach()
