"""Whose a request is: the client, the scheme and the server that a proxy names, where the proxy is trusted.

    peer ──trusted? ─► PROXY header names the client ──trusted? ─► fields name whom that one speaks for, from the right

Invariant: an address is believed only on the word of an address that is trusted, hop by hop; of a chain the client is the first
from the right that is not. Who is trusted whoever it be ("*") is so as a peer alone: of a chain it says the last element. Of a
connection whose PROXY header names nobody no field is believed. Fields are those of one kind only, X-Forwarded-* or Forwarded: a
proxy that sets the one lets the other pass as the client wrote it. All are read from the right, so that what a client wrote, and
left open, has no hold on what a proxy has added. Source: RFC 7239; MDN, X-Forwarded-For, "Selecting an IP address". Not here:
PROXY headers' syntax (proxy_protocol.py), the fields' collecting (_native.http1_intake).
"""

from __future__ import annotations

import functools
import ipaddress
import itertools
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from treadle._base.errors import TreadleError
from treadle._native.http1_intake import is_authority
from treadle.http.proxy_protocol import read_preface

__all__ = ["ForwardedFields", "Origin", "OriginPolicy", "TrustedPeers"]

logger = logging.getLogger("treadle.http")

ForwardedFields = Literal["x-forwarded", "forwarded"]
Address = tuple[str, int]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Said = tuple[str, Any, Any]  # (scheme, client, server), addresses as sockets have them

HOPS_MAX: Final = 64  # of a chain that are looked at, from the right; nobody has as many proxies
FORWARDED_BYTES_MAX: Final = 4096  # of Forwarded that are looked at, from the right; 64 addresses take as many
NODE_MAX: Final = 64  # characters of an address with a port; IPv6 takes 54
HOST_MAX: Final = 261  # characters of a name with a port; DNS has 255, RFC 1035 section 2.3.4
KNOWN_MAX: Final = 1024  # addresses that are remembered as read, and as trusted or not
FOR, PROTO, HOST, PORT, FORWARDED = range(5)  # as _native.http1_intake has them
DEFAULT_PORTS: Final = {"http": 80, "https": 443}

MALFORMED: Final = {"for": "malformed"}  # names nobody, so a chain ends there

# RFC 7239 section 4: a token or a quoted string, in pairs; written backwards, as it is read. A quoted string has no =" inside.
_TOKEN: Final = r"!#$%&'*+\-.^_`|~0-9A-Za-z"
_PAIR_BACKWARDS: Final = re.compile(rf'[ \t]*(?:"(.*?)"|([{_TOKEN}:\[\]]*))=([{_TOKEN}]+)[ \t]*')
_BLANKS: Final = re.compile(r"[ \t]*")
_QUOTED: Final = re.compile(r'(?:[^"\\]|\\.)*')


@dataclass(frozen=True, slots=True)
class Origin:
    """Whom a server believes when told whose a connection or a request is.

    trusted: addresses and networks, "10.0.0.0/8, ::1", "unix" for who comes by a Unix socket, "*" for every peer; "": nobody.
    fields: which are read of those peers, X-Forwarded-For, -Proto, -Host and -Port, or Forwarded (RFC 7239).
    proxy_protocol: connections of those peers begin with a PROXY header, version 1 or 2; where it names nobody, as that of a
    balancer's own checks, no field is believed.
    """

    trusted: str = ""
    fields: ForwardedFields = "x-forwarded"
    proxy_protocol: bool = False


