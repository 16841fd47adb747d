"""finished(): told once when a stream has ended, failed, or closed too early."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from tests.model.streams.errors import abort_error, premature_close
from treadle.loop.current import get_loop
from treadle.process import next_tick

Callback = Callable[[BaseException | None], object]


def has_read_side(stream: Any) -> bool:
    return stream.read_side is not None and stream.read_side.is_enabled


def has_write_side(stream: Any) -> bool:
    return stream.write_side is not None and stream.write_side.is_enabled


def is_readable(stream: Any) -> bool | None:
    """None: it has no such side."""
    if stream.read_side is None:
        return None
    return not stream.destroyed and has_read_side(stream) and stream.readable and not stream.read_side.is_ended


def is_writable(stream: Any) -> bool | None:
    if stream.write_side is None:
        return None
    return not stream.destroyed and stream.write_side_is_writable


def is_all_read(stream: Any) -> bool:
    """'end' was emitted, or is only a matter of ticks."""
    side = stream.read_side
    if not has_read_side(stream) or stream.errored is not None:
        return False
    return side.is_ended or (not side.is_open and side.length == 0)


def is_all_written(stream: Any) -> bool:
    side = stream.write_side
    if not has_write_side(stream):
        return False
    if side.ending.is_finished:
        return True
    return stream.errored is None and side.ending.has_begun and side.length == 0


def will_close(stream: Any) -> bool:
    return stream.life.auto_destroy and stream.life.emit_close and not stream.closed


def finished(
    stream: Any,
    *,
    callback: Callback | None = None,
    readable: bool | None = None,
    writable: bool | None = None,
    error: bool = True,
    signal: Any = None,
    cleanup: bool = False,
) -> Callable[[], None] | Awaitable[None]:
    """With a callback: what removes it and its listeners, which stay otherwise. Else an awaitable."""
    options = {"readable": readable, "writable": writable, "error": error, "signal": signal}
    if callback is not None:
        return Watch(stream, callback, **options).cleanup
    future = get_loop().create_future()

    def settle(error: BaseException | None) -> None:
        if cleanup:
            watch.cleanup()
        if future.done():
            return
        if error:
            future.set_exception(error)
        else:
            future.set_result(None)

    watch = Watch(stream, settle, **options)
    return future


class Watch:
    """One call of finished()."""

    def __init__(
        self,
        stream: Any,
        callback: Callback,
        *,
        readable: bool | None = None,
        writable: bool | None = None,
        error: bool = True,
        signal: Any = None,
    ) -> None:
        self.stream = stream
        self.callback: Callback | None = callback  # cleared when it was called, and by cleanup
        self.readable = has_read_side(stream) if readable is None else readable
        self.writable = has_write_side(stream) if writable is None else writable
        self.is_all_read = is_all_read(stream)  # set by 'end' as well
        self.is_all_written = is_all_written(stream)  # set by 'finish' as well
        #: 'close' is what to wait for. Cleared where a stream that is destroyed already goes on to end.
        self.waits_for_close = (
            will_close(stream) and has_read_side(stream) == self.readable and has_write_side(stream) == self.writable
        )
        self.signal = signal
        self.listeners = {"end": self.on_end, "finish": self.on_finish, "error": self.on_error, "close": self.on_close}
        if not error:
            del self.listeners["error"]
        for event, listener in self.listeners.items():
            stream.on(event, listener)
        self.look_at_what_is_over()
        if signal is not None and not stream.closed:
            self.listen_to_signal()

    def tell(self, error: BaseException | None = None) -> None:
        callback, self.callback = self.callback, None
        if callback:
            self.forget_signal()
            callback(error)

    def cleanup(self) -> None:
        self.callback = None
        for event, listener in self.listeners.items():
            self.stream.off(event, listener)

    # ---- events

    def on_finish(self) -> None:
        stream = self.stream
        self.is_all_written = True
        if stream.destroyed:
            self.waits_for_close = False
        if self.waits_for_close and (self.readable or not is_still_readable(stream)):
            return
        if not self.readable or self.is_all_read:
            self.tell()

    def on_end(self) -> None:
        stream = self.stream
        self.is_all_read = True
        if stream.destroyed:
            self.waits_for_close = False
        if self.waits_for_close and (self.writable or not stream.write_side_is_writable):
            return
        if not self.writable or self.is_all_written:
            self.tell()

    def on_error(self, error: BaseException) -> None:
        self.tell(error)

    def on_close(self) -> None:
        stream = self.stream
        is_cut_short = (self.readable and not self.is_all_read and has_read_side(stream) and not is_all_read(stream)) or (
            self.writable and not self.is_all_written and not is_all_written(stream)
        )
        self.tell(stream.errored or (premature_close() if is_cut_short else None))

    # ---- what was over before

    def look_at_what_is_over(self) -> None:
        stream = self.stream
        is_over: bool | None = False
        is_done_reading = self.is_all_read or is_readable(stream) is False
        is_done_writing = (self.is_all_written or is_writable(stream) is False) and is_idle(stream)
        waits = self.waits_for_close
        if stream.closed:
            next_tick(self.on_close)
        elif stream.life.has_emitted_error:
            is_over = not waits
        else:
            is_over = not self.readable and is_done_writing and (not waits or is_readable(stream))
            is_over = is_over or (not self.writable and is_done_reading and (not waits or is_writable(stream)))
        if is_over:
            next_tick(self.on_over)

    def on_over(self) -> None:
        self.tell(self.stream.errored)

    # ---- the signal

    def listen_to_signal(self) -> None:
        if self.signal.aborted:
            next_tick(self.on_abort)
        else:
            self.signal.add_event_listener("abort", self.on_abort)

    def forget_signal(self) -> None:
        if self.signal is not None:
            self.signal.remove_event_listener("abort", self.on_abort)

    def on_abort(self, *_: object) -> None:
        callback = self.callback
        self.cleanup()
        if callback:
            self.forget_signal()
            callback(abort_error())


def is_still_readable(stream: Any) -> bool:
    return stream.read_side is not None and stream.readable


def is_idle(stream: Any) -> bool:
    return stream.write_side is None or stream.write_side.pending == 0


def destroy_if_unfinished(stream: Any, error: BaseException | None = None) -> None:
    """As an abortion, if it was not through and nothing else is the matter."""
    if stream.destroyed:
        return
    is_over = not is_readable(stream) and not is_writable(stream)
    stream.destroy(error or (None if is_over else abort_error()))


def once(callback: Callback) -> Callback:
    calls = [callback]
    return lambda error=None: calls.pop()(error) if calls else None


watch_only_reading = partial(Watch, readable=True, writable=False)
watch_only_writing = partial(Watch, readable=False, writable=True)
