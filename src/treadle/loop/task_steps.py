"""How a task of asyncio asks for its next step: what the loop must recognise to tell a bare yield from any other wake-up.

Learnt from asyncio once, by handing a task to a loop that only remembers what it was given. Not here: what is done about it
(_native.tasks, call_soon).
"""

import asyncio
from contextvars import Context
from typing import Any


class _Learner:
    """As much of a loop as the making of a task needs."""

    callback: Any = None

    def call_soon(self, callback: Any, *_: Any, context: Context | None = None) -> None:
        self.callback = callback

    def get_debug(self) -> bool:
        return False


def _step_type() -> type:
    async def nothing() -> None: ...

    learner = _Learner()
    coroutine = nothing()
    task = asyncio.Task(coroutine, loop=learner)  # type: ignore[arg-type]
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    coroutine.close()
    return type(learner.callback)


def task_ended(task: "asyncio.Task[Any]") -> None:
    """The done-callback of every task the loop holds. Never called: call_soon knows it and lets the task go at once."""
    raise AssertionError("call_soon lets held tasks go")


#: The type of the callable that makes one step of asyncio.Task.
STEP_TYPE = _step_type()

#: The function behind the bound method that makes one step of a pure-Python task (asyncio.tasks._PyTask).
PYTHON_STEP: Any = asyncio.tasks._PyTask._Task__step  # type: ignore[attr-defined]
