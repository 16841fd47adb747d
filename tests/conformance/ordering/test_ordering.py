"""The recorded order of real Node, line by line."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.ordering.adapter import Interpreter
from tests.conformance.ordering.chance import log_of

PROGRAMS = [json.loads(line) for line in (Path(__file__).parent / "node.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: f"{program['id']}-{program['goal']}")
def test_order_is_nodes(program: dict[str, Any]) -> None:
    assert log_of(program, lambda: Interpreter(program).main()) == program["expect"]
