"""The check of the Markdown files is able to say no."""

from pathlib import Path

import pytest

from tools.check_docs import findings_in, programs_in, wrong_outputs_in

GOOD = """\
# A title: `x`

[here](#a-title-x) [there](other.md#b) [out](https://example.org/x) `[not](a-link)`

```python
await treadle.run(main)
```
```
[not a link](in-code.md)
```
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    (tmp_path / "other.md").write_text("## B\n")
    return tmp_path / "page.md"


def test_a_good_page_passes(page: Path) -> None:
    page.write_text(GOOD)
    assert list(findings_in(page)) == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\n[gone](gone.md)\n", 2),
        ("[no such heading](#c)\n", 1),
        ("[no such heading there](other.md#c)\n", 1),
        ("text\n\n```python\nx = 1\nx = = 2\n```\n", 5),
        ("text\n```python\nx = 1\n", 2),
    ],
)
def test_a_bad_page_is_found(page: Path, text: str, line: int) -> None:
    page.write_text(text)
    assert [finding.split(":")[1] for finding in findings_in(page)] == [str(line)]


PROGRAM = """\
```python
import sys

print("a")
print("b")
print("not looked at", file=sys.stderr)
```

```text
a
%s
```
"""


@pytest.mark.slow
def test_a_program_prints_what_its_page_says(page: Path) -> None:
    page.write_text(PROGRAM % "b")
    assert list(wrong_outputs_in(page)) == []
    page.write_text(PROGRAM % "c")
    (finding,) = wrong_outputs_in(page)
    assert finding == f"{page}:2: the program prints\n    a\n    b\n"


def test_only_a_text_block_right_behind_is_an_output(page: Path) -> None:
    page.write_text("```python\n1\n```\n\nprose\n\n```text\nx\n```\n```python\n2\n```\n```python\n3\n```\n```text\ny\n```\n")
    assert list(programs_in(page)) == [(14, "3", "text", "y")]


def test_a_trace_may_follow_an_output_or_stand_alone(page: Path) -> None:
    page.write_text(
        "```python\n1\n```\n```text\nx\n```\n\n```trace\ny\n```\n```text\nz\n```\n```python\n2\n```\n```trace\nw\n```\n"
    )
    assert [shown[1:] for shown in programs_in(page)] == [("1", "text", "x"), ("1", "trace", "y"), ("2", "trace", "w")]
