"""Whose a request is: the client, the scheme and the server that a proxy names, where the proxy is trusted.

    peer ──trusted? ─► PROXY header names the client ──trusted? ─► fields name whom that one speaks for, from the right

Invariant: an address is believed only on the word of an address that is trusted, hop by hop; of a chain the client is the first
from the right that is not. Fields are those of one kind only, X-Forwarded-* or Forwarded: a proxy that sets the one lets the
other pass as the client wrote it. Source: RFC 7239; MDN, X-Forwarded-For, "Selecting an IP address". Not here: PROXY headers'
syntax (proxy_protocol.py), the fields' collecting (_native.http1_intake).
"""

from __future__ import annotations

import functools
import ipaddress
import logging
import re
from dataclasses import dataclass
from typing import Any, Final, Literal

from treadle._base.errors import TreadleError
from treadle.http.proxy_protocol import read_preface

__all__ = ["ForwardedFields", "Origin", "OriginPolicy", "TrustedPeers"]

logger = logging.getLogger("treadle.http")

ForwardedFields = Literal["x-forwarded", "forwarded"]
Address = tuple[str, int]
Said = tuple[str, Any, Any]  # (scheme, client, server), addresses as sockets have them

HOPS_MAX: Final = 64  # of a chain that are looked at, from the right; nobody has as many proxies
FORWARDED_BYTES_MAX: Final = 4096  # of Forwarded, which has to be read from the left: what is longer names nobody
NODE_MAX: Final = 64  # characters of an address with a port; IPv6 takes 54
KNOWN_MAX: Final = 1024  # addresses that are remembered as read, and as trusted or not
FOR, PROTO, HOST, PORT, FORWARDED = range(5)  # as _native.http1_intake has them
DEFAULT_PORTS: Final = {"http": 80, "https": 443}

# RFC 7239 section 4: a token or a quoted string, in pairs.
_PAIR: Final = re.compile(r'\s*([!#$%&\'*+\-.^_`|~0-9A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([!#$%&\'*+\-.^_`|~0-9A-Za-z:\[\]]*))\s*')


@dataclass(frozen=True, slots=True)
class Origin:
    """Whom a server believes when told whose a connection or a request is.

    trusted: addresses and networks, "10.0.0.0/8, ::1", "unix" for who comes by a Unix socket, "*" for everybody; "": nobody.
    fields: which are read of those peers, X-Forwarded-For, -Proto, -Host and -Port, or Forwarded (RFC 7239).
    proxy_protocol: connections of those peers begin with a PROXY header, version 1 or 2.
    """

    trusted: str = ""
    fields: ForwardedFields = "x-forwarded"
    proxy_protocol: bool = False


class TrustedPeers:
    """Which addresses are believed. Raises TreadleError (ERR_INVALID_ARG_VALUE) for a list that says something else."""

    def __init__(self, text: str) -> None:
        words = [word.strip() for word in text.split(",") if word.strip()]
        self.is_everybody = "*" in words
        self.has_unix = self.is_everybody or "unix" in words
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        for word in words:
            if word not in ("*", "unix"):
                try:
                    self._networks.append(ipaddress.ip_network(word))
                except ValueError:
                    raise TreadleError(
                        "ERR_INVALID_ARG_VALUE", name="trusted", expected="of addresses, networks, unix or *", received=word
                    ) from None
        self.has = functools.lru_cache(KNOWN_MAX)(self._has)

    def __bool__(self) -> bool:
        return self.has_unix or self.is_everybody or bool(self._networks)

    def _has(self, host: str) -> bool:
        """Whether the address in text is one of them; "" is a Unix socket's."""
        if not host:
            return self.has_unix
        if self.is_everybody:
            return True
        address = _parsed(host)
        return address is not None and any(address in network for network in self._networks)


