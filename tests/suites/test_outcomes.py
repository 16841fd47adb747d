"""What counts as a difference between two loops."""

from tests.suites.outcomes import Count, Outcome, bad_only_on, count, missing_on

PASSED, FAILED, SKIPPED, HANG = (Outcome(result) for result in ("passed", "failed", "skipped", "hang"))


def test_bad_where_the_stock_loop_passed_or_never_came() -> None:
    stock = {"both pass": PASSED, "both fail": FAILED, "only treadle fails": PASSED, "hangs": PASSED, "only stock fails": FAILED}
    treadle = {"both pass": PASSED, "both fail": FAILED, "only treadle fails": FAILED, "hangs": HANG, "only stock fails": PASSED}
    assert bad_only_on({**treadle, "new": FAILED}, stock) == ["hangs", "new", "only treadle fails"]


def test_what_stock_skips_is_no_measure() -> None:
    assert bad_only_on({"a": FAILED}, {"a": SKIPPED}) == []


def test_missing_where_treadle_skips_or_never_came() -> None:
    assert missing_on({"a": SKIPPED, "c": FAILED}, {"a": PASSED, "b": PASSED, "c": PASSED, "d": SKIPPED}) == ["a", "b"]


def test_skipped_ones_did_not_run() -> None:
    assert count([PASSED, FAILED, SKIPPED, HANG]) == Count(passed=1, ran=3)
