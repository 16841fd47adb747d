"""Random programs of streams, on the model, on treadle.streams and on real Node: the same events in the same order, the same
results; and in each log what must hold whoever has written it.

The programs are the same each time. More of them, and others: `make model ARGS='--examples 20000 -k streams'`; beside real Node
24: `--node NODE` (Node 20 has other lines in a few)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from tests.model.conftest import STREAM_EXAMPLES
from tests.model.driver.on_streams import on_module, on_node
from tests.model.driver.stream_invariants import broken
from tests.model.driver.stream_programs import Program, programs, programs_with_iteration
from tests.model.driver.worker import Worker

pytestmark = pytest.mark.slow

profile = settings.get_profile("model")
many = profile if not profile.derandomize else settings(profile, max_examples=STREAM_EXAMPLES)

Workers = dict[str, Worker]


@pytest.fixture(scope="module")
def workers(request: pytest.FixtureRequest, clock: Path) -> Iterator[Workers]:
    """The model is the first."""
    nodes: list[str] = request.config.getoption("--node", [])
    workers = {"model": on_module("tests.model.streams", clock), "treadle": on_module("treadle.streams", clock)}
    workers |= {node: on_node(node, clock) for node in nodes}
    with ExitStack() as stack:
        yield {name: stack.enter_context(worker) for name, worker in workers.items()}


def check(workers: Workers, program: Program) -> None:
    logs = {name: worker.run(program) for name, worker in workers.items()}
    for name, log in logs.items():
        assert broken(program, log) == []
        is_ours = name in ("model", "treadle")
        if is_ours or not any(line.startswith("uncaught") for line in log + logs["model"]):  # ADR 0007, ADR 0010
            assert log == logs["model"]


@many
@given(program=programs())
def test_streams(workers: Workers, program: Program) -> None:
    check(workers, program)


@many
@given(program=programs_with_iteration())
def test_iterated_streams(workers: Workers, program: Program) -> None:
    check(workers, program)


# ---- programs that random ones have found


def readable(**opts: Any) -> dict[str, Any]:
    return {"name": "a", "kind": "readable", "opts": opts, "listen": [], "src": {"via": "sync", "items": [], "end": "open"}}


FOUND = {
    "bytes that are put back where an encoding is set stay bytes": {
        "streams": [readable(encoding="base64")],
        "script": [{"op": "unshift", "s": "a", "chunk": {"hex": "595a61"}}, {"op": "sample", "s": "a"}],
    },
    "a transform that buffers nothing to be read has the mark for writing that it is given": {
        "streams": [
            {"name": "a", "kind": "passthrough", "opts": {"highWaterMark": 0, "writableHighWaterMark": 3}, "listen": []},
        ],
        "script": [{"op": "facts", "s": "a"}],
    },
    "a pipeline does not end what follows a source that has ended and failed": {
        "streams": [
            {**readable(), "src": {"via": "sync", "items": [], "end": "end"}, "destroy": {"fail": True}, "listen": ["error"]},
            {"name": "b", "kind": "writable", "opts": {}, "listen": ["error", "finish"], "sink": {"via": "sync"}},
        ],
        "script": [
            {"op": "resume", "s": "a"},
            {"op": "after", "via": 1, "do": [{"op": "pipeline", "stages": ["a", "b"]}]},
        ],
    },
}


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found(workers: Workers, name: str) -> None:
    check(workers, FOUND[name])
