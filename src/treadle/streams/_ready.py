"""Waiting until a writable takes more. Invariant: however many wait, the stream has one listener of each kind for them, and none
when nobody waits. Not here: what counts as full (_native.writable)."""

from typing import TYPE_CHECKING, Any, Final

from treadle._base.errors import TreadleError
from treadle.loop.current import get_loop

if TYPE_CHECKING:
    from treadle.streams._writable import Writable

__all__ = ["wait_until_ready"]

_EVENTS: Final = ("drain", "finish", "close")


async def wait_until_ready(stream: "Writable") -> None:
    """See Writable.ready()."""
    while True:
        if stream.errored is not None:
            raise stream.errored
        if stream.destroyed:
            raise TreadleError("ERR_STREAM_DESTROYED", operation="write")
        if stream.writable_ended:
            raise TreadleError("ERR_STREAM_WRITE_AFTER_END")
        if not stream.writable_need_drain:
            return
        if stream._waiters is None:
            stream._waiters = _Waiters(stream)
        await stream._waiters.wait()


class _Waiters:
    """Those who wait for one stream, woken together."""

    def __init__(self, stream: "Writable") -> None:
        self._stream = stream
        self._futures: list[Any] = []
        for event in _EVENTS:
            stream.on(event, self._wake)

    async def wait(self) -> None:
        future = get_loop().create_future()
        self._futures.append(future)
        try:
            await future
        except BaseException:
            if future in self._futures:
                self._futures.remove(future)
                if not self._futures:
                    self._forget()
            raise

    def _wake(self) -> None:
        futures, self._futures = self._futures, []
        self._forget()
        for future in futures:
            if not future.done():
                future.set_result(None)

    def _forget(self) -> None:
        if self._stream._waiters is self:
            self._stream._waiters = None
            for event in _EVENTS:
                self._stream.off(event, self._wake)
