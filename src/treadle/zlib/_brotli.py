"""Brotli, by the package brotli (extra "brotli"). Source: RFC 7932; https://github.com/google/brotli, python/brotli.py.

Not here: when the package is missing (treadle._base.extras).
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, Final

from treadle._base.errors import TreadleError
from treadle._base.extras import extra_module
from treadle.zlib import constants
from treadle.zlib._codec import Flushes, Piece
from treadle.zlib._errors import corrupt, truncated

__all__ = ["FLUSHES", "BrotliCompressing", "BrotliDecompressing", "brotli_parameters"]

FLUSHES = Flushes(
    constants.BROTLI_OPERATION_PROCESS,
    constants.BROTLI_OPERATION_FLUSH,
    constants.BROTLI_OPERATION_FINISH,
    constants.BROTLI_OPERATION_FINISH,
)

# What the package takes, by Node's number: its name, the least, the most. 0: let it choose.
PARAMETERS: Final = {
    constants.BROTLI_PARAM_MODE: ("mode", 0, 2),
    constants.BROTLI_PARAM_QUALITY: ("quality", constants.BROTLI_MIN_QUALITY, constants.BROTLI_MAX_QUALITY),
    constants.BROTLI_PARAM_LGWIN: ("lgwin", constants.BROTLI_MIN_WINDOW_BITS, constants.BROTLI_MAX_WINDOW_BITS),
    constants.BROTLI_PARAM_LGBLOCK: ("lgblock", constants.BROTLI_MIN_INPUT_BLOCK_BITS, constants.BROTLI_MAX_INPUT_BLOCK_BITS),
}
FIRST_BLOCK: Final = 32 * 1024  # bytes: the package's output grows by blocks, and it looks at the limit behind each


@cache
def _library() -> Any:
    brotli = extra_module("brotli", extra="brotli")
    if not hasattr(brotli.Decompressor, "can_accept_more_data"):  # with which its output can be bounded
        state = f"too old: {brotli.__version__}, and 1.2 is needed"
        raise TreadleError("ERR_EXTRA_NOT_INSTALLED", library="brotli", state=state, extra="brotli")
    return brotli


def brotli_parameters(params: Mapping[int, Any], *, compresses: bool) -> dict[str, int]:
    """Node's params as the package's arguments. Raises TreadleError: ERR_BROTLI_INVALID_PARAM, ERR_EXTRA_NOT_INSTALLED."""
    _library()
    arguments: dict[str, int] = {}
    for key, value in params.items():
        if key == constants.BROTLI_PARAM_SIZE_HINT and compresses:
            continue  # a hint, for which the package has no place
        name, least, most = PARAMETERS.get(key, ("", 0, 0)) if compresses else ("", 0, 0)
        is_left_open = value == 0 and name == "lgblock"
        if not name or type(value) is not int or not (least <= value <= most or is_left_open):
            raise TreadleError("ERR_BROTLI_INVALID_PARAM", parameter=key, received=value)
        arguments[name] = value
    return arguments


class BrotliCompressing:
    """A codec that compresses."""

    flushes: ClassVar[Flushes] = FLUSHES

    def __init__(self, arguments: Mapping[str, int]) -> None:
        self.is_over = False
        self._has_finished = False
        self._engine = _library().Compressor(**arguments)

    def work(self, data: bytes | memoryview, flush: int, room: int) -> Piece:
        """See Codec. All of a portion is taken at once."""
        if self._has_finished:
            if len(data):
                raise TreadleError("Z_STREAM_ERROR", reason="written behind its end")
            return Piece(b"", 0, False)
        output: bytes = self._engine.process(data) if len(data) else b""
        if flush == constants.BROTLI_OPERATION_FINISH:
            self._has_finished = True
            output += self._engine.finish()
        elif flush == constants.BROTLI_OPERATION_FLUSH:
            output += self._engine.flush()
        return Piece(output, len(data), False)


class BrotliDecompressing:
    """A codec that decompresses. What follows the end of its data is an error: the package tells no more of it."""

    flushes: ClassVar[Flushes] = FLUSHES

    def __init__(self) -> None:
        self.is_over = False
        self._engine = _library().Decompressor()

    def work(self, data: bytes | memoryview, flush: int, room: int) -> Piece:
        """See Codec."""
        if self._engine.is_finished():
            if len(data):
                raise corrupt("bytes behind the end of the brotli stream")
            return Piece(b"", 0, False)
        try:
            output: bytes = self._engine.process(data, output_buffer_limit=min(room, FIRST_BLOCK) // 2)
        except _library().error as error:
            raise corrupt(str(error)) from None
        # It may hold more although it takes more: it holds none if it makes none.
        has_more = not self._engine.is_finished() and (bool(output) or not self._engine.can_accept_more_data())
        if flush == constants.BROTLI_OPERATION_FINISH and not has_more and not self._engine.is_finished():
            raise truncated()
        return Piece(output, len(data), has_more)
