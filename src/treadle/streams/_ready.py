"""Waiting until a writable takes more. Not here: what counts as full (_native.writable)."""

from typing import TYPE_CHECKING

from treadle._base.errors import TreadleError
from treadle.loop.current import get_loop

if TYPE_CHECKING:
    from treadle.streams._writable import Writable

__all__ = ["wait_until_ready"]


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
        waiter = get_loop().create_future()

        def wake(*_: object, waiter: "object" = waiter) -> None:
            if not waiter.done():  # type: ignore[attr-defined]
                waiter.set_result(None)  # type: ignore[attr-defined]

        events = ("drain", "finish", "close")
        for event in events:
            stream.on(event, wake)
        try:
            await waiter
        finally:
            for event in events:
                stream.off(event, wake)
