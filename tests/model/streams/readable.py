"""Readable: the names of the reading side."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Hashable
from typing import Any, Self

from tests.model.streams.errors import StreamError
from tests.model.streams.iteration import iterate
from tests.model.streams.read_side import Mode, ReadSide
from tests.model.streams.stream import Hook, Stream


class Readable(Stream):
    """See read_side."""

    read_side: ReadSide

    def __init__(
        self,
        *,
        high_water_mark: int | None = None,
        object_mode: bool = False,
        encoding: str | None = None,
        default_encoding: str = "utf8",
        emit_close: bool = True,
        auto_destroy: bool = True,
        signal: Any = None,
        read: Hook | None = None,
        destroy: Hook | None = None,
        construct: Hook | None = None,
    ) -> None:
        super().__init__(auto_destroy=auto_destroy, emit_close=emit_close, read=read, destroy=destroy, construct=construct)
        self.read_side = ReadSide(
            self,
            mark=high_water_mark,
            is_object=object_mode,
            encoding=encoding,
            default_encoding=default_encoding,
            is_enabled=True,
        )
        self.begin(signal)

    def _read(self, size: int) -> object:
        raise StreamError("ERR_METHOD_NOT_IMPLEMENTED")

    def push(self, chunk: Any, encoding: str | None = None) -> bool:
        return self.read_side.push(chunk, encoding)

    def unshift(self, chunk: Any, encoding: str | None = None) -> bool:
        return self.read_side.unshift(chunk, encoding)

    def read(self, size: int | None = None) -> Any:
        return self.read_side.read(size)

    def pause(self) -> Self:
        self.read_side.pause()
        return self

    def resume(self) -> Self:
        self.read_side.resume()
        return self

    def is_paused(self) -> bool:
        return self.read_side.is_paused_by_user or self.read_side.mode is Mode.HELD

    def pipe(self, destination: Any, *, end: bool = True) -> Any:
        self.pipes.add(destination, does_end=end)
        return destination

    def unpipe(self, destination: Any = None) -> Self:
        self.pipes.remove(destination)
        return self

    def set_encoding(self, encoding: str | None) -> Self:
        self.read_side.set_encoding(encoding)
        return self

    def __aiter__(self) -> AsyncIterator[Any]:
        return iterate(self)

    # ---- listeners decide who reads

    def on(self, event: Hashable, listener: Callable[..., object], /) -> Self:
        super().on(event, listener)
        self.read_side.listened_to(event)
        return self

    def off(self, event: Hashable, listener: Callable[..., object], /) -> Self:
        super().off(event, listener)
        self.read_side.left_by(event)
        return self

    def remove_all_listeners(self, event: Hashable | None = None, /) -> Self:
        super().remove_all_listeners(event)
        if event in ("readable", None):
            self.read_side.left_by(event)
        return self

    add_listener = on
    remove_listener = off

    # ---- how it stands

    @property
    def readable(self) -> bool:
        side, life = self.read_side, self.life
        return side.is_enabled and not life.is_destroyed and not life.has_emitted_error and not side.is_ended

    @property
    def readable_ended(self) -> bool:
        return self.read_side.is_ended

    @property
    def readable_flowing(self) -> bool | None:
        return self.read_side.mode.value

    @property
    def readable_length(self) -> int:
        return self.read_side.length

    @property
    def readable_high_water_mark(self) -> int:
        return self.read_side.mark

    @property
    def readable_object_mode(self) -> bool:
        return self.read_side.chunks.is_object

    @property
    def readable_encoding(self) -> str | None:
        return self.read_side.encoding

    @property
    def readable_did_read(self) -> bool:
        return self.read_side.did_read

    @property
    def readable_aborted(self) -> bool:
        return self.read_side.is_enabled and self.life.is_broken and not self.read_side.is_ended
