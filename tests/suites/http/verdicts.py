"""What each test of a suite says: passed, deviating for a reason that is known, not meaningful for a live server, or unexplained.

The reasons are in verdicts.toml, by suite: `deviating` are tests that fail as they should, or until something is there;
`meaningless` ones do not speak of an HTTP server that is asked through a socket, whatever comes of them. No I/O but that file.
"""

from __future__ import annotations

import fnmatch
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.suites.outcomes import Outcomes

REASONS = Path(__file__).with_name("verdicts.toml")


@dataclass
class Verdicts:
    """The tests of one suite on one server, by what they say; with the reason where there is one."""

    passed: list[str] = field(default_factory=list)
    deviating: dict[str, str] = field(default_factory=dict)
    meaningless: dict[str, str] = field(default_factory=dict)
    unexplained: dict[str, str] = field(default_factory=dict)
    recovered: dict[str, str] = field(default_factory=dict)  # passed, though a reason says that it cannot

    def __str__(self) -> str:
        text = f"{len(self.passed)} passed, {len(self.deviating)} deviating, {len(self.meaningless)} not meaningful"
        return text + (f", {len(self.unexplained)} UNEXPLAINED" if self.unexplained else "")


def reasons_of(suite: str) -> dict[str, dict[str, list[str]]]:
    """Of a suite, by kind: reason -> patterns of test names."""
    found: dict[str, dict[str, list[str]]] = tomllib.loads(REASONS.read_text())[suite]
    return found


def judge(outcomes: Outcomes, reasons: Mapping[str, Mapping[str, list[str]]]) -> Verdicts:
    """Sort the outcomes of a run. A test that was skipped by its suite is not counted."""
    verdicts = Verdicts()
    for test, outcome in sorted(outcomes.items()):
        if outcome.result == "skipped":
            continue
        meaningless = _reason(test, reasons.get("meaningless", {}))
        deviating = _reason(test, reasons.get("deviating", {}))
        if meaningless is not None:
            verdicts.meaningless[test] = meaningless
        elif not outcome.is_bad:
            verdicts.passed.append(test)
            if deviating is not None:
                verdicts.recovered[test] = deviating
        elif deviating is not None:
            verdicts.deviating[test] = deviating
        else:
            verdicts.unexplained[test] = f"{outcome.result}: {outcome.text}"
    return verdicts


def _reason(test: str, reasons: Mapping[str, list[str]]) -> str | None:
    name = test.removeprefix("tests/").replace("[", "<").replace("]", ">")  # which fnmatch would take for a set
    for reason, patterns in reasons.items():
        if any(fnmatch.fnmatchcase(name, pattern.replace("[", "<").replace("]", ">")) for pattern in patterns):
            return reason
    return None
