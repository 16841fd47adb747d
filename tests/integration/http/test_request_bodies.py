"""Request bodies: read whole, chunk by chunk, late, in part or not at all; heads as handlers see them; Expect."""

from __future__ import annotations

import hashlib
import json
import random
from typing import Any

import pytest

from tests.integration.support import Program, eventually, request

BODY = random.Random(3).randbytes(300_000)


def chunks(body: bytes, size: int) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def facts(program: Program) -> dict[str, Any]:
    return json.loads(program.get("/facts").body)  # type: ignore[no-any-return]


@pytest.mark.parametrize("target", ["/echo", "/echo-stream", "/read-late"])
@pytest.mark.parametrize("size", [0, 1, 5, 65_535, 65_536, 65_537, 300_000])
def test_a_body_with_a_length_comes_through(routes: Program, target: str, size: int) -> None:
    with routes.client() as client:
        assert client.request("POST", target, "Content-Length: " + str(size), body=BODY[:size]).body == BODY[:size]
        assert client.request().status == 200


@pytest.mark.parametrize("target", ["/echo", "/echo-stream", "/read-late"])
@pytest.mark.parametrize("size", [1, 100, 65_536, 300_000])
def test_a_chunked_body_comes_through(routes: Program, target: str, size: int) -> None:
    body = BODY[:3_000] if size == 1 else BODY
    with routes.client() as client:
        response = client.request("POST", target, "Transfer-Encoding: chunked", body=chunks(body, size))
        assert response.body == body
        assert client.request().status == 200


def test_iteration_gives_bytes_and_never_an_empty_chunk(routes: Program) -> None:
    response = json.loads(routes.get("/iterate", method="POST", body=BODY).body)
    assert (response["bytes"], response["sha256"]) == (len(BODY), hashlib.sha256(BODY).hexdigest())
    assert response["chunks"] >= 1
    assert (response["empty"], response["complete"]) == (0, True)


def test_iteration_over_no_body_ends_at_once(routes: Program) -> None:
    response = json.loads(routes.get("/iterate").body)
    assert (response["bytes"], response["chunks"], response["complete"]) == (0, 0, True)


def test_trailers_are_there_after_the_body(routes: Program) -> None:
    body = b"5\r\nhello\r\n0\r\nX-Check: 77\r\nx-other:a b \r\n\r\n"
    response = json.loads(routes.get("/iterate", "Transfer-Encoding: chunked", method="POST", body=body).body)
    assert response["trailers"] == {"x-check": "77", "x-other": "a b"}


def test_a_body_that_dribbles_in_is_delivered_as_it_comes(routes: Program) -> None:
    with routes.client() as client:
        client.send(request("POST", "/echo-stream", "Content-Length: 10"))
        data = b""
        for piece in (b"01234", b"56789"):
            client.send(piece)
            while piece not in data:
                data += client.socket.recv(65_536)


