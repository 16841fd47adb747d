"""Every native unit comes as .pyx, .pxd and .pyi, and is compiled from this checkout."""

import importlib
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
