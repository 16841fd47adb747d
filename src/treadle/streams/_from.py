"""A readable made of an iterable: its items, one after the other, as they are wanted.

    read hook ──► next item ──push()──► full? wait for the next call of the hook
                      │ none left: push(None)

Invariants: one item at a time is asked for; the iterator is closed when the stream is, with what it failed with thrown into it;
an item that is an awaitable is awaited; the stream holds its source, the source holds the stream while it works. Not here: what
reads it (_readable.py). Source: https://nodejs.org/api/stream.html#streamreadablefromiterable-options
"""

from asyncio import CancelledError
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from typing import Any
from weakref import ref

from treadle._base.errors import TreadleError
from treadle.loop.current import get_loop
from treadle.streams._tasks import IN_A_ROW, cancel_begun, let_turn

__all__ = ["ItemSource", "make_from"]


def make_from(cls: Callable[..., Any], iterable: Any, options: dict[str, Any]) -> Any:
    """A stream of class `cls` that gives out the items. Raises TreadleError: ERR_INVALID_ARG_TYPE."""
    if isinstance(iterable, str | bytes | bytearray | memoryview):  # COMPAT(node): a chunk, not its characters
        iterable = (iterable,)
        options = {"high_water_mark": 16, **options}
    if isinstance(iterable, AsyncIterable):
        source = ItemSource(aiter(iterable), is_async=True)
    elif isinstance(iterable, Iterable):
        source = ItemSource(iter(iterable), is_async=False)
    else:
        raise TreadleError("ERR_INVALID_ARG_TYPE", name="iterable", expected="an iterable", received=type(iterable).__name__)
    destroy = options.pop("destroy", None)
    options = {"object_mode": True, "high_water_mark": 1, **options}
    stream = cls(read=source.read, destroy=source.destroy_after(destroy), **options)
    source.stream_of = ref(stream)
    return stream


class ItemSource:
    """The hooks of such a stream."""

    stream_of: Callable[[], Any]  # it is there whenever its hooks are called

    def __init__(self, iterator: Any, *, is_async: bool) -> None:
        self._iterator = iterator
        self._is_async = is_async
        self._is_reading = False
        self._task: Any = None

    def read(self, _: int) -> None:
        """The read hook."""
        if self._is_reading:
            return
        self._is_reading = True
        if self._is_async:
            self._start(self._read_async(self.stream_of(), None))
        else:
            self._read_sync(self.stream_of())

    def _start(self, coroutine: Any) -> None:
        task = get_loop().begin_task(coroutine)
        if not task.done():
            self._task = task

    def _read_sync(self, stream: Any) -> None:
        left = IN_A_ROW
        try:
            for item in self._iterator:
                if isinstance(item, Awaitable):
                    self._start(self._read_async(stream, item))
                    return
                if not _push(stream, item):
                    self._is_reading = False
                    return
                left -= 1
                if left == 0:
                    get_loop().set_immediate(self._read_on, stream)
                    return
        except Exception as error:
            stream.destroy(error)
        else:
            stream.push(None)
        finally:
            del stream  # an error that has passed here keeps this frame, and a stream its error

    def _read_on(self, stream: Any) -> None:
        if not stream.destroyed:
            self._read_sync(stream)

    async def _read_async(self, stream: Any, first: Awaitable[Any] | None) -> None:
        # first: an item of a sync iterator, to be awaited; the others are taken from it here, too.
        iterator, in_a_row = self._iterator, 0
        try:
            while True:
                if first is not None:
                    item, first = await first, None
                elif self._is_async:
                    item = await anext(iterator)
                else:
                    item = next(iterator)
                    if isinstance(item, Awaitable):
                        item = await item
                if not _push(stream, item):
                    self._is_reading = False
                    return
                in_a_row += 1
                if in_a_row == IN_A_ROW:
                    in_a_row = 0
                    await let_turn()
        except (StopIteration, StopAsyncIteration):
            stream.push(None)
        except CancelledError:
            stream.destroy(TreadleError("ABORT_ERR", reason=None))
            raise
        except Exception as error:
            stream.destroy(error)
        finally:
            self._task = None
            del stream  # as above

    # -- closing ---------------------------------------------------------------------------------------------------

    def destroy_after(self, hook: Callable[..., object] | None) -> Callable[..., None]:
        """The destroy hook: `hook` first, if there is one, then the iterator is closed."""

        def destroy(error: BaseException | None, callback: Callable[..., None]) -> None:
            def close(failure: BaseException | None = None) -> None:
                get_loop().begin_task(self._close(error if failure is None else failure, callback))

            if hook is None:
                close()
            else:
                hook(error, close)

        return destroy

    async def _close(self, error: BaseException | None, callback: Callable[..., None]) -> None:
        traceback = None if error is None else error.__traceback__
        try:
            await self._close_iterator(error)
        except Exception as failure:
            if error is None:
                error = failure
            elif failure is not error and error.__context__ is None:
                error.__context__ = failure
        else:
            if error is not None:
                error.__traceback__ = traceback  # where it came from: not what was told of it, whose frames it would keep
        get_loop().next_tick(callback, error)

    async def _close_iterator(self, error: BaseException | None) -> None:
        iterator, task = self._iterator, self._task
        if task is not None:  # it is at work: an iterator that runs cannot be closed
            cancel_begun(task)
            await _ended(task)
        if self._is_async:
            if error is not None and not _is_over(iterator) and hasattr(iterator, "athrow"):
                await _until_stop(iterator.athrow(error), error)
            if hasattr(iterator, "aclose"):
                await iterator.aclose()
        else:
            if error is not None and not _is_over(iterator) and hasattr(iterator, "throw"):
                _throw(iterator, error)
            if hasattr(iterator, "close"):
                iterator.close()


def _push(stream: Any, item: Any) -> bool:
    if item is None:
        raise TreadleError("ERR_STREAM_NULL_VALUES")
    return bool(stream.push(item))


def _is_over(iterator: Any) -> bool:
    # A generator that has ended, or failed: throwing into it would only raise.
    frame = getattr(iterator, "ag_frame", getattr(iterator, "gi_frame", iterator))
    return frame is None


async def _ended(task: Any) -> None:
    from asyncio import wait

    await wait((task,))


async def _until_stop(step: Awaitable[Any], error: BaseException) -> None:
    try:
        await step
    except StopAsyncIteration:
        pass
    except Exception as failure:
        if failure is not error:
            raise


def _throw(iterator: Any, error: BaseException) -> None:
    try:
        iterator.throw(error)
    except StopIteration:
        pass
    except Exception as failure:
        if failure is not error:
            raise
