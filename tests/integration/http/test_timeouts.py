"""Deadlines of the read side: absolute, so that a byte now and then buys no time (DESIGN section 6)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.integration.support import Program, RawClient, eventually, request

pytestmark = pytest.mark.slow

HEADERS_S, KEEP_ALIVE_S, REQUEST_S = 0.3, 0.3, 0.6
SLACK_S = 3.0  # a timer may be coarse, a machine may be busy; far below the defaults of 20 s and more


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    timeouts = {"headers_s": HEADERS_S, "keep_alive_s": KEEP_ALIVE_S, "request_s": REQUEST_S}
    with Program.run("routes.py", env={"TIMEOUTS": json.dumps(timeouts)}) as program:
        assert program.get().status == 200
        yield program
        assert program.get().status == 200


def dribble(client: RawClient, data: bytes, gap_s: float) -> None:
    """A byte, then a pause, until the server says something or everything is out."""
    for index in range(len(data)):
        if not client.try_send(data[index : index + 1]) or not client.is_quiet(gap_s):
            return


def expect_408(client: RawClient) -> None:
    response = client.response()
    assert response.status == 408
    assert response.announces_close()
    client.expect_end()


@pytest.mark.parametrize("start", ["GET / HT", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: test\r\nX: "])
def test_a_head_that_stalls_is_408(program: Program, start: str) -> None:
    began = time.monotonic()
    with program.client() as client:
        client.send(start.encode())
        expect_408(client)
    assert HEADERS_S * 0.9 < time.monotonic() - began < HEADERS_S + SLACK_S


def test_a_head_that_dribbles_is_408_all_the_same(program: Program) -> None:
    began = time.monotonic()
    with program.client() as client:
        dribble(client, b"GET / HTTP/1.1\r\nHost: test\r\nX: " + b"a" * 1_000, 0.05)
        expect_408(client)
    assert time.monotonic() - began < HEADERS_S + SLACK_S


def test_the_second_head_of_a_connection_has_the_same_deadline(program: Program) -> None:
    with program.client() as client:
        assert client.request().status == 200
        began = time.monotonic()
        dribble(client, request("GET", "/" + "a" * 1_000), 0.05)
        expect_408(client)
    assert time.monotonic() - began < KEEP_ALIVE_S + HEADERS_S + SLACK_S


def test_a_client_that_says_nothing_is_let_go(program: Program) -> None:
    with program.client() as client:
        assert client.rest().partition(b"\r\n")[0] in (b"", b"HTTP/1.1 408 Request Timeout")


def test_empty_lines_are_no_beginning(program: Program) -> None:
    """An empty line in front of a request buys no time either."""
    began = time.monotonic()
    with program.client() as client:
        dribble(client, b"\r\n" * 500, 0.05)
        client.rest()
    assert time.monotonic() - began < max(HEADERS_S, KEEP_ALIVE_S) + SLACK_S


def test_an_idle_connection_is_closed_in_silence(program: Program) -> None:
    """No 408 here: the client would take it for the answer to the request that it is about to send."""
    with program.client() as client:
        assert client.request().status == 200
        began = time.monotonic()
        client.expect_end()
    assert KEEP_ALIVE_S * 0.9 < time.monotonic() - began < KEEP_ALIVE_S + SLACK_S


def test_the_idle_time_begins_anew_with_each_request(program: Program) -> None:
    with program.client() as client:
        began = time.monotonic()
        while time.monotonic() - began < 2.5 * KEEP_ALIVE_S:
            assert client.request().status == 200
            assert client.is_quiet(KEEP_ALIVE_S / 4)


def test_a_body_that_stalls_is_408(program: Program) -> None:
    began = time.monotonic()
    with program.client() as client:
        client.send(request("POST", "/echo", "Content-Length: 100", body=b"hello"))
        expect_408(client)
    assert HEADERS_S < time.monotonic() - began < REQUEST_S + SLACK_S


@pytest.mark.parametrize("framing", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
def test_a_body_that_dribbles_is_408(program: Program, framing: str) -> None:
    began = time.monotonic()
    with program.client() as client:
        client.send(request("POST", "/echo", framing))
        dribble(client, b"1\r\na\r\n" * 200, 0.05)
        expect_408(client)
    assert time.monotonic() - began < REQUEST_S + SLACK_S


def test_the_handler_is_told_of_a_body_that_timed_out(program: Program) -> None:
    program.get("/clear")
    with program.client() as client:
        client.send(request("POST", "/watch-abort", "Content-Length: 100", body=b"hello"))
        expect_408(client)
    notes = eventually(lambda: json.loads(program.get("/facts").body)["notes"], "the handler has been told")
    assert "ERR_HTTP_REQUEST_ABORTED" in notes[0]


def test_an_answer_under_way_is_not_interrupted_by_a_late_body(program: Program) -> None:
    """The handler has answered; the rest of the body no longer comes. The answer stands, then the connection ends."""
    with program.client() as client:
        client.send(request("POST", "/ignore-body", "Content-Length: 100", body=b"hello"))
        assert client.response().body == b"ignored"
        rest = client.rest()
    assert not rest.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("body", [b"", b"hello"])
def test_a_slow_handler_is_none_of_these_deadlines_business(program: Program, body: bytes) -> None:
    with program.client() as client:
        client.send(request("POST", "/delay/900", body=body))
        assert client.response().body == b"/delay/900"
        assert client.request().status == 200


def test_a_pipelined_head_waits_for_a_slow_handler_in_peace(program: Program) -> None:
    with program.client() as client:
        client.send(request("GET", "/delay/700") + request("GET", "/"))
        assert client.response().body == b"/delay/700"
        assert client.response().body == b"Hello, World!"


def test_many_stalled_heads_all_end(program: Program) -> None:
    descriptors = program.idle_fd_count()
    clients = [program.client() for _ in range(200)]
    for client in clients:
        client.send(b"GET / HTTP/1.1\r\nX: ")
    for client in clients:
        expect_408(client)
        client.close()
    eventually(lambda: program.fd_count <= descriptors, "the descriptors are back")
