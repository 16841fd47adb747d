"""What records of DNS say, in Node's words. Not here: how they come (_channel.py). Source: https://nodejs.org/api/dns.html"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

__all__ = [
    "KINDS",
    "AddressWithTtl",
    "CaaRecord",
    "Kind",
    "MxRecord",
    "NaptrRecord",
    "SoaRecord",
    "SrvRecord",
]


class AddressWithTtl(NamedTuple):
    """An A or AAAA record."""

    address: str
    ttl: int  # seconds


class MxRecord(NamedTuple):
    """A server that takes mail (RFC 5321)."""

    exchange: str
    priority: int  # the lowest first


class SrvRecord(NamedTuple):
    """Where a service is (RFC 2782)."""

    name: str
    port: int
    priority: int
    weight: int


class SoaRecord(NamedTuple):
    """The start of a zone (RFC 1035 section 3.3.13); times in seconds."""

    nsname: str
    hostmaster: str
    serial: int
    refresh: int
    retry: int
    expire: int
    minttl: int


class CaaRecord(NamedTuple):
    """Who may issue certificates (RFC 8659)."""

    critical: int
    tag: str  # "issue", "issuewild", "iodef"
    value: str


class NaptrRecord(NamedTuple):
    """A rule that rewrites a name (RFC 3403)."""

    flags: str
    service: str
    regexp: str
    replacement: str
    order: int
    preference: int


class Kind(NamedTuple):
    """A kind of record: c-ares' name of it, Node's name of the question, and what is made of one record."""

    name: str
    syscall: str
    read: Callable[[Any], Any]


def _text(value: str | bytes) -> str:
    # Bytes of a record need not be text: each is a character, as nothing is lost then.
    return value if isinstance(value, str) else value.decode("utf-8", "surrogateescape")


KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind("A", "query_a", lambda data: data.addr),
        Kind("AAAA", "query_aaaa", lambda data: data.addr),
        Kind("CAA", "query_caa", lambda data: CaaRecord(data.critical, _text(data.tag), _text(data.value))),
        Kind("CNAME", "query_cname", lambda data: _text(data.cname)),
        Kind("MX", "query_mx", lambda data: MxRecord(_text(data.exchange), data.priority)),
        Kind(
            "NAPTR",
            "query_naptr",
            lambda data: NaptrRecord(
                _text(data.flags),
                _text(data.service),
                _text(data.regexp),
                _text(data.replacement),
                data.order,
                data.preference,
            ),
        ),
        Kind("NS", "query_ns", lambda data: _text(data.nsdname)),
        Kind("PTR", "query_ptr", lambda data: _text(data.dname)),
        Kind(
            "SOA",
            "query_soa",
            lambda data: SoaRecord(
                _text(data.mname), _text(data.rname), data.serial, data.refresh, data.retry, data.expire, data.minimum
            ),
        ),
        Kind("SRV", "query_srv", lambda data: SrvRecord(_text(data.target), data.port, data.priority, data.weight)),
        Kind("TXT", "query_txt", lambda data: [_text(data.data)]),
    )
}
