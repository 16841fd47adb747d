"""How the outcomes of a suite are sorted, and that every reason in verdicts.toml is of a suite and a kind that there are."""

from tests.suites.http.catalogue import SUITES
from tests.suites.http.verdicts import judge, reasons_of
from tests.suites.outcomes import Outcome

PASSED, FAILED, SKIPPED = Outcome("passed"), Outcome("failed", "why"), Outcome("skipped")
REASONS = {
    "meaningless": {"looks inside": ["test_a.py::test_inside*"]},
    "deviating": {"not there": ["test_b.py::*[x]"], "as it should": ["test_b.py::test_other*"]},
}


def test_each_outcome_is_one_verdict() -> None:
    outcomes = {
        "tests/test_a.py::test_good": PASSED,
        "tests/test_a.py::test_inside[1]": FAILED,
        "tests/test_a.py::test_inside[2]": PASSED,
        "tests/test_a.py::test_skipped": SKIPPED,
        "tests/test_b.py::test_one[x]": FAILED,
        "tests/test_b.py::test_one[y]": FAILED,
        "tests/test_b.py::test_other": PASSED,
    }
    verdicts = judge(outcomes, REASONS)
    assert verdicts.passed == ["tests/test_a.py::test_good", "tests/test_b.py::test_other"]
    assert set(verdicts.meaningless) == {"tests/test_a.py::test_inside[1]", "tests/test_a.py::test_inside[2]"}
    assert verdicts.deviating == {"tests/test_b.py::test_one[x]": "not there"}
    assert verdicts.unexplained == {"tests/test_b.py::test_one[y]": "failed: why"}
    assert verdicts.recovered == {"tests/test_b.py::test_other": "as it should"}


def test_the_first_reason_counts() -> None:
    reasons = {"deviating": {"first": ["test_a.py::*"], "second": ["test_a.py::test_x"]}}
    assert judge({"tests/test_a.py::test_x": FAILED}, reasons).deviating == {"tests/test_a.py::test_x": "first"}


def test_the_reasons_on_file() -> None:
    for suite in SUITES:
        reasons = reasons_of(suite.name)
        assert reasons.keys() <= {"meaningless", "deviating"}
        assert all(patterns for kind in reasons.values() for patterns in kind.values())
