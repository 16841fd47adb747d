"""An answer that is still on its way is not idle time: neither the keep-alive deadline nor close() cuts it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.integration.support import Program, RawClient, request

pytestmark = pytest.mark.slow

SIZE = 6_000_000
KEEP_ALIVE_S = 0.3


@pytest.fixture
def program() -> Iterator[Program]:
    with Program.run("keep_alive.py") as program:
        yield program


def read_slowly(client: RawClient, until: int) -> int:
    """Steadily, for longer than keep_alive_s, before the rest is read at once."""
    count, end = 0, time.monotonic() + 4 * KEEP_ALIVE_S
    while time.monotonic() < end:
        data = client.socket.recv(8_192)
        assert data, f"cut after {count:_} bytes"
        count += len(data)
        time.sleep(0.005)  # a slow reader
    while count < until:
        data = client.socket.recv(262_144)
        assert data, f"cut after {count:_} bytes"
        count += len(data)
    return count


def test_a_slow_reader_gets_every_pipelined_answer(program: Program) -> None:
    with program.client(rcvbuf=16_384) as client:
        client.send(request("GET", "/") * 3)
        assert read_slowly(client, 3 * SIZE) > 3 * SIZE
        client.expect_end()


def test_a_request_that_comes_meanwhile_is_answered(program: Program) -> None:
    with program.client(rcvbuf=16_384) as client:
        client.send(request("GET", "/"))
        assert client.socket.recv(1)
        client.send(request("GET", "/"))
        assert read_slowly(client, 2 * SIZE) > 2 * SIZE


def test_close_lets_the_last_answer_be_read(program: Program) -> None:
    with program.client(rcvbuf=16_384) as client:
        client.send(request("GET", "/"))
        assert client.socket.recv(1)
        assert program.get("/close").status == 200
        client.send(request("GET", "/"))  # too late; it must not reset what is on its way
        assert read_slowly(client, SIZE) >= SIZE
        client.expect_end()
    program.stdout.wait_line("closed")


def test_a_malformed_body_does_not_cut_the_answer_that_was_complete_before_it(program: Program) -> None:
    with program.client(rcvbuf=16_384) as client:
        client.send(request("POST", "/early", "Transfer-Encoding: chunked", body=b"5\r\nhello\r\n"))
        assert client.socket.recv(1)
        client.send(b"0x5\r\n")
        assert read_slowly(client, SIZE) >= SIZE


def test_close_ends_a_connection_whose_body_ends_afterwards(program: Program) -> None:
    with program.client() as client:
        client.send(request("POST", "/early", "Content-Length: 10", body=b"hello"))
        client.response("POST")
        assert program.get("/close").status == 200
        client.send(b"hello")
        client.expect_end()
    program.stdout.wait_line("closed")