@pytest.mark.parametrize("target", ["/ignore-body", "/ignore-body-later", "/read-some"])
@pytest.mark.parametrize("size", [5, 200_000])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_after_an_unread_body_the_next_request_is_answered(routes: Program, target: str, size: int, is_chunked: bool) -> None:
    """What was not read is never taken for a request, and the answer is not lost to a reset."""
    body = (b"GET /request HTTP/1.1\r\nHost: smuggled\r\n\r\n" * (size // 30 + 1))[:size]
    message = (
        request("POST", target, "Transfer-Encoding: chunked", body=chunks(body, 4_096))
        if is_chunked
        else request("POST", target, body=body)
    )
    with routes.client() as client:
        client.send(message + request("GET", "/"))
        response = client.response()
        assert (response.status, response.body) == (200, b"True" if target == "/read-some" else b"ignored")
        assert not response.announces_close()
        assert client.response().body == b"Hello, World!"
        assert client.request("GET", "/async").body == b"Hello, World!"


def test_an_endless_unread_body_does_not_hold_the_connection(routes: Program) -> None:
    """A client may promise 10 GB to a handler that never reads: the server does not read them all to be polite."""
    with routes.client() as client:
        client.send(request("POST", "/ignore-body", "Content-Length: 10000000000"))
        assert client.response().body == b"ignored"
        client.expect_end()
    assert routes.get().status == 200


@pytest.mark.parametrize("target", ["/watch-abort", "/watch-abort-iterating"])
@pytest.mark.parametrize("how", ["reset", "close", "half-close"])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_client_that_leaves_in_its_body_raises_in_the_handler(routes: Program, target: str, how: str, is_chunked: bool) -> None:
    routes.get("/clear")
    framing = "Transfer-Encoding: chunked" if is_chunked else "Content-Length: 1000"
    with routes.client() as client:
        client.send(request("POST", target, framing, body=b"5\r\nhello\r\n"))
        eventually(lambda: facts(routes)["held"] == 1, "the handler reads")
        if how == "half-close":
            client.half_close()
            client.rest()
        elif how == "reset":
            client.reset()
        else:
            client.close()
    notes = eventually(lambda: facts(routes)["notes"], "the handler has been told")
    assert len(notes) == 1
    assert "ERR_HTTP_REQUEST_ABORTED" in notes[0]
    if target == "/watch-abort":
        assert "aborted=True complete=False" in notes[0]
    eventually(lambda: facts(routes)["connections"] == 1, "the connection is gone")


def test_a_malformed_chunk_raises_in_the_handler_and_the_client_gets_400_only(routes: Program) -> None:
    routes.get("/clear")
    with routes.client() as client:
        client.send(request("POST", "/watch-abort", "Transfer-Encoding: chunked", body=b"5\r\nhello\r\n"))
        eventually(lambda: facts(routes)["held"], "the handler reads")  # else it would never be called, for nothing
        client.send(b"0x5\r\nhello\r\n0\r\n\r\n")
        assert client.response().status == 400
        client.expect_end()
    assert "ERR_HTTP_REQUEST_ABORTED" in eventually(lambda: facts(routes)["notes"], "the handler has been told")[0]


def test_a_body_read_behind_the_answer_is_whole_or_an_error(routes: Program) -> None:
    """What arrived with the head is still there; what did not was thrown away, and must not look like an empty body."""
    routes.get("/clear")
    with routes.client() as client:
        assert client.request("POST", "/read-after-end", body=b"hello").body == b"answered"
        client.send(request("POST", "/read-after-end", "Content-Length: 5", body=b"he"))
        assert client.response().body == b"answered"
        client.send(b"llo")
        assert client.request().status == 200
    assert facts(routes)["notes"] == ["read 5 bytes", "read: ERR_HTTP_BODY_DROPPED"]


# heads


def request_facts(program: Program, raw: bytes) -> dict[str, Any]:
    with program.client() as client:
        client.send(raw)
        return json.loads(client.response().body)  # type: ignore[no-any-return]


def test_the_head_as_the_handler_sees_it(routes: Program) -> None:
    seen = request_facts(
        routes,
        b"DELETE /request/a%20b/%C3%A9?x=1&y=%2F HTTP/1.1\r\nHost: Example.COM:80\r\nX-One:  a  \r\nx-ONE: b\r\n"
        b"Cookie: a=1\r\nCookie: b=2\r\nUser-Agent: first\r\nUser-Agent: second\r\nX-Empty:\r\n\r\n",
    )
    assert (seen["method"], seen["url"], seen["http_version"]) == ("DELETE", "/request/a%20b/%C3%A9?x=1&y=%2F", "1.1")
    assert seen["complete"] is True
    assert seen["headers"] == {
        "host": "Example.COM:80",
        "x-one": "a, b",
        "cookie": "a=1; b=2",
        "user-agent": "first",
        "x-empty": "",
    }
    assert [tuple(pair) for pair in seen["raw_headers"]] == [
        ("Host", "Example.COM:80"),
        ("X-One", "a"),
        ("x-ONE", "b"),
        ("Cookie", "a=1"),
        ("Cookie", "b=2"),
        ("User-Agent", "first"),
        ("User-Agent", "second"),
        ("X-Empty", ""),
    ]


def test_header_bytes_above_ascii_are_latin_1(routes: Program) -> None:
    seen = request_facts(routes, b"GET /request HTTP/1.1\r\nHost: a\r\nX: \xe9\xff\r\n\r\n")
    assert seen["headers"]["x"] == "\xe9\xff"


def test_http10_says_so(routes: Program) -> None:
    assert request_facts(routes, b"GET /request HTTP/1.0\r\n\r\n")["http_version"] == "1.0"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
def test_methods(routes: Program, method: str) -> None:
    assert request_facts(routes, request(method, "/request"))["method"] == method


# Expect: 100-continue


def test_continue_is_sent_once_before_the_body(routes: Program) -> None:
    with routes.client() as client:
        client.send(request("POST", "/echo", "Expect: 100-continue", "Content-Length: 5"))
        interim = b""
        while b"\r\n\r\n" not in interim:
            interim += client.socket.recv(1)
        assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"hello")
        response = client.response()
        assert (response.status, response.body, response.interim) == (200, b"hello", [])
        assert client.request().status == 200


def test_continue_with_the_body_at_once(routes: Program) -> None:
    with routes.client() as client:
        response = client.request("POST", "/echo", "Expect: 100-continue", body=b"hello")
        assert (response.body, response.interim) == (b"hello", []), "it is here already"


def test_no_continue_for_http10(routes: Program) -> None:
    with routes.client() as client:
        client.send(b"POST /echo HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert client.is_quiet(0.05)
        client.send(b"hello")
        assert client.rest().startswith(b"HTTP/1.1 200")


def test_no_continue_before_the_answers_to_earlier_requests(routes: Program) -> None:
    with routes.client() as client:
        client.send(request("GET", "/delay/30") + request("POST", "/echo", "Expect: 100-continue", "Content-Length: 5"))
        first = client.response()
        assert (first.body, first.interim) == (b"/delay/30", [])
        client.send(b"hello")
        second = client.response()
        assert (second.body, second.interim) == (b"hello", [100])


def test_a_final_answer_instead_of_continue(routes: Program) -> None:
    """The handler did not want the body: whether the client sends it or not, nothing is taken for something else."""
    with routes.client() as client:
        client.send(request("POST", "/ignore-body", "Expect: 100-continue", "Content-Length: 5"))
        response = client.response()
        assert (response.status, response.body) == (200, b"ignored")
        assert response.announces_close()
        client.try_send(b"hello" + request("GET", "/"))
        client.expect_end()


def test_unknown_expectations_fail(routes: Program) -> None:
    with routes.client() as client:
        client.send(request("POST", "/echo", "Expect: tea", "Content-Length: 5"))
        response = client.response()
        assert (response.status, response.interim) == (417, [])
