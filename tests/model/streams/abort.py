"""An AbortSignal that destroys a stream."""

from __future__ import annotations

from typing import Any

from tests.model.streams.errors import abort_error
from tests.model.streams.finished import Watch


def add_abort_signal(signal: Any, stream: Any) -> Any:
    """Until the stream is finished."""

    def on_abort(*_: object) -> None:
        stream.destroy(abort_error())

    if signal.aborted:
        on_abort()
    else:
        signal.add_event_listener("abort", on_abort)
        Watch(stream, lambda _: signal.remove_event_listener("abort", on_abort))
    return stream
