"""The loop that coroutine listeners and waiting need. Invariant: events imports without a loop and without asyncio, since
most emitters never await. Not here: how the loop is found (loop.current)."""

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncio import Task

    from treadle.loop.event_loop import EventLoop

__all__ = ["as_task", "begin_last", "running_loop"]


def running_loop() -> "EventLoop":
    """The loop that runs here; ERR_NO_LOOP without one."""
    from treadle.loop.current import get_loop

    return get_loop()


def as_task(coroutine: Coroutine[Any, Any, object]) -> "Task[object]":
    """What a listener returned, run by the loop that runs here; ERR_NO_LOOP without one."""
    try:
        return running_loop().begin_task(coroutine)
    except BaseException:
        coroutine.close()
        raise


def begin_last(coroutine: Coroutine[Any, Any, object]) -> None:
    """Run it up to its first suspension, where no turn will come that could run the rest. What it raises comes out."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
