"""Timers to await: `sleep`, `immediate` and `interval`, which are setTimeout, setImmediate and setInterval in Node's module.

Source: https://nodejs.org/api/timers.html#timers-promises-api.

Invariant: whoever is cancelled or aborted leaves no timer and no listener behind; nobody is held by what they do not wait for.
Not here: timers that call back (treadle.timers).
"""

from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

from treadle._base.errors import TreadleError
from treadle.events.abort import AbortEvent, AbortSignal, require_signal
from treadle.loop.current import get_loop
from treadle.timers.callbacks import set_immediate, set_interval, set_timeout

if TYPE_CHECKING:
    from asyncio import Future

__all__ = ["immediate", "interval", "sleep"]

_T = TypeVar("_T")


class _Handle(Protocol):
    """What Timeout and Immediate have in common."""

    def close(self) -> object: ...
    def unref(self) -> object: ...


@overload
def sleep(
    delay_ms: float = 1, value: None = None, /, *, ref: bool = True, signal: AbortSignal | None = None
) -> "Future[None]": ...
@overload
def sleep(delay_ms: float, value: _T, /, *, ref: bool = True, signal: AbortSignal | None = None) -> "Future[_T]": ...
def sleep(delay_ms: float = 1, value: Any = None, /, *, ref: bool = True, signal: AbortSignal | None = None) -> "Future[Any]":
    """A future of `value`, done in the timers phase, `delay_ms` from this call on or later.

    ref: whether it holds the program. signal: aborted, it fails the future. Raises TreadleError: ERR_NO_LOOP,
    ERR_INVALID_ARG_TYPE; ABORT_ERR from the await, with the signal's reason as `data["reason"]`.
    """
    return _wait(lambda done: set_timeout(done, delay_ms), value, ref, signal)


@overload
def immediate(value: None = None, /, *, ref: bool = True, signal: AbortSignal | None = None) -> "Future[None]": ...
@overload
def immediate(value: _T, /, *, ref: bool = True, signal: AbortSignal | None = None) -> "Future[_T]": ...
def immediate(value: Any = None, /, *, ref: bool = True, signal: AbortSignal | None = None) -> "Future[Any]":
    """A future of `value`, done in the check phase, after the I/O of this turn. Otherwise as `sleep`."""
    return _wait(set_immediate, value, ref, signal)


@overload
def interval(
    delay_ms: float = 1, value: None = None, /, *, ref: bool = True, signal: AbortSignal | None = None
) -> AsyncGenerator[None, None]: ...
@overload
def interval(
    delay_ms: float, value: _T, /, *, ref: bool = True, signal: AbortSignal | None = None
) -> AsyncGenerator[_T, None]: ...
def interval(
    delay_ms: float = 1, value: Any = None, /, *, ref: bool = True, signal: AbortSignal | None = None
) -> AsyncGenerator[Any, None]:
    """`value` every `delay_ms`, from the first step of the loop over it on; what was missed meanwhile comes at once.

    It holds the program while it is waited for. Left by `break`, it ends with its last reference, or by `aclose()`.
    Raises TreadleError: as `sleep`.
    """
    if signal is not None:
        require_signal(signal, "signal")
    return _beats(delay_ms, value, ref, signal)


async def _beats(delay_ms: float, value: object, ref: bool, signal: AbortSignal | None) -> AsyncGenerator[Any, None]:
    due = 0
    waiter: Future[None] | None = None

    def wake(_: object = None) -> None:
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def on_time() -> None:
        nonlocal due
        due += 1
        wake()

    timer = set_interval(on_time, delay_ms).unref()
    try:
        if signal is not None:
            signal.add_event_listener("abort", wake)
        while signal is None or not signal.aborted:
            if due == 0:
                waiter = get_loop().create_future()
                if ref:
                    timer.ref()
                await waiter
                timer.unref()  # who does not wait is not held: Python's `break` leaves it as it is
            while due:
                due -= 1
                yield value
        raise _aborted(signal)
    finally:
        timer.close()
        if signal is not None:
            signal.remove_event_listener("abort", wake)


def _wait(start: Callable[[Callable[[], None]], _Handle], value: object, ref: bool, signal: AbortSignal | None) -> "Future[Any]":
    if signal is not None:
        require_signal(signal, "signal")
    outcome: Future[Any] = get_loop().create_future()
    if signal is not None and signal.aborted:
        outcome.set_exception(_aborted(signal))
        return outcome

    def finish() -> None:
        if not outcome.done():
            outcome.set_result(value)

    def give_up(event: AbortEvent) -> None:
        if not outcome.done():
            outcome.set_exception(_aborted(event.target))

    def clean_up(_: object) -> None:
        handle.close()
        if signal is not None:
            signal.remove_event_listener("abort", give_up)

    handle = start(finish)
    if not ref:
        handle.unref()
    if signal is not None:
        signal.add_event_listener("abort", give_up)
    outcome.add_done_callback(clean_up)
    return outcome


def _aborted(signal: AbortSignal) -> TreadleError:
    """As Node: an AbortError whose cause is the reason."""
    error = TreadleError("ABORT_ERR", reason=signal.reason)
    if isinstance(signal.reason, BaseException):
        error.__cause__ = signal.reason
    return error
