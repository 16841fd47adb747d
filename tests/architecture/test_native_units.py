"""Every native unit comes as .pyx, .pxd and .pyi, and is compiled from this checkout."""

import importlib
import re
from pathlib import Path

import pytest

from tools.check_layers import Layers

pytestmark = pytest.mark.parametrize("unit", sorted(Layers.load().native.names))


def test_a_unit_has_its_three_files(repository: Path, unit: str) -> None:
    files = (repository / "src" / "treadle" / "_native").glob(f"{unit}.*")
    assert {".pxd", ".pyi", ".pyx"} <= {path.suffix for path in files}


def test_a_unit_is_compiled_beside_its_source(repository: Path, unit: str) -> None:
    module = importlib.import_module(f"treadle._native.{unit}")
    assert module.__file__ is not None
    assert Path(module.__file__).parent == repository / "src" / "treadle" / "_native"


# RFC 9110 compares in ASCII; the C library compares as the locale says, which Python takes from the environment. In Turkish an I
# is no i: a Transfer-Encoding that one side overlooks is a request that nobody has sent.
ASKS_THE_LOCALE = re.compile(r"\b(strn?casecmp|tolower|toupper|isalpha|isalnum|isupper|islower|isspace|strtod|atof)\b")


def test_no_unit_asks_the_locale(repository: Path, unit: str) -> None:
    for suffix in (".pyx", ".pxd"):
        text = (repository / "src" / "treadle" / "_native" / f"{unit}{suffix}").read_text()
        code = "\n".join(line.partition("#")[0] for line in text.splitlines())
        assert not [found for found in ASKS_THE_LOCALE.findall(code) if f".{found}(" not in code]
