"""Handlers of every shape, one or several: all that they return to be awaited is awaited, and their ends have consequences."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.integration.support import Program, request

SHAPES = ["/coroutine", "/future", "/task", "/awaitable", "/gather"]


def listening(kind: str) -> Program:
    return Program.run("handlers.py", env={"LISTENERS": kind})


@pytest.fixture(scope="module")
def handlers() -> Iterator[Program]:
    with listening("one") as program:
        assert program.get().status == 200
        yield program
        assert program.is_alive
        assert program.get().body == b"Hello, World!"


@pytest.mark.parametrize("target", SHAPES)
def test_what_a_handler_returns_is_awaited(handlers: Program, target: str) -> None:
    with handlers.client() as client:
        for _ in range(3):
            assert client.request("GET", target).body == b"later"
        assert client.request().body == b"Hello, World!"


@pytest.mark.parametrize("target", SHAPES)
def test_its_failure_is_the_handlers(handlers: Program, target: str) -> None:
    """500 and not silence; the log has one entry for it, and asyncio none of an exception that nobody retrieved."""
    entry = f"GET {target}-fails: the handler failed"
    assert handlers.get(f"{target}-fails").status == 500
    handlers.stderr.wait_line(entry)
    assert handlers.get().status == 200
    assert handlers.stderr.text.count(entry) == 1
    assert "never retrieved" not in handlers.stderr.text
    assert "never awaited" not in handlers.stderr.text


@pytest.mark.slow
def test_a_listener_for_once_hears_one_request() -> None:
    with listening("once") as program, program.client() as client:
        client.send(request("GET", "/") * 3 + request("GET", "/notes"))
        assert client.response().body == b"first"
        assert client.response().body == b"Hello, World!"
        assert client.response().body == b"Hello, World!"
        assert client.response().body == b"first"


@pytest.mark.slow
def test_a_listener_for_once_beside_the_handler() -> None:
    with listening("beside") as program, program.client() as client:
        for _ in range(3):
            assert client.request().body == b"Hello, World!"
        assert client.request("GET", "/future").body == b"later", "what the handler returns is awaited as ever"
        assert client.request("GET", "/future-fails").status == 500
        assert program.get("/notes").body == b"once"


@pytest.mark.slow
def test_two_async_listeners_run_at_the_same_time() -> None:
    """The first waits for what the second does."""
    with listening("two") as program, program.client() as client:
        assert client.request().body == b"two"
        assert client.request().body == b"two"


@pytest.mark.slow
def test_the_failure_of_one_of_two_listeners_is_500() -> None:
    with listening("two-fail") as program, program.client() as client:
        assert client.request().status == 500
        client.expect_end()
        program.stderr.wait_line("marker-awaited")
        assert "never awaited" not in program.stderr.text
        assert program.get().status == 500


# ends of the program


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["", "-async", "-later"])
@pytest.mark.parametrize(("kind", "code"), [("exit", 7), ("interrupt", -signal.SIGINT)])
def test_what_was_answered_before_the_end_still_leaves(kind: str, code: int, shape: str) -> None:
    """A handler may end the program. Answers in front of it, held back to leave in one send, are not lost to that."""
    with listening("one") as program, program.client() as client, program.client() as other:
        assert other.request().status == 200
        client.send(request("GET", "/") * 3 + request("GET", f"/{kind}{shape}") + request("GET", "/"))
        for _ in range(3):
            assert client.response().body == b"Hello, World!"
        assert client.rest() == b""
        assert program.wait() == code


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["", "-async", "-later"])
@pytest.mark.parametrize(("kind", "code"), [("exit", 7), ("interrupt", -signal.SIGINT)])
def test_an_end_that_was_asked_for_is_no_error_in_the_log(kind: str, code: int, shape: str) -> None:
    with listening("one") as program, program.client() as client:
        client.send(request("GET", f"/{kind}{shape}"))
        assert program.wait() == code
        assert program.stderr.text == ""


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "code"), [("exit", 7), ("interrupt", 130)])
def test_what_was_answered_before_the_end_of_an_application_still_leaves(kind: str, code: int) -> None:
    with Program.serve("asgi_exchange:app") as program, program.client() as client:
        client.send(request("GET", "/") * 3 + request("GET", f"/leave/{kind}") + request("GET", "/"))
        for _ in range(3):
            assert client.response().body == b"hello"
        assert client.rest() == b""
        assert program.wait() == code
