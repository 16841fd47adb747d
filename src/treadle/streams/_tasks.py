"""Cancelling tasks that may not have begun. Not here: beginning them, which is the loop's begin_task().

Where asyncio has no eager tasks (CPython 3.11, or a task factory), a task that was just made has not run at all. Cancelled then,
it never would: what it was to close stays open, who waits for it waits for ever.
"""

from inspect import CORO_CREATED, getcoroutinestate
from typing import Any

from treadle.loop.current import get_loop

__all__ = ["cancel_begun", "has_begun"]


def has_begun(coroutine: Any) -> bool:
    """Whether it has run, be it to its first suspension."""
    return getcoroutinestate(coroutine) != CORO_CREATED


def cancel_begun(task: Any) -> None:
    """Cancel a task at its first suspension, or where it is by now."""
    if has_begun(task.get_coro()):
        task.cancel()
    else:
        get_loop().call_soon(task.cancel)  # ORDER: after its first step, which is scheduled already
