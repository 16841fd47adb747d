"""A traced program runs in the recorded order of Node, as it does untraced."""

from typing import Any

import pytest

from tests.conformance.ordering.adapter import Interpreter
from tests.conformance.ordering.chance import log_of
from tests.conformance.ordering.test_ordering import PROGRAMS
from treadle.loop import program as programs
from treadle.trace import Recorder, TracedEventLoop


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: f"{program['id']}-{program['goal']}")
def test_order_is_nodes(program: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    recorders: list[Recorder] = []

    def make() -> TracedEventLoop:
        recorders.append(Recorder())
        return TracedEventLoop(recorders[-1])

    monkeypatch.setattr(programs, "EventLoop", make)
    assert log_of(program, lambda: Interpreter(program).main()) == program["expect"]
    assert all(list(recorder.records) for recorder in recorders)
