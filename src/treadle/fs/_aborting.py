"""Operations that an AbortSignal ends. Source: Node, the option `signal` of fs.readFile and fs.writeFile.

    signal ──abort──► Abortable ──a read──► it is cancelled, and told at once
                          └───────a write──► it stops at its next step, and is told once nothing is written any more

Invariants: it is told of once, if at all; behind its end, whichever that is, the signal knows nothing of it.
Not here: how a job stops (_native.fs_transfers).
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Any
from weakref import ref

from treadle._base.errors import TreadleError
from treadle._native.pool import Request
from treadle.events import AbortSignal
from treadle.events.abort import AbortEvent, require_signal
from treadle.fs._arguments import require_callback
from treadle.loop.event_loop import EventLoop
from treadle.pool import RequestFuture

__all__ = ["aborted", "begin_abortable", "cancel"]

Begin = Callable[..., Request]
Stop = Callable[[Any], bool]  # ends a request; whether its callback will come no more


def aborted(signal: AbortSignal) -> TreadleError:
    """What is told. COMPAT(node): an error of its own, whose cause is the reason."""
    return TreadleError("ABORT_ERR", reason=signal.reason)


def cancel(request: Request) -> bool:
    """A Stop."""
    request.cancel()
    return True


def begin_abortable(
    loop: EventLoop, begin: Begin, callback: Any, signal: AbortSignal, stop: Stop
) -> tuple[Request | None, RequestFuture[Any] | None]:
    """begin(callback, is_awaited=...), unless the signal is aborted: the request, and the future where there is no callback.
    What the signal ends is told to the future now, to a callback in a tick."""
    require_signal(signal, "signal")
    future: RequestFuture[Any] | None = None
    if callback is None:
        future = RequestFuture(loop=loop)
        callback = tell = future.settle
    else:
        require_callback(callback)
        tell = partial(copy_context().run, loop.next_tick, callback)
    if signal.aborted:
        tell(aborted(signal), None)
        return None, future
    request = Abortable(signal, callback, tell, stop).begin(begin, is_awaited=future is not None)
    if future is not None:
        future.request = request
    return request, future


class Abortable:
    """The callback of a request. OWNER: the request, so that both are gone together; then the signal forgets it."""

    __slots__ = ("__weakref__", "_callback", "_forget", "_request", "_signal", "_stop", "_tell")

    def __init__(self, signal: AbortSignal, callback: Callable[..., object], tell: Callable[..., object], stop: Stop) -> None:
        self._signal = signal
        self._callback = callback
        self._tell = tell
        self._stop = stop
        self._request: Request | None = None  # None: it is through
        self._forget: Callable[[], None] | None = None

    def begin(self, begin: Begin, *, is_awaited: bool) -> Request:
        """Ask for it, and listen to the signal."""
        signal = self._signal
        request = self._request = begin(callback=self, is_awaited=is_awaited)

        def on_abort(_: AbortEvent) -> None:
            abortable = known()
            if abortable is not None:
                abortable._abort()

        known = ref(self, lambda _: signal.remove_event_listener("abort", on_abort))
        self._forget = partial(signal.remove_event_listener, "abort", on_abort)
        signal.add_event_listener("abort", on_abort)
        return request

    def __call__(self, error: BaseException | None, result: Any = None) -> None:
        """The request is through."""
        self._end()
        if isinstance(error, OSError) and error.errno == errno.ECANCELED and self._signal.aborted:
            error = aborted(self._signal)
        self._callback(error, result)

    def _abort(self) -> None:
        if self._request is not None and self._stop(self._request):
            self._end()
            self._tell(aborted(self._signal), None)

    def _end(self) -> None:
        self._request = None
        if self._forget is not None:
            self._forget()
            self._forget = None
