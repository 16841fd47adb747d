"""A channel of c-ares on the loop's own poller: its sockets are watched, its next time-out is a timer.

    query() ──► c-ares opens sockets ──► watched ──► ready ──► process_fd() ──► settled, sockets closed

Invariants: everything happens on the loop's thread, but for the end of a channel, which pycares leaves to a thread of its own and
which touches no descriptor that is still watched; a query holds the program until it is settled, and is settled once; what
c-ares has under way is bounded, also of what nobody waits for; without queries there is no socket, no watch and no timer.
Not here: what is asked for (_resolver.py).
Source: https://c-ares.org/docs/ares_query_dnsrec.html, pycares.
"""

import weakref
from collections.abc import Callable
from typing import Any, Final

from treadle._base.errors import TreadleError
from treadle._base.extras import extra_module
from treadle.dns._errors import CANCELLED
from treadle.loop.event_loop import EventLoop

__all__ = ["QUERIES_MAX", "Channel", "Query"]

PYCARES_MIN: Final = 5  # the first whose records have their names
QUERIES_MAX: Final = 65_536  # under way in one channel; each is some KiB, and some of them have a socket
PAUSE_MIN_S: Final = 0.001  # between two looks at the time; c-ares counts in ms
READ: Final = 1
WRITE: Final = 2

Settled = Callable[[Any, int], object]


class Query:
    """A question: settled(result, status) is called once, unless it was forgotten."""

    def __init__(self, settled: Settled) -> None:
        self.settled: Settled | None = settled


