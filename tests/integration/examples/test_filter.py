"""examples/filter.py: what goes in comes out sorted, and a client that leaves leaves no program behind."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.support import Program, eventually, request

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "filter.py"


@pytest.fixture
def program() -> Iterator[Program]:
    with Program.run(EXAMPLE, env={"PORT": "0", "LC_ALL": "C"}) as program:
        yield program
        assert program.is_alive


def children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_it_is_sorted(program: Program) -> None:
    lines = [b"%09d\n" % number for number in range(200_000)]
    shuffled = random.Random(1).sample(lines, len(lines))
    answer = program.get("/", method="PUT", body=b"".join(shuffled))
    assert (answer.status, answer.body) == (200, b"".join(lines))
    eventually(lambda: not children_of(program.pid), "sort is reaped")


def test_a_client_that_leaves_leaves_nothing(program: Program) -> None:
    program.get("/", method="PUT", body=b"warm")
    fds = program.idle_fd_count()
    with program.client() as client:
        client.send(request("PUT", "/", "Content-Length: 1000000") + b"a\n")
        eventually(lambda: children_of(program.pid), "sort runs")
        client.reset()
    eventually(lambda: not children_of(program.pid), "sort has ended")
    eventually(lambda: program.idle_fd_count() == fds, "no descriptor stays")
