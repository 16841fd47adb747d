"""pipeline(): stages in a row, which end together.

    source ──► stage ──► ... ──► destination
       ▲         ▲                   ▲
       └─────────┴─── the first error destroys all of them; then the callback, or the awaiting task, gets it

A stage is a stream, or something that can be iterated, or a function: of the first nothing, of the others what comes before
them, as an async iterable; it returns an iterable, and the last one may be an async function. Invariants: every stage is
destroyed once, or has ended; the callback is called once, with the first error that is more than a consequence; then the pipeline
holds nothing, since its listeners stay with the streams. Not here: how two streams are piped (_native.stream_pipe), how a stream
takes what an iterable gives (_pump.py). Source:
https://nodejs.org/api/stream.html#streampipelinesource-transforms-destination-callback
"""

import sys
from collections.abc import AsyncIterable, Awaitable, Callable
from types import CodeType
from typing import Any

from treadle._base.arguments import require_callable
from treadle._base.errors import TreadleError
from treadle._native.stream_pipe import failure_of_ending
from treadle.events.abort import AbortController, AbortEvent, AbortSignal, require_signal
from treadle.loop.current import get_loop
from treadle.streams._adapters import as_iterable, as_stage
from treadle.streams._block import note_raised
from treadle.streams._calls import call_stage
from treadle.streams._destroyer import destroy_stage, giving_up, is_abort
from treadle.streams._finished import watch
from treadle.streams._mistakes import no_stage, no_stage_result
from treadle.streams._outcome import StreamFuture
from treadle.streams._pump import Pump
from treadle.streams._stream import Stream
from treadle.streams._transform import PassThrough
from treadle.streams._zero_copy import begin_move

__all__ = ["pipeline"]


def pipeline(
    *stages: Any,
    signal: AbortSignal | None = None,
    end: bool = True,
    callback: Callable[..., object] | None = None,
) -> Any:
    """Connect `stages`, and await the end of all of them; the result is what a last function returned.

    It begins at once. The first error destroys every stage and is raised; so does cancelling, or aborting `signal` (ABORT_ERR).
    With `callback(error)`, or `callback(error, value)` where the last stage is a function, the last stream is returned instead.
    end: False leaves the last stream open when its source ends. A function that has a parameter `signal` gets one that is
    aborted when the pipeline is over.

    Raises TreadleError: ERR_MISSING_ARGS, ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE (a stage without the side
    it needs), ERR_INVALID_RETURN_VALUE, ERR_STREAM_UNABLE_TO_PIPE.
    """
    if len(stages) == 1 and isinstance(stages[0], list | tuple):
        stages = tuple(stages[0])
    if len(stages) < 2:
        raise TreadleError("ERR_MISSING_ARGS", name="stages", expected="a pipeline has two or more")
    if signal is not None:
        require_signal(signal, "signal")
    if callback is not None:
        require_callable(callback, "callback")
        return Pipeline(callback, signal, end).connect(stages)
    outcome = PipelineFuture(loop=get_loop())
    caller = sys._getframe(1)
    outcome.place = caller.f_code, caller.f_lineno
    outcome.line = Pipeline(outcome.settle, signal, end)
    outcome.line.connect(stages)
    return outcome


class PipelineFuture(StreamFuture[object]):
    """What a pipeline is awaited by. ORDER: cancelling destroys the stages before anybody hears of it."""

    line: "Pipeline"
    destroyed_with: BaseException | None = None  # its stages, where that is another error than the one it tells
    place: tuple[CodeType, int]  # where it was begun: of one that has failed, and that nobody has awaited, the log says it

    def __repr__(self) -> str:
        code, line = self.place
        return super().__repr__().replace(" ", f" of {code.co_filename}:{line} ({code.co_qualname}) ", 1)

    def settle(self, error: BaseException | None, value: object = None) -> None:
        self.destroyed_with = self.line.destroyed_with
        del self.line  # ORDER: no cycle is left, so that an error nobody will ask for is told when nobody has this any more
        if not self.done():
            if error is None:
                self.set_result(value)
            else:
                self.set_exception(error)

    def _note_raised(self, error: BaseException) -> None:
        super()._note_raised(error)
        if self.destroyed_with is not None:
            note_raised(self.destroyed_with)

    def cancel(self, msg: Any = None) -> bool:
        if not self.done():
            self.line.give_up(msg)
        return super().cancel(msg)


