"""The streams, one class for each format and direction, and the functions that make them. Source: https://nodejs.org/api/zlib.html

Not here: how they work (_stream.py), what their options mean (_settings.py).
"""

from typing import Any, ClassVar, TypedDict, Unpack

from treadle.events import AbortSignal
from treadle.zlib._deflate import Form
from treadle.zlib._settings import (
    BrotliOptions,
    CommonOptions,
    DeflateOptions,
    InflateOptions,
    Settings,
    ZstdOptions,
    brotli_settings,
    deflate_settings,
    inflate_settings,
    zstd_settings,
)
from treadle.zlib._stream import ZlibStream

__all__ = [
    "BrotliCompress",
    "BrotliDecompress",
    "Deflate",
    "DeflateRaw",
    "Gunzip",
    "Gzip",
    "Inflate",
    "InflateRaw",
    "Unzip",
    "ZstdCompress",
    "ZstdDecompress",
    "create_brotli_compress",
    "create_brotli_decompress",
    "create_deflate",
    "create_deflate_raw",
    "create_gunzip",
    "create_gzip",
    "create_inflate",
    "create_inflate_raw",
    "create_unzip",
    "create_zstd_compress",
    "create_zstd_decompress",
]


class StreamOptions(TypedDict, total=False):
    """Those of Duplex that make sense here."""

    high_water_mark: int | None
    readable_high_water_mark: int | None
    writable_high_water_mark: int | None
    encoding: str | None
    default_encoding: str
    allow_half_open: bool
    emit_close: bool
    auto_destroy: bool
    signal: AbortSignal | None


class DeflateStreamOptions(DeflateOptions, StreamOptions, total=False):
    """Of Gzip, Deflate and DeflateRaw."""


class InflateStreamOptions(InflateOptions, StreamOptions, total=False):
    """Of Gunzip, Inflate, InflateRaw and Unzip."""


class BrotliStreamOptions(BrotliOptions, StreamOptions, total=False):
    """Of BrotliCompress and BrotliDecompress."""


class ZstdStreamOptions(ZstdOptions, StreamOptions, total=False):
    """Of ZstdCompress and ZstdDecompress."""


class _Deflates(ZlibStream):
    _form: ClassVar[Form]
    _options: ClassVar[type[CommonOptions]] = DeflateOptions

    def __init__(self, **options: Unpack[DeflateStreamOptions]) -> None:
        super().__init__(**options)

    @classmethod
    def _make_settings(cls, **options: Any) -> Settings:
        return deflate_settings(cls._form, **options)


class _Inflates(ZlibStream):
    _form: ClassVar[Form]
    _options: ClassVar[type[CommonOptions]] = InflateOptions

    def __init__(self, **options: Unpack[InflateStreamOptions]) -> None:
        super().__init__(**options)

    @classmethod
    def _make_settings(cls, **options: Any) -> Settings:
        return inflate_settings(cls._form, **options)


class _Brotli(ZlibStream):
    _compresses: ClassVar[bool]
    _options: ClassVar[type[CommonOptions]] = BrotliOptions

    def __init__(self, **options: Unpack[BrotliStreamOptions]) -> None:
        super().__init__(**options)

    @classmethod
    def _make_settings(cls, **options: Any) -> Settings:
        return brotli_settings(cls._compresses, **options)


class _Zstd(ZlibStream):
    _compresses: ClassVar[bool]
    _options: ClassVar[type[CommonOptions]] = ZstdOptions

    def __init__(self, **options: Unpack[ZstdStreamOptions]) -> None:
        super().__init__(**options)

    @classmethod
    def _make_settings(cls, **options: Any) -> Settings:
        return zstd_settings(cls._compresses, **options)


class Gzip(_Deflates):
    """Compresses to gzip (RFC 1952)."""

    _kind = "zlib.gzip"
    _form = Form.GZIP


class Gunzip(_Inflates):
    """Decompresses gzip: one member, or several. Zeros behind the last one are padding; anything else there fails."""

    _kind = "zlib.gunzip"
    _form = Form.GZIP


class Deflate(_Deflates):
    """Compresses to the zlib format (RFC 1950), which HTTP calls deflate."""

    _kind = "zlib.deflate"
    _form = Form.ZLIB


class Inflate(_Inflates):
    """Decompresses the zlib format. What is behind its end is passed over, and 'end' comes before it is written."""

    _kind = "zlib.inflate"
    _form = Form.ZLIB


class DeflateRaw(_Deflates):
    """Compresses without header and check (RFC 1951)."""

    _kind = "zlib.deflate_raw"
    _form = Form.RAW


class InflateRaw(_Inflates):
    """Decompresses what has neither header nor check."""

    _kind = "zlib.inflate_raw"
    _form = Form.RAW


class Unzip(_Inflates):
    """Decompresses gzip or the zlib format, as the first bytes say."""

    _kind = "zlib.unzip"
    _form = Form.GZIP_OR_ZLIB


class BrotliCompress(_Brotli):
    """Compresses to brotli (RFC 7932). Its quality is 11, the slowest, unless params say otherwise: take 4 for an answer."""

    _kind = "zlib.brotli_compress"
    _compresses = True


class BrotliDecompress(_Brotli):
    """Decompresses brotli."""

    _kind = "zlib.brotli_decompress"
    _compresses = False


class ZstdCompress(_Zstd):
    """Compresses to Zstandard (RFC 8878)."""

    _kind = "zlib.zstd_compress"
    _compresses = True


class ZstdDecompress(_Zstd):
    """Decompresses Zstandard: one frame, or several."""

    _kind = "zlib.zstd_decompress"
    _compresses = False


def create_gzip(**options: Unpack[DeflateStreamOptions]) -> Gzip:
    """Gzip(**options)."""
    return Gzip(**options)


def create_gunzip(**options: Unpack[InflateStreamOptions]) -> Gunzip:
    """Gunzip(**options)."""
    return Gunzip(**options)


def create_deflate(**options: Unpack[DeflateStreamOptions]) -> Deflate:
    """Deflate(**options)."""
    return Deflate(**options)


def create_inflate(**options: Unpack[InflateStreamOptions]) -> Inflate:
    """Inflate(**options)."""
    return Inflate(**options)


def create_deflate_raw(**options: Unpack[DeflateStreamOptions]) -> DeflateRaw:
    """DeflateRaw(**options)."""
    return DeflateRaw(**options)


def create_inflate_raw(**options: Unpack[InflateStreamOptions]) -> InflateRaw:
    """InflateRaw(**options)."""
    return InflateRaw(**options)


def create_unzip(**options: Unpack[InflateStreamOptions]) -> Unzip:
    """Unzip(**options)."""
    return Unzip(**options)


def create_brotli_compress(**options: Unpack[BrotliStreamOptions]) -> BrotliCompress:
    """BrotliCompress(**options)."""
    return BrotliCompress(**options)


def create_brotli_decompress(**options: Unpack[BrotliStreamOptions]) -> BrotliDecompress:
    """BrotliDecompress(**options)."""
    return BrotliDecompress(**options)


def create_zstd_compress(**options: Unpack[ZstdStreamOptions]) -> ZstdCompress:
    """ZstdCompress(**options)."""
    return ZstdCompress(**options)


def create_zstd_decompress(**options: Unpack[ZstdStreamOptions]) -> ZstdDecompress:
    """ZstdDecompress(**options)."""
    return ZstdDecompress(**options)
