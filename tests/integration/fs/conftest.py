"""What the tests of files share with the unit tests."""

from tests.unit.fs.conftest import memory

__all__ = ["memory"]
