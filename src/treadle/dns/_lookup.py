"""lookup(): names to addresses as the system does it: its files, its servers, its order. Source: Node, dns.lookup.

    lookup ──► an address already: no question
           ──► kept from before (set_lookup_cache)
           ──► asked for just now: one more waits for the same job
           ──► the system, on a thread of the pool (_system.py)

Invariant: a question is one job at a time, however many wait for it; the last that is cancelled cancels the job. Not here:
questions to servers of DNS (_resolver.py); how many threads such jobs may hold (treadle.pool).
"""

import socket
from asyncio import Future
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from treadle._base.errors import TreadleError
from treadle._base.ip import is_ip
from treadle._native.name_jobs import NoAnswer
from treadle.dns._askers import AnswerFuture, Asker, CallbackAsker, asker_of, told_at_once
from treadle.dns._errors import DnsError, of_system
from treadle.dns._hostnames import ascii_of, require_hostname
from treadle.dns._lookup_cache import LookupCache
from treadle.dns._system import ask_system
from treadle.loop.event_loop import EventLoop

__all__ = ["ADDRCONFIG", "ALL", "V4MAPPED", "LookupAddress", "LookupStatistics", "Lookups"]

ADDRCONFIG: Final = int(socket.AI_ADDRCONFIG)
ALL: Final = int(socket.AI_ALL)
V4MAPPED: Final = int(socket.AI_V4MAPPED)

Family = Literal[0, 4, 6, "IPv4", "IPv6"]
Order = Literal["verbatim", "ipv4first", "ipv6first"]

_FAMILIES: Final = {0: 0, 4: 4, 6: 6, "IPv4": 4, "IPv6": 6}
_ORDERS: Final[tuple[Order, ...]] = ("verbatim", "ipv4first", "ipv6first")


class LookupAddress(NamedTuple):
    """One address of a name."""

    address: str
    family: int  # 4 or 6


@dataclass(frozen=True)
class LookupStatistics:
    """How lookups of one loop stand."""

    questions: int  # jobs under way
    askers: int  # who waits for them
    jobs: int  # so far
    coalesced: int  # so far: that joined a job that was under way
    cache_hits: int  # so far
    cached: int  # entries that are kept


class _Question(NamedTuple):
    name: bytes
    family: int
    hints: int


class _Wish(NamedTuple):
    hostname: str  # as the asker has spelled it
    give: Callable[[list[LookupAddress]], Any]  # what it wants of the addresses


class _Job:
    """A question under way, and who waits for it."""

    def __init__(self) -> None:
        self.askers: dict[Asker, _Wish] = {}
        self.future: Future[Any] | None = None


