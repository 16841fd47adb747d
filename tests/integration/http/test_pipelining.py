"""Requests sent before the answers to earlier ones: answered in their order, whatever each takes (RFC 9112 9.3.2)."""

from __future__ import annotations

import json
import random

import pytest

from tests.integration.support import Program, eventually, request


def test_answers_keep_the_order_of_requests(routes: Program) -> None:
    targets = ["/delay/40", "/", "/delay/5", "/later", "/delay/20", "/delay/1", "/async"]
    with routes.client() as client:
        client.send(b"".join(request("GET", target) for target in targets))
        bodies = [client.response().body.decode() for _ in targets]
    assert bodies == [target if "delay" in target else "Hello, World!" for target in targets]


def test_one_thousand_small_ones(routes: Program) -> None:
    with routes.client() as client:
        client.send(b"".join(request("POST", "/echo", body=b"%d" % index) for index in range(1000)))
        assert [client.response().body for _ in range(1000)] == [b"%d" % index for index in range(1000)]


def test_bodies_of_every_kind_between(routes: Program) -> None:
    chunks = b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nX: 1\r\n\r\n"
    chunked = request("POST", "/echo", "Transfer-Encoding: chunked", body=chunks)
    with routes.client() as client:
        client.send(
            request("GET", "/chunked/3") + chunked + request("HEAD", "/head") + request("POST", "/echo", body=b"b" * 70_000)
            + request("GET", "/status/204") + request("GET", "/status/304") + chunked + request("GET", "/")
        )  # fmt: skip
        assert client.response().body == b"piece 0;piece 1;piece 2;"
        assert client.response().body == b"hello world"
        assert client.response("HEAD").get("content-length") == "13"
        assert client.response().body == b"b" * 70_000
        assert client.response().status == 204
        assert client.response().status == 304
        assert client.response().body == b"hello world"
        assert client.response().body == b"Hello, World!"


def test_split_at_random(routes: Program) -> None:
    rng = random.Random(5)
    stream = b"".join(request("POST", "/echo", body=b"%d" % index * 50) for index in range(40))
    with routes.client() as client:
        while stream:
            size = rng.randint(1, 90)
            client.send(stream[:size])
            stream = stream[size:]
        assert [client.response().body for _ in range(40)] == [b"%d" % index * 50 for index in range(40)]


def test_a_streaming_answer_is_not_overtaken(routes: Program) -> None:
    with routes.client() as client:
        client.send(request("GET", "/big/4") + request("GET", "/"))
        assert len(client.response().body) == 4 * 1024 * 1024
        assert client.response().body == b"Hello, World!"


def test_a_failing_one_between_is_answered_in_its_place(routes: Program) -> None:
    with routes.client() as client:
        client.send(request("GET", "/delay/20") + request("GET", "/fail-before") + request("GET", "/"))
        assert client.response().body == b"/delay/20"
        failed = client.response()
        assert (failed.status, failed.announces_close()) == (500, True)
        client.expect_end()


@pytest.mark.parametrize("target", ["/fail-after", "/too-long"])
def test_nothing_follows_an_aborted_answer(routes: Program, target: str) -> None:
    with routes.client() as client:
        client.send(request("GET", "/delay/10") + request("GET", target) + request("GET", "/"))
        assert client.response().body == b"/delay/10"
        rest = client.rest()
    assert b"Hello, World!" not in rest


@pytest.mark.slow
def test_twenty_thousand_unread_requests_take_no_memory(routes: Program) -> None:
    """The server stops reading where nobody takes its answers."""
    count = 20_000
    with routes.client() as client:
        assert client.request("POST", "/echo", body=b"x" * 100_000).status == 200
        before = routes.rss_bytes
        stream = request("GET", "/") * count
        sent = client.send_until_blocked(stream, quiet_s=0.3)
        assert routes.rss_bytes - before < 8 * 1024 * 1024
        answers = 0
        while sent < len(stream):
            assert client.response().body == b"Hello, World!"
            answers += 1
            sent += client.send_until_blocked(stream[sent:], quiet_s=0.0)
        for _ in range(count - answers):
            assert client.response().body == b"Hello, World!"
    assert routes.rss_bytes - before < 8 * 1024 * 1024


def test_a_slow_handler_of_a_connection_is_alone(routes: Program) -> None:
    """However many requests a client pipelines, one handler runs for it at a time."""
    routes.get("/clear")
    with routes.client() as client:
        client.send_until_blocked(request("GET", "/hold") * 5_000, quiet_s=0.1)
        eventually(lambda: json.loads(routes.get("/facts").body)["held"], "handlers run")
        assert json.loads(routes.get("/facts").body)["held"] == 1
    routes.get("/release")
    routes.get("/clear")
