"""`treadle serve`: an application whose client has left is cancelled where that was asked for, and an answer has a deadline."""

from __future__ import annotations

import pytest

from tests.integration.support import Program, request


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize(
    ("flags", "path"), [(["--cancel-on-disconnect"], "/work"), (["--cancel-on-disconnect-of", "/work/a"], "/work/a")]
)
def test_it_is_cancelled(how: str, flags: list[str], path: str) -> None:
    with Program.serve("leaving_app:app", *flags) as program:
        with program.client() as client:
            client.send(request("GET", f"{path}/one"))
            program.stdout.wait_line("^one begun$")
            client.reset() if how == "reset" else client.close()
        program.stdout.wait_line("^one cancelled$")
        assert program.get("/hello").body == b"hello"
        assert "Traceback" not in program.stderr.text
        assert "ERROR" not in program.stderr.text


def test_who_receives_is_told_first() -> None:
    with Program.serve("leaving_app:app", "--cancel-on-disconnect") as program:
        with program.client() as client:
            client.send(request("GET", "/listen/one"))
            program.stdout.wait_line("^one begun$")
        program.stdout.wait_line("^one cancelled$")
        assert program.stdout.text.splitlines()[-3:] == ["one begun", "one http.disconnect", "one cancelled"]


def test_who_has_answered_goes_on() -> None:
    with Program.serve("leaving_app:app", "--cancel-on-disconnect") as program:
        with program.client() as client:
            assert client.request("GET", "/done/one").body == b"done"
            client.reset()
        program.stdout.wait_line("^one through$")


def test_without_the_flag_nobody_is_cancelled() -> None:
    with Program.serve("leaving_app:app", "--cancel-on-disconnect-of", "/elsewhere") as program:
        with program.client() as client:
            client.send(request("GET", "/listen/one"))
            program.stdout.wait_line("^one begun$")
        program.stdout.wait_line("^one http.disconnect$")
        assert program.get("/hello").body == b"hello"
        assert "cancelled" not in program.stdout.text


def test_an_answer_has_a_deadline() -> None:
    flags = ["--request-timeout", "0.1", "--request-timeout-of", "/work/long=60", "--request-timeout-of", "/done=0"]
    with Program.serve("leaving_app:app", *flags) as program, program.client() as patient, program.client() as client:
        patient.send(request("GET", "/work/long/patient"))
        program.stdout.wait_line("^patient begun$")
        response = client.request("GET", "/work/one")
        assert (response.status, response.announces_close()) == (504, True)
        program.stdout.wait_line("^one cancelled$")
        program.stderr.wait_line("GET /work/one: the answer was not complete in time")
        assert program.get("/hello").body == b"hello"
        assert "patient cancelled" not in program.stdout.text


@pytest.mark.parametrize("flag", ["--request-timeout-of=upload=3", "--request-timeout-of=/upload", "--cancel-on-disconnect-of=a"])
def test_a_prefix_begins_with_a_slash(flag: str) -> None:
    with Program.serve("leaving_app:app", flag) as program:
        assert program.wait() == 2
