"""WSGI applications under `treadle serve`, unchanged: what PEP 3333 promises them, both ways, whatever the peer does."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.support import Program, eventually, request

pytest.importorskip("a2wsgi")

MIB = 1024 * 1024
BUFFERED_MAX = 24 * MIB  # what two sockets of this machine hold, and what is on its way; far less than is offered without end


@pytest.fixture(scope="module")
def served() -> Iterator[Program]:
    with Program.serve("wsgi_app:app") as program:
        assert program.get().body == b"hello"
        yield program
        assert program.get().body == b"hello"


@pytest.fixture(autouse=True)
def forgotten(served: Program) -> None:
    served.get("/clear")


def facts(served: Program) -> dict[str, Any]:
    return json.loads(served.get("/show_facts").body)  # type: ignore[no-any-return]


def closed(served: Program, name: str) -> None:
    eventually(lambda: facts(served)["closed"] == [name], f"{name} is closed, once")


def test_it_says_what_it_takes_it_for(served: Program) -> None:
    assert served.stderr.wait_line(r"wsgi_app:app is taken for WSGI \(a function: it takes \(environ, start_response\)\)")


def test_the_environ(served: Program) -> None:
    with served.client() as client:
        response = client.request(
            "GET",
            "/show/a%20b/%C3%A9%2F%FF?q=%20&r",
            "Cookie: a=1",
            "Cookie: b=2",
            "X-One: 1",
            "x-one: 2",
            "X_One: forged",
            "Content_Type: forged",
        )
        own = client.socket.getsockname()
    environ = json.loads(response.body)
    assert environ["REQUEST_METHOD"] == "GET"
    assert environ["SCRIPT_NAME"] == ""
    assert environ["PATH_INFO"] == "/show/a b/\xc3\xa9/\xff"
    assert environ["QUERY_STRING"] == "q=%20&r"
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert environ["SERVER_NAME"] == "127.0.0.1"
    assert environ["SERVER_PORT"] == str(served.address[1])
    assert environ["REMOTE_ADDR"] == own[0]
    assert environ["HTTP_COOKIE"] == "a=1; b=2"
    assert environ["HTTP_X_ONE"] == "1,2", "a name with an underscore must not pass for it"
    assert environ["HTTP_HOST"] == "test"
    assert "CONTENT_TYPE" not in environ
    assert "HTTP_CONTENT_TYPE" not in environ
    assert environ["wsgi.version"] == [1, 0]
    assert environ["wsgi.url_scheme"] == "http"
    assert environ["wsgi.multithread"] is True
    assert environ["wsgi.multiprocess"] is False
    assert environ["wsgi.input_terminated"] is True


def test_root_path() -> None:
    with Program.serve("wsgi_app:app", "--root-path", "/api/\xe9") as program:
        environ = json.loads(program.get("/show/x").body)
    assert environ["SCRIPT_NAME"] == "/api/\xc3\xa9"
    assert environ["PATH_INFO"] == "/show/x"


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 3 * MIB + 1])
def test_a_body_is_read_whole(served: Program, size: int) -> None:
    body = bytes(index % 251 for index in range(1000)) * (size // 1000 + 1)
    response = served.get("/read_all", method="POST", body=body[:size])
    assert response.body == b"%d %d" % (size, sum(body[:size]) % 251)


def test_a_chunked_body_ends_where_it_ends(served: Program) -> None:
    with served.client() as client:
        client.send(b"POST /read_all HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n")
        assert client.response().body == b"3 %d" % (sum(b"abc") % 251)


def test_a_body_by_lines(served: Program) -> None:
    response = served.get("/read_lines", method="POST", body=b"one\ntwothree\nfour")
    assert json.loads(response.body) == ["one\n", "two", ["three\n", "four"]]


def test_a_body_that_nobody_reads_does_not_hold_the_connection(served: Program) -> None:
    with served.client() as client:
        assert client.request("POST", "/read_none", body=bytes(200_000)).body == b"unread"
        assert client.request("GET", "/").body == b"hello"


def test_a_body_waits_for_who_reads_it(served: Program) -> None:
    with served.client() as client:
        client.send(f"POST /read_slowly HTTP/1.1\r\nHost: t\r\nContent-Length: {64 * MIB}\r\n\r\n".encode())
        sent = client.send_until_blocked(bytes(64 * MIB))
        assert sent < BUFFERED_MAX
        served.get("/release")
        client.send(bytes(64 * MIB - sent))
        assert client.response().body == b"%d" % (64 * MIB)


def test_a_small_body_that_is_slow_holds_no_thread(served: Program) -> None:
    """More of them than there are threads."""
    clients = [served.client() for _ in range(40)]
    try:
        for client in clients:
            client.send(b"POST /read_all HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\na")
        assert served.get("/").body == b"hello"
        for client in clients:
            client.send(b"bc")
        for client in clients:
            assert client.response().body == b"3 %d" % (sum(b"abc") % 251)
        clients[0].send(b"POST /read_all HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\na")
    finally:
        for client in clients:
            client.close()
    assert "handler failed" not in served.stderr.text


def test_both_ways_at_once(served: Program) -> None:
    body = bytes(range(256)) * 4096
    with served.client() as client:  # who sends all before it reads asks the kernel to hold all of both
        sending = threading.Thread(target=client.send, args=(request("POST", "/echo", body=body),))
        sending.start()
        assert client.response().body == body
        sending.join()
    closed(served, "echo")


def test_a_piece_leaves_before_the_next_is_made(served: Program) -> None:
    with served.client() as client:
        client.send(b"GET /stream HTTP/1.1\r\nHost: t\r\n\r\n")
        first = b""
        while not first.endswith(b"first;\r\n"):
            first += client.socket.recv(4096)
        served.get("/release")
        rest = b""
        while not rest.endswith(b"0\r\n\r\n"):
            rest += client.socket.recv(4096)
        assert rest == b"7\r\nsecond;\r\n0\r\n\r\n", "an empty piece is none"
    closed(served, "stream")


def test_the_peer_has_its_answer_before_the_application_is_through(served: Program) -> None:
    with served.client() as client:
        assert client.request("GET", "/with_length").body == b"hello"
        assert client.request("GET", "/").body == b"hello"
        served.get("/release")
    closed(served, "with_length")


def test_an_answer_waits_for_a_slow_peer_and_ends_with_it(served: Program) -> None:
    with served.client(rcvbuf=4096) as client:
        client.send(b"GET /endless HTTP/1.1\r\nHost: t\r\n\r\n")
        offered = [0]

        def stands_still() -> bool:
            before, offered[0] = offered[0], facts(served)["offered"]
            return 0 < before == offered[0]

        eventually(stands_still, "nobody reads, and no more is made")
        assert offered[0] < BUFFERED_MAX
        client.reset()
    closed(served, "endless")
    assert facts(served)["raised"] == ""
    assert "endless" not in served.stderr.text, "a peer that leaves is no error"


@pytest.mark.parametrize("begun", ["", "begun"], ids=["before a piece", "behind one"])
def test_a_thread_that_yields_nothing_is_told_that_its_peer_has_left(served: Program, begun: str) -> None:
    with served.client() as client:
        client.send(request("GET", f"/idles?{begun}"))
        eventually(lambda: facts(served)["offered"], "it yields nothing")
        client.reset()
    closed(served, "idles")
    assert "idles" not in served.stderr.text, "a peer that leaves is no error"


@pytest.mark.parametrize("body", [b"3\r\nabc\r\n0\r\n\r\n", b"0\r\n\r\n", b"3\r\nabc\r\n"], ids=["whole", "empty", "part"])
def test_what_is_left_of_the_input_behind_a_whole_answer_is_its_end(served: Program, body: bytes) -> None:
    with served.client() as client:
        client.send(request("POST", "/reads_late?wait", "Transfer-Encoding: chunked") + body)
        assert client.response().body == b"hello"
        served.get("/release")
        closed(served, "late")
    assert facts(served)["late"] == ["", ""]
    assert "reads_late" not in served.stderr.text


def test_an_empty_body_of_a_peer_that_has_ended_its_side_is_read(served: Program) -> None:
    with served.client() as client:
        client.send(request("POST", "/read_all", "Transfer-Encoding: chunked") + b"0\r\n\r\n")
        client.socket.shutdown(socket.SHUT_WR)
        assert client.response().body == b"0 0"


def test_a_peer_that_leaves_amid_its_body_is_an_oserror_for_who_reads(served: Program) -> None:
    with served.client() as client:
        client.send(b"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 100000\r\n\r\n" + bytes(50_000))
        client.socket.recv(100)
        client.reset()
    closed(served, "echo")
    assert facts(served)["raised"] == "GivenUpError"


def test_write(served: Program) -> None:
    assert served.get("/push").body == b"pushed;returned"
    closed(served, "push")


@pytest.mark.parametrize(
    ("target", "status", "marker", "name"),
    [
        ("/raises", 500, "marker-wsgi-before", None),
        ("/no_start", 500, "before it has called start_response", "no_start"),
        ("/starts_twice", 500, "was called before", None),
    ],
)
def test_an_application_that_fails_before_its_answer(
    served: Program, target: str, status: int, marker: str, name: str | None
) -> None:
    assert served.get(target).status == status
    served.stderr.wait_line(marker)
    if name is not None:
        closed(served, name)


@pytest.mark.parametrize(
    "kind",
    ["StopIteration", "StopAsyncIteration", "SystemExit", "KeyboardInterrupt", "GeneratorExit", "CancelledError",
     "_base.CancelledError", "BaseException"],
)  # fmt: skip
def test_whatever_an_application_raises_is_its_own_failure(served: Program, kind: str) -> None:
    """It ends neither the server nor the task, and is told with its traceback."""
    assert served.get(f"/raises_one/{kind}").status == 500
    served.stderr.wait_line(rf"^\S*{kind}: marker-wsgi-one")
    assert served.get("/").body == b"hello"


@pytest.mark.parametrize(
    ("target", "marker", "name"),
    [("/raises_in_the_middle", "marker-wsgi-middle", "middle"), ("/replaces_too_late", "marker-too-late", "too late")],
)
def test_an_application_that_fails_amid_its_answer_cuts_it(served: Program, target: str, marker: str, name: str) -> None:
    response = served.get(target)
    assert (response.status, response.body, response.truncated) == (200, b"some", True)
    served.stderr.wait_line(marker)
    closed(served, name)


def test_a_head_may_be_replaced_until_something_was_sent(served: Program) -> None:
    response = served.get("/replaces_its_head")
    assert (response.status, response.body) == (500, b"error page")
    assert (response.get("x-first"), response.get("x-second")) == (None, "2")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("status", "takes a status such as '200 OK', not 200"),
        ("words", "takes a status such as '200 OK', not 'fine'"),
        ("fields", "takes a list of pairs of str as fields"),
        ("none", "returned a NoneType, not an iterable of bytes"),
        ("text", "returned a str, not an iterable of bytes"),
        ("bytes", "a piece of the body is bytes, not int"),
        ("pieces", "a piece of the body is bytes, not str"),
    ],
)
def test_mistakes_are_named(served: Program, kind: str, said: str) -> None:
    assert served.get(f"/mistakes?{kind}").status == 500
    served.stderr.wait_line(said)


def test_more_than_content_length_is_an_error_and_not_sent(served: Program) -> None:
    assert served.get("/too_long").body == b"hello"
    closed(served, "too_long")
    served.stderr.wait_line("more than the 5 bytes of its Content-Length")


def test_no_content(served: Program) -> None:
    response = served.get("/none")
    assert (response.status, response.framing) == (204, "none")
    closed(served, "none")


def test_head(served: Program) -> None:
    response = served.get("/", method="HEAD")
    assert (response.status, response.get("content-length"), response.body) == (200, "5", b"")


def test_a_slow_request_holds_up_no_other(served: Program) -> None:
    with served.client() as slow, served.client() as quick:
        slow.send(b"GET /sleeps HTTP/1.1\r\nHost: t\r\n\r\n")
        assert quick.request("GET", "/").body == b"hello"
        assert slow.is_quiet(0)
        assert slow.response().body


def test_a_stop_lets_a_thread_end_and_a_second_signal_does_not_wait() -> None:
    with Program.serve("wsgi_app:app") as program:
        with program.client() as client:
            client.send(b"GET /sleeps HTTP/1.1\r\nHost: t\r\n\r\n")
            eventually(lambda: program.connection_count, "it is connected")
            program.signal(15)
            assert client.response().status == 200
        assert program.wait() == 0


def test_a_stop_wakes_a_thread_that_waits_for_its_peer() -> None:
    """Past the time for a stop its answer is cut, and the thread must not hold the process."""
    with (
        Program.serve("wsgi_app:app", "--timeout-graceful-shutdown", "0.2") as program,
        program.client(rcvbuf=4096) as client,
    ):
        client.send(b"GET /endless HTTP/1.1\r\nHost: t\r\n\r\n")
        client.socket.recv(1000)
        program.signal(15)
        assert program.wait() == 0


# ---- found by itself, or said


def test_a_factory_is_seen() -> None:
    with Program.serve("wsgi_app:create_app") as program:
        assert program.get().body == b"hello"
        program.stderr.wait_line("wsgi_app:create_app is taken for a factory")
        program.stderr.wait_line("wsgi_app:create_app is taken for WSGI")


def test_what_is_said_is_believed() -> None:
    with Program.serve("asgi_app:app", "--interface", "asgi3") as program:
        assert program.get().body == b"hello"
        program.stderr.wait_line("asgi_app:app is taken for ASGI 3 .as --interface says.")


def test_without_the_extra_it_is_one_clear_line(tmp_path: Any) -> None:
    (tmp_path / "a2wsgi").mkdir()
    (tmp_path / "a2wsgi" / "__init__.py").write_text("raise ImportError('not here')\n")
    with Program.serve("wsgi_app:app", env={"PYTHONPATH": str(tmp_path)}) as program:
        assert program.wait() == 1
        assert "treadle[wsgi]" in program.stderr.text
        assert "Traceback" not in program.stderr.text


# ---- frameworks


@pytest.fixture(scope="module")
def flask() -> Iterator[Program]:
    pytest.importorskip("flask")
    with Program.serve("flask_app:app") as program:
        assert program.get().status == 200
        yield program
        assert program.is_alive


def test_flask_is_taken_for_wsgi(flask: Program) -> None:
    flask.stderr.wait_line(r"flask_app:app is taken for WSGI \(a flask.app.Flask: it takes \(environ, start_response\)\)")


MULTIPART = (
    b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nanna\r\n'
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n' + bytes(300_000) + b"\r\n--x--\r\n"
)
FORM = "Content-Type: multipart/form-data; boundary=x"


def test_flask(flask: Program) -> None:
    assert json.loads(flask.get("/").body) == {"hello": "world"}
    assert json.loads(flask.get("/form", FORM, method="POST", body=MULTIPART).body) == {
        "name": "anna",
        "files": {"file": 300_000},
    }
    got = flask.get("/json", "Content-Type: application/json", method="POST", body=b'{"a": [1]}')
    assert json.loads(got.body) == {"got": {"a": [1]}, "length": 10}
    assert flask.get("/teapot").status == 418
    assert flask.get("/nothing").status == 404
    url = json.loads(flask.get("/url?q=1").body)
    assert url == {"url": "http://test/url?q=1", "address": "127.0.0.1", "secure": False}


def test_flask_sessions(flask: Program) -> None:
    cookie = flask.get("/count").get("set-cookie")
    assert cookie is not None
    assert json.loads(flask.get("/count", f"Cookie: {cookie.partition(';')[0]}").body)["count"] == 2


def test_flask_streams(flask: Program) -> None:
    assert flask.get("/stream").body == b"".join(b"/stream %d\n" % index for index in range(100))
    body = bytes(range(256)) * 2048
    assert flask.get("/echo", method="POST", body=body).body == body


def test_flask_chunked_upload(flask: Program) -> None:
    with flask.client() as client:
        client.send(b"POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        assert client.response().body == b"abc"


def test_flask_errors(flask: Program) -> None:
    assert flask.get("/fail").status == 500
    flask.stderr.wait_line("marker-flask")


@pytest.mark.parametrize("name", ["application", "asgi_application"])
def test_django(name: str) -> None:
    pytest.importorskip("django")
    with Program.serve(f"django_app:{name}") as program:
        program.stderr.wait_line(f"django_app:{name} is taken for {'WSGI' if name == 'application' else 'ASGI 3'}")
        assert json.loads(program.get("/?q=1").body) == {"hello": "world", "method": "GET", "query": {"q": "1"}}
        got = program.get("/take", "Content-Type: application/json", method="POST", body=b'{"a": [1]}')
        assert json.loads(got.body) == {"got": {"a": [1]}}
        assert json.loads(program.get("/upload", FORM, method="POST", body=MULTIPART).body) == {"name": "anna", "size": 300_000}
        assert program.get("/stream").body == b"".join(b"piece %d;" % index for index in range(100))
        assert program.get("/word/%C3%A9").body == "é".encode()
        assert program.get("/fail").status == 500
        program.stderr.wait_line("marker-django")
        assert program.get("/nothing").status == 404
