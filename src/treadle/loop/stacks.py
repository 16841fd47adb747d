"""What every task of a loop waits for, as text: for whoever asks why a program does not end.

    Task 'Task-5', GET /report, waits:
      File "app.py", line 12, in app
      File "lib.py", line 7, in fetch

Invariant: nothing is awaited and nobody's code is called; it may run between any two bytecodes of the loop's thread.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Mapping
from types import CodeType, FrameType
from typing import Any

__all__ = ["report", "waits_at"]

TASKS_MAX = 1_000  # that are shown; each is some lines
FRAMES_MAX = 50  # of one stack, from its outer end


def waits_at(task: asyncio.Task[Any]) -> list[tuple[str, int, str]]:
    """(file, line, function) from the task's own coroutine down to where it waits. Task.get_stack() has the first one only."""
    found: list[tuple[str, int, str]] = []
    step: Any = task.get_coro()
    while step is not None and len(found) < FRAMES_MAX:
        frame, code = _frame_of(step)
        if frame is not None and code is not None:
            found.append((code.co_filename, frame.f_lineno or code.co_firstlineno, code.co_qualname))
        step = _inner_of(step)
    return found


def _frame_of(step: Any) -> tuple[FrameType | None, CodeType | None]:
    for name in ("cr_frame", "gi_frame", "ag_frame"):
        frame = getattr(step, name, None)
        if isinstance(frame, FrameType):
            return frame, frame.f_code
    return None, None


def _inner_of(step: Any) -> Any:
    for name in ("cr_await", "gi_yieldfrom", "ag_await"):
        inner = getattr(step, name, None)
        if inner is not None:
            return inner
    return None


def report(loop: asyncio.AbstractEventLoop | None, requests: Mapping[asyncio.Task[Any], str], frame: FrameType | None) -> str:
    """The stacks of the loop's tasks, with the request that each serves where it is known, and of the threads. frame: the one
    that runs on this thread, where a signal has interrupted it."""
    lines = []
    tasks = [] if loop is None else sorted(asyncio.all_tasks(loop), key=lambda task: task.get_name())
    running = None if loop is None else asyncio.current_task(loop)
    for task in tasks[:TASKS_MAX]:
        request = f", {requests[task]}" if task in requests else ""
        lines.append(f"Task {task.get_name()!r}{request}, {'runs' if task is running else 'waits'}:\n")
        lines += [_line(*place) for place in waits_at(task)]
    if len(tasks) > TASKS_MAX:
        lines.append(f"and {len(tasks) - TASKS_MAX:_} tasks more\n")
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, top in sys._current_frames().items():
        is_here = ident == threading.get_ident()
        lines.append(f"Thread {names.get(ident, ident)!r}{' of the loop' if is_here else ''}:\n")
        lines += [_line(*place) for place in _runs_at(frame if is_here else top)]
    return "".join(lines)


def _runs_at(frame: FrameType | None) -> list[tuple[str, int, str]]:
    found: list[tuple[str, int, str]] = []
    while frame is not None and len(found) < FRAMES_MAX:  # the outer end is cut, which is the same for all
        found.append((frame.f_code.co_filename, frame.f_lineno or frame.f_code.co_firstlineno, frame.f_code.co_qualname))
        frame = frame.f_back
    return found[::-1]


def _line(file: str, line: int, name: str) -> str:
    return f'  File "{file}", line {line}, in {name}\n'
