"""`treadle serve`: an ASGI 3 application sees the scope, the messages and the lifespan that the specification promises."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.support import Program, RawClient, eventually, request

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def served() -> Iterator[Program]:
    with Program.serve("asgi_app:app") as program:
        assert program.get().body == b"hello"
        yield program
        assert program.is_alive
        assert program.get().body == b"hello"


@pytest.fixture
def program() -> Iterator[Program]:
    """One of its own: its log and its memory belong to one test."""
    with Program.serve("asgi_app:app") as program:
        assert program.get().body == b"hello"
        yield program


def scope_of(program: Program, raw: bytes) -> dict[str, Any]:
    with program.client() as client:
        client.send(raw)
        return json.loads(client.response().body)  # type: ignore[no-any-return]


def facts(program: Program) -> dict[str, Any]:
    return json.loads(program.get("/facts").body)  # type: ignore[no-any-return]


# the scope


def test_scope(served: Program) -> None:
    with served.client() as client:
        own = client.socket.getsockname()
        client.send(
            b"PATCH /scope/a%20b/%C3%A9%2Fx?q=1&r=%20 HTTP/1.1\r\nHost: Example.COM\r\nX-One:  a \r\nx-one: b\r\n"
            b"Cookie: a=1\r\nCookie: b=2\r\nX-High: \xe9\r\n\r\n"
        )
        scope = json.loads(client.response().body)
    assert scope["type"] == "http"
    assert scope["asgi"]["version"] == "3.0"
    assert scope["asgi"]["spec_version"] == "2.4"
    assert scope["http_version"] == "1.1"
    assert scope["method"] == "PATCH"
    assert scope["scheme"] == "http"
    assert scope["path"] == "/scope/a b/\xe9/x"
    assert scope["raw_path"] == ["bytes", "/scope/a%20b/%C3%A9%2Fx"]
    assert scope["query_string"] == ["bytes", "q=1&r=%20"]
    assert scope["root_path"] == ""
    assert scope["client"][1:] == list(own)
    assert scope["server"][1:] == list(served.address)
    pairs = [(name[1], value[1]) for _, name, value in scope["headers"][1:]]
    assert all(part[0] == "bytes" for _, *pair in scope["headers"][1:] for part in pair)
    assert pairs == [
        ("host", "Example.COM"),
        ("x-one", "a"),
        ("x-one", "b"),
        ("cookie", "a=1"),
        ("cookie", "b=2"),
        ("x-high", "\xe9"),
    ]
    assert scope["state"] == {"token": "from lifespan", "list": scope["state"]["list"]}


def test_scope_of_http10(served: Program) -> None:
    scope = scope_of(served, b"GET /scope HTTP/1.0\r\n\r\n")
    assert (scope["http_version"], scope["query_string"], scope["headers"]) == ("1.0", ["bytes", ""], ["list"])


def test_scope_of_the_absolute_form(served: Program) -> None:
    scope = scope_of(served, b"GET http://other/scope/x?y=1 HTTP/1.1\r\nHost: other\r\n\r\n")
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/scope/x", ["bytes", "/scope/x"], ["bytes", "y=1"])


@pytest.mark.parametrize(
    ("target", "path"), [("/scope?", "/scope"), ("/scope??a", "/scope"), ("/scope/%", "/scope/%"), ("/scope/%zz", "/scope/%zz")]
)
def test_odd_targets(served: Program, target: str, path: str) -> None:
    assert scope_of(served, request("GET", target))["path"] == path


def test_bytes_that_are_no_utf8_do_not_break_it(served: Program) -> None:
    scope = scope_of(served, request("GET", "/scope/%ff%fe"))
    assert scope["raw_path"] == ["bytes", "/scope/%ff%fe"]
    assert scope["path"].startswith("/scope/")


def test_asterisk(served: Program) -> None:
    with served.client() as client:
        assert client.request("OPTIONS", "*").status == 500, "this application splits its path at a slash that is not there"
    assert served.get().status == 200


def test_state_is_a_shallow_copy_for_each_request(served: Program) -> None:
    first = json.loads(served.get("/state").body)
    second = json.loads(served.get("/state").body)
    assert "mine" not in second
    assert len(second["list"]) == len(first["list"]) + 1


# receive


def test_one_message_for_no_body(served: Program) -> None:
    assert json.loads(served.get("/messages").body) == [{"type": "http.request", "body": 0, "more_body": False}]


def test_messages_of_a_body(served: Program) -> None:
    messages = json.loads(served.get("/messages", method="POST", body=b"x" * 300_000).body)
    assert sum(message["body"] for message in messages) == 300_000
    assert [message["more_body"] for message in messages] == [True] * (len(messages) - 1) + [False]
    assert len(messages) < 300


@pytest.mark.parametrize("target", ["/echo", "/echo-stream"])
@pytest.mark.parametrize("size", [0, 5, 65_536, 300_000])
def test_echo(served: Program, target: str, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    with served.client() as client:
        assert client.request("POST", target, f"Content-Length: {size}", body=body).body == body
        chunked = (b"%x\r\n%s\r\n" % (size, body) if size else b"") + b"0\r\n\r\n"
        assert client.request("POST", target, "Transfer-Encoding: chunked", body=chunked).body == body
        assert client.request().body == b"hello"


def test_continue_is_asked_for_by_receive(served: Program) -> None:
    with served.client() as client:
        client.send(request("POST", "/echo", "Expect: 100-continue", "Content-Length: 5"))
        interim = client.socket.recv(65_536)
        assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"hello")
        assert client.response().body == b"hello"


def test_an_unread_body_is_no_request(served: Program) -> None:
    body = request("GET", "/scope") * 3_000
    with served.client() as client:
        client.send(request("POST", "/unread", body=body) + request("GET", "/"))
        response = client.response()
        assert (response.body, response.announces_close()) == (b"unread", False)
        assert client.response().body == b"hello"


@pytest.mark.parametrize("how", ["close", "reset"])
def test_disconnect_while_the_application_waits(served: Program, how: str) -> None:
    served.get("/clear")
    with served.client() as client:
        client.send(request("GET", "/wait-disconnect"))
        eventually(lambda: facts(served)["notes"] == ["http.request"], "the request has been read")
        client.reset() if how == "reset" else client.close()
    eventually(lambda: facts(served)["notes"] == ["http.request", "http.disconnect"], "the application is told")


def test_disconnect_in_the_body(served: Program) -> None:
    served.get("/clear")
    with served.client() as client:
        client.send(request("POST", "/wait-disconnect", "Content-Length: 100", body=b"hello"))
        eventually(lambda: facts(served)["notes"], "some of the body has been read")
    notes = eventually(lambda: (n := facts(served)["notes"])[-1] == "http.disconnect" and n, "the application is told")
    assert set(notes[:-1]) == {"http.request"}


def test_disconnect_after_the_answer(served: Program) -> None:
    """`receive` after a complete answer does not wait for the client to leave."""
    served.get("/clear")
    with served.client() as client:
        assert client.request("GET", "/after-answer").body == b"done"
        eventually(lambda: facts(served)["notes"] == ["http.disconnect"], "the application is told")
        assert client.request().body == b"hello"


def test_a_listener_beside_a_stream_is_told(served: Program) -> None:
    served.get("/clear")
    with served.client() as client:
        client.send(request("GET", "/concurrent"))
        assert b"HTTP/1.1 200" in client.socket.recv(65_536)
    eventually(lambda: "listener told" in facts(served)["notes"], "the application is told")


# send


def test_answers(served: Program) -> None:
    with served.client() as client:
        for _ in range(50):
            response = client.request()
            assert (response.status, response.body, response.framing) == (200, b"hello", "length")
            assert response.get("date") is not None


def test_a_small_answer_is_one_segment(served: Program) -> None:
    with served.client() as client:
        client.request()
        before = client.data_segments_in()
        for _ in range(200):
            client.request()
        assert client.data_segments_in() - before == 200


def test_a_stream_without_length_is_chunked(served: Program) -> None:
    with served.client() as client:
        response = client.request("GET", "/stream/4")
        assert (response.framing, response.body) == ("chunked", b"piece 0;piece 1;piece 2;piece 3;")
        assert client.request().body == b"hello"


def test_a_stream_to_http10_ends_with_the_connection(served: Program) -> None:
    with served.client() as client:
        client.send(b"GET /stream/3 HTTP/1.0\r\n\r\n")
        response = client.response()
        assert (response.framing, response.body) == ("close", b"piece 0;piece 1;piece 2;")


def test_a_piece_leaves_before_the_next_is_known(served: Program) -> None:
    served.get("/clear")
    with served.client() as client:
        client.send(request("GET", "/slow-stream"))
        data = b""
        while b"first" not in data:
            data += client.socket.recv(65_536)
        assert b"second" not in data
        served.get("/release")
        while not data.endswith(b"0\r\n\r\n"):
            data += client.socket.recv(65_536)
        assert b"second" in data


@pytest.mark.parametrize("target", ["/", "/stream/3", "/status/200", "/status/404:gone"])
def test_head(served: Program, target: str) -> None:
    with served.client() as client:
        client.send(request("HEAD", target) + request("GET", "/"))
        assert client.response("HEAD").body == b""
        assert client.response().body == b"hello"


@pytest.mark.parametrize("target", ["/status/204", "/status/304", "/status/204:body", "/status/304:body"])
def test_statuses_without_a_body(served: Program, target: str) -> None:
    with served.client() as client:
        client.send(request("GET", target) + request("GET", "/"))
        assert client.response().status in (204, 304)
        assert client.response().body == b"hello"


def test_headers_as_the_application_gave_them(served: Program) -> None:
    response = served.get("/duplicates")
    assert response.all("set-cookie") == ["a=1", "b=2"]
    assert response.get("x-high") == "\xe9"
    own = served.get("/own-head")
    assert own.all("date") == ["Thu, 01 Jan 1970 00:00:00 GMT"]
    assert own.all("server") == ["mine"]


def test_close_asked_by_the_application(served: Program) -> None:
    with served.client() as client:
        response = client.request("GET", "/close")
        assert (response.body, response.all("connection")) == (b"bye", ["close"])
        client.expect_end()


def test_transfer_encoding_set_by_the_application_is_not_doubled(served: Program) -> None:
    assert served.get("/own-chunked").body == b"hello"


def test_pipelined_answers_keep_their_order(served: Program) -> None:
    targets = ["/delay/30", "/", "/delay/1", "/stream/2", "/delay/10"]
    with served.client() as client:
        client.send(b"".join(request("GET", target) for target in targets))
        assert [client.response().body for _ in targets] == [
            b"/delay/30", b"hello", b"/delay/1", b"piece 0;piece 1;", b"/delay/10",
        ]  # fmt: skip


@pytest.mark.parametrize("kind", ["value", "lf", "name", "space"])
def test_response_splitting_is_refused(served: Program, kind: str) -> None:
    with served.client() as client:
        client.send(request("GET", f"/injected/{kind}", "Connection: close"))
        rest = client.rest()
    assert b"injected: yes" not in rest.lower()
    assert rest.startswith(b"HTTP/1.1 500 ")


def test_malformed_requests_do_not_reach_the_application(served: Program) -> None:
    with served.client() as client:
        client.send(b"GET /raise-before HTTP/1.1\r\n\r\n")
        assert client.response().status == 400
        client.expect_end()


# faults of the application


@pytest.mark.slow
def test_an_exception_before_the_answer_is_500(program: Program) -> None:
    response = program.get("/raise-before")
    assert response.status == 500
    assert b"marker" not in response.body
    program.stderr.wait_line("RuntimeError: marker-asgi-before")
    assert program.get().body == b"hello"


@pytest.mark.slow
def test_an_exception_within_the_answer_cuts_it(program: Program) -> None:
    with program.client() as client:
        client.send(request("GET", "/raise-after") + request("GET", "/"))
        rest = client.rest()
    assert not rest.endswith(b"0\r\n\r\n")
    assert b"hello" not in rest
    program.stderr.wait_line("RuntimeError: marker-asgi-after")
    assert program.get().body == b"hello"


@pytest.mark.parametrize("target", ["/silent", "/body-first", "/unknown-message"])
def test_no_answer_is_500(served: Program, target: str) -> None:
    assert served.get(target).status == 500


@pytest.mark.parametrize("target", ["/half", "/started-only", "/start-twice", "/too-long", "/too-short"])
def test_an_answer_that_is_not_whole_does_not_look_whole(served: Program, target: str) -> None:
    with served.client() as client:
        client.send(request("GET", target) + request("GET", "/"))
        rest = client.rest()
    if target in ("/started-only", "/start-twice"):
        assert rest.startswith(b"HTTP/1.1 500 "), "nothing of the answer had left"
        assert b"hello" not in rest
    elif target == "/half":
        assert rest.startswith(b"HTTP/1.1 200 "), "what was handed over has left"
        assert rest.count(b"HTTP/1.1") == 1
        assert not rest.endswith(b"0\r\n\r\n")
    else:
        assert rest == b"", "no piece of it was of its length"


def test_what_is_sent_after_the_end_stays_inside(served: Program) -> None:
    served.get("/clear")
    with served.client() as client:
        client.send(request("GET", "/after-end") + request("GET", "/"))
        assert client.response().body == b"whole"
        assert client.response().body == b"hello"
    assert facts(served)["notes"] != []


# bounds


@pytest.mark.slow
def test_a_client_that_does_not_read_makes_send_wait(program: Program) -> None:
    assert len(program.get("/big/2").body) == 2 * MIB
    program.get("/clear")
    memory = program.rss_bytes
    with program.client() as client:
        client.send(request("GET", "/big/64"))
        seen: list[int] = []

        def is_stalled() -> bool:
            seen.append(facts(program)["offered"])
            return len(seen) > 20 and len(set(seen[-20:])) == 1 and seen[-1] > 0

        eventually(is_stalled, "the application waits")
        assert seen[-1] < 32 * MIB
        assert program.rss_bytes - memory < 16 * MIB
        assert len(client.response().body) == 64 * MIB
    assert program.rss_bytes - memory < 16 * MIB


@pytest.mark.slow
def test_a_body_that_is_not_read_makes_the_client_wait(program: Program) -> None:
    program.get("/echo", method="POST", body=b"x" * MIB)
    memory = program.rss_bytes
    with program.client() as client:
        client.send(request("POST", "/delay/1500", f"Content-Length: {64 * MIB}"))
        assert client.send_until_blocked(bytes(64 * MIB)) < 16 * MIB
        assert program.rss_bytes - memory < 8 * MIB


@pytest.mark.slow
def test_an_endless_stream_ends_with_its_client(served: Program) -> None:
    served.get("/clear")
    with served.client() as client:
        client.send(request("GET", "/endless"))
        assert client.socket.recv(65_536)
        client.reset()
    notes = eventually(lambda: facts(served)["notes"], "the application is told")
    assert notes == ["told by OSError"], "ASGI 2.4: send raises OSError to a client that has gone"


# lifespan


@pytest.mark.slow
def test_lifespan_surrounds_the_serving() -> None:
    with Program.serve("asgi_app:app") as program:
        assert program.get().body == b"hello"
        assert list(program.stdout.lines)[0] == "told lifespan.startup 3.0"
        program.signal(15)
        assert program.wait() == 0
        assert list(program.stdout.lines)[-2:] == ["told lifespan.shutdown", "cleaned up"]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "marker"), [("fail", "marker-startup-failed"), ("raise", None)])
def test_a_failed_startup_is_said_and_nothing_is_served(kind: str, marker: str | None) -> None:
    flags = ["--lifespan", "on"] if kind == "raise" else []
    with Program.serve("asgi_app:app", *flags, env={"LIFESPAN": kind}) as program:
        assert program.wait() == 3
        text = program.stderr.text + program.stdout.text
        assert (marker or "marker-startup-raised") in text


@pytest.mark.slow
def test_an_application_without_lifespan_is_served() -> None:
    with Program.serve("asgi_app:app", env={"LIFESPAN": "unsupported"}) as program:
        assert program.get().body == b"hello"
        scope = json.loads(program.get("/scope").body)
        assert scope["state"] in ({}, None)
        assert "Traceback" not in program.stderr.text
        program.signal(15)
        assert program.wait() == 0


@pytest.mark.slow
def test_an_application_without_lifespan_is_refused_where_it_was_asked_for() -> None:
    with Program.serve("asgi_app:app", "--lifespan", "on", env={"LIFESPAN": "unsupported"}) as program:
        assert program.wait() == 3
        assert "marker-unsupported" in program.stderr.text + program.stdout.text


@pytest.mark.slow
def test_lifespan_off_asks_nothing() -> None:
    with Program.serve("asgi_app:app", "--lifespan", "off") as program:
        assert program.get().body == b"hello"
        assert "told" not in program.stdout.text


@pytest.mark.slow
def test_a_failed_shutdown_is_said() -> None:
    with Program.serve("asgi_app:app", env={"LIFESPAN": "fail-shutdown"}) as program:
        assert program.get().body == b"hello"
        program.signal(15)
        program.wait()
        assert "marker-shutdown-failed" in program.stderr.text + program.stdout.text


@pytest.mark.slow
@pytest.mark.parametrize("number", [2, 15])
def test_requests_under_way_are_finished_before_shutdown(number: int) -> None:
    with Program.serve("asgi_app:app") as program:
        with RawClient(program.address) as client:
            client.send(request("GET", "/delay/400"))
            eventually(lambda: facts(program)["notes"], "the application works on it")
            program.signal(number)
            assert client.response().body == b"/delay/400"
            client.expect_end()
        assert program.wait() == 0
        assert list(program.stdout.lines)[-1] == "cleaned up"
        assert "Traceback" not in program.stderr.text
