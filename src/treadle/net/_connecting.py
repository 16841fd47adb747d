"""One connect(): from a name to a connected socket, or to an error.

    a path ───────────────────────────────┐
    an IP address ──(next tick)───────────┼──► attempt ──► connected
    a name ──(lookup)──► its addresses ───┘       │ failed, or 250 ms: the next address; the last one may take its time
                                                  └──► failed: the first error

Invariants: one attempt at a time, and its descriptor is closed before the next begins; cancel() leaves none. Not here: how a name
is looked up (treadle.dns), what the socket does with the outcome (_socket.py).
"""

import contextlib
import errno
import os
import socket
from asyncio import BaseEventLoop
from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final, Literal

from treadle import dns
from treadle._base.arguments import require_number
from treadle._base.errors import TreadleError
from treadle._base.ip import is_ip
from treadle._native.socket_stream import SocketStream
from treadle.net._addresses import require_port

if TYPE_CHECKING:
    from treadle.net._socket import Socket

__all__ = ["ATTEMPT_TIMEOUT_MS", "Connecting", "Target", "target_of"]

FAMILIES: Final[dict[int, Literal[0, 4, 6]]] = {0: 0, 4: 4, 6: 6}
ATTEMPT_TIMEOUT_MS: Final = 250  # for each address of several but the last; Node, and RFC 8305 section 5


@dataclass(frozen=True)
class Target:
    """Where to, and from where."""

    port: int
    host: str
    path: str | None
    family: Literal[0, 4, 6]  # 0: any
    local_address: str | None
    local_port: int
    attempt_timeout_ms: float

    def __str__(self) -> str:
        if self.path is not None:
            return self.path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def target_of(
    port: int | None,
    host: str,
    path: str | os.PathLike[str] | None,
    family: int,
    local_address: str | None,
    local_port: int,
    attempt_timeout: float,
) -> Target:
    """What connect() was given. Raises TreadleError: ERR_MISSING_ARGS, ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE,
    ERR_OUT_OF_RANGE."""
    if path is not None:
        return Target(0, "", os.fspath(path), 0, None, 0, attempt_timeout)
    if port is None:
        raise TreadleError("ERR_MISSING_ARGS", name="connect", expected="a port or a path")
    if not isinstance(host, str):
        raise TreadleError("ERR_INVALID_ARG_TYPE", name="host", expected="a str", received=type(host).__name__)
    version = FAMILIES.get(family)
    if version is None:
        raise TreadleError("ERR_INVALID_ARG_VALUE", name="family", expected="0, 4 or 6", received=family)
    if local_address is not None and not is_ip(local_address):
        raise TreadleError("ERR_INVALID_ARG_VALUE", name="local_address", expected="an IP address", received=local_address)
    require_number(attempt_timeout, "attempt_timeout")
    return Target(require_port(port), host, None, version, local_address, require_port(local_port, "local_port"), attempt_timeout)