class Channel:
    """One set of servers, time-outs and tries."""

    def __init__(self, loop: EventLoop, timeout_ms: int, tries: int) -> None:
        self._loop = loop
        pycares = self._pycares = extra_module("pycares", extra="dns", version_min=PYCARES_MIN)
        self._watched: dict[int, int] = {}  # what is waited for, by descriptor
        self._queries: set[Query] = set()  # that somebody waits for
        self._unanswered: set[Query] = set()  # that c-ares has under way: those that were forgotten as well
        self._timer: Any = None
        self._is_closed = False
        channel_of = weakref.ref(self)  # pycares keeps the callback, and would keep this with it
        _let_channels_end(pycares)

        def on_socket_state(fd: int, is_read: bool, is_written: bool) -> None:
            channel = channel_of()
            if channel is not None:
                channel._watch(fd, (READ if is_read else 0) | (WRITE if is_written else 0))

        self._ares: Any = pycares.Channel(
            flags=pycares.ARES_FLAG_NOCHECKRESP,  # COMPAT(node): what a server refuses is an answer
            timeout=None if timeout_ms < 0 else timeout_ms / 1000,
            tries=tries,
            sock_state_cb=on_socket_state,
        )

    def __len__(self) -> int:
        return len(self._queries)

    # -- servers ---------------------------------------------------------------------------------------------------

    @property
    def servers(self) -> list[str]:
        """As c-ares writes them: "127.0.0.1:53", "[::1]:53"."""
        found: list[str] = self._ares.servers
        return found

    @servers.setter
    def servers(self, servers: list[str]) -> None:
        self._ares.servers = servers

    def set_local_address(self, address: str) -> None:
        """Ask from there."""
        self._ares.set_local_ip(address)

    # -- questions -------------------------------------------------------------------------------------------------

    def type_number(self, kind: str) -> int:
        """Of a kind of record."""
        number: int = getattr(self._pycares, f"QUERY_TYPE_{kind}")
        return number

    def query(self, name: bytes, kind: str, settled: Settled) -> Query:
        """Ask for records; settled(DNSResult or None, status) later, or before this returns. Raises TreadleError:
        ERR_DNS_SATURATED."""
        type_number = self.type_number(kind)
        return self._begin(settled, lambda done: self._ares.query(name, type_number, callback=done))

    def names_of(self, address: str, settled: Settled) -> Query:
        """Ask for the names of an address; settled(HostResult or None, status). Raises TreadleError: ERR_DNS_SATURATED."""
        return self._begin(settled, lambda done: self._ares.gethostbyaddr(address, callback=done))

    def _begin(self, settled: Settled, ask: Callable[[Settled], object]) -> Query:
        if len(self._unanswered) >= QUERIES_MAX:
            raise TreadleError("ERR_DNS_SATURATED", limit=QUERIES_MAX)
        query = Query(settled)
        self._queries.add(query)
        self._unanswered.add(query)
        self._loop.ref_request()
        channel_of = weakref.ref(self)

        def done(result: Any, status: int | None) -> None:
            channel = channel_of()
            if channel is not None:
                channel._unanswered.discard(query)
                channel._settle(query, result, status or 0)

        try:
            ask(done)
        except self._pycares.AresError as error:  # it may have called back as well
            self._unanswered.discard(query)
            self._settle(query, None, int(error.args[0]))
        except BaseException:
            self._unanswered.discard(query)
            self._drop(query)
            raise
        self._set_timer()
        return query

    def _settle(self, query: Query, result: Any, status: int) -> None:
        settled = query.settled
        if self._drop(query) and settled is not None:
            settled(result, status)

    def _drop(self, query: Query) -> bool:
        query.settled = None
        if query not in self._queries:
            return False
        self._queries.remove(query)
        self._loop.unref_request()
        return True

    def forget(self, query: Query) -> None:
        """Nobody waits for it any more. c-ares cannot drop one question: when nobody waits for any, it drops all."""
        self._drop(query)
        if not self._queries and not self._is_closed:
            self._ares.cancel()
            self._set_timer()

    def cancel(self) -> None:
        """Settle all that are under way, with ARES_ECANCELLED."""
        waiting = list(self._queries)
        self._ares.cancel()
        for query in waiting:  # those that c-ares has not called back, if there are any
            self._settle(query, None, CANCELLED)
        self._set_timer()

    # -- sockets and time ------------------------------------------------------------------------------------------

    def _watch(self, fd: int, wanted: int) -> None:
        if self._is_closed:  # pycares' thread takes the channel apart
            return
        before = self._watched.get(fd, 0)
        if wanted & READ and not before & READ:
            self._loop.add_reader(fd, self._on_ready, fd, READ)
        elif before & READ and not wanted & READ:
            self._loop.remove_reader(fd)
        if wanted & WRITE and not before & WRITE:
            self._loop.add_writer(fd, self._on_ready, fd, WRITE)
        elif before & WRITE and not wanted & WRITE:
            self._loop.remove_writer(fd)
        if wanted:
            self._watched[fd] = wanted
        else:
            self._watched.pop(fd, None)

    def _on_ready(self, fd: int, readiness: int) -> None:
        nothing = self._pycares.ARES_SOCKET_BAD
        self._ares.process_fd(fd if readiness == READ else nothing, fd if readiness == WRITE else nothing)
        self._set_timer()

    def _on_time(self) -> None:
        self._timer = None
        self._ares.process_fd(self._pycares.ARES_SOCKET_BAD, self._pycares.ARES_SOCKET_BAD)
        self._set_timer()

    def _set_timer(self) -> None:
        # call_later and no set_timeout: tasks that clean up behind the program's end may ask, too.
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if (self._watched or self._queries) and not self._is_closed:
            self._timer = self._loop.call_later(max(self._ares.timeout(), PAUSE_MIN_S), self._on_time)

    # -- the end ---------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Let go of everything, and tell nobody."""
        if self._is_closed:
            return
        self._drop_all()
        self._ares.cancel()  # closes its sockets, here and now
        self.leave()
        self._ares.close()

    def leave(self) -> None:
        """In a forked child: the sockets are the parent's, and stay as they are; nobody is told."""
        self._drop_all()
        for fd in list(self._watched):
            self._watch(fd, 0)
        self._is_closed = True
        self._set_timer()

    def _drop_all(self) -> None:
        for query in list(self._queries):
            self._drop(query)


def _let_channels_end(pycares: Any) -> None:
    # COMPAT(pycares): it starts the thread that takes channels apart once, and a forked child has none, so that each channel that
    # is closed there would stay. There it is to begin anew.
    manager: Any = getattr(pycares, "_shutdown_manager", None)
    thread = getattr(manager, "_thread", None)
    if thread is not None and not thread.is_alive():
        vars(manager).update(vars(type(manager)()))
