"""`async for chunk in readable`, where something has to be waited for.

    begin: listen ──► buffered? ── yes ──► chunk            (_native.stream_iterator)
                          │ no
                          ├── failed ──► raise it
                          ├── over ──► stop
                          └── wait for 'readable' or the end, and look again

Invariants: leaving the iteration early, by break, return, an exception or cancellation, destroys the stream with ABORT_ERR, at
once, since nothing refers to the iterator any more; a stream that stays open has none of its listeners left. Not here:
finished(), which tells of the end. Source: https://nodejs.org/api/stream.html#readablesymbolasynciterator
"""

import sys
from asyncio import _get_running_loop, sleep
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Self

from treadle._native.stream_iterator import IteratorCore
from treadle.loop.current import get_loop
from treadle.loop.event_loop import EventLoop
from treadle.streams._block import note_raised
from treadle.streams._destroyer import destroy_stage

__all__ = ["ReadableIterator"]


def _forget_nothing() -> None: ...


class _Watcher:
    """What the stream knows of an iteration: not the iterator itself, which goes as soon as nobody uses it."""

    __slots__ = ("error", "forget", "is_settled", "waiter")

    def __init__(self) -> None:
        self.waiter: Any = None
        self.is_settled = False
        self.error: BaseException | None = None
        self.forget: Callable[[], None] = _forget_nothing

    def wake(self) -> None:
        waiter, self.waiter = self.waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def settle(self, error: BaseException | None) -> None:
        self.is_settled = True
        self.error = error
        self.wake()


class ReadableIterator(IteratorCore):
    """One iteration. Two at a time share the chunks."""

    _loop: EventLoop
    _watcher: _Watcher

    def __init__(self, stream: Any, *, destroy_on_return: bool = True) -> None:
        super().__init__(stream)
        self._destroys = destroy_on_return

    def __aiter__(self) -> Self:
        return self

    async def _next(self, has_read: bool) -> Any:
        stream: Any = self.stream
        if self.is_over:
            raise StopAsyncIteration
        is_first = not self.has_begun
        if is_first:
            self._begin()
        watcher, has_waited = self._watcher, False
        try:
            while True:
                if not has_read and not stream.destroyed:
                    chunk = stream._read_buffered()
                    if chunk is not None:
                        return await self._give_soon(chunk) if is_first or has_waited or stream._awaits_push() else chunk
                has_read = False
                if watcher.error is not None:
                    self._leave(has_failed=True)
                    note_raised(watcher.error)
                    raise watcher.error
                if watcher.is_settled:
                    self._leave(has_failed=False)
                    raise StopAsyncIteration
                has_waited = True
                watcher.waiter = get_loop().create_future()
                try:
                    await watcher.waiter
                finally:
                    watcher.waiter = None
        except BaseException:
            # An error keeps the frames that it has passed: the iteration of a task that was cancelled would stay open, and a
            # stream would hold itself by its own error.
            del self, stream, watcher
            raise

    def _give_soon(self, chunk: Any) -> Coroutine[Any, Any, Any]:
        # ORDER: as in Node, what the read hook has put into the microtask queue runs before the loop's body sees the chunk.
        return _give_after(_one_microtask(), chunk, self.stream)

    def _give_later(self, chunk: Any) -> Coroutine[Any, Any, Any]:
        return _give_after(sleep(0), chunk, self.stream)

    def _begin(self) -> None:  # with the first step, as a generator would
        from treadle.streams._finished import watch

        self._loop = get_loop()
        watcher = self._watcher = _Watcher()
        self.stream.on("readable", watcher.wake)  # type: ignore[attr-defined]
        watcher.forget = watch(self.stream, watcher.settle, writable=False)
        self.stream._note_iteration()  # type: ignore[attr-defined]
        self.has_begun = True

    def _leave(self, *, has_failed: bool) -> None:
        # The iteration is over: the stream is destroyed, or let alone.
        stream: Any = self.stream
        watcher = self._watcher
        forget, watcher.forget = watcher.forget, _forget_nothing
        self.is_over = True
        ended_well = watcher.is_settled and watcher.error is None
        keeps_half = ended_well and stream.allow_half_open and getattr(stream, "writable", False) and not stream.writable_ended
        if (has_failed or self._destroys) and (not watcher.is_settled or stream._auto_destroys()) and not keeps_half:
            destroy_stage(stream, None)
        else:
            stream.off("readable", watcher.wake)
            forget()

    async def aclose(self) -> None:
        """End the iteration now, as if the loop had been left."""
        self._end()

    def _end(self) -> None:
        if not self.is_over:
            if self.has_begun:
                self._leave(has_failed=False)
            self.is_over = True

    def __del__(self) -> None:
        if self.is_over or not self.has_begun or sys.is_finalizing():
            return
        if _get_running_loop() is self._loop:
            self._end()
        elif not self._loop.is_closed():  # the garbage collector runs on any thread: hooks and listeners are the loop's
            self._loop.call_soon_threadsafe(self._end)


async def _give_after(step: Awaitable[None], chunk: Any, stream: Any) -> Any:
    # OWNER: not the iterator's frame, see _next().
    try:
        await step
    except BaseException:
        if not stream.destroyed:
            stream.unshift(chunk)  # nobody has seen it, and somebody may read on
        raise
    return chunk


async def _one_microtask() -> None:
    loop = get_loop()
    turn: Any = loop.create_future()
    loop.queue_microtask(lambda: None if turn.done() else turn.set_result(None))
    await turn