class Lookups:
    """Those of one loop."""

    def __init__(self, loop: EventLoop) -> None:
        self._loop = loop
        self._jobs: dict[_Question, _Job] = {}
        self.default_order: Order = "verbatim"
        self.cache: LookupCache[_Question] | None = None
        self._begun = self._coalesced = self._cache_hits = 0

    def statistics(self) -> LookupStatistics:
        """How they stand."""
        return LookupStatistics(
            questions=len(self._jobs),
            askers=sum(len(job.askers) for job in self._jobs.values()),
            jobs=self._begun,
            coalesced=self._coalesced,
            cache_hits=self._cache_hits,
            cached=0 if self.cache is None else len(self.cache),
        )

    def look_up(
        self, hostname: str, family: object, wants_all: bool, hints: object, order: Order | None, callback: Any
    ) -> AnswerFuture[Any] | None:
        """See lookup()."""
        require_hostname(hostname)
        version = _FAMILIES.get(family) if isinstance(family, (int, str)) else None
        if version is None:
            raise TreadleError("ERR_INVALID_ARG_VALUE", name="family", expected="0, 4 or 6", received=family)
        if not isinstance(hints, int) or hints & ~(ADDRCONFIG | ALL | V4MAPPED):
            expected = "a sum of ADDRCONFIG, ALL and V4MAPPED"
            raise TreadleError("ERR_INVALID_ARG_VALUE", name="hints", expected=expected, received=hints)
        wanted = self.default_order if order is None else require_order(order)
        asker, future = asker_of(self._loop, callback)

        def give(addresses: list[LookupAddress]) -> Any:
            ordered = _ordered(addresses, wanted)
            return ordered if wants_all else ordered[0]

        if numeric := is_ip(hostname):
            return told_at_once(asker, future, give([LookupAddress(hostname, numeric)]))
        name = ascii_of(hostname)
        if name is None:
            return told_at_once(asker, future, DnsError("EINVAL", "getaddrinfo", hostname))
        question = _Question(name, version, hints)
        known = None if self.cache is None else self.cache.get(question, self._now_ms())
        if known is not None:
            self._cache_hits += 1
            if isinstance(known, str):
                return told_at_once(asker, future, DnsError(known, "getaddrinfo", hostname))
            return told_at_once(asker, future, give(known))
        self._ask(question, asker, _Wish(hostname, give))
        if future is not None:
            future.left = lambda asker: self._forget(question, asker)
        return future

    def _ask(self, question: _Question, asker: Asker, wish: _Wish) -> None:
        job = self._jobs.get(question)
        if job is None:
            job = _Job()
            job.future = ask_system(self._loop, *question)
            self._jobs[question] = job
            self._begun += 1
            job.future.add_done_callback(lambda done: self._settle(question, job, done))
        else:
            self._coalesced += 1
        job.askers[asker] = wish

    def _settle(self, question: _Question, job: _Job, done: "Future[Any]") -> None:
        if self._jobs.get(question) is job:
            del self._jobs[question]
        if done.cancelled():
            return
        askers, job.askers = job.askers, {}
        failure = done.exception() or (None if done.result() else NoAnswer(socket.EAI_NONAME))
        if failure is not None:
            for asker, wish in askers.items():
                asker.fail(of_system(failure, "getaddrinfo", wish.hostname))
            self._keep_failure(question, failure)
            return
        addresses = [LookupAddress(*one) for one in done.result()]
        self._keep(question, addresses, is_negative=False)
        for asker, wish in askers.items():
            asker.answer(wish.give(addresses))

    def _keep_failure(self, question: _Question, failure: BaseException) -> None:
        # Only that a name is not there: whatever else is wrong may be over by the next time.
        known = of_system(failure, "getaddrinfo", "")
        if isinstance(known, DnsError) and known.code == "ENOTFOUND":
            self._keep(question, known.code, is_negative=True)

    def _keep(self, question: _Question, outcome: list[LookupAddress] | str, *, is_negative: bool) -> None:
        if self.cache is not None:
            self.cache.put(question, outcome, is_negative=is_negative, now_ms=self._now_ms())

    def _forget(self, question: _Question, asker: Asker) -> None:
        job = self._jobs.get(question)
        if job is None or job.askers.pop(asker, None) is None or job.askers:
            return
        del self._jobs[question]  # ORDER: first, so that who asks now has a job of their own
        if job.future is not None:
            job.future.cancel()

    def drop_waiting(self) -> None:
        """Callbacks are told nothing any more."""
        for question, job in list(self._jobs.items()):
            for asker in [one for one in job.askers if isinstance(one, CallbackAsker)]:
                self._forget(question, asker)

    def abandon(self) -> None:
        """Nobody is told anything any more."""
        self._jobs.clear()

    def _now_ms(self) -> float:
        return self._loop.time() * 1000


def require_order(order: object) -> Order:
    """The order, if it is one. Raises TreadleError: ERR_INVALID_ARG_VALUE."""
    for known in _ORDERS:
        if order == known:
            return known
    raise TreadleError("ERR_INVALID_ARG_VALUE", name="order", expected=f"one of {', '.join(_ORDERS)}", received=order)


def _ordered(addresses: list[LookupAddress], order: Order) -> list[LookupAddress]:
    if order == "verbatim":
        return list(addresses)
    first = 4 if order == "ipv4first" else 6
    return sorted(addresses, key=lambda one: one.family != first)  # stable: else as the system says
