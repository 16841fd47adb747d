"""Functions of the package: lookups, and the questions of a Resolver that each loop has for them.

Not here: what they do (_lookup.py, _resolver.py, _service.py).
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, Final, Literal, ParamSpec, TypeVar, overload

from treadle._base.arguments import require_number
from treadle._base.errors import TreadleError
from treadle.dns._askers import AnswerFuture
from treadle.dns._lookup import Family, LookupAddress, LookupStatistics, Order, require_order
from treadle.dns._lookup_cache import CacheLimits, LookupCache
from treadle.dns._per_loop import per_loop
from treadle.dns._resolver import Resolver
from treadle.dns._service import Service, service_of
from treadle.loop.current import get_loop
from treadle.pool import RequestFuture

_P = ParamSpec("_P")
_R = TypeVar("_R")
_T = TypeVar("_T")
_Callback = Callable[[Exception | None, _T | None], object]

ENTRIES_DEFAULT: Final = 1000  # of a cache; names that one program talks to are seldom more
NEGATIVE_SHARE: Final = 10  # a name that is not there is kept for that part of the time, unless said: it may be made any moment


@overload
def lookup(
    hostname: str, family: Family = 0, *, all: Literal[False] = False, hints: int = 0, order: Order | None = None
) -> AnswerFuture[LookupAddress]: ...
@overload
def lookup(
    hostname: str, family: Family = 0, *, all: Literal[True], hints: int = 0, order: Order | None = None
) -> AnswerFuture[list[LookupAddress]]: ...
@overload
def lookup(
    hostname: str, family: Family = 0, *, callback: _Callback[Any], all: bool = False, hints: int = 0, order: Order | None = None
) -> None: ...
def lookup(
    hostname: str,
    family: Family = 0,
    callback: _Callback[Any] | None = None,
    *,
    all: bool = False,
    hints: int = 0,
    order: Order | None = None,
) -> AnswerFuture[Any] | None:
    """The address of a name, as the system finds it (getaddrinfo: /etc/hosts, servers, its order): a LookupAddress.

    family: 4 or 6 for such addresses only. all: a list of every one. hints: ADDRCONFIG, V4MAPPED, ALL. order: "verbatim" (as
    the system says), "ipv4first" or "ipv6first". An address is answered at once, whatever the family. Same questions at the same
    time are one job of the pool; cancelling one future leaves the others alone.

    Without a callback a future. With one: callback(error, result) in the poll phase, or the next tick where nothing had to be
    asked, and not any more once the program has ended. The error is a DnsError, which is a socket.gaierror.

    Raises TreadleError, at once: ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_NO_LOOP, ERR_POOL_SATURATED.
    Source: Node, dns.lookup.
    """
    return per_loop(get_loop()).lookups.look_up(hostname, family, all, hints, order, callback)


@overload
def lookup_service(address: str, port: int, callback: None = None) -> RequestFuture[Service]: ...
@overload
def lookup_service(address: str, port: int, callback: _Callback[Service]) -> None: ...
def lookup_service(address: str, port: int, callback: _Callback[Service] | None = None) -> RequestFuture[Service] | None:
    """The name of an address and of a port, as the system knows them (getnameinfo): Service("localhost", "ssh").

    A job of the pool; future and callback as of lookup().

    Raises TreadleError, at once: ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE, ERR_NO_LOOP, ERR_POOL_SATURATED.
    Source: Node, dns.lookupService.
    """
    return service_of(address, port, callback)


def set_default_result_order(order: Order) -> None:
    """The order of lookups of this loop that say none. Raises TreadleError: ERR_INVALID_ARG_VALUE, ERR_NO_LOOP."""
    per_loop(get_loop()).lookups.default_order = require_order(order)


def get_default_result_order() -> Order:
    """The order of lookups that say none: "verbatim" unless it was set. Raises TreadleError: ERR_NO_LOOP."""
    return per_loop(get_loop()).lookups.default_order


def set_lookup_cache(ttl_ms: float, *, negative_ttl_ms: float | None = None, entries_max: int = ENTRIES_DEFAULT) -> None:
    """Keep answers of this loop's lookups for ttl_ms; 0: keep none, which is the default. What was kept before is dropped.

    negative_ttl_ms: for names that are not there, a tenth unless given. Other errors are never kept. The system does not say
    how long an address holds, so keep it as long as a service may be gone without harm.

    Raises TreadleError: ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE, ERR_NO_LOOP.
    """
    require_number(ttl_ms, "ttl_ms")
    negative = ttl_ms / NEGATIVE_SHARE if negative_ttl_ms is None else negative_ttl_ms
    for name, value in (("ttl_ms", ttl_ms), ("negative_ttl_ms", negative), ("entries_max", entries_max)):
        require_number(value, name)
        if not value >= 0:  # nor nan, past which no time would ever be
            raise TreadleError("ERR_OUT_OF_RANGE", name=name, expected="0 or more", received=value)
    limits = CacheLimits(ttl_ms, negative, entries_max)
    per_loop(get_loop()).lookups.cache = LookupCache(limits) if ttl_ms else None


def statistics() -> LookupStatistics:
    """How lookups of this loop stand. Raises TreadleError: ERR_NO_LOOP."""
    return per_loop(get_loop()).lookups.statistics()


def _default() -> Resolver:
    state = per_loop(get_loop())
    if state.default_resolver is None:
        state.default_resolver = Resolver()
    default: Resolver = state.default_resolver
    return default


def _of_default(method: Callable[Concatenate[Resolver, _P], _R]) -> Callable[_P, _R]:
    """That question of the loop's own Resolver."""

    @wraps(method)
    def ask(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        return method(_default(), *args, **kwargs)

    return ask


get_servers = _of_default(Resolver.get_servers)
resolve = _of_default(Resolver.resolve)
resolve4 = _of_default(Resolver.resolve4)
resolve6 = _of_default(Resolver.resolve6)
resolve_caa = _of_default(Resolver.resolve_caa)
resolve_cname = _of_default(Resolver.resolve_cname)
resolve_mx = _of_default(Resolver.resolve_mx)
resolve_naptr = _of_default(Resolver.resolve_naptr)
resolve_ns = _of_default(Resolver.resolve_ns)
resolve_ptr = _of_default(Resolver.resolve_ptr)
resolve_soa = _of_default(Resolver.resolve_soa)
resolve_srv = _of_default(Resolver.resolve_srv)
resolve_txt = _of_default(Resolver.resolve_txt)
reverse = _of_default(Resolver.reverse)
set_servers = _of_default(Resolver.set_servers)
