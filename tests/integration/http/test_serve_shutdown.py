"""How `treadle serve` ends: requests and background work first, then the lifespan, and nothing afterwards."""

from __future__ import annotations

import re
import signal

import pytest

from tests.integration.support import Program, request


def ended(program: Program) -> list[str]:
    program.signal(signal.SIGTERM)
    assert program.wait() == 0
    return program.stdout.text.splitlines()


def test_background_work_is_done_before_the_lifespan_ends() -> None:
    with Program.serve("shutdown_app:app") as program:
        assert program.get("/background").body == b"done"
        assert ended(program) == ["answered", "background done", "lifespan shutdown"]
        assert "1 request under way" in program.stderr.text


@pytest.mark.slow
@pytest.mark.parametrize("target", ["/endless", "/stubborn"])
def test_what_does_not_end_in_time_is_cut_cancelled_and_unwound_before_the_lifespan_ends(target: str) -> None:
    with Program.serve("shutdown_app:app", "--timeout-graceful-shutdown", "3") as program, program.client() as client:
        client.send(request("GET", target))
        program.stdout.wait_line("begun")
        assert ended(program) == ["begun", "unwound", "lifespan shutdown"]
        assert "1 answer cut" in program.stderr.text
        assert "Traceback" not in program.stderr.text
        assert client.response().truncated


def test_a_request_that_ends_the_program_by_system_exit() -> None:
    with Program.serve("shutdown_app:app") as program:
        with program.client() as client:
            client.send(request("GET", "/exit"))
            assert client.rest() == b""
        assert program.wait() == 7
        assert not re.search("never awaited|destroyed but it is pending", program.stderr.text)


@pytest.mark.parametrize("left", ["task", "interval", "alarm"])
def test_what_the_application_leaves_behind_does_not_hold_it(left: str) -> None:
    with Program.serve("shutdown_app:app", env={"LEAVE": left}) as program:
        assert program.get("/background").body == b"done"
        assert ended(program)[-1] == "lifespan shutdown"
        assert "Traceback" not in program.stderr.text


@pytest.mark.slow
def test_a_task_that_stays_is_named_and_left() -> None:
    with Program.serve("shutdown_app:app", env={"LEAVE": "stubborn task"}) as program:
        assert program.get("/background").body == b"done"
        assert "stays" in ended(program)
        assert "a task did not end 5 s after being cancelled: <Task" in program.stderr.text
