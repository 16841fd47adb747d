"""Heads of answers as handlers and applications may make them: framed once or refused, statuses, repeated fields, no mixing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.http.response import Response
from tests.integration.support import Program, eventually, request

INVALID = "ERR_HTTP_INVALID_HEADER_VALUE"
BAD_STATUS = "ERR_HTTP_INVALID_STATUS_CODE"

CL, TE = "Content-Length", "Transfer-Encoding"
Calls = list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def heads() -> Iterator[Program]:
    with Program.run("heads.py") as program:
        assert program.get().status == 200
        yield program
        assert program.is_alive
        assert program.get().body == b"Hello, World!"


@pytest.fixture(scope="module")
def served() -> Iterator[Program]:
    with Program.serve("asgi_exchange:app") as program:
        assert program.get().status == 200
        yield program
        assert program.is_alive
        assert program.get().body == b"hello"


def act(program: Program, calls: object, *headers: str, method: str = "POST", target: str = "/act") -> Response:
    """Have it done; the strict reader (response.py) refuses an answer that frames its body twice. Then the connection goes on,
    unless the answer said otherwise: what framing says is where the answer ends."""
    with program.client() as client:
        response = client.request(method, target, *headers, body=repr(calls).encode())
        if response.announces_close():
            client.expect_end()
        else:
            assert client.request().status == 200
    return response


def act_10(program: Program, calls: Calls, *headers: str) -> Response:
    body = repr(calls).encode()
    head = "\r\n".join(["POST /act HTTP/1.0", f"Content-Length: {len(body)}", *headers, "", ""])
    with program.client() as client:
        client.send(head.encode() + body)
        response = client.response()
        if response.announces_close():
            client.expect_end()
    return response


def faults(program: Program) -> list[str]:
    return json.loads(program.get("/faults").body)  # type: ignore[no-any-return]


def expect_fault(program: Program, response: Response, code: str) -> None:
    assert response.status == 500
    assert faults(program) == [code]


# one framing

SAME_LENGTHS: dict[str, Calls] = {
    "pairs": [("write_head", 200, [(CL, "5"), ("content-length", "5")]), ("end", "hello")],
    "pairs of bytes": [("write_head", 200, [(b"Content-Length", b"5"), (b"content-length", b"5")]), ("end", "hello")],
    "a list": [("set_header", CL, ["5", "5"]), ("end", "hello")],
    "number and text": [("write_head", 200, [(CL, 5), (CL, "5")]), ("end", "hello")],
    "leading zeros": [("write_head", 200, [(CL, "005"), (CL, "5")]), ("end", "hello")],
    "dict of two cases": [("write_head", 200, {CL: 5, "CONTENT-LENGTH": 5}), ("end", "hello")],
    "set, then written": [("set_header", CL, 7), ("write_head", 200, [("content-length", 5)]), ("end", "hello")],
    "set, then written in bytes": [("set_header", CL, 7), ("write_head", 200, [(b"content-length", 5)]), ("end", "hello")],
    "set twice": [("set_header", CL, 7), ("set_header", "content-length", "5"), ("end", "hello")],
    "streamed": [("set_header", CL, 5), ("write", "he"), ("end", "llo")],
}


@pytest.mark.parametrize("kind", SAME_LENGTHS)
def test_a_length_is_sent_once(heads: Program, kind: str) -> None:
    response = act(heads, SAME_LENGTHS[kind])
    assert (response.all(CL), response.all(TE), response.body) == (["5"], [], b"hello")
    assert faults(heads) == []


CHUNKED: dict[str, Calls] = {
    "alone": [("set_header", TE, "chunked"), ("end", "hello")],
    "case": [("set_header", "transfer-ENCODING", "CHUNKED"), ("end", "hello")],
    "twice": [("set_header", TE, ["chunked", "chunked"]), ("end", "hello")],
    "beside a length": [("set_header", CL, 5), ("set_header", TE, "chunked"), ("end", "hello")],
    "before a length": [("set_header", TE, "chunked"), ("set_header", CL, 5), ("end", "hello")],
    "written beside a length": [("write_head", 200, [(CL, 5), (TE, "chunked")]), ("write", "hel"), ("end", "lo")],
    "written in bytes": [("write_head", 200, [(b"Transfer-Encoding", b"chunked"), (b"Content-Length", b"5")]), ("end", "hello")],
    "set and written": [("set_header", CL, 5), ("write_head", 200, {TE: "chunked"}), ("end", "hello")],
}


@pytest.mark.parametrize("kind", CHUNKED)
def test_chunked_is_said_once_and_without_a_length(heads: Program, kind: str) -> None:
    """RFC 9112 section 6.2: a sender MUST NOT send a length beside a transfer coding."""
    response = act(heads, CHUNKED[kind])
    assert ([value.lower() for value in response.all(TE)], response.all(CL), response.body) == (["chunked"], [], b"hello")
    assert faults(heads) == []


@pytest.mark.parametrize("kind", CHUNKED)
def test_http10_is_never_answered_in_chunks(heads: Program, kind: str) -> None:
    response = act_10(heads, CHUNKED[kind], "Connection: keep-alive")
    assert (response.all(TE), response.body) == ([], b"hello")
    assert response.framing in ("length", "close")
    assert response.announces_close() == (response.framing == "close")


BAD_FRAMINGS: dict[str, Calls] = {
    "two lengths in pairs": [("write_head", 200, [(CL, "5"), ("content-length", "6")]), ("end", "hello")],
    "two lengths in bytes": [("write_head", 200, [(b"Content-Length", b"6"), (b"content-length", b"5")]), ("end", "hello")],
    "two lengths in a list": [("set_header", CL, ["5", "6"]), ("end", "hello")],
    "two lengths in a dict": [("write_head", 200, {CL: 5, "content-length": 6}), ("end", "hello")],
    "a length that is a list": [("set_header", CL, "5, 5"), ("end", "hello")],
    "a negative length": [("set_header", CL, -1), ("end", "hello")],
    "a negative length as text": [("set_header", CL, "-1"), ("end", "hello")],
    "a huge length": [("set_header", CL, 10**30), ("end", "hello")],
    "2^63": [("write_head", 200, {CL: 2**63}), ("end", "hello")],
    "2^64 and 5": [("write_head", 200, {CL: 2**64 + 5}), ("end", "hello")],
    "-2^64 and 5": [("write_head", 200, {CL: 5 - 2**64}), ("end", "hello")],
    "a signed length": [("set_header", CL, "+5"), ("end", "hello")],
    "a spaced length": [("set_header", CL, " 5"), ("end", "hello")],
    "a hexadecimal length": [("set_header", CL, "0x5"), ("end", "hello")],
    "an empty length": [("set_header", CL, ""), ("end", "hello")],
    "no length": [("set_header", CL, "none"), ("end", "hello")],
    "gzip": [("set_header", TE, "gzip"), ("end", "hello")],
    "gzip written": [("write_head", 200, {TE: "gzip"}), ("end", "hello")],
    "gzip in bytes": [("write_head", 200, [(b"transfer-encoding", b"gzip")]), ("end", "hello")],
    "gzip, chunked": [("set_header", TE, "gzip, chunked"), ("end", "hello")],
    "gzip and chunked": [("set_header", TE, ["gzip", "chunked"]), ("end", "hello")],
    "chunked and gzip": [("write_head", 200, [(TE, "chunked"), (TE, "gzip")]), ("end", "hello")],
    "chunked, chunked": [("set_header", TE, "chunked, chunked"), ("end", "hello")],
    "identity": [("set_header", TE, "identity"), ("end", "hello")],
    "an empty coding": [("set_header", TE, ""), ("end", "hello")],
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_FRAMINGS)
def test_a_framing_that_could_be_read_in_two_ways_is_refused(heads: Program, kind: str) -> None:
    expect_fault(heads, act(heads, BAD_FRAMINGS[kind]), INVALID)


def start(*headers: tuple[Any, Any], status: object = 200) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(data: object = b"hello", more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


ASGI_HEADS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "the same length twice": ([start((b"content-length", b"5"), (b"Content-Length", b"5")), body()], "length"),
    "a length beside chunked": ([start((b"content-length", b"5"), (b"transfer-encoding", b"chunked")), body()], "chunked"),
    "chunked beside a length": ([start((b"transfer-encoding", b"chunked"), (b"content-length", b"5")), body()], "chunked"),
    "chunked twice": ([start((b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")), body()], "chunked"),
    "two lengths": ([start((b"content-length", b"5"), (b"content-length", b"6")), body()], INVALID),
    "a list of lengths": ([start((b"content-length", b"5, 5")), body()], INVALID),
    "a negative length": ([start((b"content-length", b"-1")), body()], INVALID),
    "a huge length": ([start((b"content-length", b"9" * 30)), body()], INVALID),
    "gzip": ([start((b"transfer-encoding", b"gzip")), body()], INVALID),
    "gzip, chunked": ([start((b"transfer-encoding", b"gzip, chunked")), body()], INVALID),
    "gzip in a stream": ([start((b"transfer-encoding", b"gzip")), body(b"hel", True), body(b"lo")], INVALID),
    "two lengths of a stream": ([start((b"content-length", b"5"), (b"content-length", b"6")), body(b"hel", True), body(b"lo")], INVALID),
}  # fmt: skip


@pytest.mark.parametrize("kind", ASGI_HEADS)
def test_heads_of_applications_are_framed_once_or_refused(served: Program, kind: str) -> None:
    messages, outcome = ASGI_HEADS[kind]
    response = act(served, messages, target="/send")
    if outcome == INVALID:
        expect_fault(served, response, INVALID)
    else:
        assert (response.status, response.framing, response.body) == (200, outcome, b"hello")
        assert faults(served) == []


# statuses

NO_FINAL_STATUS = [42, 0, -5, 99, 100, 101, 103, 199, 1000, 20_000, -200]


@pytest.mark.parametrize("status", NO_FINAL_STATUS)
@pytest.mark.parametrize("kind", ["status_code", "status_code, streamed", "write_head"])
def test_what_is_no_final_status_is_refused(heads: Program, status: int, kind: str) -> None:
    calls: dict[str, Calls] = {
        "status_code": [("status_code", status), ("end", "hello")],
        "status_code, streamed": [("status_code", status), ("write", "hello")],
        "write_head": [("write_head", status), ("end", "hello")],
    }
    expect_fault(heads, act(heads, calls[kind]), BAD_STATUS)


@pytest.mark.parametrize("status", NO_FINAL_STATUS)
def test_what_is_no_final_status_is_refused_to_applications(served: Program, status: int) -> None:
    expect_fault(served, act(served, [start(status=status), body()], target="/send"), BAD_STATUS)


@pytest.mark.parametrize("status", ["200", None, 10**30, 2.5])
def test_what_is_no_number_is_refused(heads: Program, status: object) -> None:
    response = act(heads, [("write_head", status), ("end", "hello")])
    assert response.status == 500
    assert len(faults(heads)) == 1


@pytest.mark.parametrize("status", [200, 299, 599, 600, 999])
def test_every_other_status_is_sent(heads: Program, status: int) -> None:
    assert act(heads, [("write_head", status), ("end", "hello")]).status == status


WITHOUT_BODY: dict[str, Calls] = {
    "at once": [("end", "hello")],
    "empty": [("end",)],
    "in pieces": [("write", "hel"), ("end", "lo")],
    "with a length": [("set_header", CL, 5), ("end", "hello")],
    "chunked": [("set_header", TE, "chunked"), ("end", "hello")],
}


@pytest.mark.parametrize("kind", WITHOUT_BODY)
@pytest.mark.parametrize("status", [204, 205, 304])
def test_statuses_without_a_body(heads: Program, kind: str, status: int) -> None:
    """RFC 9110: 204 and 304 end with their heads, 15.3.6: 205 says that nothing follows; the next answer comes right behind."""
    response = act(heads, [("status_code", status), *WITHOUT_BODY[kind]])
    assert (response.status, response.body) == (status, b"")
    if status == 205:
        assert (response.all(CL), response.all(TE)) == (["0"], [])
    elif status == 204:
        assert (response.all(CL), response.all(TE)) == ([], [])
    assert faults(heads) == []


@pytest.mark.parametrize("status", [204, 205, 304])
@pytest.mark.parametrize("headers", [(), ((b"content-length", b"5"),), ((b"transfer-encoding", b"chunked"),)])
def test_statuses_without_a_body_of_applications(served: Program, status: int, headers: tuple[tuple[bytes, bytes], ...]) -> None:
    response = act(served, [start(*headers, status=status), body(b"hel", True), body(b"lo")], target="/send")
    assert (response.status, response.body) == (status, b"")
    assert response.all(CL) == {204: [], 205: ["0"]}.get(status, response.all(CL))


# fields


def test_repeated_pairs_are_kept_beside_what_was_set(heads: Program) -> None:
    pairs = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Two", "2")]
    response = act(heads, [("set_header", "X-One", "1"), ("write_head", 200, pairs), ("end", "hello")])
    assert response.all("set-cookie") == ["a=1", "b=2"]
    assert (response.all("x-one"), response.all("x-two")) == (["1"], ["2"])


@pytest.mark.parametrize("name", ["Set-Cookie", "set-cookie", b"Set-Cookie"])
@pytest.mark.parametrize("as_dict", [False, True])
def test_write_head_replaces_what_was_set(heads: Program, name: str | bytes, as_dict: bool) -> None:
    fields: Any = {name: ["b=2", "c=3"]} if as_dict else [(name, "b=2"), (name, "c=3")]
    calls = [
        ("set_header", "Set-Cookie", ["a=1", "z=9"]),
        ("set_header", "X", "1"),
        ("write_head", 200, fields),
        ("end", "hello"),
    ]
    response = act(heads, calls)
    assert response.all("set-cookie") == ["b=2", "c=3"]
    assert response.all("x") == ["1"]


def test_names_and_values_may_be_bytes(heads: Program) -> None:
    pairs = [(b"X-One", b"\xe9"), ("X-Two", b"2"), (b"X-Three", "\xe9"), (b"X-Four", 4)]
    response = act(heads, [("write_head", 200, pairs), ("end", "hello")])
    assert [response.all(name) for name in ("x-one", "x-two", "x-three", "x-four")] == [["\xe9"], ["2"], ["\xe9"], ["4"]]


@pytest.mark.parametrize(
    "pairs", [[(b"X\r\nY", b"a")], [(b"X", b"a\r\nY: b")], [(b"", b"a")], [(b"X:", b"a")], [(b"X\xff", b"a")]]
)
def test_bytes_are_looked_at_like_text(heads: Program, pairs: list[tuple[bytes, bytes]]) -> None:
    response = act(heads, [("write_head", 200, pairs), ("end", "hello")])
    assert response.status == 500
    assert faults(heads) == ["ERR_INVALID_CHAR" if pairs[0][0] == b"X" else "ERR_INVALID_HTTP_TOKEN"]


# one head at a time


@pytest.mark.parametrize("how", ["generator", "mapping", "list", "list-in-dict"])
def test_code_that_runs_while_a_head_is_made_may_answer_another_request(heads: Program, how: str) -> None:
    with heads.client() as held, heads.client() as client:
        held.send(request("GET", "/hold"))
        eventually(lambda: heads.get("/held").body == b"1", "it is held")
        answer = client.request("GET", f"/meddle/{how}")
        other = held.response()
        assert (answer.status, answer.body) == (200, b"meddler")
        assert [answer.all(name) for name in ("x-first", "x-second", "x-held", "x-padding")] == [["1"], ["2"], [], []]
        assert (other.status, other.body) == (201, b"held")
        assert [other.all(name) for name in ("x-first", "x-second", "x-held", "x-padding")] == [[], [], ["yes"], ["p" * 300]]
        assert client.request().status == held.request().status == 200


def test_headers_of_an_application_that_answer_another_request(served: Program) -> None:
    with served.client() as held, served.client() as client:
        held.send(request("GET", "/hold"))
        eventually(lambda: served.get("/held").body == b"1", "it is held")
        answer = client.request("GET", "/meddle")
        other = held.response()
        assert (answer.status, answer.body, answer.all("x-first"), answer.all("x-held")) == (200, b"meddler", ["1"], [])
        assert (other.status, other.body, other.all("x-first"), other.all("x-held")) == (201, b"held", [], ["yes"])
        assert answer.all("x-second") == ["2"]
        assert client.request().status == held.request().status == 200


# refusals

REFUSED_HEADS = [
    pytest.param(b"HEAD / HTTP/1.1\r\n\r\n", 400, id="no host"),
    pytest.param(b"HEAD / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, id="two hosts"),
    pytest.param(b"HEAD /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="fragment"),
    pytest.param(b"HEAD / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", 417, id="expectation"),
    pytest.param(b"HEAD / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 100 + b"\r\n", 431, id="many fields"),
    pytest.param(b"HEAD / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x, chunked\r\n\r\n", 501, id="coding"),
    pytest.param(b"HEAD / HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n", 400, id="space before colon"),
    pytest.param(b"HEAD / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", 431, id="large field"),
    pytest.param(b"HEAD /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, id="long line"),
]


@pytest.mark.parametrize(("raw", "status"), REFUSED_HEADS)
def test_a_refusal_of_head_has_no_body(heads: Program, raw: bytes, status: int) -> None:
    """RFC 9110 section 9.3.2."""
    with heads.client() as client:
        client.send(raw)
        answer = client.rest()
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nContent-Length: 0\r\n" not in answer, "the length is that of the answer to GET"
    assert answer.endswith(b"\r\n\r\n")
    assert answer.count(b"\r\n\r\n") == 1


@pytest.mark.parametrize("calls", [[("write_head", 42)], [("set_header", CL, "x"), ("end",)], [("no_such_method",)]])
def test_500_to_head_has_no_body(heads: Program, calls: Calls) -> None:
    with heads.client() as client:
        client.send(request("HEAD", "/act", body=repr(calls).encode()))
        raw = client.rest()
    assert raw.startswith(b"HTTP/1.1 500 ")
    assert raw.endswith(b"\r\n\r\n")
    assert raw.count(b"\r\n\r\n") == 1
    assert len(faults(heads)) == 1
