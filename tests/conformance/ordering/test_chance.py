"""What a run was up to besides the loop, where the system does not say."""

from pathlib import Path

import pytest

from tests.conformance.ordering import chance


def test_where_nobody_counts_the_wait_for_a_cpu_there_was_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(chance, "SCHEDSTAT", tmp_path / "schedstat", raising=False)
    assert chance.waited_for_a_cpu_ns() == 0
    assert chance.log_of({"body": [], "features": [], "expect": ["a"]}, lambda: ["a"]) == ["a"]
