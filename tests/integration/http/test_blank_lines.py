"""Line ends before a request line (RFC 9112 section 2.2): a few are ignored, and leave the connection as idle as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.integration.support import Program, request

POST = request("POST", "/echo", body=b"hello")
PAIRS_MAX = 32


def pass_barrier(program: Program) -> None:
    """A request on another connection, answered: the server has read whatever had arrived before."""
    assert program.get().status == 200


@pytest.fixture(scope="module")
def impatient() -> Iterator[Program]:
    """A head has less time than an idle connection, so that either deadline shows which it was."""
    with Program.run("routes.py", env={"TIMEOUTS": json.dumps({"headers_s": 0.2, "keep_alive_s": 0.5})}) as program:
        yield program
        assert program.is_alive


@pytest.mark.slow
@pytest.mark.parametrize("pairs", [1, 2, PAIRS_MAX])
@pytest.mark.parametrize("is_apart", [False, True])
def test_behind_a_body_they_begin_no_head(impatient: Program, pairs: int, is_apart: bool) -> None:
    """Closed in silence when it has been idle long enough, without a 408."""
    with impatient.client() as client:
        client.send(POST if is_apart else POST + b"\r\n" * pairs)
        assert client.response().body == b"hello"
        if is_apart:
            client.send(b"\r\n" * pairs)
        client.expect_end()


@pytest.mark.slow
@pytest.mark.parametrize("blank", [b"\r\n", b"\r", b"\r\n\r"])
def test_a_server_that_closes_takes_the_connection_for_idle(blank: bytes) -> None:
    """Else it would wait for the rest of a head, 20 s."""
    with Program.run("closing.py") as program, program.client() as client:
        client.send(request("POST", "/any", body=b"hello") + blank)
        assert client.response().body == b"/any"
        assert program.get("/close").body == b"/close"
        client.expect_end()
        assert program.wait() == 0
        assert "close" in program.stdout.lines


@pytest.mark.parametrize("before", [b"", POST], ids=["first", "next"])
@pytest.mark.parametrize("cut", [0, 1, 2, 3])
def test_so_many_and_no_more(routes: Program, before: bytes, cut: int) -> None:
    """The limit is the same wherever the stream is cut: before the last line ends, within one, or behind them."""
    for pairs, status in [(1, 200), (PAIRS_MAX, 200), (PAIRS_MAX + 1, 400), (200, 400)]:
        blank = b"\r\n" * pairs
        with routes.client() as client:
            client.send(before + blank[: len(blank) - cut])
            if before:
                assert client.response().body == b"hello"
            if cut:
                pass_barrier(routes)
            client.try_send(blank[len(blank) - cut :] + request("GET", "/"))
            response = client.response()
            assert response.status == status, pairs
            if status == 400:
                client.expect_end()
            else:
                assert client.request().status == 200


def test_the_count_begins_anew_with_each_request(routes: Program) -> None:
    with routes.client() as client:
        client.send((b"\r\n" * PAIRS_MAX + POST) * 5)
        assert [client.response().body for _ in range(5)] == [b"hello"] * 5


@pytest.mark.parametrize("blank", [b"\r", b"\n", b"\r\n\r", b"\r\n\n", b"\r\r\n", b"\n\r\n", b"\r\n\r\r\n"])
@pytest.mark.parametrize("before", [b"", POST], ids=["first", "next"])
@pytest.mark.parametrize("is_cut", [False, True])
def test_a_bare_cr_or_lf_is_no_line_end(routes: Program, blank: bytes, before: bytes, is_cut: bool) -> None:
    with routes.client() as client:
        client.send(before + blank)
        if before:
            assert client.response().body == b"hello"
        if is_cut:
            pass_barrier(routes)
        client.try_send(request("GET", "/"))
        assert client.response().status == 400
        client.expect_end()


@pytest.mark.parametrize("pairs", [4_096, 4_100, 16_384])
@pytest.mark.parametrize("before", [b"", POST], ids=["first", "next"])
def test_thousands_of_them_and_then_half_a_request_line(routes: Program, pairs: int, before: bytes) -> None:
    """More than the longest request line: where it ends is not looked for behind what has arrived."""
    with routes.client() as client:
        client.send(before + b"\r\n" * pairs)
        if before:
            assert client.response().body == b"hello"
        pass_barrier(routes)
        client.try_send(b"GET / HT")
        assert client.response().status == 400
        client.expect_end()
    assert routes.get().status == 200
