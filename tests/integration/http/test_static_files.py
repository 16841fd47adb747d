"""serve_static over a socket: what it answers with, to which request."""

from __future__ import annotations

import email
import json
import os
from collections.abc import Iterator
from email.policy import HTTP
from pathlib import Path

import pytest

from tests.integration.http.response import Response
from tests.integration.support import Program, request

pytestmark = pytest.mark.slow

LARGE = bytes(index * 7 % 251 for index in range(300_000))
MODIFIED = 1_700_000_000
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
BEFORE = "Tue, 14 Nov 2023 22:13:19 GMT"


def make_site(root: Path) -> Path:
    site = root / "site"
    (site / "docs" / "deep").mkdir(parents=True)
    (site / ".git").mkdir()
    (site / ".well-known").mkdir()
    files = {
        "index.html": b"<p>home",
        "docs/index.html": b"<p>docs",
        "docs/page.html": b"<p>page",
        "small.txt": b"0123456789",
        "empty.txt": b"",
        "large": LARGE,
        "app.js": b"plain();",
        "app.js.br": b"brotli",
        "app.js.zst": b"zstandard",
        "app.js.gz": b"gzipped",
        "only.css": b"css",
        "only.css.gz": b"gzipped css",
        "a b+c.txt": b"space",
        "ä.txt": b"umlaut",
        ".env": b"SECRET=1",
        ".git/config": b"secret",
        ".well-known/security.txt": b"known",
        "archive.tar.gz": b"tar",
    }
    for name, content in files.items():
        (site / name).write_bytes(content)
        os.utime(site / name, (MODIFIED, MODIFIED))
    (root / "secret").write_bytes(b"secret")
    (site / "out").symlink_to("../secret")
    (site / "in").symlink_to("small.txt")
    (site / "zero").symlink_to("/dev/zero")
    os.mkfifo(site / "fifo")
    return site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_site(tmp_path_factory.mktemp("static"))


def serving(site: Path, **options: object) -> Program:
    return Program.run("static_files.py", env={"ROOT": str(site), "OPTIONS": json.dumps(options)})


@pytest.fixture(scope="module")
def program(site: Path) -> Iterator[Program]:
    """With siblings and a Cache-Control. When the module is done it still serves, and has no descriptor more than before."""
    with serving(site, precompressed=True, cache_control="max-age=60") as program:
        program.get("/shared/0/0")  # which stays open
        before = program.idle_fd_count()
        yield program
        assert program.get("/small.txt").status == 200
        assert program.idle_fd_count() == before


def etag_of(program: Program, target: str, *headers: str) -> str:
    etag = program.get(target, *headers).get("etag")
    assert etag is not None
    return etag


# ---- whole files


def test_a_file(program: Program) -> None:
    answer = program.get("/small.txt")
    assert (answer.status, answer.body, answer.framing) == (200, b"0123456789", "length")
    assert answer.get("content-type") == "text/plain; charset=utf-8"
    assert answer.get("last-modified") == DATE
    assert answer.get("accept-ranges") == "bytes"
    assert answer.get("cache-control") == "max-age=60"
    assert answer.get("vary") == "Accept-Encoding"
    assert answer.get("etag") == f'"{MODIFIED * 10**9:x}-a"'
    assert answer.get("content-encoding") is None


