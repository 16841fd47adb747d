"""Resolver, against a server of the test's own. Not here: lookup() (test_lookup.py)."""

import asyncio
import os
import pickle
import socket
import time
from collections.abc import Callable
from typing import Any

import pycares
import pytest

import treadle
from tests.unit.dns import server as says
from tests.unit.dns.questions import say_everything
from tests.unit.dns.server import Server
from treadle import TreadleError, dns
from treadle.dns import _channel
from treadle.loop.current import get_loop
from treadle.loop.event_loop import EventLoop

Trace = list[Any]
Make = Callable[..., dns.Resolver]


# ---- what records say


ANSWERS: dict[str, tuple[str, Any]] = {
    "resolve4": ("example.com", ["192.0.2.1", "192.0.2.2"]),
    "resolve6": ("example.com", ["2001:db8::1"]),
    "resolve_mx": ("example.com", [("second.example.com", 20), ("first.example.com", 10)]),
    "resolve_txt": ("example.com", [["v=spf1 -all"], ["other"], [""]]),
    "resolve_srv": ("_imap._tcp.example.com", [dns.SrvRecord(name="imap.example.com", port=143, priority=1, weight=2)]),
    "resolve_cname": ("www.example.com", ["example.com"]),
    "resolve_ns": ("example.com", ["ns1.example.com", "ns2.example.com"]),
    "resolve_ptr": ("1.2.0.192.in-addr.arpa", ["one.example.com"]),
    "resolve_soa": (
        "example.com",
        dns.SoaRecord("ns1.example.com", "admin.example.com", serial=1, refresh=2, retry=3, expire=4, minttl=5),
    ),
    "resolve_naptr": (
        "example.com",
        [dns.NaptrRecord("u", "E2U+sip", "!^.*$!sip:a@example.com!", "", order=100, preference=10)],
    ),
    "resolve_caa": ("example.com", [(0, "issue", "ca.example.net"), (128, "iodef", "mailto:a@example.com")]),
    "reverse": ("192.0.2.1", ["one.example.com"]),
}


@pytest.mark.parametrize("method", ANSWERS)
def test_records_of_every_kind(server: Server, resolver: Make, method: str) -> None:
    say_everything(server)
    asked_for, expected = ANSWERS[method]
    log: Trace = []

    async def main() -> Any:
        made = resolver()
        assert getattr(made, method)(asked_for, lambda error, records: log.append((error, records))) is None
        return await getattr(made, method)(asked_for)

    assert treadle.run(main) == expected
    assert log == [(None, expected)]


def test_texts_are_utf8_and_what_is_not_loses_nothing(server: Server, resolver: Make) -> None:
    server.say("example.com", "TXT", says.text("ä".encode()), says.text(b"a\xffb"))

    async def main() -> list[list[str]]:
        return await resolver().resolve_txt("example.com")

    assert treadle.run(main) == [["ä"], ["a\udcffb"]]


def test_resolve_takes_the_kind_as_text(server: Server, resolver: Make) -> None:
    say_everything(server)

    async def main() -> list[Any]:
        made = resolver()
        return [await made.resolve("example.com"), await made.resolve("example.com", "MX")]

    assert treadle.run(main) == [ANSWERS["resolve4"][1], ANSWERS["resolve_mx"][1]]


def test_the_time_that_an_address_holds(server: Server, resolver: Make) -> None:
    say_everything(server)

    async def main() -> list[Any]:
        made = resolver()
        return [await made.resolve4("example.com", ttl=True), await made.resolve6("example.com", ttl=True)]

    four, six = treadle.run(main)
    assert [one.address for one in four] == ["192.0.2.1", "192.0.2.2"]
    assert {one.ttl for one in four} <= {76, 77}
    assert six[0].ttl in (77, 78)


def test_another_name_on_the_way_is_no_address(server: Server, resolver: Make) -> None:
    server.say_records("www.example.com", "A", ("CNAME", says.name("example.com")), ("A", says.a("192.0.2.1")))

    async def main() -> list[str]:
        return await resolver().resolve4("www.example.com")

    assert treadle.run(main) == ["192.0.2.1"]


def test_a_name_beyond_ascii_is_asked_for_in_ascii(server: Server, resolver: Make) -> None:
    server.say("xn--bcher-kva.example", "A", says.a("192.0.2.1"))

    async def main() -> list[str]:
        return await resolver().resolve4("bücher.example")

    assert treadle.run(main) == ["192.0.2.1"]


