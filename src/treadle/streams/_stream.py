"""What every stream is: an emitter that is destroyed once, and says how it stands.

Not here: the mechanism (_native.stream_core); the two sides (readable.py, writable.py).
Source: https://nodejs.org/api/stream.html
"""

from asyncio import _get_running_loop as running_loop
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from treadle._base.errors import TreadleError
from treadle.events import AbortSignal, EventEmitter
from treadle.loop.current import FACES, get_loop
from treadle.streams import _text
from treadle.streams._block import Block, block_of, note_raised, raise_over
from treadle.streams._destroyer import giving_up, is_abort
from treadle.streams._hooks import adapt_methods
from treadle.streams._mistakes import foreign, stray_coroutine, unconstructed, wrong_chunk
from treadle.streams._outcome import StreamFuture

if TYPE_CHECKING:
    from treadle._native.faces import Faces

__all__ = ["Stream", "give_up"]


REMEDY: Final = 'stream.on("error", ...), or work with it inside `async with stream:`, or in a pipeline'


class Stream(EventEmitter):
    """Base of Readable and Writable. Not thread-safe; its first event needs a running loop (ERR_NO_LOOP)."""

    _faces: "Faces" = FACES

    _encode = staticmethod(_text.encode)
    _decode = staticmethod(_text.decode)
    _known_encoding = staticmethod(_text.known_encoding)
    _split_pairs = staticmethod(_text.split_pairs)
    _join_pairs = staticmethod(_text.join_pairs)

    @staticmethod
    def _make_error(code: str, **data: Any) -> TreadleError:
        return TreadleError(code, **data)

    _stray_coroutine = staticmethod(stray_coroutine)
    _unconstructed = unconstructed
    _takes_objects = True  # whether there is an option for it
    _ends_behind_what_is_written = False  # what is read is made of it

    def _require_own_loop(self, is_running: bool) -> None:
        # Its loop does not run in this thread. Where nothing runs at all, what is scheduled waits for the next run of its loop.
        if is_running or running_loop() is not None:
            get_loop()  # raises ERR_NO_LOOP where none runs in this thread
            raise foreign(self)

    def _wrong_chunk(self, chunk: Any, reads: bool) -> TreadleError:
        core: Any = self
        option = "object_mode"
        if core._reads() and core._writes():
            option = "readable_object_mode" if reads else "writable_object_mode"
        return wrong_chunk(self, chunk, option if self._takes_objects else None)

    @staticmethod
    def _flat(data: "bytes | bytearray | memoryview") -> "bytes | memoryview":
        # What a buffer may keep: a bytearray could change while it waits, and the length of a view has to be that of its bytes.
        if isinstance(data, memoryview):
            return data if data.ndim == 1 and data.itemsize == 1 and data.contiguous else memoryview(bytes(data))
        return bytes(data)

    def _require_error_listener(self, args: tuple[object, ...]) -> None:
        error = args[0] if args else None
        if isinstance(error, BaseException) and not self.listener_count("error"):
            _note_unheard(self, error)
        super()._require_error_listener(args)

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        adapt_methods(cls)

    def _cancel_hooks(self) -> None:
        tasks: Any = self._hook_tasks  # type: ignore[attr-defined]
        for task in tuple(tasks):
            task.cancel()

    def _end_read(self, error: BaseException | None = None) -> None:
        # A read hook that is a coroutine function is through.
        if error is not None and not is_abort(error):
            self.destroy(error)  # type: ignore[attr-defined]

    def _heed(self, signal: "AbortSignal | None") -> None:
        if signal is not None:
            from treadle.streams._abort import add_abort_signal

            add_abort_signal(signal, self)

    def _emit_rejection(self, error: Exception) -> None:  # COMPAT(node): what a captured listener fails with destroys a stream
        self.destroy(error)  # type: ignore[attr-defined]

    def _make_future(self) -> "StreamFuture[Any]":
        return StreamFuture(loop=get_loop())

    def _note_raised(self, error: BaseException) -> None:
        note_raised(error)

    # -- async with --------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Until the block is left it takes the stream's 'error': what was not raised in it, by ready(), an iteration, finished()
        or a pipeline, leaving it raises."""
        Block(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the stream and wait until all is written, and of a Transform until all is read, then aclose(). Where the block has
        failed: destroy it with that, and wait until it is closed.

        What nobody reads is lost. Raises, behind a block that has not failed, what the stream failed with, unless that was raised
        in the block, or that it was destroyed before all was written (ERR_STREAM_PREMATURE_CLOSE, ABORT_ERR); that it was given
        up, as by a loop that was left, is no failure. Behind one that has failed, what the stream failed with before is the
        context of its exception.
        """
        block = block_of(self) or Block(self)  # there is none where it is left more often than entered
        before = block.failure()
        try:
            failure = block.still_to_raise(await _leave(self, error))
        except BaseException as reason:  # cancelled, or end() has raised
            raise_over(reason, block.failure())
            raise
        finally:
            block.left()
        # ORDER: behind left(). What goes on from here the blocks around have had: of this stream, or of what works with it.
        if error is not None:
            raise_over(error, before)
        elif failure is not None:
            note_raised(failure)
            del self, block, before  # its error keeps this frame
            try:
                raise failure
            finally:
                del failure

    async def aclose(self) -> None:
        """Destroy the stream if it is not through, and wait until it is closed. Raises what it failed with, but for ABORT_ERR."""
        error = await _close(self)
        if error is not None:
            note_raised(error)
            del self  # its error keeps this frame
            try:
                raise error
            finally:
                del error


