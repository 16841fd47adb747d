"""An AbortSignal that destroys a stream. Source: https://nodejs.org/api/stream.html#streamaddabortsignalsignal-stream"""

from collections.abc import Callable
from typing import Any, TypeVar

from treadle._base.errors import TreadleError
from treadle.events.abort import AbortEvent, AbortSignal, require_signal
from treadle.streams._finished import watch
from treadle.streams._stream import Stream

__all__ = ["add_abort_signal", "heed"]

_S = TypeVar("_S", bound=Stream)


def add_abort_signal(signal: AbortSignal, stream: _S) -> _S:
    """Destroy `stream` with ABORT_ERR once `signal` is aborted, at once if it is. Returns the stream.

    Raises TreadleError: ERR_INVALID_ARG_TYPE.
    """
    require_signal(signal, "signal")
    if not isinstance(stream, Stream):
        raise TreadleError("ERR_INVALID_ARG_TYPE", name="stream", expected="a stream", received=type(stream).__name__)
    heed(signal, stream)
    return stream


def heed(signal: AbortSignal, stream: Any) -> Callable[[], None]:
    """The same. Returns what has the signal forget the stream, which it does by itself once that is through."""

    def abort(_: AbortEvent | None = None) -> None:
        stream.destroy(TreadleError("ABORT_ERR", reason=signal.reason))

    def forget(_: BaseException | None = None) -> None:
        signal.remove_event_listener("abort", abort)

    if signal.aborted:
        abort()
    else:
        signal.add_event_listener("abort", abort)
        watch(stream, forget)
    return forget