def test_an_answer_that_does_not_fit_comes_by_tcp(server: Server, resolver: Make) -> None:
    server.say("example.com", "TXT", *[says.text(b"x" * 200)] * 40, is_truncated=True)

    async def main() -> list[list[str]]:
        return await resolver().resolve_txt("example.com")

    assert treadle.run(main) == [["x" * 200]] * 40
    assert server.by_tcp == 1


def test_many_at_once(server: Server, resolver: Make) -> None:
    for number in range(200):
        server.say(f"n{number}.example", "A", says.a(f"192.0.2.{number}"))

    async def main() -> list[list[str]]:
        made = resolver()
        return await asyncio.gather(*[made.resolve4(f"n{number}.example") for number in range(200)])

    assert treadle.run(main) == [[f"192.0.2.{number}"] for number in range(200)]


# ---- errors


@pytest.mark.parametrize(
    ("rcode", "code", "errno"),
    [
        (says.NXDOMAIN, "ENOTFOUND", socket.EAI_NONAME),
        (says.SERVFAIL, "ESERVFAIL", socket.EAI_AGAIN),
        (says.REFUSED, "EREFUSED", socket.EAI_FAIL),
        (says.NOTIMP, "ENOTIMP", socket.EAI_FAIL),
        (says.FORMERR, "EFORMERR", socket.EAI_FAIL),
        (says.OK, "ENODATA", socket.EAI_NODATA),
    ],
)
def test_what_a_server_refuses(server: Server, resolver: Make, rcode: int, code: str, errno: int) -> None:
    server.refuse("example.com", "MX", rcode)
    log: Trace = []

    async def main() -> None:
        made = resolver()
        made.resolve_mx("example.com", lambda error, records: log.append((error, records)))
        with pytest.raises(socket.gaierror) as raised:
            await made.resolve_mx("example.com")
        error = raised.value
        assert isinstance(error, dns.DnsError)
        assert (error.code, error.errno, error.syscall, error.hostname) == (code, errno, "query_mx", "example.com")
        assert str(error).startswith(f"query_mx {code} example.com: ")

    treadle.run(main)
    [(error, records)] = log
    assert (error.code, records) == (code, None)


def test_only_records_of_another_kind_are_none(server: Server, resolver: Make) -> None:
    server.say_records("example.com", "A", ("TXT", says.text(b"x")))

    async def main() -> None:
        with pytest.raises(dns.DnsError) as raised:
            await resolver().resolve4("example.com")
        assert raised.value.code == "ENODATA"

    treadle.run(main)


@pytest.mark.slow  # c-ares waits for 250 ms at least
@pytest.mark.parametrize(("rcode", "codes"), [(says.SILENCE, {"ETIMEOUT"}), (says.GARBAGE, {"EBADRESP", "ETIMEOUT"})])
def test_a_server_that_is_silent_or_talks_nonsense_is_given_up(
    server: Server, resolver: Make, rcode: int, codes: set[str]
) -> None:
    server.refuse("example.com", "A", rcode)

    async def main() -> None:
        with pytest.raises(dns.DnsError) as raised:
            await resolver(timeout=20, tries=2).resolve4("example.com")
        assert raised.value.code in codes

    treadle.run(main)
    if rcode == says.SILENCE:
        assert len(server.asked) == 2  # tries


def test_nobody_listens() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

    async def main() -> None:
        made = dns.Resolver(timeout=50, tries=1)
        made.set_servers([f"127.0.0.1:{port}"])
        with pytest.raises(dns.DnsError) as raised:
            await made.resolve4("example.com")
        assert raised.value.code == "ECONNREFUSED"
        assert raised.value.errno == socket.EAI_AGAIN

    treadle.run(main)


def test_a_name_that_is_too_long_is_none(resolver: Make) -> None:
    async def main() -> list[str]:
        made = resolver()
        codes = []
        for name in ("a" * 300, "a." * 128, "ä" * 64):
            with pytest.raises(dns.DnsError) as raised:
                await made.resolve4(name)
            codes.append(raised.value.code)
        return codes

    assert treadle.run(main) == ["EBADNAME"] * 3


