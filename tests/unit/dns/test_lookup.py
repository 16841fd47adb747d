"""lookup() and lookup_service(): one job for many, what is kept, order and errors. Not here: servers of DNS (test_resolver.py).

What the system would say is said by the tests; the few that ask the system itself ask for localhost.
"""

import asyncio
import errno
import gc
import math
import resource
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import treadle
from tests.unit.native.support import in_child
from treadle import TreadleError, dns, pool
from treadle._native.name_jobs import NoAnswer
from treadle.dns import _lookup, _lookup_cache
from treadle.loop.current import get_loop
from treadle.loop.event_loop import EventLoop

Trace = list[Any]

DEADLINE_S = 10.0
FOUR, SIX, OTHER = "192.0.2.1", "2001:db8::1", "192.0.2.2"


class System:
    """Stands where the system is asked: what it says, and a gate that holds it up."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, int, int]] = []
        self.outcome: Any = [(FOUR, 4), (SIX, 6), (OTHER, 4)]
        self.gate = threading.Event()
        self.gate.set()

    def ask(self, loop: EventLoop, name: bytes, family: int, hints: int) -> "asyncio.Future[Any]":
        self.asked.append((name, family, hints))
        return pool.run("dns.lookup", self._answer)

    def _answer(self) -> Any:
        assert self.gate.wait(DEADLINE_S)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    system = System()
    monkeypatch.setattr(_lookup, "ask_system", system.ask)
    yield system
    system.gate.set()


# ---- what it gives


def test_the_system_is_asked_on_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> tuple[dns.LookupAddress, list[dns.LookupAddress]]:
        return await dns.lookup("localhost", 4), await dns.lookup("localhost", 4, all=True)

    one, every = treadle.run(main)
    assert one == ("127.0.0.1", 4)
    assert one in every


@pytest.mark.parametrize(("family", "asked"), [(0, 0), (4, 4), (6, 6), ("IPv4", 4), ("IPv6", 6)])
def test_the_family_is_the_systems(system: System, family: Any, asked: int) -> None:
    async def main() -> dns.LookupAddress:
        return await dns.lookup("example.com", family, hints=dns.ADDRCONFIG | dns.V4MAPPED)

    assert treadle.run(main) == (FOUR, 4)
    assert system.asked == [(b"example.com", asked, socket.AI_ADDRCONFIG | socket.AI_V4MAPPED)]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (None, [FOUR, SIX, OTHER]),
        ("verbatim", [FOUR, SIX, OTHER]),
        ("ipv4first", [FOUR, OTHER, SIX]),
        ("ipv6first", [SIX, FOUR, OTHER]),
    ],
)
def test_the_order(system: System, order: Any, expected: list[str]) -> None:
    async def main() -> tuple[list[str], str, list[str]]:
        every = await dns.lookup("example.com", all=True, order=order)
        one = await dns.lookup("example.com", order=order)
        if order is not None:
            dns.set_default_result_order(order)
            assert dns.get_default_result_order() == order
        default = await dns.lookup("example.com", all=True)
        return [each.address for each in every], one.address, [each.address for each in default]

    assert treadle.run(main) == (expected, expected[0], expected)


@pytest.mark.parametrize(
    ("address", "family", "asked_family"), [("127.0.0.1", 4, 6), ("::1", 6, 4), ("fe80::1%lo", 6, 0), ("192.0.2.1", 4, 0)]
)
def test_an_address_is_no_question(system: System, address: str, family: int, asked_family: Any) -> None:
    log: Trace = []

    async def main() -> Any:
        dns.lookup(address, callback=lambda error, result: log.append((error, result)))
        log.append("later")
        future = dns.lookup(address, asked_family, all=True)
        assert future.done()
        return await future

    assert treadle.run(main) == [(address, family)]
    assert log == ["later", (None, (address, family))]
    assert system.asked == []


def test_a_name_beyond_ascii_is_asked_for_in_ascii(system: System) -> None:
    async def main() -> None:
        await dns.lookup("bücher.example")

    treadle.run(main)
    assert system.asked == [(b"xn--bcher-kva.example", 0, 0)]


# ---- errors


@pytest.mark.parametrize(
    ("failure", "code", "errno"),
    [
        (NoAnswer(socket.EAI_NONAME), "ENOTFOUND", socket.EAI_NONAME),
        (NoAnswer(socket.EAI_NODATA), "ENOTFOUND", socket.EAI_NONAME),
        (NoAnswer(socket.EAI_AGAIN), "EAI_AGAIN", socket.EAI_AGAIN),
        (NoAnswer(socket.EAI_FAIL), "EAI_FAIL", socket.EAI_FAIL),
        (NoAnswer(socket.EAI_MEMORY), "EAI_MEMORY", socket.EAI_MEMORY),
        (NoAnswer(12345), "EAI_FAIL", socket.EAI_FAIL),
    ],
)
def test_what_the_system_fails_with(system: System, failure: Exception, code: str, errno: int) -> None:
    system.outcome = failure
    log: Trace = []

    async def main() -> None:
        dns.lookup("example.com", callback=lambda error, result: log.append((error, result)))
        with pytest.raises(socket.gaierror) as raised:
            await dns.lookup("example.com")
        error = raised.value
        assert isinstance(error, dns.DnsError)
        assert (error.code, error.errno, error.syscall, error.hostname) == (code, errno, "getaddrinfo", "example.com")

    treadle.run(main)
    [(error, result)] = log
    assert (error.code, result) == (code, None)


def test_no_address_at_all_is_no_answer(system: System) -> None:
    system.outcome = []

    async def main() -> None:
        with pytest.raises(dns.DnsError) as raised:
            await dns.lookup("example.com")
        assert raised.value.code == "ENOTFOUND"

    treadle.run(main)


def test_what_else_goes_wrong_is_not_hidden(system: System) -> None:
    system.outcome = OSError(24, "Too many open files")

    async def main() -> None:
        with pytest.raises(OSError, match="Too many open files") as raised:
            await dns.lookup("example.com")
        assert not isinstance(raised.value, socket.gaierror)

    treadle.run(main)


def test_without_a_descriptor_a_name_is_not_called_unknown() -> None:
    """As glibc has it: it reads no file and asks no server, and says that there is no such name."""

    async def main() -> bool:
        await dns.lookup("localhost", 4)  # the pool is there
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))  # all below are taken
        for question in (dns.lookup("localhost", 4), dns.lookup("name.invalid"), dns.lookup_service("192.0.2.1", 22)):
            with pytest.raises(OSError, match="Too many open files") as raised:
                await question
            assert raised.value.errno == errno.EMFILE
        return True

    assert in_child(lambda: treadle.run(main)) == 0


@pytest.mark.parametrize("name", ["a" * 300, "ä" * 64, "a." * 128])
def test_what_is_no_name(system: System, name: str) -> None:
    async def main() -> None:
        with pytest.raises(dns.DnsError) as raised:
            await dns.lookup(name)
        assert (raised.value.code, raised.value.hostname) == ("EINVAL", name)

    treadle.run(main)
    assert system.asked == []


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: dns.lookup(5), "ERR_INVALID_ARG_TYPE"),  # type: ignore[call-overload]
        (lambda: dns.lookup(None), "ERR_INVALID_ARG_TYPE"),  # type: ignore[call-overload]
        (lambda: dns.lookup(""), "ERR_INVALID_ARG_VALUE"),
        (lambda: dns.lookup("a\0b"), "ERR_INVALID_ARG_VALUE"),
        (lambda: dns.lookup("a", 5), "ERR_INVALID_ARG_VALUE"),  # type: ignore[call-overload]
        (lambda: dns.lookup("a", hints=1 << 30), "ERR_INVALID_ARG_VALUE"),
        (lambda: dns.lookup("a", order="nope"), "ERR_INVALID_ARG_VALUE"),  # type: ignore[call-overload]
        (lambda: dns.lookup("a", callback=5), "ERR_INVALID_ARG_TYPE"),  # type: ignore[call-overload]
        (lambda: dns.set_default_result_order("nope"), "ERR_INVALID_ARG_VALUE"),  # type: ignore[arg-type]
        (lambda: dns.set_lookup_cache(-1), "ERR_OUT_OF_RANGE"),
        (lambda: dns.set_lookup_cache(math.nan), "ERR_OUT_OF_RANGE"),
        (lambda: dns.set_lookup_cache(1, negative_ttl_ms=math.nan), "ERR_OUT_OF_RANGE"),
        (lambda: dns.set_lookup_cache("1"), "ERR_INVALID_ARG_TYPE"),  # type: ignore[arg-type]
        (lambda: dns.set_lookup_cache(1, entries_max=-1), "ERR_OUT_OF_RANGE"),
        (lambda: dns.lookup_service("localhost", 22), "ERR_INVALID_ARG_VALUE"),
        (lambda: dns.lookup_service("127.0.0.1", 65536), "ERR_OUT_OF_RANGE"),
        (lambda: dns.lookup_service("127.0.0.1", "22"), "ERR_INVALID_ARG_TYPE"),  # type: ignore[call-overload]
        (lambda: dns.lookup_service("127.0.0.1", 22, 5), "ERR_INVALID_ARG_TYPE"),  # type: ignore[call-overload]
    ],
)
def test_what_is_refused_at_once(system: System, call: Callable[[], object], code: str) -> None:
    def main() -> None:
        with pytest.raises(TreadleError) as raised:
            call()
        assert raised.value.code == code

    treadle.run(main)
    assert system.asked == []


def test_without_a_loop() -> None:
    with pytest.raises(TreadleError) as raised:
        dns.lookup("localhost")
    assert raised.value.code == "ERR_NO_LOOP"


# ---- one job for many


def test_the_same_question_at_the_same_time_is_one_job(system: System) -> None:
    log: Trace = []
    system.gate.clear()

    async def main() -> list[Any]:
        asked = [
            dns.lookup("example.com"),
            dns.lookup("example.com", all=True),
            dns.lookup("example.com", order="ipv6first"),
            dns.lookup("example.com", 4),  # another question
        ]
        dns.lookup("example.com", callback=lambda error, result: log.append((error, result)))
        now = dns.statistics()
        assert (now.questions, now.askers, now.jobs, now.coalesced) == (2, 5, 2, 3)
        system.gate.set()
        results = await asyncio.gather(*asked)
        after = dns.statistics()
        assert (after.questions, after.askers, after.jobs, after.coalesced) == (0, 0, 2, 3)
        return results

    assert treadle.run(main) == [(FOUR, 4), [(FOUR, 4), (SIX, 6), (OTHER, 4)], (SIX, 6), (FOUR, 4)]
    assert log == [(None, (FOUR, 4))]
    assert len(system.asked) == 2


def test_a_question_that_was_answered_is_asked_anew(system: System) -> None:
    async def main() -> None:
        await dns.lookup("example.com")
        await dns.lookup("example.com")

    treadle.run(main)
    assert len(system.asked) == 2


def test_each_asker_has_an_error_of_its_own(system: System) -> None:
    system.outcome = NoAnswer(socket.EAI_NONAME)

    async def main() -> list[Any]:
        asked = [dns.lookup("bücher.example"), dns.lookup("xn--bcher-kva.example")]
        return await asyncio.gather(*asked, return_exceptions=True)

    first, second = treadle.run(main)
    assert first is not second
    assert [first.hostname, second.hostname] == ["bücher.example", "xn--bcher-kva.example"]
    assert len(system.asked) == 1


def test_cancelling_one_asker_leaves_the_others(system: System) -> None:
    system.gate.clear()

    async def main() -> dns.LookupAddress:
        first, second = dns.lookup("example.com"), dns.lookup("example.com")
        first.cancel()
        assert dns.statistics().askers == 1
        system.gate.set()
        with pytest.raises(asyncio.CancelledError):
            await first
        return await second

    assert treadle.run(main) == (FOUR, 4)


def test_where_all_are_cancelled_the_question_is_over_and_may_be_asked_anew(system: System) -> None:
    system.gate.clear()

    async def main() -> dns.LookupAddress:
        for asker in [dns.lookup("example.com"), dns.lookup("example.com")]:
            asker.cancel()
        assert dns.statistics().questions == 0
        again = dns.lookup("example.com")
        assert dns.statistics().jobs == 2
        system.gate.set()
        return await again

    assert treadle.run(main) == (FOUR, 4)


def test_a_time_limit(system: System) -> None:
    system.gate.clear()

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(dns.lookup("example.com"), 0.01)
        system.gate.set()

    treadle.run(main)


def test_a_full_pool_says_so_at_once(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise TreadleError("ERR_POOL_SATURATED", limit=1)

    async def main() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(_lookup, "ask_system", refuse)
            with pytest.raises(TreadleError) as raised:
                dns.lookup("example.com")
            assert raised.value.code == "ERR_POOL_SATURATED"
        assert dns.statistics().questions == 0
        await dns.lookup("example.com")

    treadle.run(main)


def test_an_asker_that_is_through_leaves_nothing(system: System) -> None:
    async def main() -> int:
        gc.collect()
        for _ in range(3):
            await dns.lookup("example.com")
        dns.lookup("example.com").cancel()
        return dns.statistics().askers

    assert treadle.run(main) == 0


# ---- callbacks, and the end


def test_a_callback_is_in_the_poll_phase_and_in_the_callers_context(system: System) -> None:
    log: Trace = []
    storage = treadle.AsyncLocalStorage()

    def on_address(error: Exception | None, address: Any) -> None:
        loop = get_loop()
        loop.set_timeout(log.append, 0, "timeout")
        loop.set_immediate(log.append, "immediate")
        log.append((error, address, storage.get_store()))

    treadle.run(lambda: storage.run("store", lambda: dns.lookup("example.com", callback=on_address)))
    assert log == [(None, (FOUR, 4), "store"), "immediate", "timeout"]


def test_a_callback_that_fails_ends_the_program_and_the_other_has_had_its_turn(system: System) -> None:
    log: Trace = []

    def fail(_error: object, _address: object) -> None:
        raise ValueError("from the callback")

    def main() -> None:
        dns.lookup("example.com", callback=lambda error, address: log.append(address))
        dns.lookup("example.com", callback=fail)

    with pytest.raises(ValueError, match="from the callback"):
        treadle.run(main)
    assert log == [(FOUR, 4)]


def test_a_program_that_has_ended_runs_no_callback_but_its_tasks_still_look_up(system: System) -> None:
    system.gate.clear()
    log: Trace = []

    async def clean_up() -> None:
        begun_before = dns.lookup("example.com")
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            system.gate.set()
            log.append(await begun_before)
            log.append(await dns.lookup("other.example"))

    async def main() -> None:
        task = asyncio.create_task(clean_up())
        await asyncio.sleep(0)
        dns.lookup("example.com", callback=lambda error, address: log.append("callback"))
        dns.lookup("another.example", callback=lambda error, address: log.append("callback"))
        assert not task.done()
        raise ValueError("the end")

    with pytest.raises(ValueError, match="the end"):
        treadle.run(main)
    assert log == [(FOUR, 4), (FOUR, 4)]


def test_a_loop_that_is_closed_amid_a_question(system: System) -> None:
    system.gate.clear()
    loop = EventLoop()

    async def main() -> "asyncio.Future[Any]":
        return dns.lookup("example.com")

    future = loop.run_until_complete(main())
    system.gate.set()
    loop.close()
    assert not future.done()


# ---- what is kept


def test_answers_are_kept_for_their_time(system: System) -> None:
    async def main() -> None:
        loop = get_loop()
        now_s = 1024.0  # and what is added has few digits in binary
        loop.time = lambda: now_s  # type: ignore[method-assign]  # the test owns the clock
        try:
            dns.set_lookup_cache(1000)
            for _ in range(3):
                assert await dns.lookup("example.com") == (FOUR, 4)
            assert dns.lookup("example.com", all=True).done()
            assert (len(system.asked), dns.statistics().cache_hits, dns.statistics().cached) == (1, 3, 1)
            now_s += 0.875
            await dns.lookup("example.com")
            assert len(system.asked) == 1
            now_s += 0.125
            await dns.lookup("example.com")
            assert len(system.asked) == 2
            dns.set_lookup_cache(0)
            await dns.lookup("example.com")
            assert len(system.asked) == 3
        finally:
            del loop.time

    treadle.run(main)


@pytest.mark.parametrize(("failure", "asked"), [(socket.EAI_NONAME, [1, 1, 2]), (socket.EAI_AGAIN, [1, 2, 3])])
def test_only_names_that_are_not_there_are_kept_of_errors_and_for_a_shorter_time(
    system: System, failure: int, asked: list[int]
) -> None:
    system.outcome = NoAnswer(failure)
    counts: list[int] = []

    async def main() -> None:
        loop = get_loop()
        now_s = 1024.0  # and what is added has few digits in binary
        loop.time = lambda: now_s  # type: ignore[method-assign]
        try:
            dns.set_lookup_cache(1250)
            for elapsed_s in (0, 0.0625, 0.0625):
                now_s += elapsed_s
                with pytest.raises(dns.DnsError) as raised:
                    await dns.lookup("example.com")
                assert raised.value.hostname == "example.com"
                counts.append(len(system.asked))
        finally:
            del loop.time

    treadle.run(main)
    assert counts == asked


def test_a_cache_is_bounded_and_what_is_used_stays() -> None:
    cache: _lookup_cache.LookupCache[str] = _lookup_cache.LookupCache(_lookup_cache.CacheLimits(10, 1, 2))
    cache.put("a", 1, is_negative=False, now_ms=0)
    cache.put("b", 2, is_negative=False, now_ms=0)
    assert cache.get("a", 9) == 1
    cache.put("c", 3, is_negative=True, now_ms=0)
    assert (len(cache), cache.get("a", 0), cache.get("b", 0), cache.get("c", 0)) == (2, 1, None, 3)
    assert cache.get("c", 1) is None
    assert cache.get("a", 10) is None
    assert len(cache) == 0


@pytest.mark.parametrize("limits", [(0, 0, 10), (10, 10, 0)])
def test_a_cache_of_nothing_keeps_nothing(limits: tuple[float, float, int]) -> None:
    cache: _lookup_cache.LookupCache[str] = _lookup_cache.LookupCache(_lookup_cache.CacheLimits(*limits))
    cache.put("a", 1, is_negative=False, now_ms=0)
    assert len(cache) == 0


# ---- services


def test_the_name_of_an_address_and_of_a_port() -> None:
    log: Trace = []

    async def main() -> dns.Service:
        dns.lookup_service("127.0.0.1", 22, lambda error, service: log.append((error, service)))
        return await dns.lookup_service("127.0.0.1", 22)

    service = treadle.run(main)
    assert service == (*socket.getnameinfo(("127.0.0.1", 22), socket.NI_NAMEREQD),)
    assert log == [(None, service)]


def test_an_address_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(loop: EventLoop, address: str, port: int, settle: Callable[..., object], *, is_awaited: bool) -> Any:
        def fail() -> None:
            raise NoAnswer(socket.EAI_NONAME)

        return pool.run("dns.lookup_service", fail, callback=settle)

    monkeypatch.setattr("treadle.dns._service.ask_system_for_service", ask)
    log: Trace = []

    async def main() -> None:
        dns.lookup_service("192.0.2.1", 22, lambda error, service: log.append((error, service)))
        with pytest.raises(dns.DnsError) as raised:
            await dns.lookup_service("192.0.2.1", 22)
        assert (raised.value.code, raised.value.syscall) == ("ENOTFOUND", "getnameinfo")

    treadle.run(main)
    assert log[0][0].code == "ENOTFOUND"


def test_a_service_that_nobody_waits_for() -> None:
    async def main() -> None:
        dns.lookup_service("127.0.0.1", 22).cancel()

    treadle.run(main)


@pytest.mark.parametrize(("name", "expected"), [("", "not empty"), ("a\0b", "null bytes")])
def test_a_name_that_is_refused_is_told_why(name: str, expected: str) -> None:
    async def main() -> None:
        with pytest.raises(TreadleError) as raised:
            dns.lookup(name)
        assert expected in raised.value.message

    treadle.run(main)
