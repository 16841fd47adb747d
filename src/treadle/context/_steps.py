"""Coroutines whose steps run somewhere else than their awaiter does: in a context of their own, or watched.

A coroutine function that is called has not begun: its body runs where it is awaited, and would miss what held during the call.
Not here: what a step is wrapped in (_scope.py; diagnostics_channel).
"""

import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

__all__ = ["stepped"]

_T = TypeVar("_T")

RunStep = Callable[[Callable[[Any], Any], Any], Any]
"""(step, value): returns step(value), and lets out what it raises."""


async def stepped(coroutine: Coroutine[Any, Any, _T], run_step: RunStep) -> _T:
    """`await coroutine`, each of its steps by way of run_step. It sees the same task, and is cancelled and closed alike."""
    return await _steps(coroutine, run_step)


@types.coroutine
def _steps(coroutine: Coroutine[Any, Any, _T], run_step: RunStep) -> Generator[Any, Any, _T]:
    step: Callable[[Any], Any] = coroutine.send
    value: Any = None
    while True:
        try:
            awaited = run_step(step, value)
        except StopIteration as stop:
            result: _T = stop.value
            return result
        try:
            step, value = coroutine.send, (yield awaited)
        except GeneratorExit:
            run_step(_close, coroutine)
            raise
        except BaseException as error:
            step, value = coroutine.throw, error


def _close(coroutine: Coroutine[Any, Any, Any]) -> None:
    coroutine.close()