def test_an_error_can_be_pickled() -> None:
    error = dns.DnsError("ENOTFOUND", "query_a", "example.com")
    copied = pickle.loads(pickle.dumps(error))
    assert (str(copied), copied.code, copied.errno) == (str(error), "ENOTFOUND", error.errno)


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda made: made.resolve4(5), "ERR_INVALID_ARG_TYPE"),
        (lambda made: made.resolve4(""), "ERR_INVALID_ARG_VALUE"),
        (lambda made: made.resolve4("a\0b"), "ERR_INVALID_ARG_VALUE"),
        (lambda made: made.resolve4("a", 5), "ERR_INVALID_ARG_TYPE"),
        (lambda made: made.resolve("a", "NOPE"), "ERR_INVALID_ARG_VALUE"),
        (lambda made: made.resolve("a", 5), "ERR_INVALID_ARG_TYPE"),
        (lambda made: made.reverse("example.com"), "ERR_INVALID_IP_ADDRESS"),
        (lambda made: made.reverse(5), "ERR_INVALID_ARG_TYPE"),
        (lambda made: made.set_servers(["nope"]), "ERR_INVALID_IP_ADDRESS"),
        (lambda made: made.set_servers(["127.0.0.1:0"]), "ERR_INVALID_IP_ADDRESS"),
        (lambda made: made.set_servers(["[::1"]), "ERR_INVALID_IP_ADDRESS"),
        (lambda made: made.set_servers(["::1]:53"]), "ERR_INVALID_IP_ADDRESS"),
        (lambda made: made.set_servers([5]), "ERR_INVALID_ARG_TYPE"),
        (lambda made: made.set_servers("127.0.0.1"), "ERR_INVALID_ARG_TYPE"),
        (lambda made: made.set_servers(None), "ERR_INVALID_ARG_TYPE"),
        (lambda made: made.set_servers(["127.0.0.1"] * 65), "ERR_OUT_OF_RANGE"),
        (lambda made: made.set_local_address("nope"), "ERR_INVALID_ARG_VALUE"),
        (lambda made: dns.Resolver(timeout=-2), "ERR_OUT_OF_RANGE"),
        (lambda made: dns.Resolver(tries=0), "ERR_OUT_OF_RANGE"),
        (lambda made: dns.Resolver(tries="4"), "ERR_INVALID_ARG_TYPE"),
    ],
)
def test_what_is_refused_at_once(server: Server, resolver: Make, call: Callable[[dns.Resolver], object], code: str) -> None:
    def main() -> None:
        with pytest.raises(TreadleError) as raised:
            call(resolver())
        assert raised.value.code == code

    treadle.run(main)
    assert server.asked == []


def test_without_a_loop(resolver: Make) -> None:
    for ask in (resolver().resolve4, dns.resolve4):
        with pytest.raises(TreadleError) as raised:
            ask("example.com")
        assert raised.value.code == "ERR_NO_LOOP"


# ---- servers


def test_servers_are_written_as_in_node() -> None:
    def main() -> list[str]:
        made = dns.Resolver()
        assert made.get_servers() == dns.get_servers()  # the system's
        made.set_servers(["127.0.0.1", "127.0.0.1:5353", "::1", "[::1]", "[::1]:53", "[2001:db8::1]:5353"])
        return made.get_servers()

    assert treadle.run(main) == ["127.0.0.1", "127.0.0.1:5353", "::1", "::1", "::1", "[2001:db8::1]:5353"]


@pytest.mark.slow
def test_the_next_server_is_asked_where_the_first_is_silent(server: Server) -> None:
    server.say("example.com", "A", says.a("192.0.2.1"))

    async def main(silent: Server) -> list[str]:
        made = dns.Resolver(timeout=20, tries=1)
        made.set_servers([silent.address, server.address])
        return await made.resolve4("example.com")

    with Server() as silent:
        silent.refuse("example.com", "A", says.SILENCE)
        assert treadle.run(main(silent)) == ["192.0.2.1"]
        assert silent.asked == [("example.com", "A")]


def test_servers_do_not_change_under_a_question(server: Server, resolver: Make) -> None:
    server.say("example.com", "A", says.a("192.0.2.1"))

    async def main() -> None:
        made = resolver()
        answer = made.resolve4("example.com")
        assert made.statistics() == dns.ResolverStatistics(questions=1, questions_max=65_536, asked=1)
        assert repr(made) == f"<Resolver servers={server.address} questions=1/65_536>"
        with pytest.raises(TreadleError) as raised:
            made.set_servers(["127.0.0.1"])
        assert raised.value.code == "ERR_DNS_SET_SERVERS_FAILED"
        await answer
        made.set_servers([server.address])

    treadle.run(main)


def test_the_functions_ask_the_servers_that_the_loop_was_given(server: Server) -> None:
    say_everything(server)

    async def main() -> list[Any]:
        dns.set_servers([server.address])
        assert dns.get_servers() == [server.address]
        return [await getattr(dns, method)(asked_for) for method, (asked_for, _) in ANSWERS.items()]

    assert treadle.run(main) == [expected for _, expected in ANSWERS.values()]


