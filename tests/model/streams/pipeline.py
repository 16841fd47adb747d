"""pipeline(): streams piped one into another, ended together, and destroyed together by the first error.

    source.pipe(stage), stage.pipe(...)     each link reports twice: that its source was read, that its destination was written
    the last report, or the first error     destroys every stage that is not through, and calls back in a tick

Not here: stages that are no streams.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tests.model.streams.errors import StreamError, abort_error, destroyed, is_abort, is_premature_close, premature_close
from tests.model.streams.finished import (
    Callback,
    Watch,
    destroy_if_unfinished,
    is_readable,
    once,
    watch_only_reading,
    watch_only_writing,
)
from treadle.loop.current import get_loop
from treadle.process import next_tick


def pipeline(*stages: Any, signal: Any = None, end: bool = True, callback: Callback | None = None) -> Any | Awaitable[None]:
    """With a callback: the last stage. Else an awaitable."""
    if callback is not None:
        return Pipeline(stages, callback, signal=signal, does_end=end).last
    future = get_loop().create_future()

    def settle(error: BaseException | None) -> None:
        if future.done():
            return
        if error:
            future.set_exception(error)
        else:
            future.set_result(None)

    Pipeline(stages, settle, signal=signal, does_end=end)
    return future


class Stage:
    """A stream that the pipeline destroys, unless it has come to its own end."""

    def __init__(self, stream: Any, *, reading: bool, writing: bool) -> None:
        self.stream = stream
        self.is_through = False  # set by 'close', and by an end without an error
        stream.on("close", self.on_close)
        self.watch = Watch(stream, self.on_over, readable=reading, writable=writing)

    def on_close(self) -> None:
        self.is_through = True

    def on_over(self, error: BaseException | None) -> None:
        self.is_through = error is None

    def destroy(self, error: BaseException | None) -> None:
        if not self.is_through:
            self.is_through = True
            destroy_if_unfinished(self.stream, error or destroyed())


class Pipeline:
    """One call of pipeline()."""

    def __init__(self, streams: tuple[Any, ...], callback: Callback, *, signal: Any, does_end: bool) -> None:
        if len(streams) < 2:
            raise StreamError("ERR_MISSING_ARGS")
        if any(stream.closed or stream.destroyed for stream in streams[1:]):  # before anything begins: ADR 0010
            raise StreamError("ERR_STREAM_UNABLE_TO_PIPE")
        self.callback = once(callback)
        self.signal = signal
        self.does_end = does_end
        self.last = streams[-1]
        self.error: BaseException | None = None
        self.to_destroy: list[Stage] = []
        self.reports_missing = 0
        self.cleanups: list[Callable[[], object]] = []  # of listeners on the last stage, which may be read afterwards
        if signal is not None and not signal.aborted:
            signal.add_event_listener("abort", self.abort)
        source = None
        for stream, following in zip(streams, (*streams[1:], None), strict=True):
            self.add_stage(stream, is_first=source is None, is_last=following is None)
            if source is not None:
                self.reports_missing += 2
                self.link(source, stream)
            source = stream
        if signal is not None and signal.aborted:
            next_tick(self.abort)

    def add_stage(self, stream: Any, *, is_first: bool, is_last: bool) -> None:
        is_read_afterwards = is_last and bool(is_readable(stream))
        if self.does_end or not is_last:
            stage = Stage(stream, reading=not is_last, writing=not is_first)
            self.to_destroy.append(stage)
            if is_read_afterwards:
                self.cleanups.append(stage.watch.cleanup)
        stream.on("error", self.on_error)
        if is_read_afterwards:
            self.cleanups.append(lambda: stream.off("error", self.on_error))

    def link(self, source: Any, destination: Any) -> None:
        is_last = destination is self.last
        does_end = self.does_end or not is_last
        is_complete = False

        def on_close() -> None:
            if not is_complete:
                self.came_to(premature_close())

        def end_destination() -> None:
            nonlocal is_complete
            is_complete = True
            destination.end()

        def source_over(error: BaseException | None) -> None:
            side = source.read_side
            is_only_early = error is not None and is_premature_close(error) and not side.is_open
            if is_only_early and source.errored is None:  # 'close' came before 'end': what is left is still read
                source.once("end", self.report)
                source.once("error", self.report)
            else:
                self.report(error)

        destination.on("close", on_close)
        source.pipe(destination, end=False)
        if not does_end:
            self.report()
        elif source.errored is None and source.read_side.is_ended:
            next_tick(end_destination)
        else:
            source.once("end", end_destination)
        watch_only_reading(source, source_over)
        watch = watch_only_writing(destination, self.report)
        if is_last and is_readable(destination):
            self.cleanups.append(watch.cleanup)

    # ---- how it comes out

    def on_error(self, error: BaseException) -> None:
        """Of any stage, after it was linked. Consequences of another error are no news."""
        if not is_abort(error) and not is_premature_close(error):
            self.came_to(error)

    def abort(self, *_: object) -> None:
        self.came_to(abort_error())

    def report(self, error: BaseException | None = None) -> None:
        self.reports_missing -= 1
        self.came_to(error, is_last=self.reports_missing == 0)

    def came_to(self, error: BaseException | None, *, is_last: bool = False) -> None:
        """A real error takes the place of one that is only its consequence."""
        if error and (self.error is None or is_premature_close(self.error) or is_abort(self.error)):
            self.error = error
        if self.error is None and not is_last:
            return
        while self.to_destroy:
            self.to_destroy.pop(0).destroy(self.error)
        if self.signal is not None:
            self.signal.remove_event_listener("abort", self.abort)
        if is_last:
            if self.error is None:
                for cleanup in self.cleanups:
                    cleanup()
            next_tick(self.callback, self.error)
