"""Addresses of sockets, and ports. Not here: what is an IP address (_base.ip); names, which the loop resolves."""

from typing import Any, NamedTuple

from treadle._base.errors import TreadleError

__all__ = ["Address", "address_of", "ends_of", "require_port"]

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


def ends_of(local: Any, remote: Any) -> dict[str, object]:
    """What 'drop' says of a connection between these names: local_address, local_port, local_family, and so on."""
    ends: dict[str, object] = {}
    for side, address in (("local", address_of(local)), ("remote", address_of(remote))):
        if address is not None:
            ends |= {f"{side}_address": address.address, f"{side}_port": address.port, f"{side}_family": address.family}
    return ends


def require_port(port: object, name: str = "port") -> int:
    """The port, if it is one. Raises TreadleError: ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE."""
    if type(port) is not int:
        hint = f"Give int({port!r}); the host comes behind the port" if isinstance(port, str) else None
        raise TreadleError("ERR_INVALID_ARG_TYPE", name=name, expected="an int", received=type(port).__name__, hint=hint)
    if not 0 <= port <= PORT_MAX:
        raise TreadleError("ERR_OUT_OF_RANGE", name=name, expected=f"from 0 to {PORT_MAX}", received=port)
    return port
