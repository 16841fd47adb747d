"""As the unit tests of streams: a loop for each test, after which nothing is left."""

from tests.unit.streams.conftest import errors, loop, pytest_pyfunc_call

__all__ = ["errors", "loop", "pytest_pyfunc_call"]
