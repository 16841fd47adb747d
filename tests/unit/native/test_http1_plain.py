"""What is read as a plain head, the parser reads in the same way: every head that is one byte from a good one, and some more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from treadle._native.http1_names import FieldNames
from treadle._native.http1_plain import read_plain_head

Head = tuple[str, bytes, list[tuple[bytes, bytes]]]

SHORT = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
BODY = b"POST /a?b=c%20d HTTP/1.1\r\nHost: a.b:80\r\nContent-Length: 12\r\nExpect: 100-continue\r\nX:\r\n\r\n"
BROWSER = (
    b"GET /index.html?q=1&r=%C3%A9 HTTP/1.1\r\nHost: example.org\r\nConnection: keep-alive, TE\r\n"
    b'User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*;q=0.8\r\nCookie: a=b; c="d"; e=\xff\r\nX-Tab: a\tb \r\n\r\n'
)
GOOD = {
    "short": SHORT,
    "body": BODY,
    "browser": BROWSER,
    "no field": b"GET / HTTP/1.1\r\n\r\n",
    "blanks around a value": b"PUT /x HTTP/1.1\r\nHost: \t a \t \r\n\r\n",
    "only blanks": b"DELETE /x HTTP/1.1\r\nHost: a\r\nX: \t \r\n\r\n",
    "a field twice": b"HEAD /x HTTP/1.1\r\nHost: a\r\nhost: b\r\nX: 1\r\nX: 2\r\n\r\n",
    "every character of a token": b"PATCH /x HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^_`|~09azAZ: x\r\n\r\n",
    "a long value": b"OPTIONS /x HTTP/1.1\r\nX: " + bytes(range(0x20, 0x7F)) * 9 + bytes(range(0x80, 0x100)) + b"z\r\n\r\n",
}
NOT_PLAIN = {
    "nothing": b"",
    "an unusual method": b"PROPFIND /x HTTP/1.1\r\nHost: a\r\n\r\n",
    "CONNECT": b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    "no slash": b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "the asterisk": b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "a fragment": b"GET /#a HTTP/1.1\r\nHost: a\r\n\r\n",
    "HTTP/1.0": b"GET / HTTP/1.0\r\nHost: a\r\n\r\n",
    "two spaces": b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n",
    "a folded value": b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
    "a blank before the colon": b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    "no name": b"GET / HTTP/1.1\r\n: a\r\n\r\n",
    "no colon": b"GET / HTTP/1.1\r\nHost\r\n\r\n",
    "a bare LF": b"GET / HTTP/1.1\r\nHost: a\n\r\n",
    "NUL in a value": b"GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
    "DEL in a long value": b"GET / HTTP/1.1\r\nHost: a\r\nX: 1234567\x7f90123456\r\n\r\n",
    "chunked": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    "chunked in capitals": b"POST / HTTP/1.1\r\nHost: a\r\nTRANSFER-ENCODING: chunked\r\n\r\n",
    "another protocol": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    "a proxy's field": b"GET / HTTP/1.1\r\nHost: a\r\nProxy-Connection: close\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
    "a length with a sign": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
    "a list of lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n",
    "a length beyond 64 bits": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551617\r\n\r\n",
    "the end is missing": b"GET / HTTP/1.1\r\nHost: a\r\n\r",
    "something behind the end": b"GET / HTTP/1.1\r\nHost: a\r\n\r\nX",
    "an end before the end": b"GET / HTTP/1.1\r\n\r\nHost: a\r\n\r\n",
}


class Parsed:
    """What httptools tells of a head."""

    def __init__(self) -> None:
        self.target = b""
        self.fields: list[tuple[bytes, bytes]] = []
        self.is_complete = False

    def on_url(self, part: bytes) -> None:
        self.target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self.is_complete = True


def parsed(head: bytes) -> Head | None:
    """What the parser makes of it; None: it refuses, waits for more, or leaves HTTP/1.1."""
    found = Parsed()
    parser = HttpRequestParser(found)
    try:
        parser.feed_data(head)
    except (HttpParserError, HttpParserUpgrade):
        return None
    if not found.is_complete or parser.get_http_version() != "1.1" or parser.should_upgrade():
        return None
    return parser.get_method().decode(), found.target, found.fields


@pytest.mark.parametrize("head", GOOD.values(), ids=GOOD)
def test_a_plain_head_is_read_as_the_parser_reads_it(head: bytes) -> None:
    assert read_plain_head(head) is not None
    assert read_plain_head(head) == parsed(head)
    method, target, fields = parsed(head)
    lowered = [(name.lower(), value) for name, value in fields]
    assert read_plain_head(head, names=FieldNames(lowers=True)) == (method, target, lowered)


@pytest.mark.parametrize("head", NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_whatever_else_is_left_to_the_parser(head: bytes) -> None:
    assert read_plain_head(head) is None


def neighbours(head: bytes) -> Iterator[bytes]:
    """Every head that comes of one byte changed, added, left out or doubled."""
    for i in range(len(head)):
        yield head[:i] + head[i + 1 :]
        for byte in range(256):
            yield head[:i] + bytes([byte]) + head[i + 1 :]
            yield head[:i] + bytes([byte]) + head[i:]


@pytest.mark.slow
@pytest.mark.parametrize("head", [SHORT, BODY, BROWSER], ids=["short", "body", "browser"])
def test_no_neighbour_is_read_otherwise(head: bytes) -> None:
    plain = 0
    for neighbour in neighbours(head):
        found = read_plain_head(neighbour)
        if found is not None:
            plain += 1
            assert found == parsed(neighbour), neighbour
    assert plain > 1000, "most changes of a name, a target or a value leave a head plain"


def test_more_fields_than_the_limit_are_the_parsers_to_count() -> None:
    head = b"GET / HTTP/1.1\r\nHost: a\r\n" + 2 * b"X: y\r\n" + b"\r\n"
    assert read_plain_head(head, 3) == parsed(head)
    assert read_plain_head(head, 2) is None


def test_no_beginning_and_no_two_are_plain() -> None:
    for head in GOOD.values():
        for end in range(len(head)):
            assert read_plain_head(head[:end]) is None
        assert read_plain_head(head + head) is None
