"""The header that a proxy of TCP connections puts before the first byte: whom it speaks for. Versions 1 and 2.

A pure function of bytes. Invariant: an unfinished header is never taken for a whole one, whatever it was cut at, and no byte
behind it is looked at. Not here: reading it (_native.http1_preface), whom to believe (origin.py). Source: "The PROXY protocol",
HAProxy, sections 2.1 and 2.2.
"""

from __future__ import annotations

import socket
import struct
from typing import Final, NamedTuple

__all__ = ["Preface", "read_preface"]

SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
TEXT_MAX: Final = 107  # bytes of a version 1 line, its end included: section 2.1
FIXED_BYTES: Final = 16  # of version 2: signature, version and command, family, length
REST_MAX: Final = 4096  # behind those; addresses take 216 at most, the rest is TLVs, of which only one is looked at
TLV_SSL: Final = 0x20
MAPPED: Final = bytes(10) + b"\xff\xff"  # in front of an IPv4 address: RFC 4291 section 2.5.5.2
CLIENT_SSL: Final = 0x01  # the client came by TLS

Address = tuple[str, int]


class Preface(NamedTuple):
    """size: of the header. client, server: None where it names none, for whatever reason.

    No reason is told, since none can be relied on. LOCAL is meant for a proxy's own checks, but HAProxy writes it for a client of
    a Unix socket as well, and UNKNOWN stands for both everywhere: so nobody knows whose such a connection is.
    """

    size: int
    client: Address | None
    server: Address | None
    is_tls: bool = False


def read_preface(data: bytes) -> Preface | None:
    """What the header at the start of data says; None: it is not finished. Raises ValueError: it is none, or malformed."""
    if data[: len(SIGNATURE)] == SIGNATURE[: len(data)]:
        return _read_binary(data) if len(data) >= FIXED_BYTES else None
    if data[:6] == b"PROXY "[: len(data)]:
        return _read_text(data)
    raise ValueError("it does not begin with a PROXY header")


def _read_text(data: bytes) -> Preface | None:
    end = data.find(b"\n", 0, TEXT_MAX)
    if end < 0:
        if len(data) >= TEXT_MAX:
            raise ValueError(f"its PROXY header has no end within {TEXT_MAX} bytes")
        return None
    line = data[: end + 1]
    if not line.endswith(b"\r\n") or not line.isascii():
        raise ValueError("its PROXY header does not end in CR LF, or is no ASCII")
    words = line[:-2].decode("ascii").split(" ")
    if words[1] == "UNKNOWN":
        return Preface(end + 1, None, None)  # whatever else it says is to be ignored
    family = {"TCP4": socket.AF_INET, "TCP6": socket.AF_INET6}.get(words[1])
    if family is None or len(words) != 6:
        raise ValueError("its PROXY header does not name a protocol, two addresses and two ports")
    return Preface(end + 1, (_address(family, words[2]), _port(words[4])), (_address(family, words[3]), _port(words[5])))


def _address(family: int, text: str) -> str:
    try:
        return _named(family, socket.inet_pton(family, text))
    except (OSError, ValueError):
        raise ValueError("its PROXY header has an address that is none") from None


def _named(family: int, packed: bytes) -> str:
    """IPv4 in IPv6's clothes, which a proxy puts on where one side has IPv6 and the other has not, as what it is."""
    if family == socket.AF_INET6 and packed.startswith(MAPPED):
        return socket.inet_ntop(socket.AF_INET, packed[len(MAPPED) :])
    return socket.inet_ntop(family, packed)


def _port(text: str) -> int:
    if not text.isdecimal() or len(text) > 5 or int(text) > 65535 or (text[0] == "0" and text != "0"):
        raise ValueError("its PROXY header has a port that is none")
    return int(text)


def _read_binary(data: bytes) -> Preface | None:
    version, family, rest_size = struct.unpack_from("!BBH", data, len(SIGNATURE))
    if version >> 4 != 2 or version & 15 > 1:
        raise ValueError("its PROXY header has a version or a command that is none")
    if rest_size > REST_MAX:
        raise ValueError(f"its PROXY header is longer than {REST_MAX} bytes")
    size = FIXED_BYTES + rest_size
    if len(data) < size:
        return None
    rest = data[FIXED_BYTES:size]
    if version & 15 == 0:  # LOCAL: the proxy speaks for itself
        return Preface(size, None, None)
    if family == 0x11:
        return Preface(size, *_addresses(rest, socket.AF_INET, 4), _came_by_tls(rest[12:]))
    if family == 0x21:
        return Preface(size, *_addresses(rest, socket.AF_INET6, 16), _came_by_tls(rest[36:]))
    if family in (0x00, 0x31):  # unspecified, or a Unix socket: there is no address to be had
        return Preface(size, None, None)
    raise ValueError("its PROXY header is of a protocol that carries no HTTP")


def _addresses(rest: bytes, family: int, width: int) -> tuple[Address, Address]:
    if len(rest) < 2 * width + 4:
        raise ValueError("its PROXY header is too short for its addresses")
    ports = struct.unpack_from("!HH", rest, 2 * width)
    client, server = (_named(family, rest[start : start + width]) for start in (0, width))
    return (client, ports[0]), (server, ports[1])


def _came_by_tls(records: bytes) -> bool:
    """Whether a TLV says so (section 2.2.6). Raises ValueError for records that do not add up."""
    at = 0
    is_tls = False
    while at < len(records):
        if at + 3 > len(records):
            raise ValueError("its PROXY header has a record that is cut")
        kind, size = struct.unpack_from("!BH", records, at)
        value = records[at + 3 : at + 3 + size]
        if len(value) < size:
            raise ValueError("its PROXY header has a record that is cut")
        if kind == TLV_SSL and size:
            is_tls = bool(value[0] & CLIENT_SSL)
        at += 3 + size
    return is_tls
