"""The iterator helpers of Readable: map, filter, for_each, take, drop, reduce, to_list and the others.

Those that make a stream return a Readable of objects, whose source is the stream; those that make a value are awaited. The
functions given may be sync or async, and get a `signal` if they have such a parameter: it is aborted when nobody wants the result
any more. Invariants: results come in the order of their chunks; at most `concurrency` calls are under way, and at most as many
results and `high_water_mark` more wait; no frame that is through holds the stream, whose error may keep it. Not here: iterating
(_iterator.py). Source: https://nodejs.org/api/stream.html#readablemapfn-options
"""

from __future__ import annotations

from asyncio import FIRST_COMPLETED, wait
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from treadle._base.arguments import require_callable
from treadle._base.errors import TreadleError
from treadle.events import AbortController, AbortSignal
from treadle.events.abort import require_signal
from treadle.loop.current import get_loop
from treadle.streams._calls import with_signal
from treadle.streams._destroyer import giving_up
from treadle.streams._from import make_from

if TYPE_CHECKING:
    from treadle.streams._readable import Readable

__all__ = ["Operators"]

Fn = Callable[..., Any]

_NOT_GIVEN: Any = object()


class Operators:
    """Mixed into Readable."""

    __slots__ = ()

    def map(
        self, fn: Fn, *, concurrency: int = 1, high_water_mark: int | None = None, signal: AbortSignal | None = None
    ) -> Readable:
        """The results of fn(chunk). Raises TreadleError: ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE."""
        return _stream(_map(self, *_checked(fn, concurrency, high_water_mark, signal)))

    def filter(
        self, fn: Fn, *, concurrency: int = 1, high_water_mark: int | None = None, signal: AbortSignal | None = None
    ) -> Readable:
        """The chunks for which fn(chunk) is true."""
        return _stream(_filter(self, *_checked(fn, concurrency, high_water_mark, signal)))

    def flat_map(
        self, fn: Fn, *, concurrency: int = 1, high_water_mark: int | None = None, signal: AbortSignal | None = None
    ) -> Readable:
        """The items of each fn(chunk), which is an iterable, sync or async."""
        return _stream(_flatten(_map(self, *_checked(fn, concurrency, high_water_mark, signal))))

    def take(self, limit: int, *, signal: AbortSignal | None = None) -> Readable:
        """The first `limit` chunks; then the stream is destroyed. Raises TreadleError: ERR_OUT_OF_RANGE."""
        return _stream(_take(self, _limit(limit), _signal(signal)))

    def drop(self, limit: int, *, signal: AbortSignal | None = None) -> Readable:
        """All but the first `limit` chunks. Raises TreadleError: ERR_OUT_OF_RANGE."""
        return _stream(_drop(self, _limit(limit), _signal(signal)))

    async def for_each(self, fn: Fn, *, concurrency: int = 1, signal: AbortSignal | None = None) -> None:
        """Call fn(chunk) for each chunk, and wait for all."""
        async with aclosing(_map(self, *_checked(fn, concurrency, None, signal))) as results:
            async for _ in results:
                pass

    async def to_list(self, *, signal: AbortSignal | None = None) -> list[Any]:
        """All chunks. They are in memory at once: nothing bounds them but the stream."""
        return [chunk async for chunk in _until(self, _signal(signal))]

    async def some(self, fn: Fn, *, concurrency: int = 1, signal: AbortSignal | None = None) -> bool:
        """Whether fn(chunk) is true for any; then the stream is destroyed."""
        async with aclosing(_filter(self, *_checked(fn, concurrency, None, signal))) as found:
            async for _ in found:
                return True
        return False

    async def every(self, fn: Fn, *, concurrency: int = 1, signal: AbortSignal | None = None) -> bool:
        """Whether fn(chunk) is true for all; else the stream is destroyed at the first for which it is not."""
        require_callable(fn, "fn")

        async def fails(chunk: Any, signal: AbortSignal) -> bool:
            return not await _result(with_signal(fn, signal)(chunk))

        return not await self.some(fails, concurrency=concurrency, signal=signal)

    async def find(self, fn: Fn, *, concurrency: int = 1, signal: AbortSignal | None = None) -> Any:
        """The first chunk for which fn(chunk) is true, or None; then the stream is destroyed."""
        async with aclosing(_filter(self, *_checked(fn, concurrency, None, signal))) as found:
            async for chunk in found:
                return chunk
        return None

    async def reduce(self, fn: Fn, initial: Any = _NOT_GIVEN, *, signal: AbortSignal | None = None) -> Any:
        """fn(fn(fn(initial, first), second), ...); without `initial` the first chunk is it.

        Raises TreadleError: ERR_MISSING_ARGS for an empty stream without `initial`.
        """
        require_callable(fn, "fn")
        outer = _signal(signal)
        controller = AbortController()
        step = with_signal(fn, controller.signal)
        if outer is not None:
            outer.add_event_listener("abort", relay := lambda _: controller.abort(outer.reason))
        try:
            value = initial
            async with aclosing(_until(self, outer)) as chunks:
                async for chunk in chunks:
                    value = chunk if value is _NOT_GIVEN else await _result(step(value, chunk))
        finally:
            if outer is not None:
                outer.remove_event_listener("abort", relay)
            controller.abort()
        if value is _NOT_GIVEN:
            raise TreadleError("ERR_MISSING_ARGS", name="reduce", expected="an empty stream needs an initial value")
        return value


# ---- the arguments