class Pipeline:
    """One pipeline under way."""

    __slots__ = (
        "_callback", "_clean_ups", "_controller", "_ends", "_error", "_outer", "_pumps", "_stages", "_values", "_waits_for",
        "destroyed_with",
    )  # fmt: skip  # a server has many

    def __init__(self, callback: Callable[..., object], signal: AbortSignal | None, ends: bool) -> None:
        self._callback = callback
        self._outer = signal
        self._ends = ends
        self._controller: AbortController | None = None  # made for the first function
        self._error: BaseException | None = None
        self.destroyed_with: BaseException | None = None  # the stages, if _error is another that came behind that
        self._values: tuple[object, ...] = ()  # of the callback, behind the error: what a last function has returned
        self._waits_for = 0  # ends of stages that are still to come
        self._stages: list[_Stage] = []
        self._pumps: list[Pump] = []
        self._clean_ups: list[Callable[[], None]] = []  # of a last stage that goes on: it may be used afterwards

    # -- connecting ----------------------------------------------------------------------------------------------------

    def connect(self, given: tuple[Any, ...]) -> Any:
        """Begin. Returns the last stream. What can be said against the stages is said before anything begins."""
        last = len(given) - 1
        stages = [as_stage(one, is_first=index == 0, is_last=index == last) for index, one in enumerate(given)]
        for index, stage in enumerate(stages):
            _require_stage(stage, index, reads=index < last, writes=index > 0)
        if self._outer is not None:
            self._outer.add_event_listener("abort", self._on_abort)
        made: Any = None
        try:
            for index, stage in enumerate(stages):
                made = self._connect(made, stage, index, is_last=index == last)
        except BaseException as error:  # a function has failed, or returned something else
            self._callback = _hear  # who has called hears of it
            self._fail(error)
            raise
        if self._error is not None or (self._outer is not None and self._outer.aborted):
            get_loop().next_tick(self._on_abort)
        return made

    def _connect(self, made: Any, stage: Any, index: int, *, is_last: bool) -> Any:
        # made: what comes before, a stream or an async iterable. Returns the same of this stage.
        if isinstance(stage, Stream):
            self._watch(stage, reads=not is_last, writes=index > 0)
            if index > 0:
                self._feed(made, stage, is_last=is_last)
            return stage
        return self._begin_source(stage) if index == 0 else self._call(stage, made, index, is_last=is_last)

    def _watch(self, stream: Any, *, reads: bool, writes: bool) -> None:
        stage = _Stage(stream)
        is_last = not reads
        if reads or self._ends:
            stage.watch(reads=reads, writes=writes)
            self._stages.append(stage)
        stream.on("error", self._on_late_error)
        if is_last and getattr(stream, "readable", False):
            if stage.forget is not None:
                self._clean_ups.append(stage.forget)
            self._clean_ups.append(lambda: stream.off("error", self._on_late_error))
        elif is_last and not self._ends:
            self._clean_ups.append(lambda: self._hand_back(stream))

    def _hand_back(self, stream: Any) -> None:
        # COMPAT(node): a late error of a last stage that goes on is heard. Once, however many pipelines end there.
        if _hear not in stream.listeners("error"):
            stream.on("error", _hear)
        stream.off("error", self._on_late_error)

    def _signal(self) -> AbortSignal:
        if self._controller is None:
            self._controller = AbortController()
            if self._error is not None:
                self._controller.abort()
        return self._controller.signal

    def _begin_source(self, source: Any) -> Any:
        if callable(source):
            made = call_stage(source, (), self._signal())
            if isinstance(made, Stream):
                return made
            return as_iterable(made, "ERR_INVALID_RETURN_VALUE", name="source", expected="an iterable or a stream")
        return as_iterable(source, "ERR_INVALID_ARG_TYPE", name="stages[0]", expected="a stream, an iterable or a function")

    def _call(self, function: Callable[..., Any], made: Any, index: int, *, is_last: bool) -> Any:
        made = call_stage(function, (made,), self._signal())
        is_iterable = isinstance(made, Stream | AsyncIterable)
        if not is_iterable and not (is_last and isinstance(made, Awaitable)):
            raise no_stage_result(made, f"stages[{index}]", is_last=is_last)
        if not is_last:
            return made
        self._values = (None,)
        proxy = PassThrough(object_mode=True)  # so that there is a stream to go on from
        self._waits_for += 1
        if isinstance(made, Awaitable):
            self._pumps.append(Pump.of_result(made, proxy, self._take_result, ends=self._ends))
        else:
            self._pumps.append(Pump.of_iterable(made, proxy, self._finish, ends=self._ends))
        stage = _Stage(proxy)
        stage.watch(reads=False, writes=True)
        self._stages.append(stage)
        assert stage.forget is not None
        self._clean_ups.append(stage.forget)
        return proxy

    def _feed(self, source: Any, stream: Any, *, is_last: bool) -> None:
        ends = not is_last or self._ends
        if isinstance(source, Stream):
            self._waits_for += 2
            forget = self._pipe(source, stream, ends=ends)
            if is_last and (not ends or getattr(stream, "readable", False)):
                self._clean_ups.append(forget)
        else:
            self._waits_for += 1
            self._pumps.append(Pump.of_iterable(source, stream, self._finish, ends=ends))

    def _pipe(self, source: Any, stream: Any, *, ends: bool) -> Callable[[], None]:
        has_ended = False

        def on_close(*_: object) -> None:  # a socket says whether it had an error
            if not has_ended:
                self._fail(TreadleError("ERR_STREAM_PREMATURE_CLOSE"))

        def end_stream() -> None:
            nonlocal has_ended
            has_ended = True
            error = failure_of_ending(stream)
            if error is not None:
                self._fail(error)

        stream.on("close", on_close)
        if not begin_move(source, stream):
            source.pipe(stream, end=False)
        if ends:
            if source.readable_ended and source.errored is None:
                get_loop().next_tick(end_stream)
            else:
                source.once("end", end_stream)
        else:
            self._finish(None)
            self._clean_ups.append(lambda: stream.off("close", on_close))

        def on_source(error: BaseException | None) -> None:
            is_early = getattr(error, "code", None) == "ERR_STREAM_PREMATURE_CLOSE"
            if is_early and source._supply() != "SUPPLYING" and source.errored is None:
                source.once("end", lambda: self._finish(None)).once("error", self._finish)  # closed early, but 'end' will come
            else:
                self._finish(error)

        watch(source, on_source, readable=True, writable=False)
        return watch(stream, self._finish, readable=False, writable=True)

    # -- ending --------------------------------------------------------------------------------------------------------

    def give_up(self, reason: object) -> None:
        """Nobody awaits it any more: every stage is destroyed."""
        self._fail(giving_up(reason))

    def _on_abort(self, _: AbortEvent | None = None) -> None:
        # Also where a stage failed before the last one was connected, which is to be destroyed, too: that error stays.
        self._fail(TreadleError("ABORT_ERR", reason=None if self._outer is None else self._outer.reason))

    def _on_late_error(self, error: BaseException) -> None:
        if not is_abort(error) and getattr(error, "code", None) != "ERR_STREAM_PREMATURE_CLOSE":
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self._settle(error, is_last=False)

    def _finish(self, error: BaseException | None = None) -> None:
        self._waits_for -= 1
        self._settle(error, is_last=self._waits_for == 0)

    def _take_result(self, error: BaseException | None, value: object = None) -> None:
        self._values = (value,)
        self._finish(error)

    def _settle(self, error: BaseException | None, *, is_last: bool) -> None:
        code = getattr(self._error, "code", None)
        if error is not None and (self._error is None or code in ("ERR_STREAM_PREMATURE_CLOSE", "ABORT_ERR")):
            if self.destroyed_with is None:
                self.destroyed_with = self._error
            self._error = error
        if self._error is None and not is_last:
            return
        while self._stages:
            self._stages.pop(0).destroy(self._error)
        for pump in self._pumps:
            pump.stop()
        if self._outer is not None:
            self._outer.remove_event_listener("abort", self._on_abort)
        if self._controller is not None:
            self._controller.abort()
        if is_last:
            if self._error is None:
                for clean_up in self._clean_ups:
                    clean_up()
            get_loop().next_tick(self._callback, self._error, *self._values)
            self._let_go()

    def _let_go(self) -> None:
        # Stages may still be connected, where what comes before them has failed at once.
        self._callback = _hear
        self._values = ()
        self._pumps.clear()
        self._clean_ups.clear()


