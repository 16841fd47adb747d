"""Connections that persist, and how they end: RFC 9112 section 9."""

from __future__ import annotations

import pytest

from tests.integration.support import Program, eventually, request


def test_many_requests_on_one_connection(routes: Program) -> None:
    with routes.client() as client:
        for index in range(200):
            response = client.request("GET", "/async" if index % 2 else "/")
            assert (response.status, response.body) == (200, b"Hello, World!")
            assert not response.announces_close()


def test_a_persistent_http11_answer_says_nothing_of_the_connection_or_keep_alive(routes: Program) -> None:
    with routes.client() as client:
        assert client.request().get("connection") is None


@pytest.mark.parametrize("value", ["close", "Close", "CLOSE", "foo, close", "close,", "keep-alive, close"])
def test_close_asked_is_announced_and_done(routes: Program, value: str) -> None:
    with routes.client() as client:
        response = client.request("GET", "/", f"Connection: {value}")
        assert response.status == 200
        assert response.announces_close()
        client.expect_end()


def test_a_word_that_contains_close_is_not_close(routes: Program) -> None:
    with routes.client() as client:
        assert not client.request("GET", "/", "Connection: closed").announces_close()
        assert client.request("GET", "/", "Connection: not-close").status == 200
        assert client.request().status == 200


def test_close_set_by_the_handler(routes: Program) -> None:
    with routes.client() as client:
        response = client.request("GET", "/close")
        assert response.body == b"bye"
        assert response.all("connection") == ["close"]
        client.expect_end()


def test_close_set_by_the_handler_drops_what_was_pipelined(routes: Program) -> None:
    with routes.client() as client:
        client.send(request("GET", "/close") + request("GET", "/"))
        assert client.response().body == b"bye"
        client.expect_end()


@pytest.mark.parametrize("target", ["/", "/async", "/later", "/delay/10", "/chunked/3"])
def test_http10_closes(routes: Program, target: str) -> None:
    with routes.client() as client:
        client.send(f"GET {target} HTTP/1.0\r\n\r\n".encode())
        response = client.response()
        assert response.status == 200
        assert not response.truncated
        assert response.framing == ("close" if "chunked" in target else "length")
        client.expect_end()


def test_http10_keep_alive_is_granted_and_said(routes: Program) -> None:
    with routes.client() as client:
        for _ in range(3):
            client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            response = client.response()
            assert (response.body, response.framing) == (b"Hello, World!", "length")
            assert (response.get("connection") or "").lower() == "keep-alive"


def test_http10_keep_alive_ends_with_a_body_of_unknown_length(routes: Program) -> None:
    with routes.client() as client:
        client.send(b"GET /chunked/3 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        response = client.response()
        assert (response.framing, response.body) == ("close", b"piece 0;piece 1;piece 2;")
        assert (response.get("connection") or "").lower() != "keep-alive"
        client.expect_end()


def test_a_client_that_ends_its_side_still_gets_its_answers(routes: Program) -> None:
    """As with Node: a half-closed connection is one on which no further request comes."""
    with routes.client() as client:
        client.send(request("GET", "/") + request("GET", "/delay/20") + request("POST", "/echo", body=b"hello"))
        client.half_close()
        assert client.response().body == b"Hello, World!"
        assert client.response().body == b"/delay/20"
        assert client.response().body == b"hello"
        client.expect_end()


def test_a_client_that_ends_an_idle_connection_is_let_go_in_silence(routes: Program) -> None:
    with routes.client() as client:
        assert client.request().status == 200
        client.half_close()
        client.expect_end()


def test_a_client_that_resets_leaves_nothing_behind(routes: Program) -> None:
    assert routes.get().status == 200
    descriptors = routes.idle_fd_count()
    for target in ("/", "/delay/20", "/hold", "/big/8", "/chunked/50"):
        client = routes.client()
        client.send(request("GET", target))
        client.reset()
    routes.get("/release")
    eventually(lambda: routes.fd_count <= descriptors, "the descriptors of reset connections are closed")
    assert routes.get().status == 200
    routes.get("/clear")


def test_hundreds_of_connections_at_once(routes: Program) -> None:
    clients = [routes.client() for _ in range(300)]
    try:
        for client in clients:
            client.send(request("GET", "/later"))
        assert [client.response().status for client in clients] == [200] * 300
        for client in clients:
            client.send(request("POST", "/echo", body=b"x" * 1000))
        assert {client.response().body for client in clients} == {b"x" * 1000}
    finally:
        for client in clients:
            client.close()
