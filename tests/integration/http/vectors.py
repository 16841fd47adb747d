"""Malformed and borderline requests, each with what a careful server answers and the rule behind it. Data, no I/O.

A vector is written from the rule it breaks. Where the RFC leaves a choice, `expect` lists the choices (a tuple instead
of a number) and the comment beside it says why; `ours` then says which one treadle takes, as docs/behaviour.md has it: 400
unless a vector says otherwise. Invariant: a vector that ends in an error ends the connection, since
nobody can say where the next request begins; `ends` says otherwise only where the framing stays known.
Not here: how vectors travel (delivery.py) and what else must hold meanwhile (test_vectors.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

OPEN, CLOSED, EITHER = "open", "closed", "either"

Expected = int | tuple[int, ...]

GOOD = b"GET /good HTTP/1.1\r\nHost: test\r\n\r\n"
GOOD_POST = b"POST /good HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello"
GOOD_CHUNKED = b"POST /good HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"

# RFC 9112 6.1: 400 for a coding that cannot frame the request, 501 (SHOULD) for one that the server does not know.
BAD_CODING = (400, 501)
# RFC 9110 15.6.6 (505) for a version nobody here speaks; RFC 9112 3 (400) for a request line that is none.
BAD_VERSION = (400, 505)
# RFC 9110 9.1: 501 (SHOULD) for an unknown method; a parser that knows methods by a list cannot tell it from rubbish (400).
BAD_METHOD = (400, 405, 501)
# Field values with control characters other than CR, LF, NUL: invalid, but RFC 9110 5.5 lets a recipient keep them.
MAY_PASS = (200, 400)
# A size that no machine can hold is malformed (400) or a body too large (413).
HUGE = (400, 413)
# RFC 9112 2.2, RFC 6585 5: a limit on chunk extensions and trailers has no status of its own.
TOO_MUCH = (400, 413, 431)


@dataclass(frozen=True)
class Vector:
    name: str
    data: bytes
    expect: tuple[Expected, ...]  # final statuses, in order
    rule: str  # what it breaks, or what it must be granted by
    ends: str = ""  # OPEN | CLOSED | EITHER
    ours: tuple[int, ...] | None = None  # the statuses that treadle gives, each one of `expect`; None: any of those
    eof: bool = False  # the client ends its side after the last byte
    or_silent: bool = False  # the last answer may be missing: the client has gone, or never asked
    echo: bytes | None = None  # the body that the handler of the last request must have seen

    @property
    def ends_here(self) -> str:
        """As `ends`; where the rules allow both, treadle closes behind an error, and only there."""
        if self.ends != EITHER or not self.ours:
            return self.ends
        return OPEN if self.ours[-1] < 400 else CLOSED


def _vector(name: str, data: bytes, *expect: Expected, rule: str, ends: str = "", ours: int = 0, **more: object) -> Vector:
    last = expect[-1]
    if not ends:
        if isinstance(last, int):
            ends = OPEN if last < 400 else CLOSED
        else:
            ends = EITHER if 200 in last else CLOSED
    if isinstance(last, int):
        statuses = [*expect]
    else:
        assert ours or 200 not in last, f"{name}: say whether it passes"
        statuses = [*expect[:-1], ours or 400]
        assert statuses[-1] in last, name
    if more.get("or_silent"):  # treadle has nothing to say to one who has left
        statuses.pop()
    return Vector(name, data, expect, rule, ends, tuple(statuses), **more)  # type: ignore[arg-type]


def _message(line: str, *headers: str, body: bytes | str = b"") -> bytes:
    payload = body.encode("latin-1") if isinstance(body, str) else body
    return "\r\n".join([line, *headers, "", ""]).encode("latin-1") + payload


def _get(*headers: str, target: str = "/", version: str = "HTTP/1.1") -> bytes:
    return _message(f"GET {target} {version}", "Host: test", *headers)


def _post(*headers: str, body: bytes | str = b"") -> bytes:
    return _message("POST / HTTP/1.1", "Host: test", *headers, body=body)


def _chunked(body: bytes | str) -> bytes:
    return _post("Transfer-Encoding: chunked", body=body)


def _good() -> list[Vector]:
    rule = "RFC 9112 2.1: well-formed"
    return [
        _vector("get", GOOD, 200, rule=rule),
        _vector("post-length", GOOD_POST, 200, rule=rule, echo=b"hello"),
        _vector("post-chunked", GOOD_CHUNKED, 200, rule=rule, echo=b"hello"),
        _vector("post-no-body", _post(), 200, rule="RFC 9112 6.3: neither length nor coding is a body of length zero"),
        _vector("post-length-zero", _post("Content-Length: 0"), 200, rule=rule),
        _vector("get-with-body", _get("Content-Length: 3") + b"abc", 200, rule="RFC 9110 9.3.1: framing is as ever", echo=b"abc"),
        _vector("pipelined-three", GOOD + GOOD_POST + GOOD_CHUNKED, 200, 200, 200, rule="RFC 9112 9.3.2", echo=b"hello"),
        _vector("good-good-bad", GOOD + GOOD + _get("Bad Name: x"), 200, 200, 400, rule="RFC 9112 9.3.2: answers come first"),
        _vector("good-garbage", GOOD + b"\x00\xff\x13garbage\r\n\r\n", 200, BAD_METHOD, rule="RFC 9112 3"),
        _vector("body-then-bad", GOOD_POST + b"GET / HTTP/1.1\nHost: test\n\n", 200, 400, rule="RFC 9112 2.2"),
        _vector("chunked-then-bad", GOOD_CHUNKED + _get("Host: again"), 200, 400, rule="RFC 9112 3.2"),
        _vector("crlf-after-body", GOOD_POST + b"\r\n" + GOOD, 200, 200, rule="RFC 9112 2.2: ignore an empty line"),
        _vector("leading-crlf", b"\r\n" + GOOD, 200, rule="RFC 9112 2.2: ignore at least one empty line"),
        _vector("leading-three-crlf", b"\r\n\r\n\r\n" + GOOD, 200, rule="RFC 9112 2.2"),
        # A line end that is LF alone MAY be taken (2.2); before the request line it harms nobody.
        _vector("leading-lf", b"\n" + GOOD, MAY_PASS, rule="RFC 9112 2.2", ours=400),
        _vector("leading-cr", b"\r" + GOOD, MAY_PASS, rule="RFC 9112 2.2: a bare CR is no line end", ours=400),
        _vector("leading-space", b" " + GOOD, BAD_METHOD, rule="RFC 9112 3: a request line begins with a token"),
        # Bounded is all that counts: taken or refused.
        _vector("leading-crlf-flood", b"\r\n" * 50_000 + GOOD, (200, 400, 431), rule="RFC 9112 2.2", ends=EITHER, ours=400),
        _vector("head", _message("HEAD / HTTP/1.1", "Host: test"), 200, rule="RFC 9110 9.3.2"),
        _vector("proxy-connection-close", _get("Proxy-Connection: close") + GOOD, 200, 200, rule="RFC 9110: no field of ours"),
        _vector("head-then-get", _message("HEAD / HTTP/1.1", "Host: test") + GOOD, 200, 200, rule="RFC 9110 9.3.2: no body"),
        _vector("options-asterisk", _message("OPTIONS * HTTP/1.1", "Host: test"), 200, rule="RFC 9112 3.2.4"),
        _vector("absolute-form", _get(target="http://test/x?y=1"), 200, rule="RFC 9112 3.2.2: a server MUST accept it"),
        _vector("upgrade-ignored", _get("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABk") + GOOD,
                200, 200, rule="RFC 9110 7.8: a server MAY ignore Upgrade, and then goes on in HTTP/1.1"),
        _vector("upgrade-ignored-post", _post("Upgrade: websocket", "Connection: Upgrade", "Content-Length: 5", body=b"hello") + GOOD,
                200, 200, rule="RFC 9110 7.8"),
    ]  # fmt: skip


def _content_length() -> list[Vector]:
    rule = "RFC 9112 6.3, RFC 9110 8.6: Content-Length = 1*DIGIT"

    def bad(name: str, value: str, *expect: Expected) -> Vector:
        return _vector(f"cl-{name}", _post(f"Content-Length: {value}", body=b"hello"), *(expect or (400,)), rule=rule)

    def two(name: str, *headers: str) -> Vector:
        return _vector(name, _post(*headers, body=b"0\r\n\r\n"), 400, rule="RFC 9112 6.3: an ambiguous length is an attack")

    return [
        two("cl-and-te", "Content-Length: 5", "Transfer-Encoding: chunked"),
        two("te-and-cl", "Transfer-Encoding: chunked", "Content-Length: 5"),
        two("te-and-cl-zero", "Transfer-Encoding: chunked", "Content-Length: 0"),
        two("cl-and-te-case", "CONTENT-LENGTH: 5", "tRANSFER-eNCODING: cHUNKED"),
        two("cl-twice-differing", "Content-Length: 5", "Content-Length: 6"),
        two("cl-twice-equal", "Content-Length: 5", "Content-Length: 5"),
        two("cl-twice-case", "content-length: 5", "Content-Length: 5"),
        two("cl-twice-apart", "Content-Length: 5", "X: 1", "Content-Length: 4"),
        bad("list-equal", "5, 5"),
        bad("list-differing", "5, 6"),
        bad("list-tight", "5,5"),
        bad("plus", "+5"),
        bad("minus", "-5"),
        bad("minus-zero", "-0"),
        bad("inner-space", "5 0"),
        bad("inner-tab", "5\t0"),
        bad("hex", "0x5"),
        bad("hex-digit", "a"),
        bad("underscore", "1_0"),
        bad("decimal", "5.0"),
        bad("exponent", "5e0"),
        bad("quoted", '"5"'),
        bad("trailing-letter", "5a"),
        bad("trailing-semicolon", "5;"),
        bad("empty", ""),
        bad("only-space", "  "),
        bad("vertical-tab", "\x0b5"),
        bad("form-feed", "5\x0c"),
        bad("nbsp", "\xa05"),
        bad("superscript", "\xb2"),
        bad("arabic-digit", "\xd9\xa5"),
        bad("2^64", "18446744073709551616", HUGE),
        bad("2^64+5", "18446744073709551621", HUGE),
        bad("30-digits", "9" * 30, HUGE),
        bad("300-digits", "1" * 300, HUGE),
        _vector("cl-leading-zeros", _post("Content-Length: 0005", body=b"hello"), 200, rule=rule, echo=b"hello"),
        _vector("cl-optional-space", _post("Content-Length: \t 5 \t", body=b"hello"), 200, rule="RFC 9112 5: OWS", echo=b"hello"),
        _vector("cl-no-space", _post("Content-Length:5", body=b"hello"), 200, rule="RFC 9112 5: OWS", echo=b"hello"),
        # The client has gone: an answer may be written, nobody needs to read it.
        _vector("cl-body-short", _post("Content-Length: 10", body=b"hello"), 400, rule="RFC 9112 8", eof=True, or_silent=True),
        _vector("cl-body-absent", _post("Content-Length: 10"), 400, rule="RFC 9112 8", eof=True, or_silent=True),
        _vector("good-then-body-short", GOOD + _post("Content-Length: 10", body=b"hello"), 200, 400, rule="RFC 9112 8",
                eof=True, or_silent=True),
    ]  # fmt: skip


def _transfer_encoding() -> list[Vector]:
    rule = "RFC 9112 6.1, 6.3"
    chunks = b"5\r\nhello\r\n0\r\n\r\n"

    def coding(
        name: str, *headers: str, expect: Expected = BAD_CODING, ends: str = "", echo: bytes | None = None, ours: int = 0
    ) -> Vector:
        return _vector(f"te-{name}", _post(*headers, body=chunks), expect, rule=rule, ends=ends, echo=echo, ours=ours)

    return [
        coding("identity", "Transfer-Encoding: identity"),
        coding("gzip", "Transfer-Encoding: gzip"),
        coding("chunked-identity", "Transfer-Encoding: chunked, identity"),
        coding("chunked-gzip", "Transfer-Encoding: chunked, gzip"),
        coding("gzip-chunked", "Transfer-Encoding: gzip, chunked", ours=501),
        coding("chunked-chunked", "Transfer-Encoding: chunked, chunked"),
        coding("twice", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        coding("twice-identity-first", "Transfer-Encoding: identity", "Transfer-Encoding: chunked"),
        coding("twice-identity-last", "Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
        coding("prefixed", "Transfer-Encoding: xchunked"),
        coding("suffixed", "Transfer-Encoding: chunkedx"),
        coding("spaced-name", "Transfer-Encoding: chun ked"),
        coding("quoted", 'Transfer-Encoding: "chunked"'),
        coding("parameter", "Transfer-Encoding: chunked;q=1"),
        coding("empty", "Transfer-Encoding:"),
        coding("vertical-tab", "Transfer-Encoding: \x0bchunked"),
        coding("vertical-tab-after", "Transfer-Encoding: chunked\x0b"),
        coding("nul", "Transfer-Encoding: chunked\x00"),
        coding("nbsp", "Transfer-Encoding: \xa0chunked"),
        coding("cyrillic", "Transfer-Encoding: \xd1\x81hunked"),
        coding("space-before-colon", "Transfer-Encoding : chunked", expect=400),
        coding("folded", "Transfer-Encoding:", " chunked", expect=400),
        coding("folded-tab", "Transfer-Encoding: identity,", "\tchunked", expect=400),
        # RFC 9110 5.6.1.2: a recipient takes a few empty list elements; a server may be stricter about this field.
        coding("empty-element", "Transfer-Encoding: , chunked", expect=(200, *BAD_CODING), ends=EITHER, ours=501),
        coding("empty-element-last", "Transfer-Encoding: chunked,", expect=(200, *BAD_CODING), ends=EITHER, ours=400),
        coding("upper-case", "Transfer-Encoding: CHUNKED", expect=200, echo=b"hello"),
        coding("optional-space", "Transfer-Encoding: \t chunked  ", expect=200, echo=b"hello"),
        coding("optional-tab-after", "Transfer-Encoding: chunked\t", expect=MAY_PASS, ours=400),  # OWS, but llhttp refuses it here
        _vector("te-http10", _message("POST / HTTP/1.0", "Host: test", "Transfer-Encoding: chunked", body=chunks), 400,
                rule="RFC 9112 6.1: faulty framing in a version without it"),
        _vector("te-http10-keep-alive", _message("POST / HTTP/1.0", "Connection: keep-alive", "Transfer-Encoding: chunked",
                body=chunks), 400, rule="RFC 9112 6.1"),
        _vector("te-underscore", _get("Transfer_Encoding: chunked"), 200, rule="RFC 9110 5.1: another name, another field"),
        _vector("te-in-get", _message("GET / HTTP/1.1", "Host: test", "Transfer-Encoding: chunked", body=chunks), 200,
                rule="RFC 9110 9.3.1", echo=b"hello"),
    ]  # fmt: skip


def _line_ends() -> list[Vector]:
    rule = "RFC 9112 2.2: lines end with CRLF, a CR never stands alone"
    cases = {
        "lf-request-line": b"GET / HTTP/1.1\nHost: test\r\n\r\n",
        "lf-header": b"GET / HTTP/1.1\r\nHost: test\nX: 1\r\n\r\n",
        "lf-last-header": b"GET / HTTP/1.1\r\nHost: test\n\r\n",
        "lf-end-of-head": b"GET / HTTP/1.1\r\nHost: test\r\n\n",
        "lf-everywhere": b"GET / HTTP/1.1\nHost: test\n\n",
        "lf-hides-header": b"POST / HTTP/1.1\r\nHost: test\r\nX: 1\nContent-Length: 5\r\n\r\nhello",
        "cr-request-line": b"GET / HTTP/1.1\rHost: test\r\n\r\n",
        "cr-in-value": b"GET / HTTP/1.1\r\nHost: test\r\nX: a\rb\r\n\r\n",
        "cr-hides-header": b"POST / HTTP/1.1\r\nHost: test\r\nX: a\rContent-Length: 5\r\n\r\nhello",
        "cr-value-end": b"GET / HTTP/1.1\r\nHost: test\r\nX: a\r\r\n\r\n",
        "cr-value-begin": b"GET / HTTP/1.1\r\nHost: test\r\nX:\ra\r\n\r\n",
        "cr-in-name": b"GET / HTTP/1.1\r\nHost: test\r\nX\rY: a\r\n\r\n",
        "cr-before-name": b"GET / HTTP/1.1\r\nHost: test\r\n\rX: a\r\n\r\n",
        "cr-end-of-head": b"GET / HTTP/1.1\r\nHost: test\r\n\rX",
        "cr-cr-lf": b"GET / HTTP/1.1\r\nHost: test\r\r\n\r\n",
        "cr-in-target": b"GET /a\rb HTTP/1.1\r\nHost: test\r\n\r\n",
        "nul-in-value": b"GET / HTTP/1.1\r\nHost: test\r\nX: a\x00b\r\n\r\n",
        "nul-ends-value": b"GET / HTTP/1.1\r\nHost: test\r\nX: a\x00\r\n\r\n",
        "nul-cr-in-value": b"GET / HTTP/1.1\r\nHost: test\r\nX: \x00\rContent-Length: 5\r\n\r\n",
        "nul-in-name": b"GET / HTTP/1.1\r\nHost: test\r\nX\x00Y: a\r\n\r\n",
        "nul-in-target": b"GET /a\x00b HTTP/1.1\r\nHost: test\r\n\r\n",
        "nul-before": b"\x00GET / HTTP/1.1\r\nHost: test\r\n\r\n",
    }
    return [_vector(name, data, BAD_METHOD if name == "nul-before" else 400, rule=rule) for name, data in cases.items()]


def _fields() -> list[Vector]:
    name_rule = "RFC 9112 5, RFC 9110 5.6.2: a name is a token, the colon follows at once"
    value_rule = "RFC 9110 5.5"
    names = {
        "space-before-colon": "X : a",
        "tab-before-colon": "X\t: a",
        "space-in-name": "X Y: a",
        "empty-name": ": a",
        "no-colon": "X",
        "no-colon-value": "X a",
        "space-host": "Host : again",
        "high-byte-name": "X\xe9: a",
        "utf8-name": "\xc3\xa9: a",
        "del-in-name": "X\x7f: a",
        "control-in-name": "X\x01: a",
        **{f"delimiter-{ord(char):02x}": f"X{char}Y: a" for char in '"(),/;<=>?@[\\]{}'},
        "fold-space": "X: a\r\n b",
        "fold-tab": "X: a\r\n\tb",
        "fold-empty": "X: a\r\n \r\nY: b",
    }
    token = "!#$%&'*+-.^_`|~0123456789abcXYZ"
    return [
        *(_vector(f"name-{name}", _get(line), 400, rule=name_rule) for name, line in names.items()),
        _vector("fold-first-line", _message("GET / HTTP/1.1", " X: a", "Host: test"), 400, rule="RFC 9112 2.2: space before the first field"),
        _vector("fold-host", _message("GET / HTTP/1.1", "Host:", " test"), 400, rule="RFC 9112 5.2"),
        _vector("name-all-token-chars", _get(f"{token}: a"), 200, rule=name_rule),
        _vector("value-empty", _get("X:"), 200, rule="RFC 9110 5.5: a value may be empty"),
        _vector("value-high-bytes", _get("X: \xe9\x80\xff"), 200, rule="RFC 9110 5.5: obs-text"),
        _vector("value-tab-inside", _get("X: a\tb"), 200, rule=value_rule),
        _vector("value-control", _get("X: a\x01b"), MAY_PASS, rule=value_rule, ours=400),
        _vector("value-del", _get("X: a\x7fb"), MAY_PASS, rule=value_rule, ours=400),
        _vector("value-vertical-tab", _get("X: a\x0bb"), MAY_PASS, rule=value_rule, ours=400),
        _vector("value-colons", _get("X: a:b::c"), 200, rule=value_rule),
    ]  # fmt: skip


def _host() -> list[Vector]:
    rule = "RFC 9112 3.2: 400 without Host, with two, or with an invalid one"

    def host(name: str, value: str, expect: Expected = 400, ours: int = 0) -> Vector:
        return _vector(f"host-{name}", _message("GET / HTTP/1.1", f"Host: {value}"), expect, rule=rule, ours=ours)

    def literal(name: str, value: str, expect: Expected = 400, ours: int = 0) -> Vector:
        data = _message("GET / HTTP/1.1", f"Host: {value}")
        return _vector(f"host-{name}", data, expect, rule="RFC 9110 7.2, RFC 3986 3.2.2: IP-literal", ours=ours)

    return [
        _vector("host-missing", _message("GET / HTTP/1.1", "X: a"), 400, rule=rule),
        _vector("host-missing-no-header", b"GET / HTTP/1.1\r\n\r\n", 400, rule=rule),
        _vector("host-missing-absolute-form", _message("GET http://test/ HTTP/1.1"), 400, rule=rule),
        _vector("host-twice-equal", _get("Host: test"), 400, rule=rule),
        _vector("host-twice-differing", _get("Host: other"), 400, rule=rule),
        _vector("host-twice-case", _get("hOST: other"), 400, rule=rule),
        _vector("host-twice-http10", _get("Host: other", version="HTTP/1.0"), 400, rule=rule),
        host("space", "a b"),
        host("slash", "a/b"),
        host("userinfo", "user@a"),
        host("query", "a?b"),
        host("fragment", "a#b"),
        host("backslash", "a\\b"),
        host("list", "a, b"),
        host("angle", "<a>"),
        host("quote", 'a"b'),
        host("port-letters", "a:b"),
        host("port-twice", "a:80:80"),
        host("port-sign", "a:+80"),
        host("bracket-open", "[::1"),
        host("bracket-inside", "a[b]"),
        host("url", "http://a/"),
        host("tab", "a\tb"),
        host("percent-broken", "a%zz", MAY_PASS, ours=200),  # a reg-name would need two hex digits; nothing hangs on it
        host("high-byte", "\xe9", MAY_PASS, ours=400),  # not in reg-name, but seen in the wild
        host("empty", "", MAY_PASS, ours=200),  # right where the target has no authority, and harmless
        host("port", "test:8000", 200),
        host("port-empty", "test:", MAY_PASS, ours=200),  # RFC 3986 3.2.3 allows it
        host("ipv4", "127.0.0.1:80", 200),
        host("ipv6", "[::1]:8000", 200),
        literal("ipv6-full", "[2001:db8:0:0:8:800:200C:417A]", 200),
        literal("ipv6-unspecified", "[::]", 200),
        literal("ipv6-gap-at-the-end", "[1:2:3:4:5:6:7::]:80", 200),
        literal("ipv6-with-ipv4", "[::ffff:192.0.2.1]:80", 200),
        literal("ipv6-colons", "[:::]"),
        literal("ipv6-nothing", "[]"),
        literal("ipv6-nothing-but-a-port", "[]:80"),
        literal("ipv6-colon", "[:]"),
        literal("ipv6-two-gaps", "[1::2::3]"),
        literal("ipv6-seven-groups", "[1:2:3:4:5:6:7]"),
        literal("ipv6-nine-groups", "[1:2:3:4:5:6:7:8:9]"),
        literal("ipv6-long-group", "[12345::1]"),
        literal("ipv6-letter", "[::g]"),
        literal("ipv6-bad-ipv4", "[::256.0.0.1]"),
        literal("ipv6-ipv4-first", "[192.0.2.1::]"),
        literal("ipv6-endless", "[" + "0:" * 60 + ":1]"),
        literal("ipv6-tail", "[::1]x"),
        literal("ipv6-port-letters", "[::1]:x"),
        literal("ipv6-brackets-twice", "[[::1]]"),
        literal("ipv4-in-brackets", "[192.0.2.1]"),
        literal("name-in-brackets", "[test]"),
        # RFC 6874 2 would have it, and 4 says that nobody sends it: a zone means nothing to another host.
        literal("ipv6-zone", "[fe80::1%25eth0]", MAY_PASS, ours=400),
        literal("ipvfuture", "[v1.fe80::a+en1]", MAY_PASS, ours=200),  # well-formed, and no host that anybody knows
        literal("ipvfuture-no-version", "[v.x]"),
        literal("ipvfuture-bad-version", "[vg.x]"),
        literal("ipvfuture-no-address", "[v1.]"),
        literal("ipvfuture-no-dot", "[v1]"),
        literal("ipvfuture-slash", "[v1.a/b]"),
        host("sub-delims", "a-b_c~d.e!$&'()*+;=", MAY_PASS, ours=200),  # RFC 3986 3.2.2 reg-name; no host of today's DNS
        _vector("http10-no-host", b"GET / HTTP/1.0\r\n\r\n", 200, rule="RFC 9112 3.2: Host came with 1.1", ends=CLOSED),
        _vector("http10-then-more", b"GET / HTTP/1.0\r\n\r\n" + GOOD, 200, rule="RFC 9112 9.3: 1.0 closes", ends=CLOSED),
        _vector("http10-keep-alive", b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, rule="RFC 9112 9.3: MAY persist",
                ends=EITHER),
        _vector("close", _get("Connection: close"), 200, rule="RFC 9112 9.6", ends=CLOSED),
        _vector("close-case", _get("Connection: CLOSE"), 200, rule="RFC 9110 7.6.1: case-insensitive", ends=CLOSED),
        _vector("close-in-list", _get("Connection: x, close ,y"), 200, rule="RFC 9110 7.6.1: a list", ends=CLOSED),
        _vector("close-two-lines", _get("Connection: keep-alive", "Connection: close"), 200, rule="RFC 9110 7.6.1", ends=CLOSED),
        _vector("close-then-more", _get("Connection: close") + GOOD, 200, rule="RFC 9112 9.6: nothing after it", ends=CLOSED),
        _vector("close-then-bad", _get("Connection: close") + b"\x00\x01", 200, rule="RFC 9112 9.6", ends=CLOSED),
        _vector("close-body-then-more", _post("Connection: close", "Content-Length: 5", body=b"hello") + GOOD, 200,
                rule="RFC 9112 9.6", ends=CLOSED, echo=b"hello"),
    ]  # fmt: skip


def _request_line() -> list[Vector]:
    def line(
        name: str, start: str, expect: Expected, rule: str = "RFC 9112 3", ends: str = "", host: str = "test", ours: int = 0
    ) -> Vector:
        return _vector(name, _message(start, f"Host: {host}"), expect, rule=rule, ends=ends, ours=ours)

    version, method, target = "RFC 9112 2.3", "RFC 9110 9.1", "RFC 9112 3.2, RFC 3986"
    literal = "RFC 9112 3.2.2, RFC 3986 3.2.2: IP-literal"
    return [
        line("version-glued-to-the-target", "GET /goodHTTP/1.1", 400, "RFC 9112 3: a space between target and version"),
        line("version-2.0", "GET / HTTP/2.0", BAD_VERSION, version, ours=505),
        line("version-3.0", "GET / HTTP/3.0", BAD_VERSION, version),
        line("version-0.9", "GET / HTTP/0.9", BAD_VERSION, version, ours=505),
        # RFC 9110 2.5: a higher minor version is understood as the highest known one; refusing it is common.
        line("version-1.2", "GET / HTTP/1.2", (200, *BAD_VERSION), version, EITHER, ours=400),
        line("version-1.9", "GET / HTTP/1.9", (200, *BAD_VERSION), version, EITHER, ours=400),
        line("version-lower-case", "GET / http/1.1", BAD_VERSION, version),
        line("version-no-minor", "GET / HTTP/1", BAD_VERSION, version),
        line("version-dot", "GET / HTTP/1.", BAD_VERSION, version),
        line("version-no-dot", "GET / HTTP/11", BAD_VERSION, version),
        line("version-two-digits", "GET / HTTP/1.10", BAD_VERSION, version),
        line("version-leading-zero", "GET / HTTP/01.1", BAD_VERSION, version),
        line("version-letters", "GET / HTTP/x.y", BAD_VERSION, version),
        line("version-tail", "GET / HTTP/1.1x", BAD_VERSION, version),
        line("version-space-tail", "GET / HTTP/1.1 ", BAD_VERSION, version),
        line("version-space-inside", "GET / HTTP/ 1.1", BAD_VERSION, version),
        line("version-plus", "GET / HTTP/+1.1", BAD_VERSION, version),
        line("version-minus", "GET / HTTP/1.-1", BAD_VERSION, version),
        line("version-other-name", "GET / HTTPS/1.1", BAD_VERSION, version),
        line("version-icecast", "SOURCE / ICE/1.0", (400, 501, 505), version),
        line("version-rtsp", "OPTIONS / RTSP/1.0", (400, 501, 505), version, ours=505),
        line("version-sip", "OPTIONS sip:a@b SIP/2.0", (400, 501, 505), version),
        line("version-missing", "GET /", BAD_VERSION, "RFC 9112 3: HTTP/0.9 is no more"),
        line("version-missing-space", "GET / ", BAD_VERSION),
        _vector("http09", b"GET /\r\n\r\n", BAD_VERSION, rule="RFC 9112 3: HTTP/0.9 is no more"),
        _vector("http09-lf", b"GET /\n\r\n", BAD_VERSION, rule="RFC 9112 3: HTTP/0.9 is no more"),
        _vector("h2-preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", (400, 405, 501, 505),
                rule="RFC 9113 3.4: no HTTP/2 here", ours=505),
        line("method-unknown", "FROB / HTTP/1.1", BAD_METHOD, method),
        line("method-lower-case", "get / HTTP/1.1", BAD_METHOD, method),
        line("method-mixed-case", "Get / HTTP/1.1", BAD_METHOD, method),
        line("method-prefix", "GE / HTTP/1.1", BAD_METHOD, method),
        line("method-suffix", "GETT / HTTP/1.1", BAD_METHOD, method),
        line("method-empty", " / HTTP/1.1", BAD_METHOD, method),
        line("method-bad-token", "G(T / HTTP/1.1", BAD_METHOD, method),
        line("method-control", "G\x01T / HTTP/1.1", BAD_METHOD, method),
        line("method-high-byte", "G\xe9T / HTTP/1.1", BAD_METHOD, method),
        line("method-tab-after", "GET\t/ HTTP/1.1", BAD_METHOD),
        line("method-10-kb", "A" * 10_000 + " / HTTP/1.1", (400, 414, 431, 501), "RFC 9112 3"),
        line("connect", "CONNECT test:443 HTTP/1.1", (400, 405, 501), "RFC 9110 9.3.6", EITHER, "test:443", ours=501),
        line("connect-origin-form", "CONNECT / HTTP/1.1", (400, 405, 501), "RFC 9112 3.2.3", EITHER, ours=501),
        line("target-missing", "GET HTTP/1.1", 400),
        line("target-missing-two-spaces", "GET  HTTP/1.1", 400),
        # RFC 9112 3: a recipient MAY parse on whitespace-delimited word boundaries.
        line("two-spaces-before-target", "GET  / HTTP/1.1", MAY_PASS, ours=200),
        line("two-spaces-after-target", "GET /  HTTP/1.1", MAY_PASS, ours=200),
        line("target-with-space", "GET /a b HTTP/1.1", 400, target),
        line("target-tab", "GET /a\tb HTTP/1.1", 400, target),
        line("target-control", "GET /a\x01b HTTP/1.1", 400, target),
        line("target-del", "GET /a\x7fb HTTP/1.1", 400, target),
        line("target-form-feed", "GET /a\x0cb HTTP/1.1", 400, target),
        line("target-vertical-tab", "GET /a\x0bb HTTP/1.1", 400, target),
        line("target-high-byte", "GET /\xe9 HTTP/1.1", MAY_PASS, target, ours=400),  # never valid, but browsers of old sent it
        line("target-delims", 'GET /"<>^`{|} HTTP/1.1', MAY_PASS, target, ours=200),  # likewise
        line("target-fragment", "GET /a#b HTTP/1.1", MAY_PASS, target, ours=400),
        line("target-relative", "GET a HTTP/1.1", 400, target),
        line("target-authority", "GET test:80 HTTP/1.1", 400, "RFC 9112 3.2.3: only CONNECT has an authority"),
        line("target-asterisk-get", "GET * HTTP/1.1", 400, "RFC 9112 3.2.4: only OPTIONS has an asterisk"),
        line("target-asterisk-tail", "OPTIONS *a HTTP/1.1", 400, "RFC 9112 3.2.4"),
        line("target-query", "GET /?a=b&c=%20?/: HTTP/1.1", 200, target),
        line("target-double-slash", "GET //a//b HTTP/1.1", 200, target),
        line("absolute-ipv6", "GET http://[2001:db8::1]:80/ HTTP/1.1", 200, literal),
        line("absolute-ipv6-colons", "GET http://[:::]/ HTTP/1.1", 400, literal),
        line("absolute-ipv6-letter", "GET http://[::g]:80/ HTTP/1.1", 400, literal),
        line("absolute-ipv6-tail", "GET http://[::1]a/ HTTP/1.1", 400, literal),
        line("absolute-ipv4-in-brackets", "GET http://[192.0.2.1]/ HTTP/1.1", 400, literal),
        line("target-dots", "GET /../../etc HTTP/1.1", 200, target),
    ]  # fmt: skip


def _chunks() -> list[Vector]:
    rule = "RFC 9112 7.1: chunk-size = 1*HEXDIG"
    data_rule = "RFC 9112 7.1: chunk-data CRLF"
    extension_rule = "RFC 9112 7.1.1"
    bad_sizes = {
        "underscore": "0_5",
        "underscore-first": "_5",
        "underscore-last": "5_",
        "plus": "+5",
        "minus": "-5",
        "minus-one": "-1",
        "minus-zero": "-0",
        "hex-prefix": "0x5",
        "hex-prefix-upper": "0X5",
        "hex-suffix": "5h",
        "space-after": "5 ",
        "tab-after": "5\t",
        "space-before": " 5",
        "space-inside": "0 5",
        "empty": "",
        "only-extension": ";a=b",
        "letter": "g",
        "decimal-point": "5.0",
        "comma": "5,5",
        "quoted": '"5"',
        "control": "5\x01",
        "nul": "5\x00",
        "high-byte": "5\xe9",
        "bare-cr": "5\rx",
        "extension-nul": "5;a\x00b",
        "extension-cr": "5;a\rb",
        "extension-lf": "5;a\nb",
        "extension-cr-end": "5;a\r",
    }
    broken = {
        "lf-after-size": b"5\nhello\r\n0\r\n\r\n",
        "lf-after-data": b"5\r\nhello\n0\r\n\r\n",
        "lf-after-last-size": b"5\r\nhello\r\n0\n\r\n",
        "lf-after-trailers": b"5\r\nhello\r\n0\r\n\n",
        "lf-everywhere": b"5\nhello\n0\n\n",
        "lf-after-extension": b"5;a=b\nhello\r\n0\r\n\r\n",
        "no-crlf-after-data": b"5\r\nhello0\r\n\r\n",
        "letter-after-data": b"5\r\nhelloX\r\n0\r\n\r\n",
        "cr-letter-after-data": b"5\r\nhello\rX0\r\n\r\n",
        "cr-cr-lf-after-data": b"5\r\nhello\r\r\n0\r\n\r\n",
        "cr-cr-lf-after-size": b"5\r\r\nhello\r\n0\r\n\r\n",
        "data-too-long": b"5\r\nhello world\r\n0\r\n\r\n",
        "data-too-short": b"6\r\nhello\r\n0\r\n\r\n",
        "cr-letter-at-end": b"5\r\nhello\r\n0\r\n\rX",
        "second-size": b"5\r\nhello\r\nzz\r\nhello\r\n0\r\n\r\n",
        "trailer-fold": b"0\r\nX: a\r\n b\r\n\r\n",
        "trailer-space-colon": b"0\r\nX : a\r\n\r\n",
        "trailer-no-colon": b"0\r\nX\r\n\r\n",
        "trailer-empty-name": b"0\r\n: a\r\n\r\n",
        "trailer-lf": b"0\r\nX: a\nY: b\r\n\r\n",
        "trailer-cr": b"0\r\nX: a\rb\r\n\r\n",
        "trailer-nul": b"0\r\nX: a\x00b\r\n\r\n",
        "trailer-length": b"0\r\nContent-Length: 5\r\n\r\n",
        "trailer-coding": b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "trailer-host": b"0\r\nHost: other\r\n\r\n",
    }
    good = {
        "leading-zeros": b"0005\r\nhello\r\n0\r\n\r\n",
        "upper-case": b"A\r\n0123456789\r\n0\r\n\r\n",
        "lower-case": b"a\r\n0123456789\r\n0\r\n\r\n",
        "last-zeros": b"5\r\nhello\r\n000\r\n\r\n",
        "extension": b"5;a=b\r\nhello\r\n0\r\n\r\n",
        "extension-quoted": b'5;a="b;\\"c"\r\nhello\r\n0\r\n\r\n',
        "extension-two": b"5;a;b=c\r\nhello\r\n0;d\r\n\r\n",
        "many": b"1\r\nx\r\n" * 500 + b"0\r\n\r\n",
        "trailer": b"5\r\nhello\r\n0\r\nX-Check: 1\r\nY: 2\r\n\r\n",
        "extension-4-kib": b"5;" + b"a" * 4_095 + b"\r\nhello\r\n0\r\n\r\n",
        "empty-body": b"0\r\n\r\n",
    }

    def echo(name: str) -> bytes:
        return {"many": b"x" * 500, "empty-body": b"", "upper-case": b"0123456789", "lower-case": b"0123456789"}.get(
            name, b"hello"
        )

    return [
        *(_vector(f"chunk-size-{name}", _chunked(f"{size}\r\nhello\r\n0\r\n\r\n"), 400, rule=rule) for name, size in bad_sizes.items()),
        *(_vector(f"chunk-{name}", _chunked(body), 400, rule=data_rule) for name, body in broken.items()),
        *(_vector(f"chunk-{name}", _chunked(body), 200, rule=rule, echo=echo(name)) for name, body in good.items()),
        _vector("chunk-size-17-digits", _chunked("10000000000000005\r\nhello\r\n0\r\n\r\n"), HUGE, rule="RFC 9112 7.1: no overflow"),
        _vector("chunk-size-2^64+5-digits", _chunked("F" * 17 + "\r\nhello\r\n0\r\n\r\n"), HUGE, rule="RFC 9112 7.1: no overflow"),
        _vector("chunk-size-64-digits", _chunked("F" * 64 + "\r\nhello\r\n0\r\n\r\n"), HUGE, rule="RFC 9112 7.1: no overflow"),
        # Zeros in front overflow nothing; a bound on their number is fair.
        _vector("chunk-size-17-zeros", _chunked("0" * 16 + "5\r\nhello\r\n0\r\n\r\n"), (200, *HUGE), rule=rule, ends=EITHER, ours=400),
        # BWS before the semicolon is "bad whitespace": to be taken, and never to be sent. llhttp refuses it.
        _vector("chunk-extension-bws", _chunked(b"5 ;a\r\nhello\r\n0\r\n\r\n"), MAY_PASS, rule=extension_rule, ours=400),
        _vector("chunk-extension-empty", _chunked(b"5;\r\nhello\r\n0\r\n\r\n"), MAY_PASS, rule=extension_rule, ours=400),
        _vector("chunk-extension-5000", _chunked(b"5;" + b"a" * 5_000 + b"\r\nhello\r\n0\r\n\r\n"), TOO_MUCH, rule="RFC 9112 7.1.1: limit it"),
        _vector("chunk-extension-100000", _chunked(b"5;" + b"a" * 100_000 + b"\r\nhello\r\n0\r\n\r\n"), TOO_MUCH, rule="RFC 9112 7.1.1"),
        _vector("chunk-extension-value-5000", _chunked(b"5;a=" + b"b" * 5_000 + b"\r\nhello\r\n0\r\n\r\n"), TOO_MUCH, rule="RFC 9112 7.1.1"),
        _vector("chunk-extension-quoted-5000", _chunked(b'5;a="' + b"b" * 5_000 + b'"\r\nhello\r\n0\r\n\r\n'), TOO_MUCH, rule="RFC 9112 7.1.1"),
        _vector("chunk-extension-last-5000", _chunked(b"0;" + b"a" * 5_000 + b"\r\n\r\n"), TOO_MUCH, rule="RFC 9112 7.1.1"),
        _vector("chunk-extension-second-5000", _chunked(b"5\r\nhello\r\n5;" + b"a" * 5_000 + b"\r\nhello\r\n0\r\n\r\n"), TOO_MUCH, rule="RFC 9112 7.1.1"),
        _vector("chunk-extension-unended", _chunked(b"5;" + b"a" * 100_000), TOO_MUCH, rule="RFC 9112 7.1.1"),
        _vector("chunk-trailers-40-kb", _chunked(b"0\r\n" + b"".join(b"X%d: %s\r\n" % (i, b"a" * 1_000) for i in range(40)) + b"\r\n"), TOO_MUCH,
                rule="RFC 9110 6.5.1, RFC 6585 5", ours=431),
        _vector("chunk-trailer-one-40-kb", _chunked(b"0\r\nX: " + b"a" * 40_000 + b"\r\n\r\n"), TOO_MUCH, rule="RFC 6585 5", ours=431),
        _vector("chunk-trailers-20000", _chunked(b"0\r\n" + b"X: a\r\n" * 20_000 + b"\r\n"), TOO_MUCH, rule="RFC 6585 5", ours=431),
        _vector("chunk-trailer-unended", _chunked(b"0\r\nX: " + b"a" * 100_000), TOO_MUCH, rule="RFC 6585 5", ours=431),
        _vector("chunk-cut-size", _chunked(b"5\r\nhello\r\n0"), 400, rule="RFC 9112 8", eof=True, or_silent=True),
        _vector("chunk-cut-data", _chunked(b"5\r\nhel"), 400, rule="RFC 9112 8", eof=True, or_silent=True),
        _vector("chunk-cut-end", _chunked(b"5\r\nhello\r\n0\r\n"), 400, rule="RFC 9112 8", eof=True, or_silent=True),
    ]  # fmt: skip


def _limits() -> list[Vector]:
    head = "RFC 6585 5: 431"
    line = "RFC 9110 15.5.15: 414"

    def numbered(count: int, size: int = 1) -> list[str]:
        return [f"X{index}: {'a' * size}" for index in range(count)]

    mib = 1024 * 1024
    return [
        _vector("headers-100", _get(*numbered(99)), 200, rule="limit 100, Host among them"),
        _vector("headers-101", _get(*numbered(100)), 431, rule=head),
        _vector("headers-20000", _get(*numbered(20_000)), 431, rule=head),
        _vector("headers-20000-equal", _get(*["X: a"] * 20_000), 431, rule=head),
        _vector("headers-30-kib", _get(*numbered(30, 1_000)), 200, rule="limit 32 KiB in total"),
        _vector("headers-34-kib", _get(*numbered(34, 1_024)), 431, rule=head),
        _vector("header-one-30-kib", _get("X: " + "a" * 30 * 1024), 200, rule="limit 32 KiB in total"),
        _vector("header-one-33-kib", _get("X: " + "a" * 33 * 1024), 431, rule=head),
        _vector("header-one-64-kib-unended", _get("X: " + "a" * 64 * 1024)[:-4], 431, rule=head),
        _vector("header-name-33-kib", _get("X" * 33 * 1024 + ": a"), 431, rule=head),
        _vector("header-name-unended", b"GET / HTTP/1.1\r\nHost: test\r\n" + b"X" * 64 * 1024, 431, rule=head),
        _vector("header-space-40-kib", _get("X:" + " " * 40 * 1024 + "a"), 431, rule=head),
        _vector("header-one-4-mib", _get("X: " + "a" * 4 * mib), 431, rule=head),
        _vector("header-after-good", GOOD + _get("X: " + "a" * 4 * mib), 200, 431, rule=head),
        _vector("target-8000", _get(target="/" + "a" * 8_000), 200, rule="limit 8 KiB for the request line"),
        _vector("target-8300", _get(target="/" + "a" * 8_300), 414, rule=line),
        _vector("target-20000", _get(target="/" + "a" * 20_000), 414, rule=line),
        _vector("target-40000", _get(target="/" + "a" * 40_000), 414, rule=line),
        _vector("target-2-mib", _get(target="/" + "a" * 2 * mib), 414, rule=line),
        _vector("target-2-mib-query", _get(target="/?" + "a=b&" * (mib // 2)), 414, rule=line),
        _vector("target-unended", b"GET /" + b"a" * 100_000, 414, rule=line),
        _vector("target-8000-headers-30-kib", _get(*numbered(24, 1_000), target="/" + "a" * 8_000), (200, 431),
                rule="whether the line counts to the 32 KiB is ours to say", ends=EITHER, ours=200),
    ]  # fmt: skip


def _expect() -> list[Vector]:
    rule = "RFC 9110 10.1.1"
    body = "Content-Length: 5"
    return [
        _vector("expect-continue", _post("Expect: 100-continue", body, body=b"hello"), 200, rule=rule, echo=b"hello"),
        _vector("expect-continue-case", _post("expect: 100-Continue", body, body=b"hello"), 200, rule=rule, echo=b"hello"),
        _vector("expect-continue-chunked", _post("Expect: 100-continue", "Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"), 200,
                rule=rule, echo=b"hello"),
        _vector("expect-continue-no-body", _get("Expect: 100-continue"), 200, rule=rule),
        _vector("expect-continue-http10", _message("POST / HTTP/1.0", "Expect: 100-continue", body, body="hello"), 200,
                rule="RFC 9110 10.1.1: ignored in 1.0", ends=CLOSED, echo=b"hello"),
        # 417 is MAY; a client that gets it may or may not send its body, so that a close is the safe end.
        _vector("expect-other", _get("Expect: 200-ok"), 417, rule=rule, ends=EITHER),
        _vector("expect-other-body", _post("Expect: magic", body, body=b"hello"), 417, rule=rule, ends=EITHER),
        _vector("expect-two", _post("Expect: 100-continue, magic", body, body=b"hello"), 417, rule=rule, ends=EITHER),
    ]  # fmt: skip


def _no_http() -> list[Vector]:
    rule = "RFC 9112 3: no request line"
    client_hello = bytes.fromhex(
        "16030100a5010000a10303" + "5a" * 32 + "20" + "a5" * 32 + "0008130213031301c02f" + "01000050"
        "0000000e000c0000096c6f63616c686f7374000b000403000102000a000c000a001d0017001e00190018002300000016"
        "00000017000000"
    )  # the shape of a TLS 1.3 ClientHello
    return [
        _vector("empty-connection", b"", 408, rule="nothing asked", ends=CLOSED, eof=True, or_silent=True),
        _vector("only-crlf", b"\r\n\r\n", 400, rule="nothing asked", ends=CLOSED, eof=True, or_silent=True),
        _vector("cut-request-line", b"GET / HT", 400, rule="RFC 9112 8", eof=True, or_silent=True),
        _vector("cut-headers", b"GET / HTTP/1.1\r\nHost: te", 400, rule="RFC 9112 8", eof=True, or_silent=True),
        _vector("cut-end-of-head", b"GET / HTTP/1.1\r\nHost: test\r\n\r", 400, rule="RFC 9112 8", eof=True, or_silent=True),
        _vector("good-then-cut", GOOD + b"GET / HTTP/1.1\r\nHo", 200, 400, rule="RFC 9112 8", eof=True, or_silent=True),
        _vector("tls-client-hello", client_hello, BAD_METHOD, rule=rule),
        _vector("ssh-banner", b"SSH-2.0-OpenSSH_9.6\r\n", BAD_METHOD, rule=rule),
        _vector("nuls", b"\x00" * 64, BAD_METHOD, rule=rule),
        _vector("high-bytes", b"\xff" * 64, BAD_METHOD, rule=rule),
        _vector("counting-bytes", bytes(range(128, 256)) * 2, BAD_METHOD, rule=rule),
        _vector("garbage-line", b"hello there\r\n\r\n", BAD_METHOD, rule=rule),
        _vector("garbage-64-kib", b"\x93\x07\xee#" * 16_384, BAD_METHOD, rule=rule),
        _vector("response", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", BAD_METHOD, rule="a response is no request"),
        _vector("redis", b"*1\r\n$4\r\nPING\r\n", BAD_METHOD, rule=rule),
        _vector("smtp", b"EHLO test\r\n", (400, 405, 501, 505), rule=rule),
        _vector("proxy-protocol", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + GOOD, (400, 405, 501, 505), rule="nobody configured it"),
        _vector("websocket-frame", b"\x81\x85abcd\x09\x07\x0f\x08\x0e", BAD_METHOD, rule=rule),
    ]  # fmt: skip


VECTORS: tuple[Vector, ...] = tuple(
    chain(
        _good(),
        _content_length(),
        _transfer_encoding(),
        _line_ends(),
        _fields(),
        _host(),
        _request_line(),
        _chunks(),
        _limits(),
        _expect(),
        _no_http(),
    )
)
