"""The recorded events of real Node, line by line; of the model first, so that it is Node's word and not ours."""

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.streams.adapter import Interpreter

PROGRAMS = [json.loads(line) for line in (Path(__file__).parent / "node.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("module", ["tests.model.streams", "treadle.streams"])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: f"{program['id']}-{program['goal']}")
def test_events_are_nodes(program: dict[str, Any], module: str) -> None:
    assert Interpreter(importlib.import_module(module), program).main() == program["expect"]