def _note_unheard(stream: Any, error: BaseException) -> None:
    # The next step of who reads the traceback, in which no line of theirs may stand.
    with suppress(Exception):  # a frozen class refuses notes, a class of the user's may fail to show itself
        note = f"'error' of {stream!r}, and nobody listens: {REMEDY}"
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)


async def _leave(stream: Any, error: BaseException | None) -> BaseException | None:
    # What the stream has failed with, if the block has not.
    if error is not None:
        await give_up(stream, error)
        return None
    try:
        failure = await _write_all(stream)
    except BaseException as reason:  # cancelled, or end() has raised
        await give_up(stream, reason)
        raise
    if failure is None:
        return await _close(stream)
    await give_up(stream, failure)
    return failure


async def _close(stream: Any) -> BaseException | None:
    # See aclose().
    if not stream.destroyed:
        failure = stream.errored  # inside write(), just before: it is destroyed with that in a tick
        if failure is None and not stream._is_through():
            failure = giving_up()
        stream.destroy(failure)
    error = await _end_of(stream)
    return None if getattr(error, "code", None) in ("ABORT_ERR", "ERR_STREAM_PREMATURE_CLOSE") else error


async def _write_all(stream: Any) -> BaseException | None:
    # What it has failed with before all was written, if it has.
    if not stream._writes() or stream.destroyed:
        return None
    if not stream.writable_ended:
        stream.end()
    unread = partial(_let_flow_away, stream)
    if stream._reads():
        unread()
        stream.on("remove_listener", unread)
    try:
        failure = None if stream.writable_finished else await _end_of(stream, readable=False)
        if failure is None and stream._reads() and stream._ends_behind_what_is_written:
            await _end_of(stream)  # who reads it gets all of it; what it fails with now aclose() raises
        return failure
    finally:
        stream.off("remove_listener", unread)


def _let_flow_away(stream: Any, event: object = "data", _: object = None) -> None:
    # Nobody reads it, or nobody any more: a pipe whose sink has closed leaves it paused, and what is written would wait for ever.
    if event == "data" and not (stream.listener_count("data") or stream.listener_count("readable")):
        stream.resume()


async def give_up(stream: Any, error: BaseException) -> None:
    """Destroy it, since `error` ends the block that works with it, and wait until it is closed."""
    # A cancellation is no failure of the stream: as where an iteration or a pipeline is cancelled.
    if not stream.destroyed:
        reason = error if isinstance(error, Exception) else giving_up()
        stream.destroy(None if stream._is_through() else reason)
    await _end_of(stream)


async def _end_of(stream: Any, readable: bool | None = None) -> BaseException | None:
    # As finished(), but nothing is raised: an error keeps the frames that it has passed, and those of who has called them.
    from treadle.streams._finished import watch

    outcome: Any = get_loop().create_future()
    forget = watch(stream, lambda error: None if outcome.done() else outcome.set_result(error), readable=readable)
    try:
        error: BaseException | None = await outcome
    finally:
        if outcome.cancelled():
            forget()
    return error
