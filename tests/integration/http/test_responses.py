"""What a handler writes and what then leaves: framing, heads, Date, and the number of sends."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from tests.integration.support import PROGRAMS, Program, RawClient, request, treadle_command

SMALL = ["/", "/async", "/later", "/head", "/status/404", "/header-methods", "/status/500?oops"]


@pytest.mark.parametrize("target", ["/", "/async", "/later", "/head"])
def test_end_with_everything_gives_a_content_length(routes: Program, target: str) -> None:
    response = routes.get(target)
    assert (response.status, response.reason, response.http_version) == (200, "OK", "1.1")
    assert (response.framing, response.body) == ("length", b"Hello, World!")


@pytest.mark.parametrize("target", ["/status/200", "/status/404", "/status/500"])
def test_an_empty_answer_has_length_zero(routes: Program, target: str) -> None:
    with routes.client() as client:
        response = client.request("GET", target)
        assert response.all("content-length") == ["0"]
        assert client.request().status == 200


def test_writes_without_a_length_are_chunked(routes: Program) -> None:
    with routes.client() as client:
        response = client.request("GET", "/chunked/5")
        assert (response.framing, response.body) == ("chunked", b"piece 0;piece 1;piece 2;piece 3;piece 4;")
        assert response.get("content-length") is None


def test_an_empty_write_does_not_end_a_chunked_body(routes: Program) -> None:
    assert routes.get("/chunked-at-once").body == b"one;two;three"


def test_a_length_that_was_set_is_kept(routes: Program) -> None:
    response = routes.get("/sized")
    assert (response.framing, response.body, response.all("content-length")) == ("length", b"0123456789", ["10"])


def test_http10_gets_no_chunks(routes: Program) -> None:
    with routes.client() as client:
        client.send(b"GET /chunked/5 HTTP/1.0\r\nHost: test\r\n\r\n")
        raw = client.rest()
    head, _, body = raw.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert body == b"piece 0;piece 1;piece 2;piece 3;piece 4;"


@pytest.mark.parametrize(("target", "length"), [("/", "13"), ("/head", "13"), ("/sized", "10")])
def test_head_has_the_head_of_get_and_no_body(routes: Program, target: str, length: str) -> None:
    with routes.client() as client:
        client.send(request("HEAD", target) + request("GET", "/"))
        response = client.response("HEAD")
        assert (response.status, response.body, response.get("content-length")) == (200, b"", length)
        assert client.response().body == b"Hello, World!"


@pytest.mark.parametrize("target", ["/chunked/3", "/big/1", "/big-chunked/1", "/echo-stream"])
def test_head_of_a_stream_has_no_body(routes: Program, target: str) -> None:
    with routes.client() as client:
        client.send(request("HEAD", target) + request("GET", "/"))
        assert client.response("HEAD").status == 200
        assert client.response().body == b"Hello, World!"


@pytest.mark.parametrize("target", ["/status/204", "/status/304", "/status/204?body", "/status/304?body"])
def test_statuses_without_a_body(routes: Program, target: str) -> None:
    with routes.client() as client:
        response = client.request("GET", target)
        assert response.status in (204, 304)
        assert response.get("transfer-encoding") is None
        assert client.request().body == b"Hello, World!"


@pytest.mark.parametrize("status", [204, 304])
def test_a_body_written_to_a_status_without_one_stays_inside(routes: Program, status: int) -> None:
    with routes.client() as client:
        client.send(request("GET", f"/status-written/{status}") + request("GET", "/"))
        assert client.response().status == status
        assert client.response().body == b"Hello, World!"


def test_status_message(routes: Program) -> None:
    response = routes.get("/reason")
    assert (response.status, response.reason) == (299, "Rather Fine")


@pytest.mark.parametrize(
    ("status", "reason"), [(201, "Created"), (404, "Not Found"), (418, "I'm a Teapot"), (503, "Service Unavailable")]
)
def test_known_statuses_have_their_phrase(routes: Program, status: int, reason: str) -> None:
    assert routes.get(f"/status/{status}").reason.lower() == reason.lower()


def test_an_unknown_status_is_sent_as_it_is(routes: Program) -> None:
    assert routes.get("/status/599").status == 599


def test_pairs_keep_repeated_names(routes: Program) -> None:
    response = routes.get("/head-pairs")
    assert response.all("set-cookie") == ["a=1", "b=2"]
    assert (response.get("x-one"), response.get("x-two")) == ("1", "2")


def test_header_methods(routes: Program) -> None:
    response = routes.get("/header-methods")
    assert json.loads(response.body)["known"] == [True, False, "again", None]
    assert set(json.loads(response.body)["names"]) >= {"x-kept", "x-number", "set-cookie"}
    assert (response.all("x-kept"), response.get("x-number"), response.get("x-gone")) == (["again"], "7", None)
    assert response.all("set-cookie") == ["a=1", "b=2"]


def test_flush_headers_sends_the_head_alone(routes: Program) -> None:
    with routes.client() as client:
        client.send(request("GET", "/flushed"))
        data = b""
        while b"\r\n\r\n" not in data:
            data += client.socket.recv(65_536)
        assert b"x-flushed: yes" in data.lower()
        assert data.endswith(b"\r\n\r\n")
        routes.get("/release")
        data = b""
        while not data.endswith(b"0\r\n\r\n"):
            data += client.socket.recv(65_536)
        assert data == b"5\r\nlater\r\n0\r\n\r\n"
    routes.get("/clear")


IMF_FIXDATE = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-3][0-9] (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) "
    r"20[0-9]{2} [0-2][0-9]:[0-5][0-9]:[0-6][0-9] GMT"
)


@pytest.mark.parametrize("target", ["/", "/chunked/2", "/status/304", "/fail-before"])
def test_date_is_there_once_in_its_one_format_and_now(routes: Program, target: str) -> None:
    (date,) = routes.get(target).all("date")
    assert IMF_FIXDATE.fullmatch(date)
    assert abs((parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()) < 3


def test_date_goes_on_with_the_clock(routes: Program) -> None:
    """A date that is cached must not be that of the last busy second."""
    with routes.client() as client:
        first = client.request().get("date")
        assert client.is_quiet(1.1)
        assert client.request().get("date") != first


test_date_goes_on_with_the_clock = pytest.mark.slow(test_date_goes_on_with_the_clock)


def test_date_can_be_left_out_or_replaced(routes: Program) -> None:
    assert routes.get("/no-date").get("date") is None
    assert routes.get("/own-date").all("date") == ["Thu, 01 Jan 1970 00:00:00 GMT"]


@pytest.mark.parametrize("target", SMALL)
def test_a_small_answer_is_one_segment(routes: Program, target: str) -> None:
    """Head and body in two sends would be two segments, TCP_NODELAY being on: counted by the client's own kernel."""
    with routes.client() as client:
        client.request("GET", target)
        before = client.data_segments_in()
        for _ in range(200):
            client.request("GET", target)
        assert client.data_segments_in() - before == 200


