"""The programs of the documentation print what stands behind them. Which those are: tools/check_docs.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.check_docs import ROOT, Shown, markdown_files, output_of, programs_in

pytestmark = pytest.mark.slow

PROGRAMS = [
    pytest.param(shown, id=f"{path.relative_to(ROOT)}:{shown.line}-{shown.language}")
    for path in markdown_files()
    for shown in programs_in(path)
]
ORDERING = ROOT / "docs" / "guide" / "ordering.md"


@pytest.mark.parametrize("shown", PROGRAMS)
def test_it_prints_what_the_page_says(shown: Shown) -> None:
    assert output_of(shown.program, shown.language).splitlines() == shown.output.splitlines()


def test_the_page_on_order_has_programs() -> None:
    assert len(list(programs_in(Path(ORDERING)))) >= 5
