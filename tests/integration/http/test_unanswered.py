"""A handler that returns without an answer: 500 at once where nobody is left who could give one, else whoever holds it answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.support import Program, eventually, request


@pytest.fixture
def program() -> Iterator[Program]:
    with Program.run("forgetful.py") as program:
        yield program
        assert program.is_alive


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("/forget", "without an answer$"),
        ("/forget-async", "without an answer$"),
        ("/forget-at-once", "without an answer$"),
        ("/give-back", r"the str that it returned is not one: say res\.end"),
        ("/give-back-async", r"the dict that it returned is not one: say res\.end"),
    ],
)
def test_nobody_is_left_who_could_answer(program: Program, target: str, hint: str) -> None:
    assert program.get(target).status == 500
    program.stderr.wait_line(f"GET {target}: the handler returned .*{hint}")


def test_an_answer_that_was_begun_is_cut(program: Program) -> None:
    with program.client() as client:
        client.send(request("GET", "/begin-only"))
        rest = client.rest()
    assert rest.count(b"HTTP/1.1") <= 1
    assert not rest.endswith(b"0\r\n\r\n")
    program.stderr.wait_line("GET /begin-only: the handler returned without an answer")


@pytest.mark.parametrize(("target", "body"), [("/leave-to-a-timer", b"from a timer"), ("/leave-to-a-task", b"from a task")])
def test_whoever_holds_the_response_answers(program: Program, target: str, body: bytes) -> None:
    response = program.get(target)
    assert (response.status, response.body) == (200, body)
    assert program.stderr.text == ""


def test_another_request_answers(program: Program) -> None:
    with program.client() as first:
        first.send(request("GET", "/leave-to-the-next"))
        assert first.is_quiet(0.1)
        assert program.get("/leave-to-the-next").body == b"first one answered"
        assert first.response().body == b"from the next"


def test_a_client_that_has_left_is_let_go_although_its_answer_is_held(program: Program) -> None:
    with program.client() as client:
        client.send(request("GET", "/leave-to-the-next"))
        eventually(lambda: program.connection_count == 1, "the connection is there")
        assert client.is_quiet(0.1)
    eventually(lambda: program.connection_count == 0, "the connection is closed once request_s is over")