class TrustedPeers:
    """Which addresses are believed. Raises TreadleError (ERR_INVALID_ARG_VALUE) for a list that says something else.

    has: of who connects; has_hop: of who is named by somebody else. "*", and a network of all addresses, is for the former alone:
    with them every address of a chain would be trusted, down to the one that the client has made up.
    """

    def __init__(self, text: str) -> None:
        words = [word.strip() for word in text.split(",") if word.strip()]
        self.is_everybody = "*" in words
        self.has_unix = self.is_everybody or "unix" in words
        self._networks = [_network(word) for word in words if word not in ("*", "unix")]
        self._hops = [network for network in self._networks if network.prefixlen]
        self.has = functools.lru_cache(KNOWN_MAX)(self._has)
        self.has_hop = functools.lru_cache(KNOWN_MAX)(self._has_hop)

    def __bool__(self) -> bool:
        return self.has_unix or self.is_everybody or bool(self._networks)

    def _has(self, host: str) -> bool:
        """Whether the address in text is one of them; "" is a Unix socket's."""
        if not host:
            return self.has_unix
        return self.is_everybody or _is_in(host, self._networks)

    def _has_hop(self, host: str) -> bool:
        return _is_in(host, self._hops)


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
            is_trusted = self._trusted.has_hop(client[0])
        else:
            is_trusted = client is not None and self._trusted.has(client[0] if client else "")
        if not is_trusted:
            return before
        hops: Iterable[dict[str, str]]  # from the right
        hops = _forwarded_hops(values[FORWARDED] or b"") if self._is_standard else reversed(_x_hops(values))
        last: dict[str, str] | None = None
        for said in itertools.islice(hops, HOPS_MAX):
            address = self._node_of(said["for"]) if "for" in said and len(said["for"]) <= NODE_MAX else None
            if last is None or address is not None:
                last = said  # the peer's own word counts where it names nobody, too
            if address is None:  # "unknown", a name, garbage: whoever wrote it is the last who is known
                break
            client = address
            if not self._trusted.has_hop(address[0]):
                break
        if last is not None:
            proto = last.get("proto", "").lower()
            if proto in DEFAULT_PORTS:
                scheme = proto
            server = _server(last.get("host"), last.get("port"), scheme, server)
        return scheme, client, server


def _network(word: str) -> Network:
    """IPv4 in IPv6's clothes as what it is. Raises TreadleError (ERR_INVALID_ARG_VALUE)."""
    try:
        network = ipaddress.ip_network(word)
    except ValueError:
        raise TreadleError(
            "ERR_INVALID_ARG_VALUE", name="trusted", expected="of addresses, networks, unix or *", received=word
        ) from None
    mapped = network.network_address.ipv4_mapped if network.version == 6 and network.prefixlen >= 96 else None
    return network if mapped is None else ipaddress.IPv4Network((mapped, network.prefixlen - 96))


def _is_in(host: str, networks: list[Network]) -> bool:
    address = _parsed(host)
    return address is not None and any(address in network for network in networks)


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
    return hops


def _forwarded_hops(value: bytes) -> Iterator[dict[str, str]]:
    """One for each element of Forwarded, from the right, until one is malformed. value: the field's lines, joined by LF."""
    left = FORWARDED_BYTES_MAX
    for line in reversed(value.split(b"\n")):
        text = line.decode("latin-1")[::-1]
        hop: dict[str, str] = {}
        at = 0
        while True:
            match = _PAIR_BACKWARDS.match(text, at) or _BLANKS.match(text, at)
            assert match is not None
            at = match.end()
            if at > left or (match.re is _PAIR_BACKWARDS and not _take(match, hop)):
                yield MALFORMED
                return
            if at == len(text) or text[at] == ",":
                if hop:  # an element of a list may be empty: RFC 9110 section 5.6.1.2
                    yield hop
                    hop = {}
                if at == len(text):
                    break
            elif text[at] != ";":
                yield MALFORMED
                return
            at += 1
        left -= len(text)


def _take(match: re.Match[str], hop: dict[str, str]) -> bool:
    """Into hop, what a pair says. False: it is malformed, or says a thing twice (RFC 7239 section 4)."""
    quoted, token, name = (None if part is None else part[::-1] for part in match.groups())
    name = (name or "").lower()
    if name in hop or (quoted is not None and not _QUOTED.fullmatch(quoted)):
        return False
    hop[name] = (token or "") if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
    return True


def _server(host: str | None, port: str | None, scheme: str, before: Any) -> Any:
    """(host, port) as the client sees the server. A host that could not stand in Host says nothing."""
    name, number = (before[0], before[1]) if before else (None, 0)
    if host and len(host) <= HOST_MAX and is_authority(host.encode("latin-1")):
        said, colon, given = host.rpartition(":") if not host.endswith("]") else (host, "", "")
        if not colon:
            said, given = host, ""
        if said:
            name, number = said, _port(given) or DEFAULT_PORTS[scheme]
    if port and _port(port):
        number = _port(port)
    return before if name is None else (name, number)
