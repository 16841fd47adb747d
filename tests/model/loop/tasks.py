"""As much of asyncio's futures and tasks as the order depends on: when their callbacks are queued, and what a yield is.

Done callbacks and the steps of a task go by call_soon, so they are microtasks. A task that yields nothing, as asyncio.sleep(0)
does, goes on in the check phase. Source: CPython, asyncio/futures.py and tasks.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Protocol


class Queues(Protocol):
    """What futures and tasks need of a loop."""

    def call_soon(self, callback: Callable[..., object], *args: object) -> object: ...

    def resume_in_check(self, step: Callable[[], object]) -> object: ...


class Future:
    """Pending, then done or cancelled; awaited by tasks."""

    def __init__(self, loop: Queues) -> None:
        self.loop = loop
        self.is_done = self.is_cancelled = False
        self.callbacks: list[Callable[[Any], object]] = []

    def done(self) -> bool:
        return self.is_done

    def set_result(self, _: object) -> None:
        self.is_done = True
        for callback in self.callbacks:
            self.loop.call_soon(callback, self)
        self.callbacks.clear()

    def cancel(self) -> bool:
        if self.is_done:
            return False
        self.is_cancelled = True
        self.set_result(None)
        return True

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        if self.is_done:
            self.loop.call_soon(callback, self)
        else:
            self.callbacks.append(callback)

    def __await__(self) -> Generator[Future, None, None]:
        if not self.is_done:
            yield self
        if self.is_cancelled:
            raise asyncio.CancelledError


class Task:
    """Drives a coroutine: its first step, and each that a future causes, is a microtask."""

    def __init__(self, loop: Queues, coroutine: Coroutine[Future | None, None, None]) -> None:
        self.loop, self.coroutine = loop, coroutine
        self.is_done = self.must_cancel = False
        self.waits_for: Future | None = None
        loop.call_soon(self.step)

    def done(self) -> bool:
        return self.is_done

    def cancel(self) -> None:
        """It hears of it when it goes on, which a yield delays until the check phase."""
        if not self.is_done and not (self.waits_for is not None and self.waits_for.cancel()):
            self.must_cancel = True

    def step(self, _: object = None) -> None:
        self.waits_for = None
        try:
            if self.must_cancel:
                self.must_cancel = False
                awaited = self.coroutine.throw(asyncio.CancelledError())
            else:
                awaited = self.coroutine.send(None)
        except (StopIteration, asyncio.CancelledError):
            self.is_done = True
        except Exception:
            self.is_done = True  # whoever awaits the task is told; nobody does here
        else:
            self.wait(awaited)

    def wait(self, awaited: Future | None) -> None:
        if awaited is None:
            self.loop.resume_in_check(self.step)
            return
        self.waits_for = awaited
        awaited.add_done_callback(self.step)
        if self.must_cancel and awaited.cancel():
            self.must_cancel = False
