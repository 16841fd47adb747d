"""How a writing side ends: end(), the final hook, 'prefinish', 'finish'.

    OPEN --end--> ENDING --final--> FINALIZING --done--> PREFINISHED --finish--> FINISHED
                     +---------no final hook---done-----------^

Invariant: 'finish' comes when every write was called back, and in a tick of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import TYPE_CHECKING

from tests.model.streams.errors import StreamError, destroyed, multiple_callback
from tests.model.streams.table import Machine
from treadle.process import next_tick

if TYPE_CHECKING:
    from tests.model.streams.write_side import WriteSide

Callback = Callable[[BaseException | None], object]


class State(Enum):
    OPEN = auto()
    ENDING = auto()  # end() was called: no write is taken any more
    FINALIZING = auto()  # the final hook is at work, or has failed
    PREFINISHED = auto()
    FINISHED = auto()


class Event(Enum):
    END = auto()
    FINAL = auto()
    DONE = auto()
    FINISH = auto()


TRANSITIONS = {
    (State.OPEN, Event.END): State.ENDING,
    (State.ENDING, Event.FINAL): State.FINALIZING,
    (State.ENDING, Event.DONE): State.PREFINISHED,
    (State.FINALIZING, Event.DONE): State.PREFINISHED,
    (State.PREFINISHED, Event.FINISH): State.FINISHED,
}


class Ending:
    """Of one writing side."""

    def __init__(self, side: WriteSide) -> None:
        self.side = side
        self.stream = side.stream
        self.life = side.stream.life
        self.state = Machine(TRANSITIONS, State.OPEN if side.is_enabled else State.FINISHED)
        self.callbacks: list[Callback] = []  # of end(), until it is known how it ends

    @property
    def has_begun(self) -> bool:
        return not self.state.is_in(State.OPEN)

    @property
    def is_finished(self) -> bool:
        return self.state.is_in(State.FINISHED)

    @property
    def may_go_on(self) -> bool:
        side, life = self.side, self.life
        is_under_way = self.has_begun and not self.is_finished
        is_empty = not side.in_flight and not side.has_queue
        return is_under_way and is_empty and life.is_constructed and not life.is_broken and not life.has_emitted_error

    def end(self, refused: BaseException | None, callback: Callback | None) -> None:
        """refused: the write of the last chunk was. Ending twice is a mistake only for whoever asks for a callback."""
        error = refused
        if error is not None:
            pass
        elif not self.has_begun and self.life.errored is None:
            self.state.on(Event.END)
            self.go_on()
        elif self.is_finished:
            error = StreamError("ERR_STREAM_ALREADY_FINISHED")
        elif self.life.is_destroyed:
            error = destroyed()
        if callback is None:
            return
        error = error or self.life.errored
        if error is not None or self.is_finished:
            next_tick(callback, error)
        else:
            self.callbacks.append(callback)

    def go_on(self, *, is_in_tick: bool = False) -> None:
        """If nothing is in the way any more. Called after whatever could have been."""
        if not self.may_go_on:
            return
        self.prefinish()
        if self.side.pending:
            return
        if not is_in_tick:
            self.side.pending += 1
            next_tick(self.finish_if_still)
        elif self.may_go_on:
            self.side.pending += 1
            self.finish()

    def finish_if_still(self) -> None:
        if self.may_go_on:
            self.finish()
        else:
            self.side.pending -= 1

    def prefinish(self) -> None:
        if not self.state.is_in(State.ENDING):
            return
        if self.stream._final is None:
            self.state.on(Event.DONE)
            self.stream.emit("prefinish")
            return
        self.state.on(Event.FINAL)
        self.side.is_in_hook = True
        self.side.pending += 1
        try:
            self.stream._final(self.finalized)
        except Exception as error:
            self.finalized(error)
        self.side.is_in_hook = False

    def finalized(self, error: BaseException | None = None) -> None:
        """What the final hook calls."""
        if not self.state.is_in(State.FINALIZING):
            self.life.fail(error or multiple_callback())
            return
        self.side.pending -= 1
        if error:
            self.call_back(error)
            self.life.fail(error, is_in_hook=self.side.is_in_hook)
        elif self.may_go_on:
            self.state.on(Event.DONE)
            self.stream.emit("prefinish")
            self.side.pending += 1
            next_tick(self.finish)

    def finish(self) -> None:
        """ORDER: the callbacks of end(), then 'finish'."""
        self.side.pending -= 1
        self.state.on(Event.FINISH)
        self.call_back(None)
        self.stream.emit("finish")
        self.stream.write_side_finished()

    def call_back(self, error: BaseException | None) -> None:
        callbacks, self.callbacks = self.callbacks, []
        for callback in callbacks:
            callback(error)
