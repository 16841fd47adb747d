"""What every test leans on. Invariant: the tests exercise this checkout, not a treadle installed elsewhere."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return ROOT


def pytest_sessionstart() -> None:
    import treadle

    origin = Path(treadle.__file__).resolve()
    if not origin.is_relative_to(ROOT):
        pytest.exit(f"treadle is imported from {origin.parent}, not from this checkout: run `make test`", returncode=3)
