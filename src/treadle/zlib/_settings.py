"""The options of each format, checked, and what they make. A stream takes the same as the function for a whole body.

Not here: options of streams (treadle.streams). Source: https://nodejs.org/api/zlib.html#class-options
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypedDict

from treadle._base.errors import TreadleError
from treadle.zlib import constants
from treadle.zlib._brotli import FLUSHES as BROTLI_FLUSHES
from treadle.zlib._brotli import BrotliCompressing, BrotliDecompressing, brotli_parameters
from treadle.zlib._codec import Codec, Flushes
from treadle.zlib._deflate import FLUSHES, Deflating, Form
from treadle.zlib._inflate import Inflating
from treadle.zlib._zstd import FLUSHES as ZSTD_FLUSHES
from treadle.zlib._zstd import ZstdCompressing, ZstdDecompressing, zstd_options

__all__ = [
    "BrotliOptions",
    "CommonOptions",
    "DeflateOptions",
    "InflateOptions",
    "Settings",
    "ZstdOptions",
    "brotli_settings",
    "check_names",
    "deflate_settings",
    "inflate_settings",
    "require_integer",
    "zstd_settings",
]

Dictionary = bytes | bytearray | memoryview

CHUNK_MAX: Final = 1 << 30  # bytes

_IN_PARAMS: Final = {  # of formats whose own options are `params`: what others call them
    "zlib.brotli_compress": {"level": "BROTLI_PARAM_QUALITY", "quality": "BROTLI_PARAM_QUALITY", "lgwin": "BROTLI_PARAM_LGWIN"},
    "zlib.zstd_compress": {"level": "ZSTD_c_compressionLevel", "compression_level": "ZSTD_c_compressionLevel"},
}


class CommonOptions(TypedDict, total=False):
    """What all of them take."""

    flush: int  # a kind, behind each write. Default: none
    finish_flush: int  # a kind, behind the last one. Default: Z_FINISH; Z_SYNC_FLUSH lets truncated input pass
    chunk_size: int  # bytes of a piece of output, of what decompresses. Default: 64 KiB
    max_output_length: int | None  # bytes. Default: None for a stream, 1 GiB for a function


class DeflateOptions(CommonOptions, total=False):
    """Of gzip, deflate and deflate_raw."""

    level: int  # -1 to 9. Default: -1, which is 6
    window_bits: int  # 8 to 15. Default: 15
    mem_level: int  # 1 to 9. Default: 8
    strategy: int  # Z_DEFAULT_STRATEGY to Z_FIXED
    dictionary: Dictionary | None


class InflateOptions(CommonOptions, total=False):
    """Of gunzip, inflate, inflate_raw and unzip."""

    window_bits: int  # 8 to 15, or 0: as the header says. Default: 15
    dictionary: Dictionary | None


class BrotliOptions(CommonOptions, total=False):
    """Of brotli_compress and brotli_decompress."""

    params: Mapping[int, int] | None  # constants.BROTLI_PARAM_...


class ZstdOptions(CommonOptions, total=False):
    """Of zstd_compress and zstd_decompress."""

    params: Mapping[int, int] | None  # constants.ZSTD_c_..., ZSTD_d_...
    dictionary: Dictionary | None
    pledged_src_size: int | None  # bytes that will be written


@dataclass(frozen=True)
class Settings:
    """What a stream, or a call, does."""

    make_codec: Callable[[], Codec]
    flushes: Flushes
    flush: int
    finish_flush: int
    chunk_size: int
    max_output_length: int | None


def deflate_settings(
    form: Form,
    *,
    level: int = constants.Z_DEFAULT_LEVEL,
    window_bits: int = constants.Z_DEFAULT_WINDOWBITS,
    mem_level: int = constants.Z_DEFAULT_MEMLEVEL,
    strategy: int = constants.Z_DEFAULT_STRATEGY,
    dictionary: Dictionary | None = None,
    **common: Any,
) -> Settings:
    """DeflateOptions. Raises TreadleError: ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE; as all of them."""
    require_integer(level, "level", constants.Z_MIN_LEVEL, constants.Z_MAX_LEVEL)
    require_integer(window_bits, "window_bits", constants.Z_MIN_WINDOWBITS, constants.Z_MAX_WINDOWBITS)
    require_integer(mem_level, "mem_level", constants.Z_MIN_MEMLEVEL, constants.Z_MAX_MEMLEVEL)
    require_integer(strategy, "strategy", constants.Z_DEFAULT_STRATEGY, constants.Z_FIXED)
    words = _bytes_of(dictionary)
    return _settings(partial(Deflating, form, level, window_bits, mem_level, strategy, words), FLUSHES, **common)


def inflate_settings(
    form: Form, *, window_bits: int = constants.Z_DEFAULT_WINDOWBITS, dictionary: Dictionary | None = None, **common: Any
) -> Settings:
    """InflateOptions."""
    least = 0 if window_bits == 0 else constants.Z_MIN_WINDOWBITS
    require_integer(window_bits, "window_bits", least, constants.Z_MAX_WINDOWBITS)
    return _settings(partial(Inflating, form, window_bits, _bytes_of(dictionary)), FLUSHES, **common)


def brotli_settings(compresses: bool, *, params: Mapping[int, int] | None = None, **common: Any) -> Settings:
    """BrotliOptions."""
    arguments = brotli_parameters(_mapping(params), compresses=compresses)
    make = partial(BrotliCompressing, arguments) if compresses else BrotliDecompressing
    return _settings(make, BROTLI_FLUSHES, **common)


def zstd_settings(
    compresses: bool,
    *,
    params: Mapping[int, int] | None = None,
    dictionary: Dictionary | None = None,
    pledged_src_size: int | None = None,
    **common: Any,
) -> Settings:
    """ZstdOptions."""
    arguments = zstd_options(_mapping(params), _bytes_of(dictionary), compresses=compresses)
    if pledged_src_size is not None:
        require_integer(pledged_src_size, "pledged_src_size", 0, 2**63 - 1)
    make = partial(ZstdCompressing, arguments, pledged_src_size) if compresses else partial(ZstdDecompressing, arguments)
    return _settings(make, ZSTD_FLUSHES, **common)


def _settings(
    make_codec: Callable[[], Codec],
    flushes: Flushes,
    *,
    flush: int | None = None,
    finish_flush: int | None = None,
    chunk_size: int = constants.Z_DEFAULT_CHUNK,
    max_output_length: int | None = None,
) -> Settings:
    flush = flushes.none if flush is None else flush
    finish_flush = flushes.finish if finish_flush is None else finish_flush
    require_integer(flush, "flush", flushes.none, flushes.last)
    require_integer(finish_flush, "finish_flush", flushes.none, flushes.last)
    require_integer(chunk_size, "chunk_size", constants.Z_MIN_CHUNK, CHUNK_MAX)
    if max_output_length is not None:
        require_integer(max_output_length, "max_output_length", 1, 2**63 - 1)
    return Settings(make_codec, flushes, flush, finish_flush, chunk_size, max_output_length)


def check_names(function: str, kind: str, given: Iterable[str], known: Collection[str] | None) -> None:
    """Raises TypeError, as a call of Python does, for an option that there is not; and says where it is, if it is elsewhere.

    known: None where others look at what is left.
    """
    for name in given:
        constant = _IN_PARAMS.get(kind, {}).get(name)
        if constant is not None:
            there = f"say params={{zlib.constants.{constant}: ...}}"
        elif known is not None and name not in known:
            there = f"it takes {', '.join(known)}"
        else:
            continue
        raise TypeError(f"{function}() got an unexpected keyword argument {name!r}: {there}")


def require_integer(value: object, name: str, least: int, most: int) -> None:
    """Raises TreadleError: ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TreadleError("ERR_INVALID_ARG_TYPE", name=name, expected="an int", received=type(value).__name__)
    if not least <= value <= most:
        raise TreadleError("ERR_OUT_OF_RANGE", name=name, expected=f"from {least} to {most}", received=value)


def _mapping(params: object) -> Mapping[int, Any]:
    if params is None:
        return {}
    if not isinstance(params, Mapping):
        raise TreadleError("ERR_INVALID_ARG_TYPE", name="params", expected="a mapping", received=type(params).__name__)
    return params


def _bytes_of(dictionary: object) -> bytes | None:
    if dictionary is None:
        return None
    if not isinstance(dictionary, (bytes, bytearray, memoryview)):
        received = type(dictionary).__name__
        raise TreadleError("ERR_INVALID_ARG_TYPE", name="dictionary", expected="bytes", received=received)
    return bytes(dictionary)
