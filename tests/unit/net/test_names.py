"""Connections to names, as treadle.dns looks them up. Not here: the order of attempts, and a getaddrinfo that a program has
replaced (test_socket.py)."""

import asyncio
import socket as sockets
from typing import Any

import pytest

import treadle
from treadle import TreadleError, dns, net
from treadle._native.name_jobs import NoAnswer
from treadle.dns import _lookup
from treadle.loop.event_loop import EventLoop


def answering(monkeypatch: pytest.MonkeyPatch, outcome: Any) -> list[tuple[bytes, int, int]]:
    """Has the system say that; returns what it was asked."""
    asked: list[tuple[bytes, int, int]] = []

    def ask(loop: EventLoop, name: bytes, family: int, hints: int) -> "asyncio.Future[Any]":
        asked.append((name, family, hints))
        if isinstance(outcome, TreadleError):
            raise outcome
        future = loop.create_future()
        if isinstance(outcome, BaseException):
            loop.call_soon(future.set_exception, outcome)
        else:
            loop.call_soon(future.set_result, outcome)
        return future

    monkeypatch.setattr(_lookup, "ask_system", ask)
    return asked


def test_connections_to_one_name_at_one_time_are_one_question() -> None:
    async def main() -> None:
        async with net.create_server(lambda socket: socket.end() and None).listen() as server:
            port = server.address().port  # type: ignore[union-attr]
            connections = [net.connect(port, "localhost", family=4) for _ in range(20)]
            for one in connections:
                await one.wait_connected()
                one.destroy()
            assert (dns.statistics().jobs, dns.statistics().coalesced) == (1, 19)

    treadle.run(main)


@pytest.mark.parametrize("family", [0, 4, 6])
def test_the_family_is_asked_for(monkeypatch: pytest.MonkeyPatch, family: int) -> None:
    asked = answering(monkeypatch, NoAnswer(sockets.EAI_NONAME))

    async def main() -> None:
        with pytest.raises(sockets.gaierror):
            await net.connect(80, "a.name", family=family).wait_connected()

    treadle.run(main)
    assert asked == [(b"a.name", family, 0)]


def test_a_name_that_nobody_knows_has_nodes_code(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, NoAnswer(sockets.EAI_NONAME))

    async def main() -> None:
        socket = net.connect(80, "a.name")
        log: list[object] = []
        socket.on("lookup", lambda error, *rest: log.append((error.code, *rest)))
        with pytest.raises(sockets.gaierror, match=r"a\.name") as raised:
            await socket.wait_connected()
        assert isinstance(raised.value, dns.DnsError)
        assert raised.value.code == "ENOTFOUND"
        assert log == [("ENOTFOUND", None, None, "a.name")]

    treadle.run(main)


@pytest.mark.parametrize(("name", "code"), [("a.name", "ERR_POOL_SATURATED"), ("a\0b", "ERR_INVALID_ARG_VALUE")])
def test_a_name_that_cannot_be_asked_for_fails_the_connection(monkeypatch: pytest.MonkeyPatch, name: str, code: str) -> None:
    answering(monkeypatch, TreadleError("ERR_POOL_SATURATED", limit=1))

    async def main() -> None:
        socket = net.connect(80, name)
        with pytest.raises(TreadleError) as raised:
            await socket.wait_connected()
        assert raised.value.code == code
        assert socket.destroyed

    treadle.run(main)


def test_a_socket_that_is_destroyed_amid_the_question_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, [("127.0.0.1", 4)])

    async def main() -> None:
        async with net.create_server(lambda socket: socket.end() and None).listen() as server:
            port = server.address().port  # type: ignore[union-attr]
            first, second = net.connect(port, "a.name"), net.connect(port, "a.name")
            await asyncio.sleep(0)
            first.destroy()
            await second.wait_connected()
            second.destroy()
        assert dns.statistics().askers == 0

    treadle.run(main)


def test_an_address_of_one_link_keeps_its_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, [("fe80::1%1", 6)])

    async def main() -> None:
        socket = net.connect(80, "a.name")
        log: list[object] = []
        socket.on("lookup", lambda error, address, *rest: log.append(address))
        with pytest.raises(OSError):
            await socket.wait_connected()
        assert log == ["fe80::1"]  # what the socket module calls it; the zone is a number beside it

    treadle.run(main)
