"""Streams over files, event by event as in Node 24: node.json was recorded by run_node.js from cases.json.

Not here: what Node has not (tests/unit/fs/test_streams.py).
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.fs_streams.adapter import run

HERE = Path(__file__).parent
CASES: list[dict[str, Any]] = json.loads((HERE / "cases.json").read_text())
RECORDED: dict[str, list[Any]] = json.loads((HERE / "node.json").read_text())


def test_each_case_is_recorded() -> None:
    assert list(RECORDED) == [case["name"] for case in CASES]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_as_in_node(case: dict[str, Any], tmp_path: Path) -> None:
    assert run(case, tmp_path) == RECORDED[case["name"]]