def _hear(*_: object) -> None: ...


def _require_stage(stage: Any, index: int, *, reads: bool, writes: bool) -> None:
    name = f"stages[{index}]"
    if not isinstance(stage, Stream):
        if index > 0 and not callable(stage):
            raise no_stage(stage, name)
        if isinstance(stage, type) and issubclass(stage, Stream):
            raise TreadleError(
                "ERR_INVALID_ARG_TYPE", name=name, expected="a stream", received=f"the class {stage.__name__}",
                hint=f"Make one: {stage.__name__}()",
            )  # fmt: skip
        return
    core: Any = stage
    for is_wanted, has, what in ((reads, core._reads(), "readable"), (writes, core._writes(), "writable")):
        if is_wanted and not has:
            raise TreadleError("ERR_INVALID_ARG_VALUE", name=name, expected=what, received=stage)
    if writes and core.destroyed:
        raise TreadleError("ERR_STREAM_UNABLE_TO_PIPE")


class _Stage:
    """A stream in a pipeline: whether it is through, and how it is destroyed if not."""

    __slots__ = ("_is_through", "_stream", "forget")

    def __init__(self, stream: Any) -> None:
        self._stream = stream  # None once it was destroyed, as far as that was needed
        self._is_through = False
        self.forget: Callable[[], None] | None = None

    def watch(self, *, reads: bool, writes: bool) -> None:
        self._stream.on("close", self._on_close)
        self.forget = watch(self._stream, self._on_finished, readable=reads, writable=writes)

    def _on_close(self, *_: object) -> None:
        self._is_through = True

    def _on_finished(self, error: BaseException | None) -> None:
        self._is_through = error is None

    def destroy(self, error: BaseException | None) -> None:
        stream, self._stream = self._stream, None
        self.forget = None
        if not self._is_through:
            self._is_through = True
            destroy_stage(stream, TreadleError("ERR_STREAM_DESTROYED", operation="pipe") if error is None else error)
