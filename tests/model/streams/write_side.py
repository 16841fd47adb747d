"""The writing side: chunks queue up in front of a sink that takes one at a time, or all that wait at once.

Invariants: the sink has one write at a time; a callback never runs inside the write() that it was given to. COMPAT(node): a sink
that raises is never called again: its write stays in flight, and whoever called write(), or made it work off the queue, gets what
it raised. Not here: how it ends (ending.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.model.streams import text
from tests.model.streams.chunks import as_bytes, size_of
from tests.model.streams.ending import Ending
from tests.model.streams.errors import StreamError, destroyed, multiple_callback
from tests.model.streams.marks import mark_of
from treadle.process import next_tick

if TYPE_CHECKING:
    from tests.model.streams.stream import Stream

Callback = Callable[[BaseException | None], object]


@dataclass
class Write:
    """What was given to write()."""

    chunk: Any
    encoding: str
    size: int
    callback: Callback | None


@dataclass
class Batch:
    """Writes that the sink took at once, one after another, all with the same callback: it runs for each, in one tick."""

    callback: Callback
    count: int = 1


class WriteSide:
    """Of one stream."""

    def __init__(
        self, stream: Stream, *, mark: Any, is_object: bool, decode_strings: bool, default_encoding: str, is_enabled: bool
    ) -> None:
        self.stream = stream
        self.life = stream.life
        self.is_object = is_object
        self.mark = mark_of(mark, is_object=is_object)
        self.decode_strings = decode_strings
        self.default_encoding = text.canonical(default_encoding)
        self.is_enabled = is_enabled  # False: of a duplex that was made without it
        self.ending = Ending(self)

        self.queue: deque[Write] = deque()
        self.in_flight: Write | None = None  # handed to the sink, which has not called back
        self.corks = 0
        #: A write has reached the mark: set then, cleared when 'drain' is emitted.
        self.owes_drain = False
        #: A hook of the sink is on the stack: set before it is called, cleared when it has returned.
        self.is_in_hook = False
        #: The queue is worked off: set and cleared by work_off. One that a raising sink has left stays set, and no other begins.
        self.is_working_off = False
        #: What keeps 'finish' back: writes whose callback was not called, and ticks of the end that are under way.
        self.pending = 0
        #: A tick that calls back is under way: set when it is asked for, cleared when it, or any other call back, runs.
        self.is_calling_back = False
        #: The latest batch: set when its tick is asked for, cleared when one runs.
        self.batch: Batch | None = None

    @property
    def length(self) -> int:
        waiting = [*self.queue, self.in_flight] if self.in_flight else self.queue
        return sum(write.size for write in waiting)

    @property
    def has_queue(self) -> bool:
        return bool(self.queue) or self.is_working_off

    @property
    def needs_drain(self) -> bool:
        return self.owes_drain and not self.life.is_destroyed and not self.ending.has_begun

    # ---- in

    def write(self, chunk: Any, encoding: str | None, callback: Callback | None) -> BaseException | bool:
        """False: that is enough. An error: it was refused, and the stream is destroyed for it."""
        chunk, encoding = self.checked(chunk, encoding)
        error = None
        if self.ending.has_begun:
            error = StreamError("ERR_STREAM_WRITE_AFTER_END")
        elif self.life.is_destroyed:
            error = destroyed()
        if error is not None:
            if callback:
                next_tick(callback, error)
            self.life.fail(error, is_in_hook=True)
            return error
        self.pending += 1
        write = Write(chunk, encoding, size_of(chunk, is_object=self.is_object), callback)
        if self.in_flight or self.corks or self.life.errored or not self.life.is_constructed:
            self.queue.append(write)
        else:
            self.hand_over(write, lambda: self.stream._write(chunk, encoding, self.written))
        is_below = self.length < self.mark or self.length == 0  # what the sink took at once does not count
        if not is_below:
            self.owes_drain = True
        return is_below and not self.life.is_broken

    def checked(self, chunk: Any, encoding: str | None) -> tuple[Any, str]:
        """Raises what is a mistake of the caller's."""
        if chunk is None:
            raise StreamError("ERR_STREAM_NULL_VALUES")
        if self.is_object:
            return chunk, encoding or ""
        if encoding not in (None, "buffer"):
            text.canonical(encoding)
        encoding = encoding or self.default_encoding
        if isinstance(chunk, str):
            return (text.encode(chunk, encoding), "buffer") if self.decode_strings else (chunk, encoding)
        data = as_bytes(chunk)
        if data is None:
            raise StreamError("ERR_INVALID_ARG_TYPE")
        return data, "buffer"

    def cork(self) -> None:
        self.corks += 1

    def uncork(self) -> None:
        if self.corks:
            self.corks -= 1
            if not self.in_flight:
                self.work_off()

    # ---- to the sink

    def hand_over(self, write: Write, hook: Callable[[], object]) -> None:
        """ORDER: not try/finally, see the top of this file."""
        self.in_flight = write
        self.is_in_hook = True
        hook()
        self.is_in_hook = False

    def work_off(self) -> None:
        """What waits, as far as the sink takes it now: all of it by writev, if it has one."""
        may_not = self.life.is_destroyed or self.is_working_off or self.corks or not self.life.is_constructed
        if may_not or not self.queue:
            return
        self.is_working_off = True
        if len(self.queue) > 1 and self.stream._writev:
            self.write_all()
        else:
            while self.queue and not self.in_flight and self.write_next():
                pass
        self.is_working_off = False

    def hand_over_late(self, write: Write, hook: Callable[[], object]) -> bool:
        """False: the hook has raised. Whoever wrote has gone on: the stream fails (ADR 0007; in Node nobody catches it)."""
        try:
            self.hand_over(write, hook)
        except Exception as error:
            if self.in_flight:
                self.written(error)
            else:
                self.life.fail(error, is_in_hook=True)
            self.is_in_hook = False
            return False
        return True

    def write_next(self) -> bool:
        write = self.queue.popleft()
        return self.hand_over_late(write, lambda: self.to_hook(self.stream._write, write.chunk, write.encoding))

    def write_all(self) -> None:
        """They count as one write from here on."""
        writes = list(self.queue)
        self.queue.clear()
        self.pending -= len(writes) - 1

        def callback(error: BaseException | None) -> None:
            for write in writes:
                if write.callback:
                    write.callback(error)

        chunks = [{"chunk": write.chunk, "encoding": write.encoding} for write in writes]
        has_callback = any(write.callback for write in writes)
        whole = Write(None, "", sum(write.size for write in writes), callback if has_callback else None)
        self.hand_over_late(whole, lambda: self.to_hook(self.stream._writev, chunks))

    def to_hook(self, hook: Callable[..., object], *args: object) -> None:
        """A sink that calls back at once may have been destroyed by what that led to."""
        if self.life.is_destroyed:
            self.written(destroyed())
        else:
            hook(*args, self.written)

    # ---- and back

    def written(self, error: BaseException | None = None) -> None:
        """What the sink calls when it has taken what is in flight."""
        write, self.in_flight = self.in_flight, None
        if write is None:
            self.life.fail(multiple_callback())
        elif error:
            self.life.note(error)
            if self.is_in_hook:
                next_tick(self.write_failed, error, write.callback)
            else:
                self.write_failed(error, write.callback)
        else:
            was_in_hook = self.is_in_hook
            if self.has_queue:
                self.work_off()
            if was_in_hook:
                self.call_back_later(write.callback)
            else:
                self.call_back(write.callback)

    def write_failed(self, error: BaseException, callback: Callback | None) -> None:
        """ORDER: its own callback, those of what waits, then 'error'."""
        self.pending -= 1
        if callback:
            callback(error)
        self.drop_queue()
        self.life.fail(error)

    def call_back_later(self, callback: Callback | None) -> None:
        """A tick, unless nobody would see it: COMPAT(node): in object mode it counts as seen."""
        is_seen = self.is_object or (self.owes_drain and self.length == 0)
        if callback is not None:
            if self.batch and self.batch.callback is callback:
                self.batch.count += 1
            else:
                self.batch = Batch(callback)
                self.is_calling_back = True
                next_tick(self.call_back_batch, self.batch)
        elif is_seen and not self.is_calling_back:
            self.is_calling_back = True
            next_tick(self.call_back, None)
        else:
            self.pending -= 1
            self.ending.go_on()

    def call_back_batch(self, batch: Batch) -> None:
        self.batch = None
        self.call_back(batch.callback, batch.count)

    def call_back(self, callback: Callback | None, count: int = 1) -> None:
        """ORDER: 'drain' first."""
        self.is_calling_back = False
        if self.needs_drain and self.length == 0:
            self.owes_drain = False
            self.stream.emit("drain")
        for _ in range(count):
            self.pending -= 1
            if callback:
                callback(None)
        if self.life.is_destroyed:
            self.drop_queue()
        self.ending.go_on()

    # ---- what never gets to the sink

    def drop_queue(self) -> None:
        """Unless a write is in flight, whose end will drop it. They stay pending: this stream does not finish."""
        if self.in_flight:
            return
        while self.queue:
            write = self.queue.popleft()
            if write.callback:
                write.callback(self.life.errored or destroyed())
        self.ending.call_back(self.life.errored or destroyed())

    def drop_queue_later(self) -> None:
        """The stream is about to be destroyed."""
        if self.has_queue or self.ending.callbacks:
            next_tick(self.drop_queue)

    def constructed(self) -> None:
        if not self.in_flight:
            self.work_off()
        self.ending.go_on(is_in_tick=True)
