"""Calls of fs with a signal that is aborted before, amid and behind them, as in Node 24: node.json was recorded by run_node.js
from cases.json. DIFFERENCES are on purpose, each with its reason; docs/reference/fs.md names them.

Not here: streams with a signal (tests/conformance/fs_streams), what Node has not (tests/unit/fs/test_signals.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conformance.fs_signals.adapter import outcome_of_case

HERE = Path(__file__).parent
CASES: dict[str, dict[str, Any]] = json.loads((HERE / "cases.json").read_text())
NODE: dict[str, list[Any]] = json.loads((HERE / "node.json").read_text())

AMID = ("at once", "in a tick", "in a microtask", "in an immediate")


class Difference(NamedTuple):
    """Of the cases where it applies: at this place of what is logged stands that."""

    reason: str
    applies: Callable[[dict[str, Any]], bool]
    place: int
    value: Callable[[dict[str, Any]], Any]


def is_call(given: dict[str, Any]) -> bool:
    return bool(given["call"] != "watch")


def writes(given: dict[str, Any]) -> bool:
    return given["call"] in ("write_file", "append_file")


DIFFERENCES = [
    Difference(
        "a callback is never called inside the call",
        lambda given: is_call(given) and given["form"] == "callback" and given["when"] == "before",
        1,
        lambda given: "later",
    ),
    Difference(
        "reading by a descriptor heeds the signal; Node gives nothing, and no error",
        lambda given: (
            (given["call"], given.get("via"), given["form"]) == ("read_file", "handle", "callback")
            and given["when"] in ("before", *AMID)
        ),
        0,
        lambda given: ["ABORT_ERR", given["reason"]],
    ),
    Difference(
        "a job that waits for a thread is withdrawn; Node has begun with the first write, that of a callback with all",
        lambda given: (
            writes(given)
            and given["via"] == "handle"
            and given["when"] in AMID
            and (given["size"] == "small" or given["form"] == "callback")
        ),
        0,
        lambda given: ["ABORT_ERR", given["reason"]],
    ),
    Difference(
        "... and then the file is not touched, not even emptied",
        lambda given: writes(given) and given["when"] in AMID and given["size"] == "small",
        2,
        lambda given: "untouched",
    ),
    Difference(
        "how much a write has written that is stopped is nobody's promise",
        lambda given: writes(given) and given["size"] == "large",
        2,
        lambda given: "part",
    ),
    Difference(
        "'close' of a watcher is a tick's, also of a recursive one",
        lambda given: not is_call(given) and (given["form"], given["when"], given["recursive"]) == ("callback", "at once", True),
        slice(None),  # type: ignore[arg-type]
        lambda given: ["returned", ["close", None]],
    ),
]


def expected(name: str) -> list[Any]:
    outcome = list(NODE[name])
    for difference in DIFFERENCES:
        if difference.applies(CASES[name]):
            outcome[difference.place] = difference.value(CASES[name])
    return outcome


def test_each_case_is_recorded() -> None:
    assert list(NODE) == list(CASES)


@pytest.mark.parametrize("name", CASES)
def test_as_in_node(name: str, tmp_path: Path) -> None:
    assert outcome_of_case(CASES[name], tmp_path) == expected(name)


@pytest.mark.parametrize("difference", DIFFERENCES, ids=[difference.reason for difference in DIFFERENCES])
def test_what_is_called_a_difference_is_one(difference: Difference) -> None:
    cases = [name for name, given in CASES.items() if difference.applies(given)]
    assert any(NODE[name][difference.place] != difference.value(CASES[name]) for name in cases)
