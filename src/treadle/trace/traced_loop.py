"""A loop that notes where each callback is scheduled. Not here: what becomes of it (recorder.py)."""

from collections.abc import Callable
from contextvars import Context
from typing import Any, TypeVar

from treadle._native.check_phase import Immediate
from treadle._native.queues import Handle
from treadle._native.timers import Alarm, Timeout
from treadle.loop.event_loop import EventLoop
from treadle.trace.recorder import Recorder

__all__ = ["TracedEventLoop"]

_T = TypeVar("_T")


class TracedEventLoop(EventLoop):
    """An EventLoop that tells a recorder all it does, until the recorder has enough."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder  # ORDER: first, since a whole loop may be closed
        super().__init__()
        recorder.on_over = self._stop_tracing
        self.observe(self.is_debug, recorder)

    def _stop_tracing(self) -> None:
        self.observe(self.is_debug, None)

    def close(self) -> None:
        """EventLoop's; the recorder has its last turn."""
        super().close()
        self._recorder.close()

    # ---- each as in EventLoop

    def next_tick(self, callback: Callable[..., object], *args: Any) -> None:  # type: ignore[override]
        super().next_tick(self._recorder.wrapped(callback, "next_tick", args), *args)

    def queue_microtask(self, callback: Callable[[], object]) -> None:
        super().queue_microtask(self._recorder.wrapped(callback, "queue_microtask"))

    def set_immediate(self, callback: Callable[..., object], *args: Any) -> Immediate:  # type: ignore[override]
        return self._noted(super().set_immediate(callback, *args), "set_immediate")

    def set_timeout(self, callback: Callable[..., object], delay_ms: float, *args: Any) -> Timeout:  # type: ignore[override]
        return self._noted(super().set_timeout(callback, delay_ms, *args), "set_timeout", delay_ms)

    def set_interval(self, callback: Callable[..., object], delay_ms: float, *args: Any) -> Timeout:  # type: ignore[override]
        return self._noted(super().set_interval(callback, delay_ms, *args), "set_interval", delay_ms)

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Handle:  # type: ignore[override]
        return self._noted(super().call_soon(callback, *args, context=context), "call_soon")

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Handle:  # type: ignore[override]
        return self._noted(super().call_soon_threadsafe(callback, *args, context=context), "call_soon_threadsafe")

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Alarm:
        return self._noted(super().call_later(delay, callback, *args, context=context), "call_later", delay * 1e3)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Alarm:  # type: ignore[override]
        delay_ms = (when - self.time()) * 1e3
        return self._noted(super().call_at(when, callback, *args, context=context), "call_at", delay_ms)

    def _add_reader(self, fd: Any, callback: Callable[..., object], *args: Any) -> Handle:  # type: ignore[override]
        return self._noted(super()._add_reader(fd, callback, *args), "add_reader")

    def _add_writer(self, fd: Any, callback: Callable[..., object], *args: Any) -> Handle:  # type: ignore[override]
        return self._noted(super()._add_writer(fd, callback, *args), "add_writer")

    def _noted(self, handle: _T, how: str, delay_ms: float | None = None) -> _T:
        self._recorder.scheduled(handle, how, delay_ms)
        return handle
