"""Resolver: questions to servers of DNS, by c-ares. Source: Node, dns.Resolver.

Invariant: names in /etc/hosts are not looked at, but by reverse(). Not here: how the system looks names up (_lookup.py); sockets
and time (_channel.py).
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar, overload

from treadle._base.errors import TreadleError
from treadle._base.ip import is_ip, is_ipv4, is_ipv6
from treadle.dns._askers import AnswerFuture, Asker, CallbackAsker, asker_of, told_at_once
from treadle.dns._channel import QUERIES_MAX, Channel, Query
from treadle.dns._errors import DnsError, of_ares
from treadle.dns._hostnames import ascii_of, require_hostname
from treadle.dns._per_loop import per_loop
from treadle.dns._records import KINDS, AddressWithTtl, CaaRecord, MxRecord, NaptrRecord, SoaRecord, SrvRecord
from treadle.loop.current import get_loop
from treadle.loop.event_loop import EventLoop

__all__ = ["Resolver", "ResolverStatistics"]

TRIES_DEFAULT: Final = 4  # Node
INT32_MAX: Final = 2**31 - 1
PORT_DEFAULT: Final = 53
SERVERS_MAX: Final = 64  # each may be asked for each question
ENODATA: Final = 1  # c-ares, ARES_ENODATA

_WITH_PORT: Final = re.compile(r"(?:\[(?P<six>[^\]]*)\]|(?P<four>[^:\[\]]*))(?::(?P<port>\d{1,5}))?")

_T = TypeVar("_T")
Callback = Callable[[Exception | None, _T | None], object]
Answer = AnswerFuture[_T]
_Texts = Literal["A", "AAAA", "CNAME", "NS", "PTR"]


@dataclass(frozen=True)
class ResolverStatistics:
    """How a Resolver stands."""

    questions: int  # under way
    questions_max: int
    asked: int  # so far; c-ares may have known the answer


class Resolver:
    """Servers, and how patiently they are asked. Belongs to the loop that runs when it is first used.

    timeout: ms for the first try of each server; -1 and 0: c-ares' own, 2 s. It doubles with each round. tries: of each server.

    A method without a callback returns a future; with one it returns None, and callback(error, result) is called in the poll
    phase, not any more once the program has ended. The error is a DnsError. Until it is settled a question holds the program.
    c-ares keeps answers for as long as their TTL says.

    Raised at once are TreadleErrors: ERR_NO_LOOP, ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_EXTRA_NOT_INSTALLED,
    ERR_DNS_SATURATED.
    """

    def __init__(self, *, timeout: int = -1, tries: int = TRIES_DEFAULT) -> None:
        self._timeout_ms = _require_int(timeout, "timeout", -1)
        self._tries = _require_int(tries, "tries", 1)
        self._servers: list[str] | None = None  # None: the system's
        self._local_addresses: list[str] = []
        self._loop: EventLoop | None = None
        self._channel: Channel | None = None
        self._under_way: dict[Asker, Query] = {}
        self._asked = 0

    def __repr__(self) -> str:
        servers = "the system's" if self._servers is None else ", ".join(map(_without_port, self._servers))
        return f"<{type(self).__name__} servers={servers} questions={len(self._under_way):_}/{QUERIES_MAX:_}>"

    def statistics(self) -> ResolverStatistics:
        """How it stands."""
        return ResolverStatistics(questions=len(self._under_way), questions_max=QUERIES_MAX, asked=self._asked)

    # -- servers ---------------------------------------------------------------------------------------------------

    def set_servers(self, servers: Iterable[str]) -> None:
        """Ask these, in this order: "192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:5353".

        Raises TreadleError: ERR_INVALID_ARG_TYPE, ERR_INVALID_IP_ADDRESS, ERR_OUT_OF_RANGE, ERR_DNS_SET_SERVERS_FAILED while
        questions are under way.
        """
        if isinstance(servers, str | bytes) or not isinstance(servers, Iterable):
            raise TreadleError("ERR_INVALID_ARG_TYPE", name="servers", expected="a list", received=type(servers).__name__)
        wanted = [_server(server) for server in servers]
        if len(wanted) > SERVERS_MAX:
            raise TreadleError("ERR_OUT_OF_RANGE", name="servers", expected=f"at most {SERVERS_MAX}", received=len(wanted))
        if self._under_way:
            raise TreadleError("ERR_DNS_SET_SERVERS_FAILED", questions=len(self._under_way))
        self._servers = wanted
        if self._channel is not None:
            self._channel.servers = wanted

    def get_servers(self) -> list[str]:
        """The servers, those of the system unless others were set; without the port where it is 53."""
        if self._servers is None:
            return [_without_port(server) for server in self._opened().servers]
        return [_without_port(server) for server in self._servers]

    def set_local_address(self, ipv4: str = "0.0.0.0", ipv6: str = "::0") -> None:
        """Ask from these addresses. Raises TreadleError: ERR_INVALID_ARG_VALUE."""
        for name, address, is_one in (("ipv4", ipv4, is_ipv4), ("ipv6", ipv6, is_ipv6)):
            if not is_one(address):
                raise TreadleError("ERR_INVALID_ARG_VALUE", name=name, expected="such an address", received=address)
        self._local_addresses = [ipv4, ipv6]
        if self._channel is not None:
            self._channel.set_local_address(ipv4)
            self._channel.set_local_address(ipv6)

    def cancel(self) -> None:
        """Fail all questions that are under way, with ECANCELLED."""
        if self._channel is not None:
            self._channel.cancel()

    # -- questions -------------------------------------------------------------------------------------------------

    @overload
    def resolve(self, hostname: str, rrtype: _Texts = "A", callback: None = None) -> Answer[list[str]]: ...
    @overload
    def resolve(self, hostname: str, rrtype: Literal["CAA"], callback: None = None) -> Answer[list[CaaRecord]]: ...
    @overload
    def resolve(self, hostname: str, rrtype: Literal["MX"], callback: None = None) -> Answer[list[MxRecord]]: ...
    @overload
    def resolve(self, hostname: str, rrtype: Literal["NAPTR"], callback: None = None) -> Answer[list[NaptrRecord]]: ...
    @overload
    def resolve(self, hostname: str, rrtype: Literal["SOA"], callback: None = None) -> Answer[SoaRecord]: ...
    @overload
    def resolve(self, hostname: str, rrtype: Literal["SRV"], callback: None = None) -> Answer[list[SrvRecord]]: ...
    @overload
    def resolve(self, hostname: str, rrtype: Literal["TXT"], callback: None = None) -> Answer[list[list[str]]]: ...
    @overload
    def resolve(self, hostname: str, rrtype: str, callback: None = None) -> Answer[Any]: ...
    @overload
    def resolve(self, hostname: str, rrtype: str = "A", *, callback: Callback[Any]) -> None: ...
    @overload
    def resolve(self, hostname: str, rrtype: str, callback: Callback[Any]) -> None: ...
    def resolve(self, hostname: str, rrtype: str = "A", callback: Callback[Any] | None = None) -> Answer[Any] | None:
        """Records of a kind, as its own method gives them. rrtype: "A", "AAAA", "CAA", "CNAME", "MX", "NAPTR", "NS", "PTR",
        "SOA", "SRV" or "TXT"."""
        if not isinstance(rrtype, str):
            raise TreadleError("ERR_INVALID_ARG_TYPE", name="rrtype", expected="a str", received=type(rrtype).__name__)
        if rrtype not in KINDS:
            raise TreadleError("ERR_INVALID_ARG_VALUE", name="rrtype", expected=f"one of {', '.join(KINDS)}", received=rrtype)
        return self._ask(hostname, rrtype, callback)

    @overload
    def resolve4(self, hostname: str, *, ttl: Literal[False] = False) -> Answer[list[str]]: ...
    @overload
    def resolve4(self, hostname: str, *, ttl: Literal[True]) -> Answer[list[AddressWithTtl]]: ...
    @overload
    def resolve4(self, hostname: str, callback: Callback[list[Any]], *, ttl: bool = False) -> None: ...
    def resolve4(self, hostname: str, callback: Callback[list[Any]] | None = None, *, ttl: bool = False) -> Answer[Any] | None:
        """IPv4 addresses (A records); with ttl AddressWithTtl of each."""
        return self._ask(hostname, "A", callback, with_ttl=ttl)

    @overload
    def resolve6(self, hostname: str, *, ttl: Literal[False] = False) -> Answer[list[str]]: ...
    @overload
    def resolve6(self, hostname: str, *, ttl: Literal[True]) -> Answer[list[AddressWithTtl]]: ...
    @overload
    def resolve6(self, hostname: str, callback: Callback[list[Any]], *, ttl: bool = False) -> None: ...
    def resolve6(self, hostname: str, callback: Callback[list[Any]] | None = None, *, ttl: bool = False) -> Answer[Any] | None:
        """IPv6 addresses (AAAA records); with ttl AddressWithTtl of each."""
        return self._ask(hostname, "AAAA", callback, with_ttl=ttl)

    @overload
    def resolve_caa(self, hostname: str, callback: None = None) -> Answer[list[CaaRecord]]: ...
    @overload
    def resolve_caa(self, hostname: str, callback: Callback[list[CaaRecord]]) -> None: ...
    def resolve_caa(self, hostname: str, callback: Callback[list[CaaRecord]] | None = None) -> Answer[Any] | None:
        """Who may issue certificates for a domain (CAA records)."""
        return self._ask(hostname, "CAA", callback)

    @overload
    def resolve_cname(self, hostname: str, callback: None = None) -> Answer[list[str]]: ...
    @overload
    def resolve_cname(self, hostname: str, callback: Callback[list[str]]) -> None: ...
    def resolve_cname(self, hostname: str, callback: Callback[list[str]] | None = None) -> Answer[Any] | None:
        """What a name is another name of (CNAME records)."""
        return self._ask(hostname, "CNAME", callback)

    @overload
    def resolve_mx(self, hostname: str, callback: None = None) -> Answer[list[MxRecord]]: ...
    @overload
    def resolve_mx(self, hostname: str, callback: Callback[list[MxRecord]]) -> None: ...
    def resolve_mx(self, hostname: str, callback: Callback[list[MxRecord]] | None = None) -> Answer[Any] | None:
        """Who takes the mail of a domain (MX records), as they came: the lowest priority is tried first."""
        return self._ask(hostname, "MX", callback)

    @overload
    def resolve_naptr(self, hostname: str, callback: None = None) -> Answer[list[NaptrRecord]]: ...
    @overload
    def resolve_naptr(self, hostname: str, callback: Callback[list[NaptrRecord]]) -> None: ...
    def resolve_naptr(self, hostname: str, callback: Callback[list[NaptrRecord]] | None = None) -> Answer[Any] | None:
        """Rules that rewrite a name (NAPTR records)."""
        return self._ask(hostname, "NAPTR", callback)

    @overload
    def resolve_ns(self, hostname: str, callback: None = None) -> Answer[list[str]]: ...
    @overload
    def resolve_ns(self, hostname: str, callback: Callback[list[str]]) -> None: ...
    def resolve_ns(self, hostname: str, callback: Callback[list[str]] | None = None) -> Answer[Any] | None:
        """The servers of a zone (NS records)."""
        return self._ask(hostname, "NS", callback)

    @overload
    def resolve_ptr(self, hostname: str, callback: None = None) -> Answer[list[str]]: ...
    @overload
    def resolve_ptr(self, hostname: str, callback: Callback[list[str]]) -> None: ...
    def resolve_ptr(self, hostname: str, callback: Callback[list[str]] | None = None) -> Answer[Any] | None:
        """Where a name points (PTR records)."""
        return self._ask(hostname, "PTR", callback)

    @overload
    def resolve_soa(self, hostname: str, callback: None = None) -> Answer[SoaRecord]: ...
    @overload
    def resolve_soa(self, hostname: str, callback: Callback[SoaRecord]) -> None: ...
    def resolve_soa(self, hostname: str, callback: Callback[SoaRecord] | None = None) -> Answer[Any] | None:
        """The start of a zone (its SOA record): one."""
        return self._ask(hostname, "SOA", callback)

    @overload
    def resolve_srv(self, hostname: str, callback: None = None) -> Answer[list[SrvRecord]]: ...
    @overload
    def resolve_srv(self, hostname: str, callback: Callback[list[SrvRecord]]) -> None: ...
    def resolve_srv(self, hostname: str, callback: Callback[list[SrvRecord]] | None = None) -> Answer[Any] | None:
        """Where a service is (SRV records): "_imaps._tcp.example.com"."""
        return self._ask(hostname, "SRV", callback)

    @overload
    def resolve_txt(self, hostname: str, callback: None = None) -> Answer[list[list[str]]]: ...
    @overload
    def resolve_txt(self, hostname: str, callback: Callback[list[list[str]]]) -> None: ...
    def resolve_txt(self, hostname: str, callback: Callback[list[list[str]]] | None = None) -> Answer[Any] | None:
        """Texts (TXT records), each a list of its parts. Today: of one, as the library joins them; "".join(parts) is right
        whatever they are."""
        return self._ask(hostname, "TXT", callback)

    @overload
    def reverse(self, ip: str, callback: None = None) -> Answer[list[str]]: ...
    @overload
    def reverse(self, ip: str, callback: Callback[list[str]]) -> None: ...
    def reverse(self, ip: str, callback: Callback[list[str]] | None = None) -> Answer[Any] | None:
        """The names of an IP address: of /etc/hosts, else PTR records. Raises at once, too: ERR_INVALID_IP_ADDRESS."""
        if not isinstance(ip, str):
            raise TreadleError("ERR_INVALID_ARG_TYPE", name="ip", expected="a str", received=type(ip).__name__)
        if not is_ip(ip) or "%" in ip:
            raise TreadleError("ERR_INVALID_IP_ADDRESS", address=ip)
        channel = self._opened()
        asker, future = self._asker(callback)

        def settled(result: Any, status: int) -> None:
            outcome = of_ares(status, "get_host_by_addr", ip) if status else result.aliases or [result.name]
            self._tell(asker, outcome)

        return self._begun(asker, future, channel.names_of(ip, settled))

    # -- inside ----------------------------------------------------------------------------------------------------

    def _ask(self, hostname: str, rrtype: str, callback: Any, with_ttl: bool = False) -> Answer[Any] | None:
        name = ascii_of(require_hostname(hostname))
        channel = self._opened()
        asker, future = self._asker(callback)
        kind = KINDS[rrtype]
        if name is None:
            return told_at_once(asker, future, DnsError("EBADNAME", kind.syscall, hostname))

        def settled(result: Any, status: int) -> None:
            records = [] if status else _read(result, channel.type_number(rrtype), kind.read, with_ttl)
            if not records:
                self._tell(asker, of_ares(status or ENODATA, kind.syscall, hostname))
            else:
                self._tell(asker, records[0] if rrtype == "SOA" else records)

        return self._begun(asker, future, channel.query(name, rrtype, settled))

    def _asker(self, callback: Any) -> tuple[Asker, AnswerFuture[Any] | None]:
        assert self._loop is not None
        asker, future = asker_of(self._loop, callback)
        if future is not None:
            future.left = self._forget
        return asker, future

    def _begun(self, asker: Asker, future: AnswerFuture[Any] | None, query: Query) -> Answer[Any] | None:
        self._asked += 1
        if query.settled is not None:  # else it was answered at once
            self._under_way[asker] = query
        return future

    def _tell(self, asker: Asker, outcome: Any) -> None:
        self._under_way.pop(asker, None)
        if isinstance(outcome, BaseException):
            asker.fail(outcome)
        else:
            asker.answer(outcome)

    def _forget(self, asker: Asker) -> None:
        query = self._under_way.pop(asker, None)
        if query is not None and self._channel is not None:
            self._channel.forget(query)

    def _opened(self) -> Channel:
        loop = get_loop()
        if self._loop is not loop:
            if self._loop is not None and not self._loop.is_closed():
                raise TreadleError("ERR_INVALID_STATE", state="the resolver belongs to another loop")
            self._loop, self._channel = loop, None
        if self._channel is None:
            channel = Channel(loop, self._timeout_ms, self._tries)
            if self._servers is not None:
                channel.servers = self._servers
            for address in self._local_addresses:
                channel.set_local_address(address)
            self._channel = channel
            per_loop(loop).resolvers.add(self)
        return self._channel

    # -- told by the loop ------------------------------------------------------------------------------------------

    def _drop_waiting(self) -> None:
        for asker in [one for one in self._under_way if isinstance(one, CallbackAsker)]:
            self._forget(asker)

    def _forked(self) -> None:
        if self._channel is not None:
            self._channel.leave()
        self._channel = None
        self._under_way.clear()

    def _abandon(self) -> None:
        channel, self._channel = self._channel, None
        self._under_way.clear()
        if channel is not None:
            channel.close()


def _read(result: Any, type_number: int, read: Callable[[Any], Any], with_ttl: bool) -> list[Any]:
    found = [record for record in result.answer if record.type == type_number]
    if with_ttl:
        return [AddressWithTtl(read(record.data), record.ttl) for record in found]
    return [read(record.data) for record in found]


def _server(server: object) -> str:
    """As c-ares wants it, with its port."""
    if not isinstance(server, str):
        raise TreadleError("ERR_INVALID_ARG_TYPE", name="servers", expected="of str", received=type(server).__name__)
    if is_ipv6(server):
        return f"[{server}]:{PORT_DEFAULT}"
    parts = _WITH_PORT.fullmatch(server)
    port = PORT_DEFAULT if parts is None or parts["port"] is None else int(parts["port"])
    if parts is None or not (is_ipv6(parts["six"]) or is_ipv4(parts["four"])) or not 1 <= port <= 65535:
        raise TreadleError("ERR_INVALID_IP_ADDRESS", address=server)
    return f"{parts['four']}:{port}" if parts["four"] else f"[{parts['six']}]:{port}"


def _without_port(server: str) -> str:
    address = server.removesuffix(f":{PORT_DEFAULT}")
    return address if address == server else address.strip("[]")


def _require_int(value: object, name: str, low: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TreadleError("ERR_INVALID_ARG_TYPE", name=name, expected="an int", received=type(value).__name__)
    if not low <= value <= INT32_MAX:
        raise TreadleError("ERR_OUT_OF_RANGE", name=name, expected=f"from {low} to {INT32_MAX}", received=value)
    return value
