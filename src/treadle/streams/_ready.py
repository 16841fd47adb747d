"""Waiting until a writable takes more. Invariant: however many wait for one stream, it has one listener for each event, and none
once nobody waits. Not here: what counts as full (_native.writable)."""

from typing import TYPE_CHECKING, Any

from treadle._base.errors import TreadleError
from treadle.loop.current import get_loop

if TYPE_CHECKING:
    from treadle.streams._writable import Writable

__all__ = ["Waiters", "wait_until_ready"]

_EVENTS = ("drain", "finish", "close")


async def wait_until_ready(stream: "Writable") -> None:
    """See Writable.ready()."""
    try:
        while True:
            if stream.errored is not None:
                raise stream.errored
            if stream.writable_ended:
                raise TreadleError("ERR_STREAM_WRITE_AFTER_END")
            if stream.destroyed:
                raise TreadleError("ERR_STREAM_DESTROYED", operation="write")
            if not stream.writable_need_drain:
                return
            if stream._waiters is None:
                stream._waiters = Waiters(stream)
            await stream._waiters.wait()
    finally:
        del stream  # its error keeps this frame


class Waiters:
    """Those who wait for one stream."""

    def __init__(self, stream: "Writable") -> None:
        self._stream = stream
        self._futures: dict[Any, None] = {}  # for its order
        for event in _EVENTS:
            stream.on(event, self._wake)

    async def wait(self) -> None:
        """Until something happens that may let the stream take more."""
        future: Any = get_loop().create_future()
        self._futures[future] = None
        try:
            await future
        finally:
            self._futures.pop(future, None)
            if not self._futures:
                self._end()

    def _wake(self, *_: object) -> None:  # a socket's 'close' says whether it had an error
        futures = self._futures
        self._end()
        for future in futures:
            if not future.done():
                future.set_result(None)

    def _end(self) -> None:
        # Who comes from now on makes others.
        if self._stream._waiters is self:
            self._stream._waiters = None
            for event in _EVENTS:
                self._stream.off(event, self._wake)
