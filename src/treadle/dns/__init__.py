"""Names to addresses, as the system does it (lookup), and questions to servers of DNS (Resolver). Source: Node, "dns".

The latter is c-ares, which the extra "dns" brings. Errors are DnsErrors: socket.gaierror, with Node's code. Not here: connecting
to a name (treadle.net).
"""

from treadle.dns._errors import DnsError
from treadle.dns._functions import (
    get_default_result_order,
    get_servers,
    lookup,
    lookup_service,
    resolve,
    resolve4,
    resolve6,
    resolve_caa,
    resolve_cname,
    resolve_mx,
    resolve_naptr,
    resolve_ns,
    resolve_ptr,
    resolve_soa,
    resolve_srv,
    resolve_txt,
    reverse,
    set_default_result_order,
    set_lookup_cache,
    set_servers,
    statistics,
)
from treadle.dns._lookup import ADDRCONFIG, ALL, V4MAPPED, LookupAddress, LookupStatistics
from treadle.dns._records import AddressWithTtl, CaaRecord, MxRecord, NaptrRecord, SoaRecord, SrvRecord
from treadle.dns._resolver import Resolver, ResolverStatistics
from treadle.dns._service import Service

__all__ = [
    "ADDRCONFIG",
    "ALL",
    "V4MAPPED",
    "AddressWithTtl",
    "CaaRecord",
    "DnsError",
    "LookupAddress",
    "LookupStatistics",
    "MxRecord",
    "NaptrRecord",
    "Resolver",
    "ResolverStatistics",
    "Service",
    "SoaRecord",
    "SrvRecord",
    "get_default_result_order",
    "get_servers",
    "lookup",
    "lookup_service",
    "resolve",
    "resolve4",
    "resolve6",
    "resolve_caa",
    "resolve_cname",
    "resolve_mx",
    "resolve_naptr",
    "resolve_ns",
    "resolve_ptr",
    "resolve_soa",
    "resolve_srv",
    "resolve_txt",
    "reverse",
    "set_default_result_order",
    "set_lookup_cache",
    "set_servers",
    "statistics",
]
