"""No descriptor left to accept with: those who are connected are served, the loop does not spin, and it recovers."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator

import pytest

from tests.integration.support import Program, RawClient, eventually, request

pytestmark = pytest.mark.slow

ROOM = 10  # connections that still fit


@pytest.fixture(params=["run", "serve"])
def program(request: pytest.FixtureRequest) -> Iterator[Program]:
    start = Program.run("routes.py") if request.param == "run" else Program.serve("asgi_app:app")
    with start as program:
        assert program.get().status == 200
        descriptors = program.idle_fd_count()
        resource.prlimit(program.pid, resource.RLIMIT_NOFILE, (descriptors + ROOM, 4_096))
        yield program
        assert program.is_alive


def test_it_serves_whom_it_has_and_takes_the_others_when_it_can(program: Program) -> None:
    clients = [program.client() for _ in range(ROOM * 2)]  # the kernel's backlog takes those who do not fit
    try:
        eventually(lambda: program.connection_count >= ROOM, "it is full")
        for _ in range(5):
            for client in clients[:ROOM]:
                assert client.request().status == 200
        ticks = program.cpu_ticks
        assert clients[-1].is_quiet(0.5), "nobody has taken it, so nobody says anything to it"
        assert program.cpu_ticks - ticks < 10, "half a second of waiting is not work; turning in a circle is up to 50 ticks"
        for client in clients[:-ROOM]:
            client.close()
        for client in clients[-ROOM:]:
            client.send(request("GET", "/"))
        for client in clients[-ROOM:]:
            assert client.response().status == 200
    finally:
        for client in clients:
            client.close()
    eventually(lambda: program.connection_count == 0, "all are gone")
    assert program.get().status == 200


def test_those_who_leave_while_they_wait_do_no_harm(program: Program) -> None:
    held = [program.client() for _ in range(ROOM)]
    eventually(lambda: program.connection_count >= ROOM, "it is full")
    for _ in range(ROOM * 2):
        waiting = RawClient(program.address)
        waiting.send(request("GET", "/"))
        waiting.reset()
    for client in held:
        client.close()
    eventually(lambda: program.connection_count == 0, "all are gone")
    with socket.create_connection(program.address) as fresh:  # type: ignore[arg-type]
        fresh.settimeout(15.0)
        fresh.sendall(request("GET", "/"))
        assert fresh.recv(100).startswith(b"HTTP/1.1 200")
