"""A handler that answers before it has read its request: it may read on, and what nobody reads harms nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.support import Program, RawClient, eventually, request

KIB = 1024
MIB = 1024 * KIB
BLOCK = bytes(range(256)) * 256


@pytest.fixture(scope="module")
def server() -> Iterator[Program]:
    with Program.run("reading_on.py") as program:
        assert program.get().status == 200
        yield program
        assert program.is_alive
        assert program.get().status == 200


@pytest.fixture
def program(server: Program) -> Program:
    server.get("/clear")
    return server


@pytest.fixture(scope="module")
def served() -> Iterator[Program]:
    with Program.serve("asgi_exchange:app") as program:
        assert program.get().status == 200
        yield program
        assert program.is_alive


def facts(program: Program) -> dict[str, Any]:
    return json.loads(program.get("/facts").body)  # type: ignore[no-any-return]


def framed(data: bytes, is_chunked: bool) -> bytes:
    if not is_chunked:
        return data
    pieces = (data[at : at + len(BLOCK)] for at in range(0, len(data), len(BLOCK)))
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def begin(client: RawClient, target: str, body: bytes, is_chunked: bool) -> bytes:
    """Send the head and a first piece, and read the answer to it. Returns what is still to be sent."""
    framing = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {len(body)}"
    stream = framed(body, is_chunked)
    client.send(request("POST", target, framing) + stream[:100])
    response = client.response()
    assert (response.status, response.body, response.announces_close()) == (200, b"early", False)
    return stream[100:]


@pytest.mark.slow
@pytest.mark.parametrize("is_chunked", [False, True])
def test_it_reads_on_behind_its_answer_with_back_pressure(program: Program, is_chunked: bool) -> None:
    body = BLOCK * (32 * MIB // len(BLOCK))
    memory = program.rss_bytes
    with program.client() as client:
        rest = begin(client, "/read-on", body, is_chunked)
        sent = client.send_until_blocked(rest)
        assert sent < 16 * MIB, "while it does not read, nobody does"
        assert program.rss_bytes - memory < 8 * MIB
        program.get("/release")
        client.send(rest[sent:] + request("GET", "/"))
        assert client.response().body == b"Hello, World!", "the connection goes on"
    assert facts(program)["read"] == [[len(body), hashlib.sha256(body).hexdigest()]]


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_small_rest_is_read_in_pieces(program: Program, is_chunked: bool) -> None:
    body = bytes(range(250))
    with program.client() as client:
        rest = begin(client, "/read-on", body, is_chunked)
        program.get("/release")
        for at in range(len(rest)):
            client.send(rest[at : at + 1])
        assert client.request().body == b"Hello, World!"
    assert facts(program)["read"] == [[len(body), hashlib.sha256(body).hexdigest()]]


@pytest.mark.parametrize("target", ["/leave", "/leave-at-once", "/fail"])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_what_it_leaves_is_dropped_and_the_connection_goes_on(program: Program, target: str, is_chunked: bool) -> None:
    """Up to 1 MiB is thrown away as it comes, and is never taken for requests."""
    body = (request("GET", "/facts") * 20_000)[: 900 * KIB]
    with program.client() as client:
        rest = begin(client, target, body, is_chunked)
        if target == "/leave":
            client.send(rest[: 300 * KIB])  # some of it comes before the handler has left
            program.get("/release")
            eventually(lambda: facts(program)["left"], "the handler returned")
            rest = rest[300 * KIB :]
        client.send(rest + request("GET", "/"))
        assert client.response().body == b"Hello, World!"
        assert client.request().body == b"Hello, World!"


@pytest.mark.parametrize("target", ["/leave", "/leave-at-once", "/fail"])
def test_a_rest_that_is_too_long_ends_the_connection(program: Program, target: str) -> None:
    with program.client() as client:
        begin(client, target, bytes(3 * MIB), False)
        if target == "/leave":
            assert client.is_quiet(0.0)
            program.get("/release")
        client.expect_end()


def test_a_chunked_rest_that_grows_too_long_ends_the_connection(program: Program) -> None:
    with program.client() as client:
        rest = begin(client, "/leave-at-once", BLOCK * (4 * MIB // len(BLOCK)), True)
        client.send(rest)  # taken, and thrown away: the end is no reset
        client.expect_end()


def test_a_peer_that_leaves_behind_the_answer_is_told_to_the_reader(program: Program) -> None:
    with program.client() as client:
        begin(client, "/read-on", bytes(MIB), False)
    program.get("/release")
    program.stderr.wait_line("ERR_HTTP_REQUEST_ABORTED|the peer left before the answer was complete")
    assert facts(program)["read"] == []


# Expect: 100-continue


def post(program: Program, target: str) -> bytes:
    """Everything that is answered to a client that waits for 100 Continue a while, and then sends its body all the same."""
    with program.client() as client:
        client.send(request("POST", target, "Expect: 100-continue", "Content-Length: 5"))
        received = b""
        while b"begun;" not in received and b"100 Continue\r\n\r\n" not in received and not received.endswith(b"\r\n\r\n"):
            received += client.socket.recv(65_536)
        client.send(b"hello")
        return received + client.rest()


@pytest.mark.parametrize("target", ["/write-then-read", "/flush-then-read"])
def test_continue_never_comes_inside_the_answer(program: Program, target: str) -> None:
    raw = post(program, target)
    assert raw.startswith(b"HTTP/1.1 200 OK\r\n")
    assert raw.count(b"HTTP/1.1") == 1
    assert b"Connection: close\r\n" in raw, "the client could not know whether to send its body"
    assert raw.endswith(b"5\r\nhello\r\n0\r\n\r\n" if target == "/write-then-read" else b"b\r\nbegun;hello\r\n0\r\n\r\n")


def test_continue_may_come_before_a_head_that_was_only_made(program: Program) -> None:
    with program.client() as client:
        client.send(request("POST", "/head-then-read", "Expect: 100-continue", "Content-Length: 5"))
        interim = b""
        while not interim.endswith(b"\r\n\r\n"):
            interim += client.socket.recv(65_536)
        assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"hello")
        response = client.response()
        assert (response.body, response.get("x-kind"), response.announces_close()) == (b"begun;hello", "head", False)
        assert client.request().status == 200


def test_continue_never_comes_inside_an_asgi_answer(served: Program) -> None:
    raw = post(served, "/write-then-read")
    assert raw.startswith(b"HTTP/1.1 200 OK\r\n")
    assert raw.count(b"HTTP/1.1") == 1
    assert raw.endswith(b"5\r\nhello\r\n0\r\n\r\n")
