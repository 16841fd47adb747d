"""What waits to be read, in order, and how it is cut. A chunk is bytes; with an encoding, text; in object mode anything."""

from __future__ import annotations

from typing import Any

from tests.model.streams import text


def as_bytes(chunk: Any) -> bytes | None:
    """None: it is no bytes."""
    return bytes(chunk) if isinstance(chunk, bytes | bytearray | memoryview) else None


def size_of(chunk: Any, *, is_object: bool) -> int:
    """What a chunk counts against a mark."""
    if is_object:
        return 1
    return text.length(chunk) if isinstance(chunk, str) else len(chunk)


class Chunks:
    """Of one reading side."""

    def __init__(self, *, is_object: bool) -> None:
        self.is_object = is_object
        self.is_text = False  # set with an encoding, and never cleared
        self.chunks: list[Any] = []

    @property
    def length(self) -> int:
        return sum(map(self.size, self.chunks))

    @property
    def first_length(self) -> int:
        return self.size(self.chunks[0])

    def size(self, chunk: Any) -> int:
        return size_of(chunk, is_object=self.is_object)

    def add(self, chunk: Any, *, at_front: bool = False) -> None:
        self.chunks.insert(0 if at_front else len(self.chunks), chunk)

    def decode(self, decoder: text.Decoder) -> None:
        """An encoding is set: what is there already is decoded as well, into one chunk."""
        self.is_text = True
        decoded = text.join([chunk if isinstance(chunk, str) else decoder.write(chunk) for chunk in self.chunks])
        self.chunks = [decoded] if decoded else []

    def take(self, count: int) -> Any:
        """So much from the front, or all; None if there is nothing. In object mode the first one."""
        if not self.chunks:
            return None
        if self.is_object:
            return self.chunks.pop(0)
        if count < self.length and count <= self.first_length:
            return self.take_of_first(count)
        taken = []
        while self.chunks and count > 0:
            chunk = self.take_of_first(min(count, self.first_length))
            count -= self.size(chunk)
            taken.append(chunk)
        if self.is_text:
            return text.join([chunk if isinstance(chunk, str) else chunk.decode(errors="replace") for chunk in taken])
        return b"".join(taken)

    def take_of_first(self, count: int) -> Any:
        chunk = self.chunks.pop(0)
        taken, rest = text.cut(chunk, count) if isinstance(chunk, str) else (chunk[:count], chunk[count:])
        if rest:
            self.chunks.insert(0, rest)
        return taken
