"""examples/request_ids.py: every line of the log names its request, whatever else is under way."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.support import Program, eventually, request

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "request_ids.py"

LINES = {"GET /", "query for apple", "query for pear", "priced apple", "priced pear", "invoice sent"}


def test_requests_at_once_keep_their_ids() -> None:
    names = [f"mine-{number}" for number in range(5)]
    with Program.run(EXAMPLE, env={"PORT": "0"}) as program:
        clients = [program.client() for _ in names]
        for client, name in zip(clients, names, strict=True):
            client.send(request("GET", "/", f"X-Request-Id: {name}"))
        for client, name in zip(clients, names, strict=True):
            answer = client.response()
            assert (answer.body, answer.get("x-request-id")) == (b"9\n", name)
            client.close()
        for name in names:
            eventually(lambda name=name: lines_of(program, name) == sorted(LINES), f"the lines of {name}")
        assert program.get().get("x-request-id") == "r1"


def lines_of(program: Program, name: str) -> list[str]:
    prefix = f"[{name}] "
    return sorted(line.removeprefix(prefix) for line in program.stderr.text.splitlines() if line.startswith(prefix))
