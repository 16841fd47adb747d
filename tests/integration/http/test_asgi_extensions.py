"""ASGI's extensions: trailers and early hints, as an application sends them and as a client gets them.

Source: https://asgi.readthedocs.io/en/latest/extensions.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.http.response import Response
from tests.integration.support import Program, request

START: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": []}
WITH_TRAILERS = {**START, "trailers": True}
TRAILERS: dict[str, Any] = {"type": "http.response.trailers", "headers": [(b"x-sum", b"1"), (b"x-time", b"2")]}
UNEXPECTED = "ERR_ASGI_UNEXPECTED_MESSAGE"


def body(data: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


@pytest.fixture(scope="module")
def served() -> Iterator[Program]:
    with Program.serve("extensions_app:app") as program:
        assert program.get("/").status == 200
        yield program
        assert program.is_alive
        assert program.get("/").status == 200


def sent(program: Program, *messages: dict[str, Any], method: str = "POST") -> Response:
    with program.client() as client:
        return client.request(method, "/send", body=repr(list(messages)).encode())


def is_cut(program: Program, *messages: dict[str, Any]) -> bool:
    try:
        return sent(program, *messages).truncated
    except ConnectionError:  # what was sent of it had not left yet
        return True


def faults(program: Program) -> list[str]:
    return json.loads(program.get("/faults").body)  # type: ignore[no-any-return]


def test_they_are_advertised(served: Program) -> None:
    assert {"http.response.trailers", "http.response.early_hint"} <= set(json.loads(served.get("/extensions").body))


@pytest.mark.parametrize("pieces", [[b"whole"], [b"in ", b"parts"], [b""], [b"x" * 40_000]], ids=["one", "two", "none", "large"])
def test_trailers(served: Program, pieces: list[bytes]) -> None:
    bodies = [body(piece, more=index + 1 < len(pieces)) for index, piece in enumerate(pieces)]
    response = sent(served, WITH_TRAILERS, *bodies, TRAILERS)
    assert (response.body, response.framing) == (b"".join(pieces), "chunked")
    assert response.trailers == [("x-sum", "1"), ("x-time", "2")]
    assert faults(served) == []


def test_trailers_in_parts(served: Program) -> None:
    more = {"type": "http.response.trailers", "headers": [(b"x-a", b"1")], "more_trailers": True}
    response = sent(served, WITH_TRAILERS, body(b"a"), more, TRAILERS)
    assert [name for name, _ in response.trailers] == ["x-a", "x-sum", "x-time"]


def test_no_trailers_after_all(served: Program) -> None:
    response = sent(served, WITH_TRAILERS, body(b"a"), {"type": "http.response.trailers", "headers": []})
    assert (response.body, response.trailers) == (b"a", [])


def test_beside_a_length_they_are_dropped(served: Program) -> None:
    start = {**WITH_TRAILERS, "headers": [(b"content-length", b"1")]}
    response = sent(served, start, body(b"a"), TRAILERS)
    assert (response.body, response.framing, response.trailers) == (b"a", "length", [])
    assert faults(served) == []


def test_an_http10_client_gets_none(served: Program) -> None:
    content = repr([WITH_TRAILERS, body(b"a"), TRAILERS]).encode()
    with served.client() as client:
        client.send(b"POST /send HTTP/1.0\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content))
        response = client.response()
    assert (response.body, response.framing, response.trailers) == (b"a", "close", [])


@pytest.mark.parametrize(
    "messages",
    [[WITH_TRAILERS, TRAILERS], [START, body(b"a"), TRAILERS], [WITH_TRAILERS, body(b"a"), body(b"b"), TRAILERS]],
    ids=["before the body", "not announced", "a body behind the body"],
)
def test_out_of_their_turn(served: Program, messages: list[dict[str, Any]]) -> None:
    sent(served, *messages, *([] if len(messages) > 2 else [body(b"a"), TRAILERS]))
    assert faults(served) == [UNEXPECTED]


def test_what_cannot_be_a_trailer(served: Program) -> None:
    bad = {"type": "http.response.trailers", "headers": [(b"content-length", b"1")]}
    split = {"type": "http.response.trailers", "headers": [(b"x", b"1\r\ny: 2")]}
    assert is_cut(served, WITH_TRAILERS, body(b"a"), bad)
    assert faults(served) == ["ERR_HTTP_TRAILER_FIELD"]
    assert is_cut(served, WITH_TRAILERS, body(b"a"), split)
    assert faults(served) == ["ERR_INVALID_CHAR"]


def test_an_early_hint(served: Program) -> None:
    hint = {"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]}
    response = sent(served, hint, hint, START, body(b"a"))
    assert (response.interim, response.body) == ([103, 103], b"a")
    assert faults(served) == []


def test_a_hint_of_starlette(served: Program) -> None:
    with served.client() as client:
        client.send(request("GET", "/starlette/hinted"))
        raw = b""
        while not raw.endswith(b"hinted"):
            raw += client.socket.recv(65_536)
    assert raw.startswith(
        b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload, </b.js>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\n"
    )


def test_hints_that_cannot_be(served: Program) -> None:
    hint = {"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]}
    split = {"type": "http.response.early_hint", "links": [b"</a>\r\nx: y"]}
    response = sent(served, split, START, body(b"a", more=True), hint, body(b"b"))
    assert (response.interim, response.body) == ([], b"ab")
    assert faults(served) == ["ERR_INVALID_ARG_VALUE", UNEXPECTED]