def test_a_local_address(server: Server, resolver: Make) -> None:
    server.say("example.com", "A", says.a("192.0.2.1"))

    async def main() -> list[str]:
        made = resolver()
        made.set_local_address("127.0.0.2")
        return await made.resolve4("example.com")

    assert treadle.run(main) == ["192.0.2.1"]


# ---- cancelling, order, the end


def test_cancel_fails_all_that_are_under_way(server: Server, resolver: Make) -> None:
    server.refuse("example.com", "A", says.SILENCE)
    server.say("good.example", "A", says.a("192.0.2.1"))
    log: Trace = []

    async def main() -> list[str]:
        made = resolver()
        answers = [made.resolve4("example.com") for _ in range(3)]
        made.resolve4("example.com", lambda error, _: log.append(error.code))  # type: ignore[union-attr]
        made.cancel()
        codes = [error.code for error in await asyncio.gather(*answers, return_exceptions=True)]  # type: ignore[union-attr]
        assert codes == ["ECANCELLED"] * 3
        return await made.resolve4("good.example")

    assert treadle.run(main) == ["192.0.2.1"]
    assert log == ["ECANCELLED"]


def test_a_question_that_nobody_waits_for_any_more_holds_nothing(server: Server, resolver: Make) -> None:
    server.refuse("example.com", "A", says.SILENCE)

    async def main() -> None:
        made = resolver(timeout=60_000, tries=1)
        refs = get_loop().request_refs
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(made.resolve4("example.com"), 0.02)
        assert get_loop().held_fds() == []
        assert get_loop().request_refs == refs

    treadle.run(main)  # and it ends


def test_cancelling_one_leaves_the_others(server: Server, resolver: Make) -> None:
    server.say("example.com", "A", says.a("192.0.2.1"))

    async def main() -> list[str]:
        made = resolver()
        first, second = made.resolve4("example.com"), made.resolve4("example.com")
        first.cancel()
        return await second

    assert treadle.run(main) == ["192.0.2.1"]


def test_a_callback_is_in_the_poll_phase_and_in_the_callers_context(server: Server, resolver: Make) -> None:
    server.say("example.com", "A", says.a("192.0.2.1"))
    log: Trace = []
    storage = treadle.AsyncLocalStorage()

    def on_records(error: Exception | None, records: list[str] | None) -> None:
        loop = get_loop()
        loop.set_timeout(log.append, 0, "timeout")
        loop.set_immediate(log.append, "immediate")
        log.append((error, records, storage.get_store()))

    treadle.run(lambda: storage.run("store", lambda: resolver().resolve4("example.com", on_records)))
    assert log == [(None, ["192.0.2.1"], "store"), "immediate", "timeout"]


def test_a_callback_that_fails_ends_the_program(server: Server, resolver: Make) -> None:
    server.say("example.com", "A", says.a("192.0.2.1"))

    def fail(_error: object, _records: object) -> None:
        raise ValueError("from the callback")

    with pytest.raises(ValueError, match="from the callback"):
        treadle.run(lambda: resolver().resolve4("example.com", fail))


def test_a_program_that_has_ended_runs_no_callback_but_its_tasks_still_ask(server: Server, resolver: Make) -> None:
    server.say("example.com", "A", says.a("192.0.2.1"))
    server.refuse("silent.example", "A", says.SILENCE)
    log: Trace = []

    async def clean_up(made: dns.Resolver) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            log.append(await made.resolve4("example.com"))

    async def main() -> None:
        made = resolver(timeout=60_000)
        task = asyncio.create_task(clean_up(made))
        await asyncio.sleep(0)
        made.resolve4("silent.example", lambda error, _: log.append(error))
        assert not task.done()
        raise ValueError("the end")

    with pytest.raises(ValueError, match="the end"):
        treadle.run(main)
    assert log == [["192.0.2.1"]]


def test_a_loop_that_is_closed_amid_a_question_leaves_nothing(server: Server, resolver: Make) -> None:
    server.refuse("example.com", "A", says.SILENCE)
    loop = EventLoop()

    async def main() -> "asyncio.Future[list[str]]":
        return resolver().resolve4("example.com")

    answer = loop.run_until_complete(main())
    assert loop.held_fds()
    loop.close()
    assert not answer.done()


def test_a_resolver_goes_on_in_the_next_program(server: Server, resolver: Make) -> None:
    server.say("example.com", "A", says.a("192.0.2.1"), ttl=0)
    made = resolver()

    async def main() -> list[str]:
        return await made.resolve4("example.com")

    assert [treadle.run(main), treadle.run(main)] == [["192.0.2.1"]] * 2
    assert server.asked == [("example.com", "A")] * 2


