"""What became of tests, and what differs between two loops. No I/O here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """passed, failed, error, skipped, hang or crash; why; and whether the loop under test was made while the test ran."""

    result: str
    text: str = ""
    made_loop: bool = False

    @property
    def is_bad(self) -> bool:
        """Neither passed nor skipped."""
        return self.result not in ("passed", "skipped")


Outcomes = dict[str, Outcome]


@dataclass(frozen=True)
class Count:
    """How many of the tests that ran passed."""

    passed: int
    ran: int

    def __str__(self) -> str:
        return f"{self.passed:,} of {self.ran:,}"


def count(outcomes: Iterable[Outcome]) -> Count:
    """Skipped ones did not run."""
    ran = [outcome for outcome in outcomes if outcome.result != "skipped"]
    return Count(sum(not outcome.is_bad for outcome in ran), len(ran))


def bad_only_on(treadle: Mapping[str, Outcome], stock: Mapping[str, Outcome]) -> list[str]:
    """Tests that are bad on treadle's loop and passed on the stock loop, or that the stock loop never came to."""
    return sorted(
        test for test, outcome in treadle.items() if outcome.is_bad and not (test in stock and stock[test].result != "passed")
    )


def missing_on(treadle: Mapping[str, Outcome], stock: Mapping[str, Outcome]) -> list[str]:
    """Tests that passed on the stock loop, and that treadle's loop skipped or never came to."""
    return sorted(
        test
        for test, outcome in stock.items()
        if outcome.result == "passed" and (test not in treadle or treadle[test].result == "skipped")
    )
