"""Compressing to gzip, zlib ("deflate") and raw deflate. Source: RFC 1950 to 1952; zlib.h.

Not here: which library does it (_engines.py).
"""

from enum import Enum
from functools import partial
from typing import Any, ClassVar

from treadle._base.errors import TreadleError
from treadle.zlib import constants
from treadle.zlib._codec import Flushes, Piece
from treadle.zlib._engines import ISAL, ISAL_MEM_LEVEL_MAX, compressing

__all__ = ["FLUSHES", "Deflating", "Form"]

FLUSHES = Flushes(constants.Z_NO_FLUSH, constants.Z_FULL_FLUSH, constants.Z_FINISH, constants.Z_BLOCK)
METHOD = 8  # Z_DEFLATED, the only one that there is


class Form(Enum):
    """What is around the deflated blocks."""

    GZIP = "gzip"
    ZLIB = "deflate"
    RAW = "raw"
    GZIP_OR_ZLIB = "unzip"  # as the first bytes say

    def bits(self, window_bits: int) -> int:
        """The number by which zlib's functions are told both."""
        return {Form.GZIP: window_bits + 16, Form.ZLIB: window_bits, Form.RAW: -window_bits}[self]


def _compress(library: Any, level: int, bits: int, data: bytes | memoryview) -> bytes:
    made: bytes = library.compress(data, level, bits)
    return made


class Deflating:
    """A codec that compresses. INVARIANT: the engine is told nothing after its end."""

    flushes: ClassVar[Flushes] = FLUSHES

    def __init__(self, form: Form, level: int, window_bits: int, mem_level: int, strategy: int, dictionary: bytes | None) -> None:
        self.is_over = False
        self._has_finished = False
        if form is not Form.ZLIB:
            window_bits = max(window_bits, 9)  # zlib.h: 8 is of the zlib format only
        if form is Form.GZIP:
            dictionary = None  # COMPAT(node): the format has none
        is_plain = strategy == constants.Z_DEFAULT_STRATEGY and window_bits == constants.Z_MAX_WINDOWBITS and not dictionary
        library, level = compressing(level, is_plain=is_plain)
        self._is_isal = library.__name__ == ISAL
        has_usual_memory = mem_level == constants.Z_DEFAULT_MEMLEVEL
        # PERF: bench/small_bodies.py: what is whole is one call, which lets go of the GIL once and not three times.
        self._at_once = partial(_compress, library, level, form.bits(window_bits)) if is_plain and has_usual_memory else None
        if self._is_isal:
            mem_level = min(mem_level, ISAL_MEM_LEVEL_MAX)
        options: dict[str, Any] = {"zdict": dictionary} if dictionary else {}
        self._engine: Any = None  # made by the first job: isal's takes some 30 us
        self._make = partial(library.compressobj, level, METHOD, form.bits(window_bits), mem_level, strategy, **options)

    def work(self, data: bytes | memoryview, flush: int, room: int) -> Piece:
        """See Codec. All of a portion is taken at once, and what comes out is not much longer than what went in."""
        if self._has_finished:
            if len(data):
                raise TreadleError("Z_STREAM_ERROR", reason="written behind its end")
            return Piece(b"", 0, False)
        if self._engine is None:
            if flush == constants.Z_FINISH and self._at_once is not None:
                self._has_finished = True
                return Piece(self._at_once(data), len(data), False)
            self._engine = self._make()
        output: bytes = self._engine.compress(data) if len(data) else b""
        if flush != constants.Z_NO_FLUSH:
            output += self._flushed(flush)
        return Piece(output, len(data), False)

    def _flushed(self, kind: int) -> bytes:
        if kind == constants.Z_FINISH:
            self._has_finished = True
        elif self._is_isal and kind != constants.Z_FULL_FLUSH:
            kind = constants.Z_SYNC_FLUSH  # OWNER: of a kind that it does not know isal keeps its lock for ever
        flushed: bytes = self._engine.flush(kind)
        return flushed
