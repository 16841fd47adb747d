"""finished(): told once when a stream is through, or will never be.

    what is watched       ends well                              ends badly
    readable side         'end'                                  'error', or 'close' before 'end'
    writable side         'finish'                               'error', or 'close' before 'finish'

Where the stream will close by itself, 'close' is waited for. Invariants: the callback is called once; its context is that of
finished(); a watch does not hold its stream, with which its listeners stay, nor who was told. Not here: destroying (pipeline
does).
Source: https://nodejs.org/api/stream.html#streamfinishedstream-options-callback
"""

from collections.abc import Awaitable, Callable, Iterator
from contextvars import copy_context
from functools import partial
from typing import Any, Final, overload
from weakref import ref

from treadle._base.arguments import require_callable
from treadle._base.errors import TreadleError
from treadle.events import Listener
from treadle.events.abort import AbortEvent, AbortSignal, require_signal
from treadle.loop.current import get_loop
from treadle.streams._outcome import StreamFuture
from treadle.streams._stream import Stream

__all__ = ["finished", "watch"]

Callback = Callable[[BaseException | None], object]


@overload
def finished(
    stream: Stream, *, readable: bool | None = None, writable: bool | None = None, error: bool = True,
    signal: AbortSignal | None = None, cleanup: bool = False,
) -> Awaitable[None]: ...  # fmt: skip


@overload
def finished(
    stream: Stream, *, callback: Callback, readable: bool | None = None, writable: bool | None = None, error: bool = True,
    signal: AbortSignal | None = None, cleanup: bool = False,
) -> Callable[[], None]: ...  # fmt: skip


def finished(
    stream: Stream,
    *,
    callback: Callback | None = None,
    readable: bool | None = None,
    writable: bool | None = None,
    error: bool = True,
    signal: AbortSignal | None = None,
    cleanup: bool = False,
) -> Awaitable[None] | Callable[[], None]:
    """Await the end of a stream, or have callback(error or None) called at it; then the function that forgets it is returned.

    readable, writable: False does not wait for that side. error: False ignores 'error'. signal: gives up with ABORT_ERR, the
    stream goes on. The listeners stay, so that a late 'error' does not end the program; cleanup: True removes them. Raises, or
    is called with, what the stream failed with, or TreadleError: ERR_STREAM_PREMATURE_CLOSE. Raises TreadleError:
    ERR_INVALID_ARG_TYPE.
    """
    if callback is not None:
        require_callable(callback, "callback")
        return watch(stream, callback, readable=readable, writable=writable, error=error, signal=signal, cleanup=cleanup)
    future: StreamFuture[None] = StreamFuture(loop=get_loop())

    def settle(failure: BaseException | None) -> None:
        if not future.done():
            if failure is None:
                future.set_result(None)
            else:
                future.set_exception(failure)

    forget = watch(stream, settle, readable=readable, writable=writable, error=error, signal=signal, cleanup=cleanup)
    future.add_done_callback(lambda _: forget() if future.cancelled() else None)
    return future


def watch(
    stream: Any,
    callback: Callback,
    *,
    readable: bool | None = None,
    writable: bool | None = None,
    error: bool = True,
    signal: AbortSignal | None = None,
    cleanup: bool = False,
) -> Callable[[], None]:
    """As finished() with a callback."""
    if not isinstance(stream, Stream):
        raise TreadleError("ERR_INVALID_ARG_TYPE", name="stream", expected="a stream", received=type(stream).__name__)
    if signal is not None:
        require_signal(signal, "signal")
    return partial(_Watch(stream, callback, readable, writable, error, signal, cleanup).forget, stream)


_EVENTS: Final = ("end", "finish", "close", "error")


