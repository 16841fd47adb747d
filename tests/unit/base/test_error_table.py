"""The table of codes is complete, and everybody uses it: read from the source, so that a path no test walks counts, too."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.gen_errors_reference import PAGE, fields_of, page
from treadle._base.error_table import ERROR_TABLE, NODE, TREADLE

CODE = re.compile(r"\b(?:ERR_[A-Z0-9_]+|ABORT_ERR|Z_[A-Z]+_ERROR|Z_NEED_DICT)\b")  # Z_...: those of zlib.h, as in Node
TABLE_FILE = "error_table.py"


def sources(repository: Path, *suffixes: str) -> Iterator[Path]:
    for path in sorted((repository / "src" / "treadle").rglob("*")):
        if path.suffix in suffixes and path.name != TABLE_FILE:
            yield path


def raised(path: Path) -> Iterator[tuple[int, str, set[str]]]:
    """(line, code, keywords) of each TreadleError("CODE", ...) in a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "TreadleError":
            first = node.args[0]
            if isinstance(first, ast.Constant):
                yield node.lineno, str(first.value), {keyword.arg or "**" for keyword in node.keywords}


def test_codes_are_spelled_like_codes_and_sorted() -> None:
    assert all(CODE.fullmatch(code) for code in ERROR_TABLE)
    assert list(ERROR_TABLE) == sorted(ERROR_TABLE)


def test_a_code_stands_in_the_table_once(repository: Path) -> None:
    # A dict literal would let a second row replace the first without a word.
    tree = ast.parse((repository / "src" / "treadle" / "_base" / TABLE_FILE).read_text())
    keys = [key.value for node in ast.walk(tree) if isinstance(node, ast.Dict) for key in node.keys]  # type: ignore[union-attr]
    assert sorted(keys) == sorted(ERROR_TABLE)


@pytest.mark.parametrize("code", ERROR_TABLE)
def test_a_row_is_complete(code: str) -> None:
    spec = ERROR_TABLE[code]
    assert spec.message
    assert spec.hint
    assert not spec.message.endswith(".")
    assert not spec.hint.endswith(".")
    assert spec.source in (NODE, TREADLE)
    assert issubclass(spec.base, Exception)


def test_every_code_in_the_source_stands_in_the_table(repository: Path) -> None:
    unknown = {
        (path.name, code)
        for path in sources(repository, ".py", ".pyx")
        for code in CODE.findall(path.read_text())
        if code not in ERROR_TABLE
    }
    assert unknown == set()


def test_every_raise_passes_the_fields_of_its_message(repository: Path) -> None:
    lacking = [
        (path.name, line, code, missing)
        for path in sources(repository, ".py")
        for line, code, keywords in raised(path)
        if "**" not in keywords and (missing := set(fields_of(ERROR_TABLE[code])) - keywords)
    ]
    assert lacking == []


def test_the_reference_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "run tools/gen_errors_reference.py"
