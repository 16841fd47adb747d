"""The programs of the documentation print what stands behind them. Which those are: tools/check_docs.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.check_docs import ROOT, markdown_files, output_of, programs_in

pytestmark = pytest.mark.slow

PROGRAMS = [
    pytest.param(program, output, id=f"{path.relative_to(ROOT)}:{line}")
    for path in markdown_files()
    for line, program, output in programs_in(path)
]
ORDERING = ROOT / "docs" / "guide" / "ordering.md"


@pytest.mark.parametrize(("program", "output"), PROGRAMS)
def test_it_prints_what_the_page_says(program: str, output: str) -> None:
    assert output_of(program).splitlines() == output.splitlines()


def test_the_page_on_order_has_programs() -> None:
    assert len(list(programs_in(Path(ORDERING)))) >= 5