class OriginPolicy:
    """What the native side asks of one server's Origin. Raises TreadleError (ERR_INVALID_ARG_VALUE) for a contradiction."""

    def __init__(self, origin: Origin) -> None:
        self._trusted = TrustedPeers(origin.trusted)
        self._is_standard = origin.fields == "forwarded"
        self._has_told = False
        self._node_of = functools.lru_cache(KNOWN_MAX)(_node)
        if origin.fields not in ("x-forwarded", "forwarded"):
            raise TreadleError(
                "ERR_INVALID_ARG_VALUE", name="fields", expected="x-forwarded or forwarded", received=origin.fields
            )
        if origin.proxy_protocol and not self._trusted:
            raise TreadleError(
                "ERR_INVALID_ARG_VALUE", name="proxy_protocol", expected="False where nobody is trusted", received=True
            )

    # ---- of a connection

    def is_due(self, peer: Any) -> bool:
        """Whether a connection of this peer begins with a PROXY header. peer: as socket names it."""
        return peer is not None and self._trusted.has(peer[0] if peer else "")

    def read(self, data: bytes) -> tuple[int, tuple[str | None, Any, Any] | None] | None:
        """(size, origin) of the PROXY header that data begins with; None: it is not finished. Raises ValueError."""
        preface = read_preface(data)
        if preface is None:
            return None
        if preface.client is None:
            return preface.size, None
        return preface.size, ("https" if preface.is_tls else None, preface.client, preface.server)

    def failed(self, peer: Any, why: str) -> None:
        """A connection was closed for want of its PROXY header: told once as a warning, for it is set up wrongly, most often."""
        level = logging.DEBUG if self._has_told else logging.WARNING
        self._has_told = True
        where = f"{peer[0]}:{peer[1]}" if peer else "a Unix socket"
        logger.log(level, "a connection of %s was closed: %s", where, why)

    # ---- of a request

    def origin_of(self, scheme: str, before: Said | None, addresses: tuple[Any, Any], values: list[bytes | None]) -> Said | None:
        """What is believed of a request with these fields. scheme: the server's own. before: what the PROXY header said; None: as
        the socket has it."""
        server, client = addresses
        if before is not None:
            scheme, client, server = before
        if client is None or not self._trusted.has(client[0] if client else ""):
            return before
        if self._is_standard:
            hops = _forwarded_hops(values[FORWARDED] or b"")
        else:
            hops = _x_hops(values)
        hop = hops[-1]  # the peer's own word, where it names nobody
        for said in reversed(hops):
            address = self._node_of(said["for"]) if "for" in said and len(said["for"]) <= NODE_MAX else None
            if address is None:  # "unknown", a name, garbage: whoever wrote it is the last who is known
                break
            hop, client = said, address
            if not self._trusted.has(address[0]):
                break
        if hop.get("proto") in DEFAULT_PORTS:
            scheme = hop["proto"]
        server = _server(hop.get("host"), hop.get("port"), scheme, server)
        return scheme, client, server


def _parsed(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address, an IPv4 one in IPv6's clothes as what it is."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return address if mapped is None else mapped


def _node(text: str) -> Address | None:
    """The address of 192.0.2.1, 192.0.2.1:80, 2001:db8::1 or [2001:db8::1]:80, port 0 where none is given; None: it is none."""
    host, port = text, ""
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            return None
        port = port[1:]
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    address = _parsed(host)
    if address is None or "%" in host:
        return None
    return str(address), _port(port)


def _port(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) <= 65535 else 0


def _listed(value: bytes | None) -> list[str]:
    """The elements of a list, HOPS_MAX at most, from the right."""
    return [] if value is None else [word.strip() for word in value.decode("latin-1").rsplit(",", HOPS_MAX)[-HOPS_MAX:]]


def _x_hops(values: list[bytes | None]) -> list[dict[str, str]]:
    """One for each element of X-Forwarded-For. What a proxy says beside it stands at the same place, or once, at the right."""
    chain = _listed(values[FOR])
    hops: list[dict[str, str]] = [{"for": node} for node in chain] or [{}]
    for name, value in (("proto", values[PROTO]), ("host", values[HOST]), ("port", values[PORT])):
        said = _listed(value)
        if said:
            is_parallel = len(said) == len(hops)
            for index, hop in enumerate(hops):
                hop[name] = said[index] if is_parallel else said[-1]
            if name == "proto":
                for hop in hops:
                    hop[name] = hop[name].lower()
    return hops


def _forwarded_hops(value: bytes) -> list[dict[str, str]]:
    """One for each element of Forwarded; one that is malformed names nobody, and so the chain ends there."""
    if len(value) > FORWARDED_BYTES_MAX:
        return [{"for": "malformed"}]
    text = value.decode("latin-1")
    hops: list[dict[str, str]] = [{}]
    at = 0
    while at < len(text):
        match = _PAIR.match(text, at)
        if match is None:
            hops[-1] = {"for": "malformed"}
            while at < len(text) and text[at] != ",":
                at += 1
        else:
            name, quoted, token = match.groups()
            hops[-1].setdefault(name.lower(), re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else token)
            at = match.end()
        if at < len(text):
            if text[at] == ",":
                hops.append({})
            elif text[at] != ";":
                hops[-1] = {"for": "malformed"}
            at += 1
    for hop in hops:
        if "proto" in hop:
            hop["proto"] = hop["proto"].lower()
    return hops[-HOPS_MAX:]


def _server(host: str | None, port: str | None, scheme: str, before: Any) -> Any:
    """(host, port) as the client sees the server."""
    name, number = (before[0], before[1]) if before else (None, 0)
    if host:
        name, _, given = host.rpartition(":") if re.search(r":\d*$", host) and not host.endswith("]") else (host, "", "")
        number = _port(given) or DEFAULT_PORTS[scheme]
    if port and _port(port):
        number = _port(port)
    return before if name is None else (name, number)
