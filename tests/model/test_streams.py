"""Random programs of streams, on the model, on treadle.streams and on real Node: the same events in the same order, the same
results.

The programs are the same each time. More of them, and others: `make model ARGS='--examples 20000 -k streams'`; beside real Node
24: `--node NODE` (Node 20 has other lines in a few)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given, settings

from tests.model.driver.on_streams import on_module, on_node
from tests.model.driver.stream_invariants import broken
from tests.model.driver.stream_programs import Program, programs, programs_with_iteration
from tests.model.driver.worker import Worker

pytestmark = pytest.mark.slow

many = settings.get_profile("model")

Workers = dict[str, Worker]


@pytest.fixture(scope="module")
def workers(request: pytest.FixtureRequest, clock: Path) -> Iterator[Workers]:
    """The model is the first."""
    workers = {"model": on_module("tests.model.streams", clock)}
    if find_spec("treadle.streams"):
        workers["treadle"] = on_module("treadle.streams", clock)
    workers |= {node: on_node(node, clock) for node in request.config.getoption("--node", [])}
    with ExitStack() as stack:
        yield {name: stack.enter_context(worker) for name, worker in workers.items()}


def check(workers: Workers, program: Program) -> None:
    logs = {name: worker.run(program) for name, worker in workers.items()}
    for log in logs.values():
        assert broken(program, log) == []
        assert log == logs["model"]


@many
@given(program=programs())
def test_streams(workers: Workers, program: Program) -> None:
    check(workers, program)


@many
@given(program=programs_with_iteration())
def test_iterated_streams(workers: Workers, program: Program) -> None:
    check(workers, program)
