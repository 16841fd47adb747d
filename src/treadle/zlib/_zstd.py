"""Zstandard, by compression.zstd of CPython 3.14, or before it by its backport (extra "zstd"). Source: RFC 8878; PEP 784.

Not the package zstandard, whose decompressor cannot be told how much to make of a few bytes. Not here: when the package is
missing (treadle._base.extras).
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any, ClassVar, Final

from treadle._base.errors import TreadleError
from treadle._base.extras import extra_module
from treadle.zlib import constants
from treadle.zlib._codec import MEMBERS_MAX, Flushes, Piece
from treadle.zlib._errors import corrupt, truncated

__all__ = ["FLUSHES", "ZstdCompressing", "ZstdDecompressing", "zstd_options"]

FLUSHES = Flushes(constants.ZSTD_e_continue, constants.ZSTD_e_flush, constants.ZSTD_e_end, constants.ZSTD_e_end)

FRAME: Final = b"\x28\xb5\x2f\xfd"  # RFC 8878 section 3.1.1
SKIPPABLE: Final = tuple(bytes((number, 0x2A, 0x4D, 0x18)) for number in range(0x50, 0x60))  # section 3.1.2
TRAINED: Final = b"\x37\xa4\x30\xec"  # section 5; another dictionary is content and no more


@cache
def _library() -> Any:
    try:
        return import_module("compression.zstd")
    except ImportError:
        return extra_module("backports.zstd", extra="zstd")


def zstd_options(params: Mapping[int, Any], dictionary: bytes | None, *, compresses: bool) -> dict[str, Any]:
    """Node's params and dictionary as the module's arguments. Raises TreadleError: ERR_ZSTD_INVALID_PARAM, ERR_INVALID_ARG_VALUE,
    ERR_EXTRA_NOT_INSTALLED."""
    library = _library()
    arguments: dict[str, Any] = {"options": dict(params)}
    if dictionary:
        try:
            made = arguments["zstd_dict"] = library.ZstdDict(dictionary, is_raw=not dictionary.startswith(TRAINED))
            library.ZstdDecompressor(zstd_dict=made)  # looks at it now; who compresses does with the first byte
        except (ValueError, library.ZstdError):
            expected = "of 8 bytes at least, and whole where it was trained"
            raise TreadleError("ERR_INVALID_ARG_VALUE", name="dictionary", expected=expected, received=dictionary) from None
    maker = library.ZstdCompressor if compresses else library.ZstdDecompressor
    for key, value in params.items():
        try:
            maker(options={key: value})
        except (ValueError, TypeError, OverflowError, library.ZstdError) as error:
            raise TreadleError("ERR_ZSTD_INVALID_PARAM", parameter=key, received=value) from error
    return arguments


class ZstdCompressing:
    """A codec that compresses: one frame."""

    flushes: ClassVar[Flushes] = FLUSHES

    def __init__(self, arguments: Mapping[str, Any], pledged_src_size: int | None) -> None:
        self.is_over = False
        self._has_finished = False
        self._engine = _library().ZstdCompressor(**arguments)
        if pledged_src_size is not None:
            self._engine.set_pledged_input_size(pledged_src_size)

    def work(self, data: bytes | memoryview, flush: int, room: int) -> Piece:
        """See Codec. All of a portion is taken at once."""
        if self._has_finished:
            if len(data):
                raise TreadleError("Z_STREAM_ERROR", reason="written behind its end")
            return Piece(b"", 0, False)
        self._has_finished = flush == constants.ZSTD_e_end
        try:
            output: bytes = self._engine.compress(data, flush)
        except _library().ZstdError as error:
            raise TreadleError("Z_STREAM_ERROR", reason=str(error)) from None
        return Piece(output, len(data), False)


class ZstdDecompressing:
    """A codec that decompresses: frames, one behind the other. What follows one and is none is passed over."""

    flushes: ClassVar[Flushes] = FLUSHES

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self.is_over = False
        self._arguments = arguments
        self._engine: Any = None  # None: before a frame, or behind it
        self._has_ended_one = False
        self._rest: bytes | memoryview = b""  # of the portion, which the engine does not hold; or a piece of a magic number

    def work(self, data: bytes | memoryview, flush: int, room: int) -> Piece:
        """See Codec. What the engine has taken into its own buffer counts as taken."""
        if self._rest:
            data = b"".join((self._rest, data)) if len(data) else self._rest
        before, parts, made, has_more, ended = len(data), [], 0, False, 0
        while not has_more and (self._engine is not None or self._begin(data, flush == constants.ZSTD_e_end)):
            output = self._decompress(data, room - made)
            parts.append(output)
            made += len(output)
            if self._engine.eof:
                data, self._engine, self._has_ended_one = self._engine.unused_data, None, True
                ended += 1
            else:
                data = b""
                if self._engine.needs_input:
                    break
            has_more = made >= room or ended >= MEMBERS_MAX
        self._rest = b"" if self.is_over else data
        is_through = self.is_over or (self._engine is None and self._has_ended_one)
        if flush == constants.ZSTD_e_end and not has_more and not is_through:
            raise truncated()
        return Piece(b"".join(parts) if len(parts) != 1 else parts[0], before - len(data), has_more)

    def _begin(self, data: bytes | memoryview, is_last: bool) -> bool:
        # Whether there is a frame to be read.
        if not len(data):
            return False
        magic = bytes(data[:4])
        if self._has_ended_one and magic not in (FRAME, *SKIPPABLE):
            may_become_one = len(magic) < 4 and any(known.startswith(magic) for known in (FRAME, *SKIPPABLE))
            self.is_over = is_last or not may_become_one
            return False
        self._engine = _library().ZstdDecompressor(**self._arguments)
        return True

    def _decompress(self, data: bytes | memoryview, room: int) -> bytes:
        try:
            output: bytes = self._engine.decompress(data, room)
        except _library().ZstdError as error:
            raise corrupt(str(error)) from None
        return output