def test_a_small_answer_is_one_system_call(tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    log = tmp_path / "trace"
    strace = ["strace", "-f", "-qq", "-e", "trace=write,writev,sendto,sendmsg,sendmmsg", "-e", "signal=none", "-o", str(log)]
    if subprocess.run([*strace, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("strace may not trace here")
    program = subprocess.Popen(
        [*strace, *treadle_command(), "run", str(PROGRAMS / "routes.py")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert program.stdout is not None
        _, host, port = program.stdout.readline().split()
        with RawClient((host.decode(), int(port))) as client:
            for _ in range(20):
                assert client.request("GET", "/").status == 200
            for _ in range(20):
                assert client.request("GET", "/later").status == 200
    finally:
        traced = Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split()
        for child in traced:
            os.kill(int(child), signal.SIGTERM)  # strace itself ends with what it traces
        program.wait(15)
    lines = [line for line in log.read_text().splitlines() if "HTTP/1.1 200" in line or "Hello" in line]
    assert len(lines) == 40, lines[:5]


def test_a_large_answer_at_once_arrives_whole(routes: Program) -> None:
    with routes.client() as client:
        response = client.request("GET", "/big-at-once/8")
        assert (response.framing, len(response.body)) == ("length", 8 * 1024 * 1024)
        assert client.request().status == 200


@pytest.mark.parametrize("target", ["/big/8", "/big-chunked/8"])
def test_a_large_stream_arrives_whole(routes: Program, target: str) -> None:
    body = routes.get(target).body
    assert body == bytes(range(256)) * (8 * 1024 * 4)


def test_response_splitting_is_refused(routes: Program) -> None:
    response = routes.get("/injections")
    codes = json.loads(response.body)
    assert response.get("x-injected") is None
    names = {key: code for key, code in codes.items() if "name" in key}
    values = {key: code for key, code in codes.items() if "name" not in key}
    assert set(names.values()) == {"ERR_INVALID_HTTP_TOKEN"}, names
    assert set(values.values()) == {"ERR_INVALID_CHAR"}, values


def test_response_splitting_by_the_reason_is_refused(routes: Program) -> None:
    response = routes.get("/inject-reason")
    assert response.get("x-injected") is None
    assert json.loads(response.body) == {"reason": "ERR_INVALID_CHAR"}


def test_misuse_is_told_by_codes(routes: Program) -> None:
    routes.get("/clear")
    assert routes.get("/misuse").body == b"begun"
    noted = json.loads(json.loads(routes.get("/facts").body)["notes"][0])
    assert noted["flags"] == [False, False, True, False, True, True]
    assert noted["codes"] == {
        "set_header": "ERR_HTTP_HEADERS_SENT",
        "remove_header": "ERR_HTTP_HEADERS_SENT",
        "write_head": "ERR_HTTP_HEADERS_SENT",
        "write": "ERR_STREAM_WRITE_AFTER_END",
        "end": "ERR_STREAM_WRITE_AFTER_END",
        "empty end": None,
    }
