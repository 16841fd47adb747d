"""Bounded memory, whatever the other side does: a client that does not read, a handler that does not read."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from tests.integration.support import Program, eventually, request

pytestmark = pytest.mark.slow

MIB = 1024 * 1024
SIZE = 64 * MIB
BLOCK = bytes(range(256)) * 256


@pytest.fixture
def program() -> Any:
    """One of its own: memory that one test has touched would hide what the next one takes."""
    with Program.run("routes.py") as program:
        assert len(program.get("/big/2").body) == 2 * MIB
        assert json.loads(program.get("/iterate", method="POST", body=b"x" * MIB).body)["bytes"] == MIB
        program.get("/clear")
        yield program
        assert program.is_alive


def facts(program: Program) -> dict[str, Any]:
    return json.loads(program.get("/facts").body)  # type: ignore[no-any-return]


def stalled(program: Program) -> int:
    """Bytes offered when the handler has stopped offering: the same figure in 20 answers in a row."""
    seen: list[int] = []

    def is_stalled() -> bool:
        seen.append(facts(program)["offered"])
        return len(seen) > 20 and len(set(seen[-20:])) == 1 and seen[-1] > 0

    eventually(is_stalled, "the handler waits")
    return seen[-1]


@pytest.mark.parametrize("target", ["/big/64", "/big-chunked/64"])
def test_a_client_that_does_not_read_makes_the_handler_wait(program: Program, target: str) -> None:
    memory = program.rss_bytes
    with program.client() as client:
        client.send(request("GET", target))
        assert stalled(program) < SIZE // 2
        assert program.rss_bytes - memory < 16 * MIB
        assert facts(program)["refused_writes"] > 0, "write() says so"
        assert program.get("/").status == 200
        response = client.response()
    assert hashlib.sha256(response.body).digest() == hashlib.sha256(BLOCK * (SIZE // len(BLOCK))).digest()
    assert program.rss_bytes - memory < 16 * MIB


def test_many_clients_that_do_not_read(program: Program) -> None:
    memory = program.rss_bytes
    clients = [program.client(rcvbuf=4_096) for _ in range(20)]
    for client in clients:
        client.send(request("GET", "/big/64"))
    stalled(program)
    assert program.rss_bytes - memory < 16 * MIB, "20 streams, a mark of 64 KiB each, and what they need around it"
    for client in clients:
        client.reset()
    eventually(lambda: facts(program)["connections"] == 1, "all are gone")


def test_a_waiting_handler_is_told_that_its_client_has_gone(program: Program) -> None:
    with program.client(rcvbuf=65_536) as client:
        client.send(request("GET", "/big-watched"))
        stalled(program)
        client.reset()
    notes = eventually(lambda: facts(program)["notes"], "ready() ends")
    assert notes[0].startswith("told by"), notes
    assert "TimeoutError" not in notes[0]


def test_a_client_that_reads_slowly_gets_everything(program: Program) -> None:
    memory = program.rss_bytes
    with program.client(rcvbuf=16_384) as client:
        client.send(request("GET", "/big/16", "Connection: close"))
        received = 0
        while data := client.socket.recv(8_192):
            received += len(data)
    assert 16 * MIB < received < 16 * MIB + 1_000
    assert program.rss_bytes - memory < 8 * MIB


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_handler_that_does_not_read_makes_the_client_wait(program: Program, is_chunked: bool) -> None:
    memory = program.rss_bytes
    framing = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {SIZE}"
    frame = b"%x\r\n%s\r\n" % (len(BLOCK), BLOCK) if is_chunked else BLOCK
    stream = frame * (SIZE // len(BLOCK)) + (b"0\r\n\r\n" if is_chunked else b"")
    with program.client() as client:
        client.send(request("POST", "/hold", framing))
        sent = client.send_until_blocked(stream)
        assert sent < 16 * MIB, "the buffers of two kernels and one mark"
        assert program.rss_bytes - memory < 8 * MIB
        assert program.get("/").status == 200
        program.get("/release")
        client.send(stream[sent:])
        response = json.loads(client.response().body)
    assert response["bytes"] == SIZE
    assert response["sha256"] == hashlib.sha256(BLOCK * (SIZE // len(BLOCK))).hexdigest()
    assert program.rss_bytes - memory < 16 * MIB


def test_an_upload_is_echoed_in_bounded_memory(program: Program) -> None:
    """Both directions at once, the client reading only when the server takes no more."""
    memory = program.rss_bytes
    stream = BLOCK * (32 * MIB // len(BLOCK))
    with program.client() as client:
        client.send(request("POST", "/echo-stream", f"Content-Length: {len(stream)}"))
        sent = client.send_until_blocked(stream, quiet_s=0.3)
        assert sent < 24 * MIB
        received = b""
        while sent < len(stream):
            received += client.socket.recv(MIB)
            sent += client.send_until_blocked(stream[sent : sent + MIB], quiet_s=0.0)
        while not received.endswith(b"0\r\n\r\n"):
            received += client.socket.recv(MIB)
    assert len(received) > len(stream)
    assert program.rss_bytes - memory < 16 * MIB


def test_a_client_that_sends_chunks_of_one_byte(program: Program) -> None:
    """Two hundred thousand of them unread are no reason to keep two hundred thousand objects."""
    memory = program.rss_bytes
    with program.client() as client:
        client.send(request("POST", "/hold", "Transfer-Encoding: chunked"))
        sent = client.send_until_blocked(b"1\r\nx\r\n" * 200_000 + b"0\r\n\r\n")
        assert program.rss_bytes - memory < 16 * MIB
        program.get("/release")
        client.send((b"1\r\nx\r\n" * 200_000 + b"0\r\n\r\n")[sent:])
        assert json.loads(client.response().body)["bytes"] == 200_000
    assert program.rss_bytes - memory < 16 * MIB


def test_a_client_that_leaves_at_once_does_not_keep_a_handler_writing() -> None:
    with Program.run("endless.py") as program:
        for _ in range(20):
            with program.client() as client:
                client.send(request("GET", "/for-ever"))
        eventually(lambda: program.stdout.lines.count("left") == 20, "every handler has been told")
        assert program.get("/").body == b"alive"