class Connecting:
    """A connect() under way. connected(handle) or failed(error) is called, once, unless it is cancelled before."""

    def __init__(
        self, owner: "Socket", target: Target, connected: Callable[[SocketStream], object], failed: Callable[[Exception], object]
    ) -> None:
        self._owner = owner
        self._loop = owner._loop
        self._target = target
        self._connected = connected
        self._failed = failed
        self._is_over = False
        self._addresses: list[tuple[int, Any]] = []
        self._next = 0
        self._errors: list[OSError] = []
        self._handle: SocketStream | None = None
        self._timer: Any = None
        self._lookup: Any = None
        self.is_refed = True

    def begin(self) -> None:
        """Start."""
        target = self._target
        if target.path is not None:
            self._try([(socket.AF_UNIX, target.path)])
        elif version := is_ip(target.host):
            self._loop.next_tick(self._try, [_of_ip(target.host, target.port, version)])
        else:
            self._loop.next_tick(self._begin_lookup)  # whoever made the socket may still want to listen

    def set_ref(self, is_refed: bool) -> None:
        """Say whether it holds the program."""
        self.is_refed = is_refed
        if self._handle is not None:
            self._handle.set_ref(is_refed)

    def cancel(self) -> None:
        """Go no further, and call nobody."""
        self._is_over = True
        self._stop_timer()
        if self._lookup is not None:
            self._lookup.cancel()
        if self._handle is not None:
            self._handle.close(None)
            self._handle = None

    # -- names -----------------------------------------------------------------------------------------------------

    def _begin_lookup(self) -> None:
        if not self._is_over:
            self._lookup = self._loop.begin_task(self._look_up())

    async def _look_up(self) -> None:
        target = self._target
        try:
            found = await self._find_addresses()
        except (OSError, TreadleError) as error:
            self._lookup = None
            if not self._is_over:
                self._owner.emit("lookup", error, None, None, target.host)
                self._fail(error)
            return
        self._lookup = None
        addresses: list[tuple[int, Any]] = []
        for kind, name in found:
            if (kind, name) not in addresses and kind in (socket.AF_INET, socket.AF_INET6):
                self._owner.emit("lookup", None, name[0], 6 if kind == socket.AF_INET6 else 4, target.host)
                if self._is_over:
                    return
                addresses.append((kind, name))
        self._try(_alternating(addresses))

    async def _find_addresses(self) -> list[tuple[int, Any]]:
        target = self._target
        if _resolves_by_itself(self._loop):
            family = {0: socket.AF_UNSPEC, 4: socket.AF_INET, 6: socket.AF_INET6}[target.family]
            answers = await self._loop.getaddrinfo(target.host, target.port, family=family, type=socket.SOCK_STREAM)
            return [(kind, name) for kind, _, _, _, name in answers]
        # Connections to the same name at the same time are one question.
        found = await dns.lookup(target.host, target.family, all=True)
        return [_of_ip(one.address, target.port, one.family) for one in found]

    # -- attempts --------------------------------------------------------------------------------------------------

    def _try(self, addresses: list[tuple[int, Any]]) -> None:
        self._addresses = addresses
        if not self._is_over:
            self._attempt()

    def _attempt(self) -> None:
        if self._next == len(self._addresses):
            self._fail(self._errors[0] if self._errors else OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL)))
            return
        family, name = self._addresses[self._next]
        self._next += 1
        shown = (name[0], name[1], 6 if family == socket.AF_INET6 else 4) if isinstance(name, tuple) else (name, None, None)
        self._owner.emit("connection_attempt", *shown)
        if self._is_over:
            return
        try:
            handle = self._handle = SocketStream(self._loop, self._begin_connect(family, name))
        except OSError as error:
            self._failed_attempt(error, shown)
            return
        handle.set_ref(self.is_refed)
        if self._next < len(self._addresses):
            self._timer = self._loop.set_timeout(self._timed_out, self._target.attempt_timeout_ms, shown)
        try:
            handle.wait_connected(lambda error: self._settle(error, shown))
        except OSError as error:  # no room for a watch
            self._settle(error, shown)

    def _begin_connect(self, family: int, name: Any) -> int:
        sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            target = self._target
            if target.local_address or target.local_port:
                default = "::" if family == socket.AF_INET6 else "0.0.0.0"  # Node's: any of ours
                sock.bind((target.local_address or default, target.local_port))
            error = sock.connect_ex(name)
            if error and error != errno.EINPROGRESS:
                raise OSError(error, os.strerror(error))
            return sock.detach()
        except BaseException:
            sock.close()
            raise

    def _settle(self, error: OSError | None, shown: tuple[Any, ...]) -> None:
        self._stop_timer()
        handle, self._handle = self._handle, None
        assert handle is not None
        if error is None:
            self._is_over = True
            self._connected(handle)
            return
        handle.close(None)
        self._failed_attempt(error, shown)

    def _timed_out(self, shown: tuple[Any, ...]) -> None:
        self._timer = None
        if self._handle is not None:
            self._handle.close(None)
            self._handle = None
        self._owner.emit("connection_attempt_timeout", *shown)
        self._errors.append(OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)))
        if not self._is_over:
            self._attempt()

    def _failed_attempt(self, error: OSError, shown: tuple[Any, ...]) -> None:
        self._errors.append(error)
        self._owner.emit("connection_attempt_failed", *shown, error)
        if not self._is_over:
            self._attempt()

    def _fail(self, error: OSError | TreadleError) -> None:
        self._is_over = True
        failure = error
        if isinstance(error, OSError) and not isinstance(error, TreadleError):
            with contextlib.suppress(TypeError):  # a DnsError, or one of the user's resolver, with another constructor
                failure = type(error)(error.errno, f"{error.strerror}: cannot connect to {self._target}")
        if len(self._errors) > 1:
            failure.add_note("tried: " + "; ".join(f"{name[0]}: {one.strerror}" for (_, name), one in self._tried()))
        self._failed(failure)

    def _tried(self) -> Any:
        return zip(self._addresses, self._errors, strict=False)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.close()
            self._timer = None


def _resolves_by_itself(loop: Any) -> bool:
    # COMPAT(asyncio): a program that replaces getaddrinfo of its loop means connections, too.
    is_replaced: bool = "getaddrinfo" in vars(loop) or type(loop).getaddrinfo is not BaseEventLoop.getaddrinfo
    return is_replaced


def _of_ip(host: str, port: int, version: int) -> tuple[int, Any]:
    if version == 4:
        return socket.AF_INET, (host, port)
    address, _, zone = host.partition("%")
    try:
        scope = int(zone) if zone.isdigit() else socket.if_nametoindex(zone) if zone else 0
    except OSError:
        scope = 0  # no such interface: connecting says so
    return socket.AF_INET6, (address, port, 0, scope)


def _alternating(addresses: list[tuple[int, Any]]) -> list[tuple[int, Any]]:
    # The families take turns, that of the first address first: RFC 8305 section 4.
    if not addresses:
        return []
    first = [one for one in addresses if one[0] == addresses[0][0]]
    second = [one for one in addresses if one[0] != addresses[0][0]]
    return [one for pair in zip_longest(first, second) for one in pair if one is not None]
