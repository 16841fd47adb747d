"""What an ASGI application may do with its scope, its receive and its send, however oddly it goes about it."""

from __future__ import annotations

import json
import socket
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
    served.stderr.wait_line(f"ERR_ASGI_INVALID_MESSAGE: .*http.response.body whose 'body' must be bytes, not {kind}")


START = {"type": "http.response.start", "status": 200}
BODY = {"type": "http.response.body", "body": b"x"}
TRAILED = [{**START, "trailers": True}, BODY]
INVALID, UNEXPECTED = "ERR_ASGI_INVALID_MESSAGE", "ERR_ASGI_UNEXPECTED_MESSAGE"


def faults(program: Program) -> list[str]:
    return json.loads(program.get("/faults").body)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([None], "ERR_INVALID_ARG_TYPE"),
        ([5], "ERR_INVALID_ARG_TYPE"),
        ([{}], INVALID),
        ([{"type": b"http.response.start", "status": 200}], INVALID),
        ([{"type": "http.response.begin"}], UNEXPECTED),
        ([{"type": "http.response.start"}], INVALID),
        ([{**START, "status": "200"}], INVALID),
        ([{**START, "status": None}], INVALID),
        ([{**START, "headers": None}], INVALID),
        ([{**START, "headers": 5}], INVALID),
        ([{**START, "headers": b"ab"}], INVALID),
        ([{**START, "headers": [("a", "b")]}, BODY], INVALID),
        ([{**START, "headers": [(b"a", None)]}, BODY], INVALID),
        ([{**START, "headers": [(None, b"a")]}, BODY], INVALID),
        ([{**START, "headers": [(b"a",)]}, BODY], INVALID),
        ([{**START, "headers": [b"ab"]}, BODY], INVALID),
        ([{**START, "headers": [None]}, BODY], INVALID),
        ([START, {**BODY, "body": None}], INVALID),
        ([START, {"type": "http.response.pathsend"}], INVALID),
        ([START, {"type": "http.response.pathsend", "path": b"/etc/hostname"}], INVALID),
        ([START, {"type": "http.response.pathsend", "path": "/a\0b"}], "ERR_INVALID_ARG_VALUE"),
        ([{"type": "http.response.early_hint"}], INVALID),
        ([{"type": "http.response.early_hint", "links": b"</a>"}], INVALID),
        ([{**START, "status": 100}, BODY], "ERR_HTTP_INVALID_STATUS_CODE"),
        ([START, START], UNEXPECTED),
        ([BODY], UNEXPECTED),
    ],
)
def test_what_is_no_message_is_an_error_that_names_it(served: Program, messages: list[Any], code: str) -> None:
    """Nothing has left, so the client gets 500."""
    assert served.get("/send", method="POST", body=repr(messages).encode()).status == 500
    assert faults(served) == [code]


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([START, BODY, BODY], UNEXPECTED),
        ([START, BODY, START], UNEXPECTED),
        ([*TRAILED, BODY], UNEXPECTED),
        ([*TRAILED, {"type": "http.response.trailers", "headers": [("a", "b")]}], INVALID),
        ([*TRAILED, {"type": "http.response.trailers", "headers": [(None, None)]}], INVALID),
        ([*TRAILED, {"type": "http.response.trailers", "headers": None}], INVALID),
        ([{**START, "headers": [(b"content-length", b"2")]}, {**BODY, "body": b"xxx"}], "ERR_HTTP_CONTENT_LENGTH_MISMATCH"),
        ([{**START, "headers": [(b"content-length", b"2")]}, BODY], "ERR_HTTP_CONTENT_LENGTH_MISMATCH"),
        ([START, {**BODY, "more_body": True}, {**BODY, "body": "x"}], INVALID),
    ],
)
def test_behind_its_beginning_too(served: Program, messages: list[Any], code: str) -> None:
    """An answer that is not whole by then never looks as if it were."""
    with served.client() as client:
        client.send(request("POST", "/send", "Connection: close", body=repr(messages).encode()))
        raw = client.rest()
    is_whole = messages[:2] == [START, BODY]
    assert is_whole == (b"\r\n\r\nx" in raw), raw
    assert is_whole or not raw.endswith(b"0\r\n\r\n")
    assert faults(served) == [code]


@pytest.mark.parametrize(("status", "framing"), [(204, "none"), (304, "none")])
def test_a_status_without_content_has_none(served: Program, status: int, framing: str) -> None:
    with served.client() as client:
        for _ in range(2):
            client.send(request("POST", "/send", body=repr([{**START, "status": status}, BODY]).encode()))
            response = client.response("POST")
            assert (response.status, response.body, response.framing) == (status, b"", framing)
    assert faults(served) == []


def test_an_answer_to_head_has_no_body(served: Program) -> None:
    with served.client() as client:
        for _ in range(2):
            client.send(request("HEAD", "/send", body=repr([{**START, "headers": [[b"x-a", b"1"]]}, BODY]).encode()))
            response = client.response("HEAD")
            assert (response.status, response.body, response.get("x-a")) == (200, b"", "1")


# ---- what receive() gives, and when


def test_behind_the_answer_it_gives_nothing_of_the_body(served: Program) -> None:
    """ASGI: http.disconnect "if receive is called after a response has been sent". uvicorn's, too."""
    with served.client() as client:
        assert client.request("POST", "/receive-behind", body=b"unread").body == b"done"
        assert client.request().body == b"hello"
    assert notes(served) == ["http.disconnect", "http.disconnect"]


@pytest.mark.parametrize("framing", ["", "Content-Length: 5", "Transfer-Encoding: chunked"])
def test_a_peer_that_has_but_ended_its_side_is_heard_out(served: Program, framing: str) -> None:
    """Its message is whole, and it waits for the answer: the body and its end come first, then that it has left."""
    body = {"": b"", "Content-Length: 5": b"hello", "Transfer-Encoding: chunked": b"0\r\n\r\n"}[framing]
    with served.client() as client:
        client.send(request("POST", "/receive-all", *filter(None, [framing])) + body)
        client.socket.shutdown(socket.SHUT_WR)
        assert client.response().body == b"done"
    told = notes(served)
    assert told[-1] == "http.disconnect"
    assert told[:-1] == [["hello" if framing.startswith("Content") else "", False]]


def test_a_connection_that_is_gone_gives_nothing_of_the_body(served: Program) -> None:
    with served.client() as client:
        client.send(request("POST", "/receive-when-gone", body=b"unread"))
        eventually(lambda: notes(served) == ["waiting"], "it waits")
        client.reset()
    eventually(lambda: notes(served) == ["waiting", "http.disconnect", "OSError"], "it is told")