class _Watch:
    """One stream that is watched."""

    __slots__ = (
        "_callback", "_context", "_forgets_by_itself", "_hears_error", "_is_read", "_is_written", "_readable", "_signal",
        "_stream_of", "_waits_for_close", "_writable",
    )  # fmt: skip  # a pipeline has several

    def __init__(
        self,
        stream: Any,
        callback: Callback,
        readable: bool | None,
        writable: bool | None,
        error: bool,
        signal: AbortSignal | None,
        cleanup: bool,
    ) -> None:
        reads, writes = stream._reads(), stream._writes()
        self._stream_of: Callable[[], Any] = ref(stream)  # it is there: it emits
        self._callback: Callback | None = callback  # None once it was told, or is forgotten
        self._context: Any = copy_context()  # likewise
        self._readable = reads if readable is None else readable
        self._writable = writes if writable is None else writable
        self._waits_for_close = stream._will_close() and reads == self._readable and writes == self._writable
        self._is_read = stream._is_read()
        self._is_written = stream._is_written()
        self._forgets_by_itself = cleanup
        self._signal = signal
        self._hears_error = error
        for event, listener in self._listeners():
            stream.on(event, listener)
        self._look_at_what_has_been(stream)
        if signal is not None and not stream.closed:
            if signal.aborted:
                get_loop().next_tick(self._give_up, stream)
            else:
                signal.add_event_listener("abort", self._on_abort)

    def _listeners(self) -> Iterator[tuple[str, Listener]]:
        for event in _EVENTS:
            if event != "error" or self._hears_error:
                yield event, getattr(self, f"_on_{event}")

    def _look_at_what_has_been(self, stream: Any) -> None:
        # No event comes any more of what has happened already.
        soon = get_loop().next_tick
        if stream.closed:
            soon(self._settle_closed, stream)
        elif stream._has_emitted_error():
            if not self._waits_for_close:
                soon(self._settle_by_state, stream)
        elif not self._readable and (
            (not self._waits_for_close or _can_read(stream))
            and (self._is_written or _can_write(stream) is False)
            and (not stream._writes() or stream._pending() == 0)
        ) or not self._writable and (
            (not self._waits_for_close or _can_write(stream)) and (self._is_read or _can_read(stream) is False)
        ):  # fmt: skip
            soon(self._settle_by_state, stream)

    # -- what is heard ---------------------------------------------------------------------------------------------

    def _on_end(self) -> None:
        self._is_read = True
        stream = self._stream_of()
        if stream.destroyed:
            self._waits_for_close = False
        if self._waits_for_close and (not getattr(stream, "writable", False) or self._writable):
            return
        if not self._writable or self._is_written:
            self._call()

    def _on_finish(self) -> None:
        self._is_written = True
        stream = self._stream_of()
        if stream.destroyed:
            self._waits_for_close = False
        if self._waits_for_close and (not getattr(stream, "readable", False) or self._readable):
            return
        if not self._readable or self._is_read:
            self._call()

    def _on_close(self, *_: object) -> None:
        self._settle_closed(self._stream_of())

    def _settle_closed(self, stream: Any) -> None:
        if stream.errored is not None:
            self._call(stream.errored)
        elif (self._readable and not self._is_read and stream._reads() and not stream._is_read()) or (
            self._writable and not self._is_written and not stream._is_written()
        ):
            self._call(TreadleError("ERR_STREAM_PREMATURE_CLOSE"))
        else:
            self._call()

    def _on_error(self, error: BaseException) -> None:
        self._call(error)

    def _settle_by_state(self, stream: Any) -> None:
        self._call(stream.errored)

    def _on_abort(self, _: AbortEvent) -> None:
        self._give_up(self._stream_of())

    def _give_up(self, stream: Any) -> None:
        callback, context, signal = self._callback, self._context, self._signal
        self.forget(stream)
        if callback is not None:
            assert signal is not None
            context.run(callback, TreadleError("ABORT_ERR", reason=signal.reason))

    # -- once ----------------------------------------------------------------------------------------------------------

    def _call(self, error: BaseException | None = None) -> None:
        callback, context = self._callback, self._context
        if callback is None:
            return
        self._let_go()
        if self._forgets_by_itself:
            self.forget(self._stream_of())
        context.run(callback, error)

    def forget(self, stream: Any) -> None:
        """Call nobody any more, and listen no more. stream: the one that is watched; None: it is gone."""
        self._let_go()
        if stream is not None:
            for event, listener in self._listeners():
                stream.off(event, listener)

    def _let_go(self) -> None:
        if self._signal is not None:
            self._signal.remove_event_listener("abort", self._on_abort)
        self._callback = self._context = self._signal = None


def _can_read(stream: Any) -> bool | None:
    # None: it has no readable side at all.
    return None if getattr(stream, "readable", None) is None else bool(stream.readable and not stream.readable_ended)


def _can_write(stream: Any) -> bool | None:
    return None if getattr(stream, "writable", None) is None else bool(stream.writable and not stream.writable_ended)
