"""From construction to 'close', and the first error: what both sides of a stream share.

    CONSTRUCTING --constructed--> OPEN --destroy--> DESTROYING --hook done--> CLOSED --told--> GONE
          |                                              ^
          +--destroy--> DOOMED --constructed-------------+

Invariants: the destroy hook runs once, never while the construct hook does; 'error' at most once, and before 'close'.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from tests.model.streams.errors import multiple_callback
from tests.model.streams.table import Machine
from treadle.process import next_tick

if TYPE_CHECKING:
    from tests.model.streams.stream import Stream


class Life(Enum):
    CONSTRUCTING = auto()
    OPEN = auto()
    DOOMED = auto()  # destroyed while the construct hook is at work: the destroy hook waits for it
    DESTROYING = auto()  # the destroy hook is at work
    CLOSED = auto()  # it is through; nobody was told yet
    GONE = auto()  # 'close' was emitted, or would have been


class Event(Enum):
    CONSTRUCTED = auto()
    DESTROY = auto()
    HOOK_DONE = auto()
    TOLD = auto()


TRANSITIONS = {
    (Life.CONSTRUCTING, Event.CONSTRUCTED): Life.OPEN,
    (Life.CONSTRUCTING, Event.DESTROY): Life.DOOMED,
    (Life.DOOMED, Event.CONSTRUCTED): Life.DESTROYING,
    (Life.OPEN, Event.DESTROY): Life.DESTROYING,
    (Life.DESTROYING, Event.HOOK_DONE): Life.CLOSED,
    (Life.CLOSED, Event.TOLD): Life.GONE,
}


class Lifecycle:
    """Of one stream."""

    def __init__(self, stream: Stream, *, auto_destroy: bool, emit_close: bool, has_construct_hook: bool) -> None:
        self.stream = stream
        self.auto_destroy = auto_destroy
        self.emit_close = emit_close
        self.life = Machine(TRANSITIONS, Life.CONSTRUCTING if has_construct_hook else Life.OPEN)
        #: The first one, by whatever way it came; never cleared. A stream without auto_destroy can have it and go on living.
        self.errored: BaseException | None = None
        #: Set when 'error' is emitted, which is not done twice; never cleared.
        self.has_emitted_error = False
        #: What destroy() was called with while constructing; its hook gets it later.
        self.doom: BaseException | None = None

    @property
    def is_constructed(self) -> bool:
        return not self.life.is_in(Life.CONSTRUCTING, Life.DOOMED)

    @property
    def is_destroyed(self) -> bool:
        return not self.life.is_in(Life.CONSTRUCTING, Life.OPEN)

    @property
    def is_closed(self) -> bool:
        return self.life.is_in(Life.CLOSED, Life.GONE)

    @property
    def is_gone(self) -> bool:
        return self.life.is_in(Life.GONE)

    @property
    def is_broken(self) -> bool:
        """Nothing goes in or out any more."""
        return self.is_destroyed or self.errored is not None

    # ---- construction

    def construct(self) -> None:
        """In the tick after the one that made the stream, so that a subclass is through with its own construction."""
        is_done = False

        def done(error: BaseException | None = None) -> None:
            nonlocal is_done
            if is_done:
                self.fail(error or multiple_callback())
                return
            is_done = True
            is_doomed = self.life.is_in(Life.DOOMED)
            self.life.on(Event.CONSTRUCTED)
            if is_doomed:
                self.run_destroy_hook(self.doom or error)
            elif error:
                self.fail(error, is_in_hook=True)
            else:
                self.stream.constructed()

        try:
            self.stream._construct(lambda error=None: next_tick(done, error))
        except Exception as error:
            next_tick(done, error)

    # ---- destruction

    def destroy(self, error: BaseException | None) -> None:
        if self.is_destroyed:
            return
        self.note(error)
        self.life.on(Event.DESTROY)
        if self.life.is_in(Life.DOOMED):
            self.doom = error
        else:
            self.run_destroy_hook(error)

    def run_destroy_hook(self, error: BaseException | None) -> None:
        """What the hook calls back with is what is emitted, even if it is another error than the first."""
        is_done = False

        def done(error: BaseException | None = None) -> None:
            nonlocal is_done
            if is_done:
                return
            is_done = True
            self.note(error)
            self.life.on(Event.HOOK_DONE)
            next_tick(self.tell, error)

        try:
            self.stream._destroy(error, done)
        except Exception as raised:
            done(raised)

    def tell(self, error: BaseException | None) -> None:
        """ORDER: 'error' and 'close' in one tick."""
        if error:
            self.emit_error(error)
        self.life.on(Event.TOLD)
        if self.emit_close:
            self.stream.emit("close")

    # ---- errors

    def fail(self, error: BaseException, *, is_in_hook: bool = False) -> None:
        """Destroy with it, or only emit it where auto_destroy is off; in a tick, if a hook is on the stack."""
        if self.is_destroyed:
            return
        if self.auto_destroy:
            self.stream.destroy(error)
            return
        self.note(error)
        if is_in_hook:
            next_tick(self.emit_error, error)
        else:
            self.emit_error(error)

    def note(self, error: BaseException | None) -> None:
        if self.errored is None:
            self.errored = error

    def emit_error(self, error: BaseException) -> None:
        if not self.has_emitted_error:
            self.has_emitted_error = True
            self.stream.emit("error", error)
