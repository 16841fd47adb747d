"""Decompressing gzip, zlib ("deflate") and raw deflate. Source: RFC 1950 to 1952; Node 24 for what follows a gzip member.

    member ──end──► nothing       complete; another member may follow
                    zeros ...     over: padding, and whatever is behind it
                    other bytes   the next member, or Z_DATA_ERROR

Invariant: an engine makes no more than it is asked for, whatever the input says. Not here: which library does it (_engines.py).
"""

from typing import Any, ClassVar, Final

from treadle.zlib import constants
from treadle.zlib._codec import MEMBERS_MAX, Flushes, Piece
from treadle.zlib._deflate import FLUSHES, Form
from treadle.zlib._engines import decompressing
from treadle.zlib._errors import of_engine, truncated

__all__ = ["Inflating"]

MAGIC: Final = b"\x1f\x8b"  # RFC 1952 section 2.3.1


class Inflating:
    """A codec that decompresses."""

    flushes: ClassVar[Flushes] = FLUSHES

    def __init__(self, form: Form, window_bits: int, dictionary: bytes | None) -> None:
        self.is_over = False
        self._form = form
        self._window_bits = window_bits
        self._dictionary = dictionary
        self._library = decompressing()
        self._engine: Any = None  # None: before a member, or behind it
        self._has_ended_one = False
        self._rest: bytes | memoryview = b""  # of the portion; or a first byte that does not yet say what it is

    def work(self, data: bytes | memoryview, flush: int, room: int) -> Piece:
        """See Codec."""
        if self._rest:
            data = b"".join((self._rest, data)) if len(data) else self._rest
        before, parts, made, has_more, ended = len(data), [], 0, False, 0
        while not has_more and (self._engine is not None or self._begin(data)):
            output = self._decompress(data, room - made)
            parts.append(output)
            made += len(output)
            if self._engine.eof:
                data, self._engine, self._has_ended_one = self._engine.unused_data, None, True
                ended += 1
            else:
                data = self._engine.unconsumed_tail
                if made < room:
                    break
            has_more = made >= room or ended >= MEMBERS_MAX
        self._rest = b"" if self.is_over else data
        is_through = self.is_over or (self._engine is None and self._has_ended_one)
        if flush == constants.Z_FINISH and not has_more and not is_through:
            raise truncated()
        return Piece(b"".join(parts) if len(parts) != 1 else parts[0], before - len(data), has_more)

    def _begin(self, data: bytes | memoryview) -> bool:
        # Whether there is a member to be read.
        if not len(data):
            return False
        if self._has_ended_one and (self._form is not Form.GZIP or data[0] == 0):
            self.is_over = True
            return False
        if self._form is Form.GZIP_OR_ZLIB:
            if len(data) == 1 and data[0] == MAGIC[0]:
                return False
            self._form = Form.GZIP if data[:2] == MAGIC else Form.ZLIB
        bits = self._form.bits(self._window_bits or (0 if self._form is Form.ZLIB else constants.Z_MAX_WINDOWBITS))
        options: dict[str, Any] = {"zdict": self._dictionary} if self._dictionary and self._form is not Form.GZIP else {}
        self._engine = self._library.decompressobj(bits, **options)
        return True

    def _decompress(self, data: bytes | memoryview, room: int) -> bytes:
        try:
            output: bytes = self._engine.decompress(data, room)
        except self._library.error as error:
            raise of_engine(error) from None
        return output