@pytest.mark.parametrize(
    ("target", "body", "content_type"),
    [
        ("/", b"<p>home", "text/html; charset=utf-8"),
        ("/docs/", b"<p>docs", "text/html; charset=utf-8"),
        ("/docs/?a=b", b"<p>docs", "text/html; charset=utf-8"),
        ("/docs/page.html?v=1", b"<p>page", "text/html; charset=utf-8"),
        ("/empty.txt", b"", "text/plain; charset=utf-8"),
        ("/large", LARGE, "application/octet-stream"),
        ("/a%20b+c.txt", b"space", "text/plain; charset=utf-8"),
        ("/%C3%A4.txt", b"umlaut", "text/plain; charset=utf-8"),
        ("/.well-known/security.txt", b"known", "text/plain; charset=utf-8"),
        ("/archive.tar.gz", b"tar", "application/gzip"),
        ("/in", b"0123456789", "application/octet-stream"),
        ("http://elsewhere/small.txt", b"0123456789", "text/plain; charset=utf-8"),
    ],
)
def test_more_files(program: Program, target: str, body: bytes, content_type: str) -> None:
    answer = program.get(target)
    assert (answer.status, answer.body, answer.get("content-type")) == (200, body, content_type)
    head = program.get(target, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.get("content-length") == str(len(body))
    assert [field for field in head.headers if field[0] != "Date"] == [field for field in answer.headers if field[0] != "Date"]


def test_a_small_file_is_one_segment(program: Program) -> None:
    with program.client() as client:
        client.request("GET", "/small.txt")
        before = client.data_segments_in()
        client.request("GET", "/app.js")
        assert client.data_segments_in() == before + 1


def test_answers_follow_each_other_on_one_connection(program: Program) -> None:
    """Pipelined: large ones, which are moved, and small ones between them."""
    targets = ["/small.txt", "/large", "/nothing", "/large", "/docs", "/large", "/small.txt"]
    with program.client() as client:
        client.send(b"".join(request("GET", target) for target in targets))
        answers = [client.response() for _ in targets]
    assert [(answer.status, len(answer.body)) for answer in answers] == [
        (200, 10), (200, len(LARGE)), (404, 14), (200, len(LARGE)), (301, 22), (200, len(LARGE)), (200, 10),
    ]  # fmt: skip
    assert {answer.body for answer in answers if len(answer.body) == len(LARGE)} == {LARGE}


def test_http_1_0_is_answered_as_well(program: Program) -> None:
    with program.client() as client:
        client.send(b"GET /large HTTP/1.0\r\n\r\n")
        assert client.response().body == LARGE


def test_a_large_file_is_the_last_answer(program: Program) -> None:
    answer = program.get("/large")
    assert answer.body == LARGE
    assert answer.announces_close()


# ---- what is refused


@pytest.mark.parametrize(
    "target",
    [
        "/nothing", "/docs/nothing", "/docs/deep/", "/small.txt/", "/small.txt/x", "/../secret", "/docs/../../secret", "/%2e%2e/secret",
        "/..%2fsecret", "/%2e%2e%2fsecret", "//small.txt", "/docs//page.html", "/./small.txt", "/docs/./page.html", "/small.txt%00",
        "/%00", "/..%5csecret", "/docs%5cpage.html", "/docs%2fpage.html", "/.env", "/.git/config", "/%2eenv", "/out", "/zero", "/fifo",
        "/" + "x" * 255, "/" + "x" * 256, "/" + "x/" * 1000, "/....//secret", "/%252e%252e/secret", "/small.txt%20", "/SMALL.TXT",
        "/app.js.bz2", "//etc/passwd", "/docs/../small.txt", "/%c0%ae%c0%ae/secret", "/;/../secret",
    ],
)  # fmt: skip
def test_nothing_is_there(program: Program, target: str) -> None:
    answer = program.get(target)
    assert (answer.status, answer.body) == (404, b"404 Not Found\n")
    assert answer.get("etag") is None
    assert answer.get("cache-control") is None


@pytest.mark.parametrize(
    ("target", "location"),
    [("/docs", "/docs/"), ("/docs?a=b", "/docs/?a=b"), ("/docs/deep", "/docs/deep/"), ("http://elsewhere/docs", "/docs/")],
)
def test_a_directory_without_its_slash_is_elsewhere(program: Program, target: str, location: str) -> None:
    answer = program.get(target)
    assert (answer.status, answer.get("location")) == (301, location)


@pytest.mark.parametrize("target", ["//elsewhere/..", "//elsewhere%2f..", "/%2felsewhere", "/\\elsewhere", "//docs", "///docs"])
def test_no_redirection_leads_to_another_host(program: Program, target: str) -> None:
    answer = program.get(target)
    assert answer.get("location") is None
    assert answer.status in (400, 404)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_other_methods_are_refused(program: Program, method: str) -> None:
    answer = program.get("/small.txt", method=method)
    assert (answer.status, answer.get("allow")) == (405, "GET, HEAD")


def test_who_may_not_read_it_is_told_so(site: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (site / "locked").touch(mode=0)
    with serving(site) as program:
        assert program.get("/locked").status == 403


# ---- conditions: RFC 9110 section 13; the tables are in tests/unit/http/test_conditional.py


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (["If-None-Match: {etag}"], 304),
        (["If-None-Match: W/{etag}"], 304),
        (['If-None-Match: "x"', "If-None-Match: {etag}"], 304),
        (["If-None-Match: *"], 304),
        (['If-None-Match: "x"'], 200),
        (['If-None-Match: "x"', f"If-Modified-Since: {DATE}"], 200),
        ([f"If-Modified-Since: {DATE}"], 304),
        ([f"If-Modified-Since: {BEFORE}"], 200),
        ([f"If-Modified-Since: {DATE}", f"If-Modified-Since: {DATE}"], 200),
        (["If-Match: {etag}"], 200),
        (['If-Match: "x"'], 412),
        (["If-Match: W/{etag}"], 412),
        ([f"If-Unmodified-Since: {DATE}"], 200),
        ([f"If-Unmodified-Since: {BEFORE}"], 412),
        (['If-Match: "x"', "If-None-Match: {etag}"], 412),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("target", ["/small.txt", "/large"])
def test_conditions(program: Program, target: str, method: str, fields: list[str], status: int) -> None:
    etag = etag_of(program, target)
    answer = program.get(target, *[field.format(etag=etag) for field in fields], method=method)
    assert answer.status == status
    if status == 304:
        assert answer.body == b""
        assert answer.get("etag") == etag
        assert (answer.get("vary"), answer.get("cache-control")) == ("Accept-Encoding", "max-age=60")
        assert answer.get("content-length") is None
        assert answer.get("content-type") is None
    elif status == 200 and method == "GET":
        assert answer.body == (LARGE if target == "/large" else b"0123456789")


# ---- ranges: RFC 9110 section 14; the tables are in tests/unit/http/test_ranges.py


@pytest.mark.parametrize("target", ["/small.txt", "/large"])
@pytest.mark.parametrize("span", ["0-0", "3-5", "5-", "-4", "0-", "9-100000000"])
def test_one_range(program: Program, target: str, span: str) -> None:
    content = LARGE if target == "/large" else b"0123456789"
    first, last = span.split("-")
    start = int(first) if first else len(content) - int(last)
    stop = min(int(last) + 1, len(content)) if first and last else len(content)
    answer = program.get(target, f"Range: bytes={span}")
    assert (answer.status, answer.body) == (206, content[start:stop])
    assert answer.get("content-range") == f"bytes {start}-{stop - 1}/{len(content)}"
    assert answer.get("etag") == etag_of(program, target)
    assert answer.get("vary") == "Accept-Encoding"
    head = program.get(target, f"Range: bytes={span}", method="HEAD")
    assert (head.status, head.get("content-range"), head.get("content-length")) == (200, None, str(len(content)))


@pytest.mark.parametrize("target", ["/small.txt", "/large"])
def test_several_ranges(program: Program, target: str) -> None:
    content = LARGE if target == "/large" else b"0123456789" * 1
    spans = [(0, 2), (100_000, 200_000), (299_990, 300_000)] if target == "/large" else [(0, 2)]
    field = ",".join(f"{start}-{stop - 1}" for start, stop in spans)
    answer = program.get(target, f"Range: bytes={field}")
    assert answer.status == 206
    if len(spans) == 1:  # section 15.3.7.2: no multipart for one
        assert answer.body == content[:2]
        return
    raw = f"Content-Type: {answer.get('content-type')}\r\n\r\n".encode() + answer.body
    parts = list(email.message_from_bytes(raw, policy=HTTP).iter_parts())
    assert [part["content-range"] for part in parts] == [f"bytes {start}-{stop - 1}/{len(content)}" for start, stop in spans]
    assert answer.get("content-range") is None
    for start, stop in spans:
        assert b"\r\n\r\n" + content[start:stop] + b"\r\n--" in answer.body


@pytest.mark.parametrize(("target", "size"), [("/small.txt", 10), ("/empty.txt", 0), ("/large", len(LARGE))])
def test_a_range_outside(program: Program, target: str, size: int) -> None:
    answer = program.get(target, f"Range: bytes={size}-")
    assert (answer.status, answer.get("content-range")) == (416, f"bytes */{size}")


def test_if_range(program: Program) -> None:
    etag = etag_of(program, "/large")
    for condition, status in [
        (etag, 206), (DATE, 206), ('"x"', 200), (f"W/{etag}", 200), (BEFORE, 200), ("x", 200),
    ]:  # fmt: skip
        answer = program.get("/large", "Range: bytes=1-5", f"If-Range: {condition}")
        assert (answer.status, answer.body) == (status, LARGE[1:6] if status == 206 else LARGE), condition


def test_a_condition_comes_before_a_range(program: Program) -> None:
    etag = etag_of(program, "/large")
    assert program.get("/large", "Range: bytes=1-5", f"If-None-Match: {etag}").status == 304
    assert program.get("/large", "Range: bytes=999999-", 'If-Match: "x"').status == 412


# ---- siblings: RFC 9110 section 12.5.3; the table is in tests/unit/http/test_codings.py


@pytest.mark.parametrize(
    ("target", "accept", "coding", "body"),
    [
        ("/app.js", "gzip, deflate, br, zstd", "br", b"brotli"),
        ("/app.js", "gzip, zstd", "zstd", b"zstandard"),
        ("/app.js", "gzip", "gzip", b"gzipped"),
        ("/app.js", "br;q=0.5, gzip", "gzip", b"gzipped"),
        ("/app.js", "deflate", None, b"plain();"),
        ("/app.js", "identity", None, b"plain();"),
        ("/app.js", "*;q=0", None, b"plain();"),
        ("/only.css", "gzip, deflate, br, zstd", "gzip", b"gzipped css"),
        ("/only.css", "br", None, b"css"),
        ("/small.txt", "gzip, br", None, b"0123456789"),
    ],
)
def test_a_sibling(program: Program, target: str, accept: str, coding: str | None, body: bytes) -> None:
    plain = program.get(target)
    answer = program.get(target, f"Accept-Encoding: {accept}")
    assert (answer.status, answer.get("content-encoding"), answer.body) == (200, coding, body)
    assert answer.get("vary") == "Accept-Encoding"
    assert answer.get("content-type") == plain.get("content-type")
    assert (answer.get("etag") == plain.get("etag")) == (coding is None)


def test_each_coding_has_its_own_tag(program: Program) -> None:
    tags = {coding: etag_of(program, "/app.js", f"Accept-Encoding: {coding}") for coding in ("br", "zstd", "gzip", "x")}
    assert len(set(tags.values())) == 4
    for coding, tag in tags.items():
        for other in tags:
            answer = program.get("/app.js", f"Accept-Encoding: {other}", f"If-None-Match: {tag}")
            assert answer.status == (304 if other == coding else 200)
    answer = program.get("/app.js", "Accept-Encoding: gzip", "Range: bytes=0-3", f"If-Range: {tags['gzip']}")
    assert (answer.status, answer.body, answer.get("content-encoding")) == (206, b"gzip", "gzip")
    assert answer.get("content-range") == "bytes 0-3/7"


# ---- options


def test_without_siblings_nothing_varies(site: Path) -> None:
    with serving(site) as program:
        answer = program.get("/app.js", "Accept-Encoding: gzip, br")
        assert (answer.body, answer.get("vary"), answer.get("content-encoding")) == (b"plain();", None, None)
        assert answer.get("cache-control") is None


def test_options(site: Path) -> None:
    options = {
        "prefix": "/files/", "index": None, "hidden": True, "symlinks": "refuse", "types": {".txt": "text/x-own"}, "charset": None,
        "precompressed": ["gzip"],
    }  # fmt: skip
    with serving(site, **options) as program:
        statuses = {
            target: program.get(target).status
            for target in (
                "/files/",
                "/files",
                "/files/docs",
                "/files/docs/",
                "/small.txt",
                "/filesmall.txt",
                "/files/in",
                "/files/.env",
            )
        }
        assert statuses == {
            "/files/": 404, "/files": 404, "/files/docs": 404, "/files/docs/": 404, "/small.txt": 404, "/filesmall.txt": 404,
            "/files/in": 404, "/files/.env": 200,
        }  # fmt: skip
        assert program.get("/files/small.txt").get("content-type") == "text/x-own"
        assert program.get("/files/docs/page.html").get("content-type") == "text/html"
        assert program.get("/files/app.js", "Accept-Encoding: br, gzip").body == b"gzipped"
        assert program.get("/files/../secret").status == 404


def test_links_that_are_followed(site: Path) -> None:
    with serving(site, symlinks="follow") as program:
        assert program.get("/out").body == b"secret"
        assert program.get("/zero").status == 404
        assert program.get("/../secret").status == 404


def test_the_prefix_is_a_directory_too(site: Path) -> None:
    with serving(site, prefix="/files") as program:
        assert program.get("/files?a").get("location") == "/files/?a"
        assert program.get("/files/").body == b"<p>home"
        assert program.get("/files/docs").get("location") == "/files/docs/"


def test_one_file_under_another_name(program: Program) -> None:
    answer = program.get("/send/docs/page.html", "Range: bytes=1-2")
    assert (answer.status, answer.body, answer.get("content-disposition")) == (206, b"p>", "attachment")
    assert program.get("/send/../secret").status == 500
    assert program.get("/send/.env").body == b"SECRET=1"  # whoever names it means it
    assert program.get("/send/out").status == 404
    assert program.get("/send/docs").status == 404


# ---- write_file()


@pytest.mark.parametrize(("offset", "size"), [(0, 300_000), (0, 0), (100, 200_000), (299_999, 1), (5, 10)])
@pytest.mark.parametrize("kind", ["write", "chunks"])
def test_a_part_between_other_pieces(program: Program, kind: str, offset: int, size: int) -> None:
    def check(answer: Response) -> None:
        assert answer.body == b"<" + LARGE[offset : offset + size] + b">"
        assert answer.framing == ("length" if kind == "write" else "chunked")

    with program.client() as client:
        check(client.request("GET", f"/{kind}/{offset}/{size}"))
        check(client.request("GET", f"/{kind}/{offset}/{size}"))
        head = client.request("HEAD", f"/{kind}/{offset}/{size}")
        assert (head.status, head.body) == (200, b"")
        assert client.request("GET", "/small.txt").body == b"0123456789"


@pytest.mark.parametrize("kind", ["", "/heard"])
def test_a_part_behind_what_the_peer_has_not_read(program: Program, kind: str) -> None:
    """More than the mark stands before it, and the handler has waited for nothing: all of it comes in order."""
    with program.client(rcvbuf=16_384) as client:
        client.send(request("GET", f"/shared/10/250000{kind}") * 3 + request("GET", "/small.txt"))
        for _ in range(3):
            assert client.response().body == b"<" + b"x" * 100_000 + LARGE[10:250_010] + b">"
        assert client.response().body == b"0123456789"


def test_all_that_there_is_from_somewhere_on(program: Program) -> None:
    assert program.get("/rest/299990").body == b"<" + LARGE[299_990:] + b">"
    assert program.get("/rest/400000").body == b"<>"


def test_what_the_kernel_cannot_move_is_read(program: Program) -> None:
    """Files of /proc know no sendfile(2), before Linux 5.11 or since then."""
    answer = program.get("/proc/6")
    assert len(answer.body) == 8
    assert b"python" in answer.body or answer.body.startswith(b"</")


def test_what_is_written_in_between_is_no_answer_of_its_own(program: Program) -> None:
    with program.client() as client:
        client.send(request("GET", "/intrude") + request("GET", "/small.txt"))
        received = client.rest()
    assert b"false" not in received
    assert received.count(b"HTTP/1.1") <= 1


def test_more_than_the_file_has_or_the_answer_has_said_is_cut(program: Program) -> None:
    assert program.get("/write/299990/20").truncated
    program.stdout.wait_line("^told ERR_HTTP_FILE_TRUNCATED$")
    assert program.get("/chunks/299990/20").truncated
    with pytest.raises(ConnectionError):
        answer = program.get("/short")
        raise ConnectionError if answer.truncated else AssertionError
    program.stdout.wait_line("^told ERR_HTTP_CONTENT_LENGTH_MISMATCH$")
