"""Handlers that fail: 500 while the head is unsent, the end of the connection afterwards, and the server goes on."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.integration.support import Program, request


@pytest.fixture
def program() -> Iterator[Program]:
    """One of its own: its log belongs to one test."""
    with Program.run("routes.py") as program:
        yield program
        assert program.is_alive
        assert program.get().body == b"Hello, World!"


BEFORE = ["/fail-before", "/fail-before-async", "/fail-at-once-async", "/fail-with-headers-set"]
AFTER = ["/fail-after", "/fail-after-async", "/fail-after-sized"]


@pytest.mark.slow
def test_before_the_head_it_is_500_and_a_traceback(program: Program) -> None:
    for target in BEFORE:
        response = program.get(target)
        assert (response.status, response.truncated) == (500, False)
        assert response.get("x-secret") is None, "headers of the answer that was not given"
        marker = f"marker-{target.removeprefix('/fail-').removeprefix('with-')}"
        assert b"marker" not in response.body, "the client learns nothing of the error"
        program.stderr.wait_line(re.escape(marker) + "$")
    assert program.stderr.text.count("Traceback (most recent call last)") == len(BEFORE)
    assert "routes.py" in program.stderr.text


@pytest.mark.slow
def test_after_the_head_the_connection_is_cut(program: Program) -> None:
    for target in AFTER:
        with program.client() as client:
            client.send(request("GET", target) + request("GET", "/"))
            rest = client.rest()
        head, _, body = rest.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert body == (b"begun" if target == "/fail-after-sized" else b"5\r\nbegun\r\n"), "no end, and no second answer"
        program.stderr.wait_line(f"marker-{target.removeprefix('/fail-')}$")
    assert program.stderr.text.count("Traceback (most recent call last)") == len(AFTER)


def test_a_chunked_answer_that_was_cut_is_seen_as_cut(routes: Program) -> None:
    with routes.client() as client:
        response = client.request("GET", "/fail-after-async")
        assert (response.status, response.body, response.truncated) == (200, b"begun", True)


@pytest.mark.slow
def test_after_the_end_the_answer_stands(program: Program) -> None:
    assert program.get("/fail-after-end").body == b"whole"
    program.stderr.wait_line("marker-after-end$")


@pytest.mark.parametrize("target", BEFORE)
def test_a_connection_ends_behind_500(routes: Program, target: str) -> None:
    """Announced, and what is pipelined is not answered: nobody knows how much of it the handler took for its own."""
    with routes.client() as client:
        client.send(request("GET", target) + request("GET", "/"))
        response = client.response()
        assert (response.status, response.announces_close()) == (500, True)
        client.expect_end()


def test_500_to_a_post_whose_body_nobody_read(routes: Program) -> None:
    with routes.client() as client:
        client.send(request("POST", "/fail-before", body=b"GET / HTTP/1.1\r\n\r\n" * 5_000) + request("GET", "/"))
        response = client.response()
        assert (response.status, response.announces_close()) == (500, True)
        client.expect_end()


def test_500_to_head_has_no_body(routes: Program) -> None:
    with routes.client() as client:
        client.send(request("HEAD", "/fail-before") + request("GET", "/"))
        response = client.response("HEAD")
        assert (response.status, response.announces_close()) == (500, True)
        client.expect_end()


def test_500_to_http10(routes: Program) -> None:
    with routes.client() as client:
        client.send(b"GET /fail-before HTTP/1.0\r\n\r\n")
        assert client.response().status == 500
        client.expect_end()


def test_half_an_answer_to_http10_does_not_look_whole(routes: Program) -> None:
    """It has neither a length nor chunks: an end of the connection would be its own, RFC 9112 section 8."""
    with routes.client() as client:
        client.send(b"GET /fail-after-async HTTP/1.0\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            while client.socket.recv(65_536):
                pass


def test_a_handler_that_is_cancelled_leaves_no_client_waiting(routes: Program) -> None:
    with routes.client() as client:
        client.send(request("GET", "/fail-cancelled", "Connection: close"))
        rest = client.rest()
    assert rest.startswith(b"HTTP/1.1 500 ")


@pytest.mark.slow
@pytest.mark.parametrize("target", ["/too-short", "/too-long", "/too-long-end"])
def test_a_body_that_is_not_as_long_as_announced(program: Program, target: str) -> None:
    """The client must never take the rest for another answer, nor a short body for a whole one."""
    with program.client() as client:
        client.send(request("GET", target) + request("GET", "/"))
        rest = client.rest()
    assert rest == b"", "cut in the turn in which it was begun, before anything of it left"
    program.stderr.wait_line("ERR_HTTP_CONTENT_LENGTH_MISMATCH")


@pytest.mark.slow
def test_a_whole_body_that_is_not_as_long_as_announced(program: Program) -> None:
    with program.client() as client:
        client.send(request("GET", "/mismatch-at-once", "Connection: close"))
        rest = client.rest()
    assert rest == b""
    program.stderr.wait_line("ERR_HTTP_CONTENT_LENGTH_MISMATCH")


@pytest.mark.slow
def test_hundreds_of_failures_leave_nothing_behind(program: Program) -> None:
    for _ in range(50):
        program.get("/fail-before")
    descriptors, memory = program.idle_fd_count(), program.rss_bytes
    for target in [*BEFORE, *AFTER] * 40:
        with program.client() as client:
            client.send(request("GET", target, "Connection: close"))
            client.rest()
    assert program.idle_fd_count() <= descriptors
    assert program.rss_bytes - memory < 8 * 1024 * 1024
