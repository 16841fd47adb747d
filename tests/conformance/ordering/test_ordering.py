"""The recorded order of real Node, line by line."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.ordering.adapter import Interpreter

PROGRAMS = [json.loads(line) for line in (Path(__file__).parent / "node.jsonl").read_text().splitlines()]

# A timer that holds nothing runs if it is due when the last one that does fires. Where both were made in one callback, whether a
# millisecond ended between the two decides, in Node as well: only then is another run another chance.
RUNS_UNREF = 3


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: f"{program['id']}-{program['goal']}")
def test_order_is_nodes(program: dict[str, Any]) -> None:
    runs = [Interpreter(program).main()]
    while runs[-1] != program["expect"] and "unref" in program["features"] and len(runs) < RUNS_UNREF:
        runs.append(Interpreter(program).main())
    assert runs[-1] == program["expect"]