def _stream(items: AsyncIterator[Any]) -> Readable:
    from treadle.streams._readable import Readable

    return make_from(Readable, items, {})  # type: ignore[no-any-return]


def _signal(signal: AbortSignal | None) -> AbortSignal | None:
    if signal is not None:
        require_signal(signal, "signal")
    return signal


def _limit(limit: int) -> int:
    return _whole(limit, "limit", 0)


def _whole(number: int, name: str, least: int) -> int:
    if not isinstance(number, int):
        raise TreadleError("ERR_INVALID_ARG_TYPE", name=name, expected="an int", received=type(number).__name__)
    if number < least:
        raise TreadleError("ERR_OUT_OF_RANGE", name=name, expected=f"at least {least}", received=number)
    return number


def _checked(
    fn: Fn, concurrency: int, high_water_mark: int | None, signal: AbortSignal | None
) -> tuple[Fn, int, int, AbortSignal | None]:
    require_callable(fn, "fn")
    _whole(concurrency, "concurrency", 1)
    mark = concurrency - 1 if high_water_mark is None else _whole(high_water_mark, "high_water_mark", 0)
    return fn, concurrency, mark + concurrency, _signal(signal)


# ---- the work


async def _result(made: Any) -> Any:
    return await made if isinstance(made, Awaitable) else made


async def _until(stream: Any, signal: AbortSignal | None) -> AsyncGenerator[Any, None]:
    """The chunks, until the signal is aborted: at the next chunk, or while the next one is waited for."""
    if signal is None:
        try:
            async for chunk in stream:
                yield chunk
        finally:
            stream = None
        return
    error = None

    def abort(_: Any = None) -> None:
        nonlocal error
        error = TreadleError("ABORT_ERR", reason=signal.reason)
        stream.destroy(error)

    if signal.aborted:
        stream.on("error", _ignore)  # nobody iterates it, who would hear of it
        abort()
        raise error  # type: ignore[misc]
    signal.add_event_listener("abort", abort)
    try:
        async for chunk in stream:
            yield chunk
            if error is not None:
                raise error
    finally:
        signal.remove_event_listener("abort", abort)
        stream = None


def _ignore(_: BaseException) -> None: ...


async def _take(stream: Any, limit: int, signal: AbortSignal | None) -> AsyncGenerator[Any, None]:
    if limit == 0:
        stream.on("error", _ignore).destroy(giving_up())
        return
    wanted = _until(stream, signal)
    del stream
    async with aclosing(wanted) as chunks:
        async for chunk in chunks:
            yield chunk
            limit -= 1
            if limit == 0:
                return


async def _drop(stream: Any, limit: int, signal: AbortSignal | None) -> AsyncGenerator[Any, None]:
    wanted = _until(stream, signal)
    del stream
    async with aclosing(wanted) as chunks:
        async for chunk in chunks:
            if limit:
                limit -= 1
            else:
                yield chunk


async def _flatten(results: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
    async with aclosing(results) as open_results:
        async for items in open_results:
            if hasattr(items, "__aiter__"):
                async for item in items:
                    yield item
            else:
                for item in items:
                    yield item


async def _filter(stream: Any, fn: Fn, concurrency: int, limit: int, signal: AbortSignal | None) -> AsyncGenerator[Any, None]:
    async def judge(chunk: Any, signal: AbortSignal) -> tuple[Any, Any]:
        return chunk, await _result(with_signal(fn, signal)(chunk))

    wanted = _map(stream, judge, concurrency, limit, signal)
    del stream
    async with aclosing(wanted) as judged:
        async for chunk, is_wanted in judged:
            if is_wanted:
                yield chunk


async def _map(stream: Any, fn: Fn, concurrency: int, limit: int, outer: AbortSignal | None) -> AsyncGenerator[Any, None]:
    """Up to `concurrency` calls under way, results in order, up to `limit` of them waiting."""
    controller = AbortController()
    call = with_signal(fn, controller.signal)
    chunks = _until(stream, outer)
    del stream
    if concurrency == 1 and limit == 1:
        async with aclosing(chunks):
            try:
                async for chunk in chunks:
                    yield await _result(call(chunk))
            finally:
                controller.abort()
        return
    results: deque[Any] = deque()  # tasks, in the order of their chunks
    start = get_loop().create_task
    next_chunk: Any = start(_next_of(chunks))
    try:
        while next_chunk is not None or results:
            running = [task for task in results if not task.done()]
            may_read = next_chunk is not None and len(running) < concurrency and len(results) < limit
            if results and results[0].done():
                yield results.popleft().result()
                continue
            if may_read and next_chunk.done():
                chunk = next_chunk.result()
                if chunk is _NOT_GIVEN:
                    next_chunk = None
                else:
                    results.append(start(_result_of(call, chunk)))
                    next_chunk = start(_next_of(chunks))
                continue
            await wait([*running, *([next_chunk] if may_read else ())], return_when=FIRST_COMPLETED)
    finally:
        controller.abort()
        left = [task for task in (*results, next_chunk) if task is not None]
        for task in left:
            task.cancel()
        if left:
            await wait(left)
            for task in left:
                if not task.cancelled():
                    task.exception()  # nobody asks for it any more
        await chunks.aclose()


async def _next_of(chunks: AsyncIterator[Any]) -> Any:
    return await anext(chunks, _NOT_GIVEN)


async def _result_of(call: Callable[..., Any], chunk: Any) -> Any:
    return await _result(call(chunk))
