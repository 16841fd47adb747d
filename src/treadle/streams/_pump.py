"""A pump: what an async iterable gives is written to a stream, as fast as that takes it.

Invariants: the iterable is closed when the pump ends, however it ends; one that has ended holds no stream, nor do its frames,
which an error that passed them keeps. Not here: what is iterated (_adapters.py).
"""

from asyncio import CancelledError
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Any

from treadle._base.errors import TreadleError
from treadle.loop.current import get_loop
from treadle.streams._finished import watch
from treadle.streams._tasks import IN_A_ROW, cancel_begun, let_turn

__all__ = ["Pump", "close_iterator"]


class Pump:
    """A task that pumps, or one that waits for a result."""

    __slots__ = ("_ends", "_error", "_finish", "_is_stopped", "_stream", "_task", "_waiter")

    def __init__(self, stream: Any, finish: Callable[..., None], *, ends: bool) -> None:
        self._stream = stream
        self._finish = finish
        self._ends = ends
        self._error: BaseException | None = None
        self._waiter: Any = None
        self._task: Any = None
        self._is_stopped = False  # set by stop(), never cleared

    @classmethod
    def of_iterable(cls, iterable: AsyncIterable[Any], stream: Any, finish: Callable[..., None], *, ends: bool) -> "Pump":
        """Writes what it gives. finish(error)."""
        pump = cls(stream, finish, ends=ends)
        pump._task = get_loop().begin_task(pump._run(iterable))
        return pump

    @classmethod
    def of_result(cls, result: Awaitable[Any], stream: Any, finish: Callable[..., None], *, ends: bool) -> "Pump":
        """Writes one thing, that an async function returns, unless it is None. finish(error, value)."""
        pump = cls(stream, finish, ends=ends)
        pump._task = get_loop().begin_task(pump._run_result(result))
        return pump

    def stop(self) -> None:
        """Let it go no further; what it iterates is closed."""
        self._is_stopped = True
        if self._task is not None:
            cancel_begun(self._task)

    async def _run(self, iterable: AsyncIterable[Any]) -> None:
        stream, iterator = self._stream, aiter(iterable)
        stream.on("drain", self._wake)
        forget = watch(stream, self._wake, readable=False)
        try:
            try:
                if stream.writable_need_drain:
                    await self._wait()
                in_a_row = 0
                async for chunk in iterator:
                    in_a_row += 1
                    if not stream.write(chunk):
                        in_a_row = 0
                        await self._wait()
                    elif in_a_row >= IN_A_ROW:
                        in_a_row = 0
                        await let_turn()
                if self._ends:
                    stream.end()
                    await self._wait()
            finally:
                await close_iterator(iterator)
            error = None
        except BaseException as failure:
            error = failure
        finally:
            forget()
            stream.off("drain", self._wake)
        self._task = self._stream = None
        del stream, iterable, iterator, forget
        error = self._told(error)
        self._error = None
        try:
            self._finish(error)
        finally:
            error = None

    async def _run_result(self, result: Awaitable[Any]) -> None:
        stream, soon = self._stream, get_loop().next_tick
        try:
            value = await result
        except BaseException as failure:
            error = self._told(failure)
            stream.destroy(error)
            soon(self._finish, error)
            self._stream = stream = error = None
            return
        if not stream.destroyed:
            if value is not None:
                stream.write(value)
            if self._ends:
                stream.end()
        self._stream = None
        soon(self._finish, None, value)

    def _told(self, error: BaseException | None) -> BaseException | None:
        # What the pipeline hears of it: nothing, where it is the one who has cancelled.
        if not isinstance(error, CancelledError):
            return error
        return self._error if self._is_stopped else TreadleError("ABORT_ERR", reason=None)

    async def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        self._waiter = get_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
        if self._error is not None:
            raise self._error

    def _wake(self, error: BaseException | None = None) -> None:
        if error is not None:
            self._error = error
        if self._waiter is not None:
            if not self._waiter.done():
                self._waiter.set_result(None)
        elif error is not None:
            self.stop()  # COMPAT(node): there what is iterated is not told, and may wait for ever for a reader that is gone


async def close_iterator(iterator: Any) -> None:
    """Close what was iterated, if it can be closed."""
    close = getattr(iterator, "aclose", None)
    if close is not None:
        await close()
