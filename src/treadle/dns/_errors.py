"""What becomes of a question that has no answer: DnsError, with Node's code, and the getaddrinfo error that comes nearest.

Invariant: a code is Node's. Not here: mistakes in a call, which are TreadleErrors as everywhere.
Source: https://nodejs.org/api/dns.html#error-codes
"""

import socket
from typing import Any, Final

from treadle._native.name_jobs import NoAnswer

__all__ = ["CANCELLED", "DnsError", "of_ares", "of_system"]

CANCELLED: Final = 24  # c-ares, ARES_ECANCELLED

# By code: the error of getaddrinfo that comes nearest, and what it means.
_MEANINGS: Final = {
    "EADDRGETNETWORKPARAMS": (socket.EAI_FAIL, "the system does not say how names are looked up"),
    "EAI_AGAIN": (socket.EAI_AGAIN, "no server has answered for now"),
    "EAI_FAIL": (socket.EAI_FAIL, "a server has failed"),
    "EBADFAMILY": (socket.EAI_FAMILY, "no such kind of address"),
    "EBADFLAGS": (socket.EAI_BADFLAGS, "no such flags"),
    "EBADHINTS": (socket.EAI_BADFLAGS, "no such hints"),
    "EBADNAME": (socket.EAI_NONAME, "this is no name"),
    "EBADQUERY": (socket.EAI_FAIL, "this is no question"),
    "EBADRESP": (socket.EAI_FAIL, "a server has sent nonsense"),
    "EBADSTR": (socket.EAI_FAIL, "this is no text of DNS"),
    "ECANCELLED": (socket.EAI_FAIL, "it was cancelled"),
    "ECONNREFUSED": (socket.EAI_AGAIN, "no server could be reached"),
    "EDESTRUCTION": (socket.EAI_FAIL, "the resolver was closed"),
    "EFILE": (socket.EAI_SYSTEM, "a file of the system cannot be read"),
    "EFORMERR": (socket.EAI_FAIL, "the server has not understood the question"),
    "EINVAL": (socket.EAI_NONAME, "this is no name"),
    "ENODATA": (getattr(socket, "EAI_NODATA", socket.EAI_NONAME), "the name has no such record"),
    "ENOMEM": (socket.EAI_MEMORY, "there is no memory left"),
    "ENONAME": (socket.EAI_NONAME, "there is no such name"),
    "ENOTFOUND": (socket.EAI_NONAME, "there is no such name"),
    "ENOTIMP": (socket.EAI_FAIL, "the server does not answer such questions"),
    "ENOTINITIALIZED": (socket.EAI_FAIL, "c-ares is not ready"),
    "EOF": (socket.EAI_FAIL, "the server has hung up"),
    "EREFUSED": (socket.EAI_FAIL, "the server does not want to answer"),
    "ESERVFAIL": (socket.EAI_AGAIN, "the server has failed"),
    "ETIMEOUT": (socket.EAI_AGAIN, "no server has answered in time"),
    "UNKNOWN_ARES_ERROR": (socket.EAI_FAIL, "there is no server to ask, or c-ares has failed for a reason without a name"),
}
# COMPAT(node): two errors of the system are one there; what else it fails with keeps its name.
_OF_SYSTEM: Final = {getattr(socket, "EAI_NODATA", None): "ENOTFOUND", socket.EAI_NONAME: "ENOTFOUND"} | {
    number: name for name, number in vars(socket).items() if name.startswith("EAI_") and name not in ("EAI_NODATA", "EAI_NONAME")
}


class DnsError(socket.gaierror):
    """A name that could not be looked up.

    code: Node's ("ENOTFOUND", "ESERVFAIL", ...). errno: the EAI_... of the socket module that comes nearest: `except
    socket.gaierror` of programs that know getaddrinfo goes on to work, and EAI_AGAIN means that another try may help.
    hostname: what was asked for. syscall: what was asked ("getaddrinfo", "query_mx").
    """

    def __init__(self, code: str, syscall: str, hostname: str) -> None:
        errno, meaning = _MEANINGS.get(code) or (getattr(socket, code, socket.EAI_FAIL), "it could not be looked up")
        super().__init__(errno, f"{syscall} {code} {hostname}: {meaning}")
        self.code = code
        self.syscall = syscall
        self.hostname = hostname

    def __str__(self) -> str:
        return str(self.strerror)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.code, self.syscall, self.hostname)


def of_system(error: BaseException, syscall: str, hostname: str) -> BaseException:
    """What getaddrinfo or getnameinfo has failed with, as a DnsError; what else has happened, unchanged."""
    if isinstance(error, NoAnswer):
        errno: int | None = error.args[0]
    elif isinstance(error, socket.gaierror):
        errno = error.errno
    else:
        return error
    return DnsError(_OF_SYSTEM.get(errno, "EAI_FAIL"), syscall, hostname)


def of_ares(status: int, syscall: str, hostname: str) -> DnsError:
    """What c-ares has failed with."""
    from pycares.errno import errorcode

    return DnsError(errorcode.get(status, "UNKNOWN_ARES_ERROR").removeprefix("ARES_"), syscall, hostname)
