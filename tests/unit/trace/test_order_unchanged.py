"""A traced program runs in the recorded order of Node, as it does untraced."""

from typing import Any

import pytest

from tests.conformance.ordering.adapter import Interpreter
from tests.conformance.ordering.test_ordering import PROGRAMS, is_up_to_chance
from treadle.loop import program as programs
from treadle.trace import Recorder, TracedEventLoop

SETTLED = [program for program in PROGRAMS if not is_up_to_chance(program)]


@pytest.mark.parametrize("program", SETTLED, ids=lambda program: f"{program['id']}-{program['goal']}")
def test_order_is_nodes(program: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    recorders: list[Recorder] = []

    def make() -> TracedEventLoop:
        recorders.append(Recorder())
        return TracedEventLoop(recorders[-1])

    monkeypatch.setattr(programs, "EventLoop", make)
    assert Interpreter(program).main() == program["expect"]
    assert list(recorders[0].records)
