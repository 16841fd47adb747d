"""Limits that a program sets replace the defaults (those the vectors know), each by itself, and bad ones are refused."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.support import Program, request

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    with Program.run("limits.py") as program:
        yield program
        assert program.get().status == 200


def status(program: Program, *headers: str, target: str = "/", body: bytes = b"") -> int:
    with program.client() as client:
        client.send(request("POST" if body else "GET", target, *headers, body=body))
        return client.response().status


def test_request_line(program: Program) -> None:
    assert status(program, target="/" + "a" * 80) == 200
    assert status(program, target="/" + "a" * 100) == 414
    assert status(program, target="/" + "a" * 100_000) == 414


def test_header_bytes(program: Program) -> None:
    assert status(program, "X: " + "a" * 800) == 200
    assert status(program, "X: " + "a" * 1_000) == 431
    assert status(program, "X: " + "a" * 100_000) == 431


def test_header_count(program: Program) -> None:
    assert status(program, *["X: a"] * 4) == 200
    assert status(program, *["X: a"] * 5) == 431


def trailers(*lines: str) -> bytes:
    return "\r\n".join(["5", "hello", "0", *lines, "", ""]).encode()


def test_trailer_bytes(program: Program) -> None:
    assert status(program, "Transfer-Encoding: chunked", body=trailers("X: a")) == 200
    assert status(program, "Transfer-Encoding: chunked", body=trailers("X: " + "a" * 2_000)) == 431


def test_trailer_count(program: Program) -> None:
    assert status(program, "Transfer-Encoding: chunked", body=trailers(*["X: a"] * 10)) == 431


@pytest.mark.slow
def test_the_mark_of_bodies(program: Program) -> None:
    """A mark of 1 KiB stops a 16 MiB upload at what the kernels hold."""
    with program.client() as client:
        client.send(request("POST", "/hold", f"Content-Length: {16 * MIB}"))
        sent = client.send_until_blocked(bytes(16 * MIB))
        assert sent < 12 * MIB
        assert program.get("/release").status == 200
        client.send(bytes(16 * MIB - sent))
        assert client.response().body == b"%d" % (16 * MIB)


@pytest.mark.slow
@pytest.mark.parametrize("expression", ["Limits(headers_count=0)", "Limits(headers_bytes=-1)", "Timeouts(headers_s=0)"])
def test_what_makes_no_sense_is_refused_at_once(tmp_path: Path, expression: str) -> None:
    file = tmp_path / "program.py"
    file.write_text(
        textwrap.dedent(f"""
            from treadle.http import Limits, Timeouts
            try:
                {expression}
            except Exception as error:
                print(error.code)
        """)
    )
    with Program.run(file) as program:
        assert program.wait() == 0
        assert program.stdout.text == "ERR_OUT_OF_RANGE"
