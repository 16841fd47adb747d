"""Duplex.from_(): a Duplex made of other things.

    a stream, or a pair of streams      both sides are passed through
    a function                          gets what is written, as an async iterable; what it yields is read
    an iterable                         is read
    an awaitable                        its result is read, as one chunk

Invariants: an error on either side destroys the other; the Duplex is closed when both are. Not here: pipeline(), which connects
stages without one. Source: https://nodejs.org/api/stream.html#streamduplexfromsrc
"""

from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from inspect import isgenerator
from typing import Any

from treadle._base.errors import TreadleError
from treadle.events import AbortController
from treadle.loop.current import get_loop
from treadle.streams._asyncio_bridge import ReaderWriter
from treadle.streams._calls import call_stage
from treadle.streams._destroyer import destroy_stage
from treadle.streams._duplex import Duplex
from treadle.streams._finished import watch
from treadle.streams._from import make_from
from treadle.streams._front import Front
from treadle.streams._mistakes import no_stage_result
from treadle.streams._readable import Readable
from treadle.streams._weakly import Weakly
from treadle.streams._writable import Writable

__all__ = ["duplex_from"]


def duplex_from(source: Any, stage: str | None = None) -> Any:
    """A Duplex of `source`; itself if it is one. stage: its name, where it stands amid others, and has to read.

    Raises TreadleError: ERR_INVALID_ARG_TYPE, ERR_INVALID_RETURN_VALUE.
    """
    if isinstance(source, Duplex):
        return source
    if isinstance(source, Readable):
        return _Pair(source, None)
    if isinstance(source, Writable):
        return _Pair(None, source)
    if isinstance(source, Mapping) and ("readable" in source or "writable" in source):
        readable, writable = source.get("readable"), source.get("writable")
        if isinstance(readable, StreamReader) and isinstance(writable, StreamWriter):
            return ReaderWriter(readable, writable)
        return _Pair(_side(readable, Readable), _side(writable, Writable))
    if callable(source):
        return _of_function(source, stage)
    if isinstance(source, AsyncIterable | Iterable):
        return make_from(Duplex, source, {"writable": False})
    if isinstance(source, Awaitable):
        return _of_awaitable(source)
    raise TreadleError(
        "ERR_INVALID_ARG_TYPE",
        name="source",
        expected="a stream, a function, an iterable, an awaitable or a mapping with 'readable' or 'writable'",
        received=type(source).__name__,
    )


def _side(side: Any, kind: type) -> Any:
    if side is None or isinstance(side, kind):
        return side
    return kind.from_(side) if _is_foreign(side) else duplex_from(side)  # type: ignore[attr-defined]


def _is_foreign(side: Any) -> bool:
    return isinstance(side, StreamReader | StreamWriter) or (hasattr(side, "fileno") and hasattr(side, "close"))


class _Pair(Front):
    """A readable and a writable, as one."""

    def __init__(self, source: Any, sink: Any) -> None:
        reads, writes = source is not None and source.readable, sink is not None and sink.writable
        self._wants = False  # a reader waits for the source
        super().__init__(sink, source, reads=reads, writes=writes)
        if writes:
            watch(sink, self._on_sink_finished)
            sink.on("finish", self._go_on)
        if reads:
            watch(source, self._on_source_finished)
            source.on("readable", self._on_readable)

    def _read(self, size: int) -> None:
        while True:
            chunk = self._tail._read_buffered()
            if chunk is None:
                self._wants = True
                return
            if not self.push(chunk):
                return

    def _on_readable(self) -> None:
        if self._wants and self._tail is not None:
            self._wants = False
            self._read(0)

    def _on_sink_finished(self, error: BaseException | None) -> None:
        if error is not None:
            destroy_stage(self._tail, error)
        self._on_through(error)

    def _on_source_finished(self, error: BaseException | None) -> None:
        if error is not None:
            destroy_stage(self._head, error)
        self._on_through(error)


