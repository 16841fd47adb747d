"""What an ASGI application may do with its scope, its receive and its send, however oddly it goes about it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.support import Program, eventually, request


@pytest.fixture(scope="module")
def server() -> Iterator[Program]:
    with Program.serve("asgi_exchange:app") as program:
        assert program.get().body == b"hello"
        yield program
        assert program.is_alive
        assert program.get().body == b"hello"


@pytest.fixture
def served(server: Program) -> Program:
    server.get("/clear")
    return server


def notes(program: Program) -> list[Any]:
    return json.loads(program.get("/notes").body)  # type: ignore[no-any-return]


def test_a_scope_is_its_requests_own(served: Program) -> None:
    """Whatever one application writes into it, the next request finds fresh."""
    with served.client() as client:
        before = client.request("GET", "/show", "X-One: 1").body
        for _ in range(3):
            assert client.request("GET", "/spoil", "X-One: 1").body == b"spoiled"
            assert client.request("GET", "/show", "X-One: 1").body == before
    seen = json.loads(before)
    assert (seen["asgi"]["version"], seen["state"]) == ("3.0", {"token": "from lifespan"})
    assert (seen["names"], seen["type"], seen["path"]) == (["host", "x-one"], "http", "/show")


def test_several_tasks_receive_and_one_of_them_is_cancelled(served: Program) -> None:
    with served.client() as client:
        assert client.request("GET", "/receive-twice").body == b"done"
        eventually(lambda: notes(served) == ["http.disconnect", "CancelledError", "http.disconnect"], "all are told")
        assert client.request().body == b"hello"


@pytest.mark.parametrize("size", [1, 1_000, 300_000])
def test_two_tasks_share_one_body(served: Program, size: int) -> None:
    """No piece is lost to the one that was cancelled, none is given twice, and the one that misses the end is told."""
    with served.client() as client:
        client.send(request("POST", "/share-body", f"Content-Length: {size}"))
        eventually(lambda: notes(served) == ["waiting"], "they wait")
        client.send(b"x" * size)
        response = client.response()
        assert response.status == 200
        eventually(lambda: notes(served) == ["waiting", size], "both have ended")
        assert client.request().body == b"hello"


def test_a_receive_that_is_asked_late_is_told_of_the_end(served: Program) -> None:
    with served.client() as client:
        assert client.request("GET", "/receive-late").body == b"done"
        eventually(lambda: notes(served) == ["http.disconnect", "http.disconnect"], "it is told")
        assert client.request().body == b"hello"


def test_all_who_wait_are_told_when_the_peer_leaves(served: Program) -> None:
    with served.client() as client:
        client.send(request("POST", "/share-body", "Content-Length: 100", body=b"hello"))
        eventually(lambda: notes(served) == ["waiting"], "they wait")
    eventually(lambda: notes(served) == ["waiting", "left"], "both are told")


@pytest.mark.parametrize("kind", ["bytearray", "memoryview", "array"])
def test_bytes_of_any_kind_are_a_body(served: Program, kind: str) -> None:
    with served.client() as client:
        assert client.request("GET", f"/odd-body/{kind}").body == b"hello"
        assert client.request().body == b"hello"


@pytest.mark.parametrize("kind", ["int", "str", "list"])
def test_a_body_that_is_no_bytes_is_an_error(served: Program, kind: str) -> None:
    """5 is not five zero bytes."""
    response = served.get(f"/odd-body/{kind}")
    assert response.status == 500
    assert b"\0" not in response.body
    served.stderr.wait_line("^TypeError")
