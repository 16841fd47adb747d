"""Names looked up by the system on threads of the pool. Only names that the machine itself knows are asked for.

Not here: one job for those who ask the same (tests/unit/dns).
"""

from __future__ import annotations

import gc
import socket
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.native.support import Room
from treadle._native.name_jobs import NoAnswer, look_up, look_up_service
from treadle._native.pool import PoolSaturated

MakeRoom = Callable[..., Room]


def as_python_says(name: str, family: int, hints: int = 0) -> list[tuple[str, int]]:
    asked = {0: socket.AF_UNSPEC, 4: socket.AF_INET, 6: socket.AF_INET6}[family]
    found = socket.getaddrinfo(name, None, asked, socket.SOCK_STREAM, 0, hints)
    return [(str(address[0]), 6 if kind == socket.AF_INET6 else 4) for kind, _, _, _, address in found]


@pytest.mark.parametrize(
    ("name", "family", "hints"),
    [
        ("localhost", 0, 0),
        ("localhost", 4, 0),
        ("127.0.0.1", 0, 0),
        ("::1", 0, 0),
        ("2001:db8::1", 6, socket.AI_NUMERICHOST),
        ("localhost", 6, socket.AI_V4MAPPED),
    ],
)
def test_it_is_what_getaddrinfo_says(room: Room, name: str, family: int, hints: int) -> None:
    look_up(room.pool, name.encode(), family, hints, lambda *outcome: room.log.append(outcome))
    assert room.log == []
    assert room.run() == [(None, as_python_says(name, family, hints))]


def test_an_address_of_one_link_has_its_zone(room: Room) -> None:
    look_up(room.pool, b"fe80::1%lo", 6, socket.AI_NUMERICHOST, lambda *outcome: room.log.append(outcome))
    assert room.run() == [(None, [(f"fe80::1%{socket.if_nametoindex('lo')}", 6)])]


@pytest.mark.parametrize(
    ("name", "family", "hints", "number"),
    [
        (b"localhost", 0, socket.AI_NUMERICHOST, socket.EAI_NONAME),
        (b"::1", 4, socket.AI_NUMERICHOST, socket.EAI_ADDRFAMILY),
        (b"localhost", 0, 1 << 30, socket.EAI_BADFLAGS),
        (b"", 0, socket.AI_NUMERICHOST, socket.EAI_NONAME),
    ],
)
def test_no_answer_has_the_number_of_getaddrinfo(room: Room, name: bytes, family: int, hints: int, number: int) -> None:
    look_up(room.pool, name, family, hints, lambda *outcome: room.log.append(outcome))
    [(error, addresses)] = room.run()  # type: ignore[misc]
    assert isinstance(error, NoAnswer)
    assert (error.args, addresses) == ((number,), None)


def test_a_name_with_a_nul_is_refused(room: Room) -> None:
    with pytest.raises(ValueError, match="null byte"):
        look_up(room.pool, b"local\0host", 0, 0, print)
    assert room.pool.statistics()["requests"] == 0


def test_many_at_once_hold_half_of_the_threads_and_all_are_answered(room: Room) -> None:
    for _ in range(200):
        look_up(room.pool, b"localhost", 4, 0, lambda error, addresses: room.log.append(addresses))
    assert room.pool.statistics()["threads"] <= room.pool.statistics()["size"]
    assert room.run() == [as_python_says("localhost", 4)] * 200


def test_names_that_wait_for_names_while_threads_are_idle(room: Room) -> None:
    requests = [look_up(room.pool, b"localhost", 4, 0, lambda error, addresses: None) for _ in range(60_000)]
    room.pool.saturation_hook = lambda: room.log.append(room.pool.saturation())

    def has_been_told() -> bool:
        room.pool.look_for_saturation()
        return bool(room.log)

    room.run_until(has_been_told, "one has waited for 100 ms")
    for request in requests:
        request.cancel()
    [(kind, waited_ns, busy, waiting, held_up_by)] = room.log  # type: ignore[misc]
    assert (kind, held_up_by, busy) == ("dns.lookup", "names", {"dns.lookup": 2})
    assert waited_ns >= 100_000_000 and waiting["dns.lookup"] > 0


def test_one_that_is_cancelled_is_not_told_and_holds_nothing(room: Room) -> None:
    requests = [look_up(room.pool, b"localhost", 0, 0, lambda *outcome: room.log.append(outcome)) for _ in range(20)]
    for request in requests:
        request.cancel()
    assert room.pool.statistics()["requests"] == 0
    assert room.run() == []


def test_a_callback_is_let_go_of(room: Room) -> None:
    class Listener:
        def __call__(self, *outcome: Any) -> None:
            room.log.append(outcome[0])

    listener = Listener()
    gone = weakref.ref(listener)
    look_up(room.pool, b"127.0.0.1", 0, 0, listener)
    del listener
    assert gone() is not None
    assert room.run() == [None]
    gc.collect()
    assert gone() is None


def test_a_full_queue(make_room: MakeRoom) -> None:
    room = make_room(size=1, queue_max=1)
    with pytest.raises(PoolSaturated):
        for _ in range(1000):
            look_up(room.pool, b"localhost", 0, 0, lambda *outcome: None)
    room.run()


def test_a_pool_that_is_closed_amid_its_jobs(make_room: MakeRoom) -> None:
    room = make_room(size=2)
    for _ in range(50):
        look_up(room.pool, b"localhost", 0, 0, lambda *outcome: room.log.append(outcome))
    room.pool.close()
    assert room.log == []
    with pytest.raises(RuntimeError):
        look_up(room.pool, b"localhost", 0, 0, print)


@pytest.mark.parametrize(("address", "port"), [("127.0.0.1", 22), ("127.0.0.1", 64999), ("127.0.0.1", 0)])
def test_the_names_of_an_address_and_a_port(room: Room, address: str, port: int) -> None:
    look_up_service(room.pool, address.encode(), port, lambda *outcome: room.log.append(outcome))
    assert room.run() == [(None, socket.getnameinfo((address, port), socket.NI_NAMEREQD))]


@pytest.mark.parametrize("address", [b"localhost", b"", b"256.0.0.1"])
def test_what_is_no_address_has_no_names(room: Room, address: bytes) -> None:
    look_up_service(room.pool, address, 22, lambda *outcome: room.log.append(outcome))
    [(error, names)] = room.run()  # type: ignore[misc]
    assert isinstance(error, NoAnswer)
    assert (error.args, names) == ((socket.EAI_NONAME,), None)


def test_what_is_no_port_or_has_a_nul_is_refused(room: Room) -> None:
    for address, port in ((b"127.0.0.1", 65536), (b"127.0.0.1", -1), (b"127.0\0.0.1", 22)):
        with pytest.raises(ValueError):
            look_up_service(room.pool, address, port, print)
    assert room.pool.statistics()["requests"] == 0
