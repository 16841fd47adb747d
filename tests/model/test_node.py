"""Random programs on the model and on real Node: the same callbacks at the same time. Only where a Node is named:
`make model ARGS='--node node --examples 2000'`. Node 24: in Node 20, whose libuv is older, ticks behind the last timer that take
1 ms and make another are followed by what got due at once, in the same timers phase (uv__run_timers() in src/timer.c).

unref() is left out: a timer that was cleared still ends Node's poll, and unref'd immediates run then."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings

from tests.model.driver import on_model, on_node
from tests.model.driver.interpreter import Program
from tests.model.driver.programs import CLEAR, FAIL, NODES_WITHOUT_IO, REFRESH, SPIN, TICK, programs

pytestmark = pytest.mark.slow

many = settings.get_profile("model")

#: Node runs until nothing is left, its listener takes all errors, and its timers see whole ms only.
ALIKE = {"run": "while_alive", "takes_errors": True, "start_ns": 1_000_000_000}


def for_node(program: Program) -> Program:
    """Begun by an immediate of a later turn: the first poll of a Node process does not wait, and finds events of its own."""
    begin = {"op": "immediate", "do": program["main"]}
    return {**program, **ALIKE, "main": [{"op": "timeout", "ms": 5, "do": [begin]}]}


@pytest.fixture
def nodes(request: pytest.FixtureRequest) -> list[str]:
    named: list[str] = request.config.getoption("--node", [])
    return named or pytest.skip("no --node")


def check(nodes: list[str], clock: Path, program: Program) -> None:
    expected = on_node.as_in_node(on_model.run(program), program)
    for node in nodes:
        assert on_node.run(node, clock, program) == expected


@many
@given(program=programs(*NODES_WITHOUT_IO, SPIN, CLEAR).map(for_node))
def test_late_and_cleared_callbacks(nodes: list[str], clock: Path, program: Program) -> None:
    check(nodes, clock, program)


@many
@given(program=programs(*NODES_WITHOUT_IO, SPIN, REFRESH).map(for_node))
def test_refreshed_timers(nodes: list[str], clock: Path, program: Program) -> None:
    """Not beside CLEAR: one that has fired, was cleared, and is refreshed then, waits once more in Node, and calls nothing."""
    check(nodes, clock, program)


@many
@given(program=programs(*NODES_WITHOUT_IO, FAIL, TICK, CLEAR).map(for_node))
def test_failing_callbacks(nodes: list[str], clock: Path, program: Program) -> None:
    check(nodes, clock, program)
