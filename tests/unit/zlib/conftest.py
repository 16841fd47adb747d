"""Tests of zlib run as those of streams do: each on a loop of its own, after which nothing is left."""

from tests.unit.streams.conftest import errors, loop, pytest_pyfunc_call

__all__ = ["errors", "loop", "pytest_pyfunc_call"]
