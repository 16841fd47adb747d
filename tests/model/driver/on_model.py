"""Random programs on the model."""

from __future__ import annotations

from collections.abc import Callable

from tests.model.driver.interpreter import Interpreter, Program
from tests.model.loop.clock import Clock
from tests.model.loop.turn import ModelLoop


class ModelWorld:
    """See interpreter.World."""

    def __init__(self, program: Program) -> None:
        self.clock = Clock(program["start_ns"])
        self.loop = ModelLoop(self.clock)
        self.loop.between.guard.is_on = program["guard"]

    def spin(self, ns: int) -> None:
        self.clock.spin(ns)

    def now_ns(self) -> int:
        return self.clock.now_ns

    def in_poll(self, callback: Callable[[], object]) -> None:
        self.loop.when_ready(callback)

    def from_thread(self, callback: Callable[[], object]) -> None:
        self.loop.call_soon_threadsafe(callback)

    def listen(self, uncaught: Callable[[BaseException], bool], asyncios: Callable[[BaseException], None]) -> None:
        self.loop.errors.uncaught_hook = uncaught
        self.loop.errors.exception_handler = asyncios

    def statistics(self) -> dict[str, int]:
        return self.loop.statistics()


def run(program: Program) -> list[str]:
    """The log of a program."""
    return Interpreter(ModelWorld(program), program).main()
