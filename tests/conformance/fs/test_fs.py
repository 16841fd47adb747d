"""What real Node made of a thousand calls, call by call, and what the directory looked like afterwards.

cases.json is the table (make_cases.py), node.json what Node 24 made of it (run_node.js). Each row is executed with futures and
with callbacks. DIFFERENCES are on purpose, each with its reason; docs/reference/fs.md names them.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import treadle
from tests.conformance.fs.adapter import Interpreter
from tests.conformance.fs.make_cases import all_cases

HERE = Path(__file__).parent
CASES: dict[str, list[list[Any]]] = json.loads((HERE / "cases.json").read_text())
NODE: dict[str, dict[str, Any]] = json.loads((HERE / "node.json").read_text())

GROUPS: defaultdict[str, list[str]] = defaultdict(list)
for case in CASES:
    GROUPS[case.split()[0].strip(",")].append(case)


@dataclass(frozen=True)
class Difference:
    """On purpose: in these cases, these steps end otherwise than in Node. changes: and this is what became of the directory."""

    reason: str
    cases: list[str]
    steps: dict[int, Any]
    changes: dict[str, Any] | None = field(default=None)


def code(name: str) -> dict[str, str]:
    return {"error": name}


DIRECTORIES = ["'d'", "'dirln'", "'d/'", "'dirln/'", "'.'", "'..'"]
NO_HANDLE = code("no handle")
DIFFERENCES = [
    Difference(
        "what is no path is refused as Python's own open() refuses it",
        ["no path", "open, no path"],
        dict.fromkeys(range(4), code("TypeError")),
    ),
    Difference("so is a path with a NUL", ["a NUL in a path"], dict.fromkeys(range(4), code("ValueError"))),
    Difference(
        "None is not the default, it is an argument",
        ["open f null"],
        {0: code("ERR_INVALID_ARG_TYPE"), **dict.fromkeys(range(1, 6), NO_HANDLE)},
    ),
    Difference(
        "a float, a bool and the like are of the wrong type where an int is wanted",
        ["open new null", *[f"open {name} {flag}" for name in ("f", "new") for flag in ("true", "1.5", "[]")], "truncate a part"],
        {0: code("ERR_INVALID_ARG_TYPE")},
    ),
    Difference("... also as a position", ["handle read bad positions"], {3: code("ERR_INVALID_ARG_TYPE")}),
    Difference("flags are not negative", ["open f -1", "open new -1"], {0: code("ERR_OUT_OF_RANGE")}),
    Difference("an offset is within the buffer, also of a read of nothing", ["handle read into"], {3: code("ERR_OUT_OF_RANGE")}),
    Difference("a read into no buffers reads nothing", ["handle readv"], {4: [0, []]}),
    Difference(
        "an unknown encoding has a code of its own, as with streams",
        ["read_file of an unknown encoding", "write_file of an unknown encoding"],
        {0: code("ERR_UNKNOWN_ENCODING")},
    ),
    Difference("a time before 1970 is that time, not now", ["utimes before 1970"], {1: [-1000.0, -1500.0]}),
    Difference(
        "a recursive listing is breadth first (as Node's own callback form)",
        ["readdir recursive, a wide one"],
        {5: ["a", "b", "z", "a/c", "b/c", "a/c/1", "b/c/2"]},
    ),
    Difference(
        "... and follows no link, which might lead in a circle (as Node's own with_file_types)",
        ["readdir recursive over a link"],
        {0: ["d", "dang", "dirln", "empty", "f", "ln", "d/a", "d/b", "d/sub", "d/sub/x"]},
    ),
    Difference("a path that is told has no slash at its end", ["mkdir deep, odd slashes"], {0: "./m"}),
    Difference(
        "errors of the system stay OSErrors",
        [f"rm {force}{path}" for force in ("", "force ") for path in DIRECTORIES if "ln" not in path],
        {0: code("EISDIR")},
    ),
    Difference(
        "a link with a slash behind it is neither followed nor removed, and rm says so",
        [f"rm {how}'dirln/'" for how in ("", "force ", "recursive ", "recursive force ")],
        {0: code("ENOTDIR")},
    ),
    Difference(
        "copying a directory fails before the target is touched; Node removes it",
        [f"copy_file {path} {target}" for path in DIRECTORIES for target in ("f", "dang")],
        {},
        {},
    ),
    Difference(
        "... and before it is looked for",
        [f"copy_file {path} nope/new" for path in DIRECTORIES],
        {0: code("EISDIR")},
    ),
]


def expected(case: str) -> dict[str, Any]:
    outcome = NODE[case]
    for difference in DIFFERENCES:
        if case in difference.cases:
            log = [difference.steps.get(step, found) for step, found in enumerate(outcome["log"])]
            outcome = {"log": log, "changes": outcome["changes"] if difference.changes is None else difference.changes}
    return outcome


@pytest.fixture
def masked() -> Iterator[None]:
    mask = os.umask(0o022)
    yield
    os.umask(mask)


@pytest.mark.usefixtures("masked")
@pytest.mark.parametrize("form", ["futures", "callbacks"])
@pytest.mark.parametrize("group", sorted(GROUPS))
def test_calls_give_what_they_give_in_node(group: str, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    different: dict[str, Any] = {}
    cases = [name for name in GROUPS[group] if os.geteuid() == 0 or "chown" not in name]  # the table knows root's uid

    async def main() -> None:
        for number, name in enumerate(cases):
            place = tmp_path / str(number) / "work"
            place.mkdir(parents=True)
            place.parent.chmod(0o700)  # as mkdtemp makes it
            monkeypatch.chdir(place)
            found = json.loads(json.dumps(await Interpreter(CASES[name], has_callbacks=form == "callbacks").run()))
            if found != expected(name):
                different[name] = {"found": found, "expected": expected(name)}

    treadle.run(main)
    assert cases
    assert different == {}


def test_the_table_is_what_it_is_made_of() -> None:
    assert json.loads(json.dumps(all_cases())) == CASES
    assert list(NODE) == list(CASES)


def test_what_is_called_a_difference_is_one() -> None:
    for difference in DIFFERENCES:
        for name in difference.cases:
            assert expected(name) != NODE[name], (difference.reason, name)
