"""What all streams share: a lifecycle, up to two sides, and when the end of both destroys them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from tests.model.streams.abort import add_abort_signal
from tests.model.streams.lifecycle import Lifecycle
from tests.model.streams.pipes import Pipes
from tests.model.streams.read_side import ReadSide
from tests.model.streams.write_side import WriteSide
from treadle.events import EventEmitter
from treadle.process import next_tick

Hook = Callable[..., object]


class Stream(EventEmitter):
    """Without a side, nothing but an emitter that can be destroyed."""

    read_side: ReadSide | None = None
    write_side: WriteSide | None = None
    allow_half_open: bool | None = None  # of a duplex: False ends the writing side when the reading one has ended
    _construct: Hook | None = None

    def __init__(self, *, auto_destroy: bool = True, emit_close: bool = True, **hooks: Hook | None) -> None:
        super().__init__()
        for name, hook in hooks.items():
            if hook is not None:
                setattr(self, f"_{name}", hook)
        self.life = Lifecycle(
            self, auto_destroy=auto_destroy, emit_close=emit_close, has_construct_hook=self._construct is not None
        )
        self.pipes = Pipes(self)

    def begin(self, signal: Any) -> None:
        """The sides are there."""
        if signal is not None:
            add_abort_signal(signal, self)
        if self._construct is not None:
            next_tick(self.life.construct)

    def constructed(self) -> None:
        if self.read_side:
            self.read_side.constructed()
        if self.write_side:
            self.write_side.constructed()

    # ---- the end

    def destroy(self, error: BaseException | None = None) -> Self:
        if self.write_side and not self.life.is_destroyed:
            self.write_side.drop_queue_later()
        self.life.destroy(error)
        return self

    def _destroy(self, error: BaseException | None, callback: Callable[..., object]) -> None:
        callback(error)

    def read_side_ended(self) -> None:
        if self.write_side and self.write_side_is_writable and self.allow_half_open is False:
            next_tick(self.end_by_itself)
        elif self.write_side is None or self.write_side.ending.is_finished:
            self.destroy_by_itself()

    def end_by_itself(self) -> None:
        if self.write_side and self.write_side_is_writable:
            self.end()

    def write_side_finished(self) -> None:
        if self.read_side is None or self.read_side.is_ended:
            self.destroy_by_itself()

    def destroy_by_itself(self) -> None:
        if self.life.auto_destroy:
            self.destroy()

    @property
    def write_side_is_writable(self) -> bool:
        side = self.write_side
        return bool(side and side.is_enabled and not side.ending.has_begun and not self.life.is_broken)

    # ---- how it stands

    @property
    def destroyed(self) -> bool:
        return self.life.is_destroyed

    @property
    def closed(self) -> bool:
        return self.life.is_closed

    @property
    def errored(self) -> BaseException | None:
        return self.life.errored
