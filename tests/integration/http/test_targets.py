"""Targets of request lines as handlers and applications see them: the absolute form replaces Host, and what is none is 400."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.integration.support import Program, request


@pytest.fixture(scope="module")
def served() -> Iterator[Program]:
    with Program.serve("asgi_exchange:show_any_target") as program:
        assert program.get().status == 200
        yield program
        assert program.is_alive


@pytest.fixture(scope="module")
def heads() -> Iterator[Program]:
    with Program.run("heads.py") as program:
        assert program.get().status == 200
        yield program
        assert program.is_alive


ABSOLUTE = {
    "http://example.com/x": ("/x", "", "example.com"),
    "http://example.com:8080/x?y=1": ("/x", "y=1", "example.com:8080"),
    "HTTP://Example.COM/x": ("/x", "", "Example.COM"),
    "https://example.com/": ("/", "", "example.com"),
    "http://example.com": ("/", "", "example.com"),
    "http://a": ("/", "", "a"),
    "http://a?x=1": ("/", "x=1", "a"),
    "http://a?x=/1": ("/", "x=/1", "a"),
    "http://a/?": ("/", "", "a"),
    "http://a//b/../c": ("//b/../c", "", "a"),
    "http://[::1]/x": ("/x", "", "[::1]"),
    "http://[::1]:80/x?a=http://b/": ("/x", "a=http://b/", "[::1]:80"),
    "http://127.0.0.1:80": ("/", "", "127.0.0.1:80"),
}


@pytest.mark.parametrize("target", ABSOLUTE)
def test_the_absolute_form_replaces_host(served: Program, target: str) -> None:
    """RFC 9112 section 3.2.2. Else a proxy in front routes by the one, and the application by the other."""
    path, query, host = ABSOLUTE[target]
    with served.client() as client:
        client.send(f"GET {target} HTTP/1.1\r\nX: 1\r\nhOsT: other\r\n\r\n".encode())
        assert json.loads(client.response().body) == [path, path, query, [host]]
        assert json.loads(client.request("GET", "/y?z").body) == ["/y", "/y", "z", ["test"]]


@pytest.mark.parametrize("target", ABSOLUTE)
def test_a_handler_sees_the_target_as_it_came_and_its_host(heads: Program, target: str) -> None:
    host = ABSOLUTE[target][2]
    with heads.client() as client:
        client.send(f"OPTIONS {target} HTTP/1.1\r\nhOsT: other\r\nX: 1\r\n\r\n".encode())
        assert json.loads(client.response().body) == [target, host, [host]]


def test_http10_without_host_gets_none(served: Program) -> None:
    with served.client() as client:
        client.send(b"GET http://example.com/x HTTP/1.0\r\n\r\n")
        assert json.loads(client.response().body) == ["/x", "/x", "", []]


NONE = [
    "http://",
    "http:// /",
    "http:///x",
    "http://?x",
    "http://[::1/x",
    "http://[]/x",
    "http://a b/",
    "http://user@a/",
    "http://a:b/",
    "http://a:80:80/",
    "http://a,b/",
    "http://a\\b/",
    "http://a/x#y",
    "http://a#y",
    "http:/a",
    "http:a",
    "://a/",
    "/a#b",
    "/#",
    "/a?b#c",
    "#",
    "?x",
    "*",
    "a/b",
    "a.b:80",
]


@pytest.mark.parametrize("target", NONE)
def test_what_is_no_target_is_refused(served: Program, heads: Program, target: str) -> None:
    for program in (served, heads):
        with program.client() as client:
            client.send(f"GET {target} HTTP/1.1\r\nHost: other\r\n\r\n".encode() + request("GET", "/"))
            assert client.response().status == 400
            client.expect_end()


def test_the_asterisk_keeps_its_host(served: Program) -> None:
    with served.client() as client:
        assert json.loads(client.request("OPTIONS", "*").body)[3] == ["test"]