def _of_function(function: Callable[..., Any], stage: str | None) -> Any:
    inlet = _Inlet()
    made = call_stage(function, (inlet.chunks(),), inlet.controller.signal)
    if isinstance(made, Duplex):
        return made
    if stage is not None and isgenerator(made):  # it could not read
        raise no_stage_result(made, stage, is_last=False)
    hooks = {"write": inlet.write, "final": inlet.final, "destroy": inlet.destroy}
    if isinstance(made, AsyncIterable | Iterable):
        return make_from(Duplex, made, hooks)
    if isinstance(made, Awaitable):
        return _Consumer(made, inlet)
    raise TreadleError(
        "ERR_INVALID_RETURN_VALUE", name="source", expected="an iterable or an awaitable", received=type(made).__name__
    )


class _Inlet:
    """What is written, as an async iterable: one chunk at a time, called back when it is asked for the next."""

    def __init__(self) -> None:
        self.controller = AbortController()
        self._waiter: Any = None  # of the iterable, for the next chunk
        self._given: tuple[Any, bool, Callable[..., None]] | None = None  # a chunk, whether it is the end, its callback

    def write(self, chunk: Any, encoding: str, callback: Callable[..., None]) -> None:
        self._give(chunk, False, callback)

    def final(self, callback: Callable[..., None]) -> None:
        self._give(None, True, callback)

    def destroy(self, error: BaseException | None, callback: Callable[..., None]) -> None:
        self.controller.abort(error)
        if self._given is not None:
            chunk, is_end, given_callback = self._given
            self._given = chunk, is_end, _weakly(given_callback)  # the function may never ask for it
        self._wake()
        callback(error)

    def _give(self, chunk: Any, is_end: bool, callback: Callable[..., None]) -> None:
        self._given = chunk, is_end, callback
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def chunks(self) -> AsyncIterator[Any]:
        while True:
            while self._given is None:
                if self.controller.signal.aborted:
                    raise TreadleError("ABORT_ERR", reason=self.controller.signal.reason)
                self._waiter = get_loop().create_future()
                await self._waiter
            (chunk, is_end, callback), self._given = self._given, None
            get_loop().next_tick(callback)
            if is_end:
                return
            yield chunk


def _weakly(callback: Callable[..., None]) -> Callable[..., None]:
    # A method of the stream, be it one of the core.
    return Weakly(callback.__self__, callback.__name__)  # type: ignore[attr-defined]


class _Consumer(Duplex):
    """A writable whose consumer is an async function."""

    def __init__(self, result: Awaitable[Any], inlet: _Inlet) -> None:
        super().__init__(object_mode=True, readable=False, write=inlet.write)
        self._inlet = inlet
        self._when_consumed: Callable[..., None] | None = None  # what _final() was given; until the end is taken
        self._when_done: Callable[..., None] | None = None  # ... from then on
        self._error: BaseException | None = None
        self._is_done = False
        self._task = get_loop().begin_task(self._run(result))

    async def _run(self, result: Awaitable[Any]) -> None:
        try:
            if await result is not None:
                raise TreadleError("ERR_INVALID_RETURN_VALUE", name="source", expected="None", received="a value")
        except Exception as error:
            self._error = error
        self._is_done = True
        when_done, self._when_done = self._when_done, None
        if when_done is not None:
            get_loop().next_tick(when_done, self._error)
        elif self._error is not None:
            destroy_stage(self, self._error)

    def _final(self, callback: Callable[..., None]) -> None:
        self._when_consumed = callback
        self._inlet.final(self._consumed)

    def _consumed(self) -> None:
        callback, self._when_consumed = self._when_consumed, None
        if self._is_done and callback is not None:
            callback(self._error)
        else:
            self._when_done = callback

    def _destroy(self, error: BaseException | None, callback: Callable[..., None]) -> None:
        self._when_consumed = self._when_done = None
        self._inlet.destroy(error, callback)


def _of_awaitable(result: Awaitable[Any]) -> Duplex:
    stream = Duplex(object_mode=True, writable=False, read=lambda size: None)

    async def run() -> None:
        try:
            value = await result
        except Exception as error:
            destroy_stage(stream, error)
            return
        if value is not None:
            stream.push(value)
        stream.push(None)

    get_loop().begin_task(run())
    return stream
