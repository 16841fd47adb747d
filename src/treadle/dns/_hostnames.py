"""Names as they are sent: ASCII, with what is beyond it in the form of IDNA."""

from typing import Final

from treadle._base.errors import TreadleError

__all__ = ["HOSTNAME_BYTES_MAX", "ascii_of", "require_hostname"]

HOSTNAME_BYTES_MAX: Final = 254  # with a dot at its end; RFC 1035 section 2.3.4


def require_hostname(hostname: object, name: str = "hostname") -> str:
    """The str, if it may be asked for. Raises TreadleError: ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE."""
    if not isinstance(hostname, str):
        raise TreadleError("ERR_INVALID_ARG_TYPE", name=name, expected="a str", received=type(hostname).__name__)
    if not hostname or "\0" in hostname:
        expected = "a name without null bytes" if hostname else "a name that is not empty"
        raise TreadleError("ERR_INVALID_ARG_VALUE", name=name, expected=expected, received=hostname)
    return hostname


def ascii_of(hostname: str) -> bytes | None:
    """The name as it is sent, or None where it is none: too long, or of characters that no name has."""
    try:
        encoded = hostname.encode("ascii") if hostname.isascii() else hostname.encode("idna")
    except UnicodeError:
        return None
    return encoded if len(encoded) <= HOSTNAME_BYTES_MAX else None
