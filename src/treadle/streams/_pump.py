"""A pump: what an async iterable gives is written to a stream, as fast as that takes it.

Invariant: the iterable is closed when the pump ends, however it ends. Not here: what is iterated (_adapters.py).
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

    def __init__(self, iterable: AsyncIterable[Any], stream: Any, finish: Callable[..., None], *, ends: bool) -> None:
        self._stream = stream
        self._finish = finish
        self._ends = ends
        self._error: BaseException | None = None
        self._waiter: Any = None
        self._task: Any = None
        self._is_stopped = False  # set by stop(), never cleared
        self._task = get_loop().begin_task(self._run(iterable))

    @classmethod
    def of_result(cls, result: Awaitable[Any], stream: Any, finish: Callable[..., None], *, ends: bool) -> "Pump":
        """Writes one thing, that an async function returns, unless it is None. finish(error, value)."""
        self = cls.__new__(cls)
        self._task = get_loop().begin_task(_run_result(result, stream, finish, ends))
        return self

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
        self._task = None
        if isinstance(error, CancelledError):
            error = self._error if self._is_stopped else TreadleError("ABORT_ERR", reason=None)
        self._finish(error)

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


async def _run_result(result: Awaitable[Any], stream: Any, finish: Callable[..., None], ends: bool) -> None:
    soon = get_loop().next_tick
    try:
        value = await result
    except BaseException as error:
        failure = TreadleError("ABORT_ERR", reason=None) if isinstance(error, CancelledError) else error
        stream.destroy(failure)
        soon(finish, failure)
        return
    if not stream.destroyed:
        if value is not None:
            stream.write(value)
        if ends:
            stream.end()
    soon(finish, None, value)


async def close_iterator(iterator: Any) -> None:
    """Close what was iterated, if it can be closed."""
    close = getattr(iterator, "aclose", None)
    if close is not None:
        await close()
