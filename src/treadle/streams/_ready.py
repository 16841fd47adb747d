"""Waiting until a writable takes more. Invariant: however many wait for one stream, it has one listener for each event, and none
once nobody waits; what the stream fails with while somebody waits is theirs, and so is what it has failed with just before, as a
socket does inside write(), whose 'error' follows in a tick. Not here: what counts as full (_native.writable)."""

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from treadle._base.errors import TreadleError
from treadle.events.emitter import error_of
from treadle.loop.current import get_loop
from treadle.streams._block import note_raised

if TYPE_CHECKING:
    from treadle.streams._writable import Writable

__all__ = ["Waiters", "wait_until_ready"]

_EVENTS = ("drain", "finish", "close")


async def wait_until_ready(stream: "Writable") -> None:
    """See Writable.ready()."""
    failure: BaseException | None = None
    try:
        while True:
            failure = stream.errored if failure is None else failure
            if failure is not None:
                note_raised(failure)
                _take(stream, failure)
                raise failure
            if stream.writable_ended:
                raise TreadleError("ERR_STREAM_WRITE_AFTER_END")
            if stream.destroyed:
                raise TreadleError("ERR_STREAM_DESTROYED", operation="write")
            if not stream.writable_need_drain:
                return
            if stream._waiters is None:
                stream._waiters = Waiters(stream)
            failure = await stream._waiters.wait()
    finally:
        del stream, failure  # its error keeps this frame


def _take(stream: "Writable", failure: BaseException) -> None:
    # What is raised here and was not emitted yet is not to end the program as well, past any `except`.
    if not (stream._has_emitted_error() or stream._life() == "GONE" or stream.listener_count("error")):
        stream.once("error", partial(_let_pass, failure))


def _let_pass(failure: BaseException, *arguments: object) -> None:
    error = error_of(arguments)
    if error is not failure:
        raise error  # it is as if nobody had listened


class Waiters:
    """Those who wait for one stream."""

    def __init__(self, stream: "Writable") -> None:
        self._stream = stream
        self._futures: dict[Any, None] = {}  # for its order
        stream.on("error", self._fail)
        for event in _EVENTS:
            stream.on(event, self._wake)

    async def wait(self) -> BaseException | None:
        """Until something happens that may let the stream take more, or it fails: with what."""
        future: asyncio.Future[BaseException | None] = get_loop().create_future()
        self._futures[future] = None
        try:
            return await future
        finally:
            self._futures.pop(future, None)
            if not self._futures:
                self._end()

    def _wake(self, *_: object) -> None:  # a socket's 'close' says whether it had an error
        self._tell(None)

    def _fail(self, *arguments: object) -> None:
        error = error_of(arguments)
        if not self._tell(error) and not self._stream.listener_count("error"):
            raise error  # all of them were cancelled meanwhile: it is as if nobody had listened

    def _tell(self, error: BaseException | None) -> bool:
        futures = [future for future in self._futures if not future.done()]
        self._end()
        for future in futures:
            future.set_result(error)
        return bool(futures)

    def _end(self) -> None:
        # Who comes from now on makes others.
        if self._stream._waiters is self:
            self._stream._waiters = None
            self._stream.off("error", self._fail)
            for event in _EVENTS:
                self._stream.off(event, self._wake)
