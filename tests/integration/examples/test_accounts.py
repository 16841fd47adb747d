"""examples/accounts.py: who signs up may log in, by the right password only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.support import Program

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "accounts.py"


@pytest.fixture
def program() -> Iterator[Program]:
    with Program.run(EXAMPLE, env={"PORT": "0"}) as program:
        yield program
        assert program.is_alive


def ask(program: Program, target: str, **fields: str) -> tuple[int, str]:
    answer = program.get(target, method="POST", body=json.dumps(fields).encode())
    return answer.status, answer.body.decode()


def test_a_password_is_known_again(program: Program) -> None:
    assert ask(program, "/sign-up", name="ada", password="correct horse") == (201, "welcome\n")
    assert ask(program, "/sign-up", name="ada", password="another") == (409, "this name is taken\n")
    status, text = ask(program, "/log-in", name="ada", password="correct horse")
    assert (status, text.split()[0], len(text.split()[1])) == (200, "token", 36)
    assert ask(program, "/log-in", name="ada", password="wrong") == (403, "no\n")


def test_nobody_has_no_password(program: Program) -> None:
    assert ask(program, "/log-in", name="bob", password="correct horse battery staple")[0] == 403  # that of NOBODY


@pytest.mark.parametrize(("target", "body", "status"), [("/", b"{}", 404), ("/log-in", b"{}", 400), ("/log-in", b"x", 400)])
def test_what_is_no_request(program: Program, target: str, body: bytes, status: int) -> None:
    assert program.get(target, method="POST", body=body).status == status


def test_a_password_that_is_too_long_takes_no_name(program: Program) -> None:
    assert ask(program, "/sign-up", name="ada", password="x" * 4000)[0] == 201
    answer = program.get("/sign-up", method="POST", body=b"x" * 5000)
    assert answer.status >= 400


def test_eight_log_in_at_once(program: Program) -> None:
    assert ask(program, "/sign-up", name="ada", password="correct horse")[0] == 201
    with ThreadPoolExecutor(8) as clients:
        asked = [clients.submit(ask, program, "/log-in", name="ada", password="correct horse") for _ in range(8)]
        assert [one.result()[0] for one in asked] == [200] * 8
