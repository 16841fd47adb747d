"""IP addresses, and what is one. Not here: ports, and addresses of sockets (treadle.net); names (treadle.dns)."""

import socket

__all__ = ["is_ip", "is_ipv4", "is_ipv6"]


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
