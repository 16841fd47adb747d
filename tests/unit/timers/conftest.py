"""For the tests of timers, immediates and ticks."""

from collections.abc import Iterator

import pytest

from tests.unit.timers.support import Trace
from treadle import process


@pytest.fixture
def uncaught() -> Iterator[Trace]:
    """The exceptions that reached 'uncaught_exception' during the test, which handles them."""
    seen: Trace = []
    process.on("uncaught_exception", seen.append)
    yield seen
    process.off("uncaught_exception", seen.append)
