"""The same cases as in record_exchange_facts.js, under the same names: a program is told, and its client gets, what Node 24 tells
and sends, as it is in exchange_facts.json. What differs on purpose is in DIFFERENT, with its reason."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.http.support import bounded
from tests.unit.http.test_departures import connect, reset
from treadle import TreadleError, http
from treadle.timers import promises

FACTS: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("exchange_facts.json").read_text())["facts"]
TURNS = 4_000  # of a millisecond each, until what is expected is there
BEHIND = 10  # more of them: does more come?

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def expects(what: str) -> bytes:
    return f"POST / HTTP/1.1\r\nHost: a\r\nExpect: {what}\r\nContent-Length: 2\r\n\r\n".encode()


class Case:
    """What one server writes down."""

    def __init__(self, server: http.Server, leave: Callable[[], None]) -> None:
        self.server = server
        self.leave = leave
        self.lines: list[str] = []
        self.kept: list[object] = []

    def log(self, line: str) -> None:
        self.lines.append(line)

    def told(self, line: str) -> Callable[[], None]:
        return lambda: self.log(line)

    def tries(self, act: Callable[[], object]) -> None:
        try:
            act()
        except TreadleError as error:
            self.log(error.code)
        else:
            self.log("well")


CASES: dict[str, tuple[bytes, Callable[[Case], None]]] = {}


def case(sent: bytes) -> Callable[[Callable[[Case], None]], None]:
    def add(act: Callable[[Case], None]) -> None:
        CASES[act.__name__] = (sent, act)

    return add


def answering(sent: bytes) -> Callable[[Callable[[Case, Any], None]], None]:
    def add(handler: Callable[[Case, Any], None]) -> None:
        CASES[handler.__name__] = (sent, lambda t: t.server.on("request", lambda req, res: handler(t, res)) and None)

    return add


@answering(GET)
def informational(t: Case, res: Any) -> None:
    res.write_continue(t.told("continue"))
    res.write_processing(t.told("processing"))
    res.write_early_hints({"link": "</a.css>; rel=preload", "x-trace": "1"}, t.told("hints"))
    t.log("returned")
    res.end("hi")


@answering(GET)
def informational_behind_the_head(t: Case, res: Any) -> None:
    res.write("a")
    t.tries(res.write_continue)
    t.tries(res.write_processing)
    t.tries(lambda: res.write_early_hints({"link": "</a>"}))
    t.tries(lambda: res.write_information(103))
    res.end()


@answering(GET)
def hints(t: Case, res: Any) -> None:
    for hint in (
        {"link": ["</a>; rel=preload", '</b>; as="x"']}, {"link": []}, {}, {"link": None}, {"link": "bad"}, {"link": ""},
        {"link": "</a>"}, {"link": 5}, {"link": "</a>\r\nX: y"}, {"link": "</a>, </b>"}, {"link": "</a>", "bad name": "x"},
        {"link": "</a>", "x": "a\nb"}, None, "x", {"link": "</a>", "n": 5},
    ):  # fmt: skip
        t.tries(lambda hint=hint: res.write_early_hints(hint))
    res.end()


@answering(GET)
def information(t: Case, res: Any) -> None:
    for status in (103, 100, 101, 99, 200, "103"):
        t.tries(lambda status=status: res.write_information(status, {"a": "b"}))
    t.tries(lambda: res.write_information(103, [("a", "b"), ("a", "c")]))
    res.end()


@case(expects("100-Continue"))
def to_check_continue(t: Case) -> None:
    t.server.on("request", lambda req, res: t.log("request"))
    t.server.on("check_continue", lambda req, res: (t.log("check"), res.write_continue(), res.end("k")))


@case(expects("100-continue"))
def to_check_continue_and_refuse(t: Case) -> None:
    t.server.on("check_continue", lambda req, res: (t.log("check"), res.write_head(413, {"Content-Length": 0}), res.end()))


@case(expects("tea") + b"ab")
def to_check_expectation(t: Case) -> None:
    t.server.on("request", lambda req, res: t.log("request"))
    t.server.on("check_expectation", lambda req, res: (t.log(f"check {req.headers['expect']}"), res.end("k")))


@case(b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab")
def an_expectation_to_1_0(t: Case) -> None:
    t.server.on("request", lambda req, res: (t.log("request"), res.end("k")))
    t.server.on("check_continue", lambda req, res: (t.log("check"), res.end("k")))


@answering(GET)
def trailers(t: Case, res: Any) -> None:
    res.set_header("Trailer", "X-A")
    res.write("hi")
    res.add_trailers({"X-A": "1", "X-B": ["2", "3"]})
    res.end()


@answering(GET)
def trailers_behind_a_last_piece(t: Case, res: Any) -> None:
    res.write("hi")
    res.add_trailers([("X-A", "1"), ("X-A", "2")])
    res.end("ho")


@answering(GET)
def trailers_twice(t: Case, res: Any) -> None:
    res.write("hi")
    res.add_trailers({"a": "1"})
    res.add_trailers({"b": "2"})
    res.end()


@answering(GET)
def trailers_in_one_piece(t: Case, res: Any) -> None:
    res.add_trailers({"a": "1"})
    res.end("hi")


@answering(GET)
def trailers_announced_in_one_piece(t: Case, res: Any) -> None:
    res.set_header("Trailer", "A")
    res.add_trailers({"a": "1"})
    res.end("hi")


@answering(GET)
def trailers_with_a_length(t: Case, res: Any) -> None:
    res.set_header("Content-Length", "2")
    res.add_trailers({"a": "1"})
    res.end("hi")


@answering(GET)
def trailers_announced_with_a_length(t: Case, res: Any) -> None:
    res.set_header("Trailer", "A")
    res.set_header("Content-Length", "2")
    t.tries(lambda: res.write("hi"))
    res.remove_header("trailer")
    res.end("hi")


@answering(b"GET / HTTP/1.0\r\n\r\n")
def trailers_to_1_0(t: Case, res: Any) -> None:
    res.write("hi")
    res.add_trailers({"a": "1"})
    res.end()


@answering(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
def trailers_to_head(t: Case, res: Any) -> None:
    res.write_head(200, {"Transfer-Encoding": "chunked"})
    res.write("hi")
    res.add_trailers({"a": "1"})
    res.end()


@answering(GET)
def bad_trailers(t: Case, res: Any) -> None:
    res.write("hi")
    for fields in ({"a b": "1"}, {"a": "1\r\n2"}, {"a": "€"}, {"a": 5}, {"content-length": "5"}, {}):
        t.tries(lambda fields=fields: res.add_trailers(fields))
    res.end()


#: Name of a case -> what is different, and why.
DIFFERENT: dict[str, dict[str, Any]] = {
    "an_expectation_to_1_0": {  # a length is known, and is said
        "got": "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nk"
    },
    "bad_trailers": {"lines": {4: "ERR_HTTP_TRAILER_FIELD"}},  # RFC 9110 section 6.5.1: it must not be sent
    "trailers_in_one_piece": {  # so that they are not lost
        "got": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\na: 1\r\n\r\n"
    },
    "to_check_continue_and_refuse": {  # the phrase is that of RFC 9110
        "got": "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    },
}


def expected(name: str) -> tuple[list[str], bytes]:
    different = DIFFERENT.get(name, {})
    lines = different.get("lines", FACTS[name]["lines"])
    if isinstance(lines, dict):
        lines = [lines.get(index, line) for index, line in enumerate(FACTS[name]["lines"])]
    return lines, different.get("got", FACTS[name]["got"]).encode("latin-1")


@pytest.mark.parametrize("name", CASES)
def test_as_node(name: str) -> None:
    sent, act = CASES[name]
    lines, answer = expected(name)

    async def main() -> None:
        server = http.create_server()
        client = None
        t = Case(server, lambda: reset(client))  # type: ignore[arg-type]
        act(t)
        server.listen(0)
        client = connect(server)
        client.sendall(sent)
        got = b""
        left = TURNS
        while left:
            if client.fileno() >= 0:
                try:
                    got += client.recv(65_536)
                except (BlockingIOError, ConnectionError):
                    pass
            seen = re.sub(rb"(Date|Keep-Alive): .*\r\n|Connection: keep-alive\r\n", b"", got)
            left = (
                min(left - 1, BEHIND) if len(t.lines) >= len(lines) and len(seen) >= len(answer) and left > BEHIND else left - 1
            )
            await promises.sleep(1)
        client.close()
        server.close_all_connections()
        server.close()
        await server.wait_closed()
        assert (t.lines, seen) == (lines, answer)

    bounded(main)


def test_each_case_was_recorded() -> None:
    assert set(CASES) <= set(FACTS)
    assert set(DIFFERENT) <= set(CASES)
