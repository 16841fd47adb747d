"""Options of the random programs, the clock that they run under, and the native loop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.model.driver.on_native import NativeLoop, build_clock

EXAMPLES = 500  # of each test where none is asked for: some 5 s
STREAM_EXAMPLES = 250  # likewise, of those of streams, which are longer

# The slow parts are processes: no deadline, and no complaints.
hypothesis.settings.register_profile(
    "model",
    deadline=None,
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("model", "random programs on the model of the loop")
    group.addoption(
        "--examples", type=int, help=f"programs for each test, others each time; default: the same {EXAMPLES} at most"
    )
    group.addoption("--node", action="append", default=[], help="a Node to compare the model with, several times")


def pytest_configure(config: pytest.Config) -> None:
    examples = config.getoption("--examples", None)  # not an option where pytest is not told of this folder
    if examples:
        profile = hypothesis.settings.get_profile("model")
        hypothesis.settings.register_profile("model", profile, max_examples=examples, derandomize=False)


@pytest.fixture(scope="session")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The frozen clock, compiled."""
    return build_clock(tmp_path_factory.mktemp("clock"))


@pytest.fixture(scope="module")
def native(clock: Path) -> Iterator[NativeLoop]:
    with NativeLoop(clock) as native:
        yield native