def test_a_resolver_is_one_loops(resolver: Make) -> None:
    made = resolver()
    first, second = EventLoop(), EventLoop()

    async def servers() -> None:
        made.resolve4("example.com").cancel()

    try:
        first.run_until_complete(servers())
        with pytest.raises(TreadleError) as raised:
            second.run_until_complete(servers())
        assert raised.value.code == "ERR_INVALID_STATE"
    finally:
        first.close()
        second.close()


def test_a_resolver_that_is_let_go_of_is_freed(server: Server, resolver: Make) -> None:
    import weakref

    server.say("example.com", "A", says.a("192.0.2.1"))

    async def main() -> None:
        made = resolver()
        await made.resolve4("example.com")
        gone = weakref.ref(made)
        del made
        await asyncio.sleep(0)
        assert gone() is None

    treadle.run(main)


def test_more_questions_than_a_channel_takes(server: Server, resolver: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_channel, "QUERIES_MAX", 2)
    server.say("example.com", "A", says.a("192.0.2.1"))

    async def main() -> None:
        made = resolver()
        answers = [made.resolve4("example.com"), made.resolve4("example.com")]
        with pytest.raises(TreadleError) as raised:
            made.resolve4("example.com")
        assert (raised.value.code, raised.value.data["limit"]) == ("ERR_DNS_SATURATED", 2)
        await asyncio.gather(*answers)

    treadle.run(main)


def test_questions_that_nobody_waits_for_any_more_count(server: Server, resolver: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """c-ares goes on with them as long as another one is waited for."""
    monkeypatch.setattr(_channel, "QUERIES_MAX", 3)
    server.refuse("silent.example", "A", says.SILENCE)
    server.say("example.com", "A", says.a("192.0.2.1"))

    async def main() -> None:
        made = resolver(timeout=10_000)
        waits = made.resolve4("silent.example")
        for _ in range(2):
            made.resolve4("silent.example").cancel()
        with pytest.raises(TreadleError) as raised:
            made.resolve4("example.com")
        assert raised.value.code == "ERR_DNS_SATURATED"
        waits.cancel()
        assert await made.resolve4("example.com") == ["192.0.2.1"]
        assert made.statistics().questions == 0

    treadle.run(main)


def test_without_a_server() -> None:
    async def main() -> None:
        made = dns.Resolver()
        made.set_servers([])
        with pytest.raises(dns.DnsError) as raised:
            await made.resolve4("example.com")
        assert (raised.value.code, raised.value.errno) == ("UNKNOWN_ARES_ERROR", socket.EAI_FAIL)  # as in Node

    treadle.run(main)


def test_a_forked_child_lets_go_of_its_channels(server: Server, resolver: Make) -> None:
    """pycares takes them apart on a thread, of which the child has none at first."""
    manager = pycares._shutdown_manager

    async def main() -> int:
        await resolver().resolve4("example.com")
        pid = os.fork()
        if pid == 0:
            try:
                for _ in range(2):
                    await asyncio.sleep(0)  # the loop notices, in its next poll phase
                for _ in range(3):
                    await asyncio.wait_for(resolver().resolve4("example.com"), 10)
                end_s = time.monotonic() + 10
                while manager._queue.qsize() and time.monotonic() < end_s:
                    await asyncio.sleep(0.001)
                os._exit(manager._queue.qsize())
            finally:
                os._exit(99)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    server.say("example.com", "A", says.a("192.0.2.1"))
    assert treadle.run(main) == 0


def test_a_forked_child_asks_anew_and_leaves_its_parents_question_alone(server: Server, resolver: Make) -> None:
    server.say("example.com", "A", says.a("192.0.2.1"), ttl=0)
    server.say("child.example", "A", says.a("192.0.2.9"), ttl=0)

    async def child(made: dns.Resolver, end: int) -> None:
        records = await made.resolve4("child.example")
        os.write(end, ",".join(records).encode())
        os._exit(0)

    async def main() -> tuple[bytes, list[str]]:
        made = resolver()
        answer = made.resolve4("example.com")
        here, there = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                await asyncio.sleep(0)  # the loop notices
                await asyncio.wait_for(child(made, there), 10)
            finally:
                os._exit(1)
        os.close(there)
        records = await answer
        try:
            said = await asyncio.to_thread(os.read, here, 100)
        finally:
            os.close(here)
            os.waitpid(pid, 0)
        return said, records

    assert treadle.run(main) == (b"192.0.2.9", ["192.0.2.1"])
