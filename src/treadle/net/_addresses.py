"""Addresses of sockets, and what is one. Not here: names, which the loop resolves."""

import socket
from typing import Any, NamedTuple

from treadle._base.errors import TreadleError

__all__ = ["Address", "address_of", "is_ip", "is_ipv4", "is_ipv6", "require_port"]

PORT_MAX = 65535


class Address(NamedTuple):
    """One end of a TCP connection."""

    address: str
    port: int
    family: str  # "IPv4" or "IPv6"


def address_of(name: Any) -> Address | None:
    """What the native side or the socket module calls an address; None where it is no TCP address."""
    if not isinstance(name, tuple):
        return None
    return Address(name[0], name[1], "IPv6" if len(name) > 2 else "IPv4")


def is_ip(text: object) -> int:
    """6 for an IPv6 address, 4 for an IPv4 address in dotted decimal, else 0. Not for a name, nor for an address with a port."""
    return 4 if is_ipv4(text) else 6 if is_ipv6(text) else 0


def is_ipv4(text: object) -> bool:
    """Whether it is an IPv4 address in dotted decimal, without leading zeros."""
    return _is_of(socket.AF_INET, text)


def is_ipv6(text: object) -> bool:
    """Whether it is an IPv6 address; a zone (fe80::1%eth0) may follow."""
    if not isinstance(text, str):
        return False
    address, percent, zone = text.partition("%")
    return (bool(zone) or not percent) and _is_of(socket.AF_INET6, address)


def _is_of(family: int, text: object) -> bool:
    if not isinstance(text, str):
        return False
    try:
        socket.inet_pton(family, text)
    except (OSError, ValueError):  # ValueError: a NUL
        return False
    return True


def require_port(port: object, name: str = "port") -> int:
    """The port, if it is one. Raises TreadleError: ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE."""
    if type(port) is not int:
        hint = f"Give int({port!r}); the host comes behind the port" if isinstance(port, str) else None
        raise TreadleError("ERR_INVALID_ARG_TYPE", name=name, expected="an int", received=type(port).__name__, hint=hint)
    if not 0 <= port <= PORT_MAX:
        raise TreadleError("ERR_OUT_OF_RANGE", name=name, expected=f"from 0 to {PORT_MAX}", received=port)
    return port
