"""Tasks of streams: cancelling those that may not have begun, letting the loop turn amid those that never wait, and steps that a
callback waits for.

Not here: beginning them, which is the loop's begin_task().

Where asyncio has no eager tasks (CPython 3.11, or a task factory), a task that was just made has not run at all. Cancelled then,
it never would: what it was to close stays open, who waits for it waits for ever.
"""

from asyncio import sleep
from collections.abc import Callable
from inspect import CORO_CREATED, getcoroutinestate
from typing import Any, Final

from treadle.loop.current import get_loop

__all__ = ["IN_A_ROW", "call_back_after", "cancel_begun", "has_begun", "let_turn"]

IN_A_ROW: Final = 128  # chunks without a suspension; as _native.stream_iterator


async def let_turn() -> None:
    """For loops whose source and sink may never wait: called once in IN_A_ROW chunks, so that timers and I/O have their turn."""
    await sleep(0)


def has_begun(coroutine: Any) -> bool:
    """Whether it has run, be it to its first suspension."""
    return getcoroutinestate(coroutine) != CORO_CREATED


def cancel_begun(task: Any) -> None:
    """Cancel a task at its first suspension, or where it is by now."""
    if task.done():
        return
    if has_begun(task.get_coro()):
        task.cancel()
    else:
        get_loop().call_soon(task.cancel)  # ORDER: after its first step, which is scheduled already


def call_back_after(step: Any, callback: Callable[..., None]) -> None:
    """Await a coroutine, then call back with its error, or None."""

    async def run() -> None:
        try:
            await step
        except Exception as error:
            callback(error)
        else:
            callback()

    get_loop().begin_task(run())
