"""Compressing and decompressing, off the loop: gzip, deflate, brotli, zstd, as Transforms and whole. Source: Node, "zlib".

    await pipeline(source, zlib.create_gzip(), response)        a stream: bounded by its marks, whatever it decompresses to
    small = await zlib.gzip(body)                               a whole body

Not here: which library does it (_engines.py), the threads (treadle.pool).
"""

from treadle.zlib import constants
from treadle.zlib._checksum import crc32
from treadle.zlib._classes import (
    BrotliCompress,
    BrotliDecompress,
    Deflate,
    DeflateRaw,
    Gunzip,
    Gzip,
    Inflate,
    InflateRaw,
    Unzip,
    ZstdCompress,
    ZstdDecompress,
    create_brotli_compress,
    create_brotli_decompress,
    create_deflate,
    create_deflate_raw,
    create_gunzip,
    create_gzip,
    create_inflate,
    create_inflate_raw,
    create_unzip,
    create_zstd_compress,
    create_zstd_decompress,
)
from treadle.zlib._whole import (
    brotli_compress,
    brotli_decompress,
    deflate,
    deflate_raw,
    gunzip,
    gzip,
    inflate,
    inflate_raw,
    unzip,
    zstd_compress,
    zstd_decompress,
)

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
    "brotli_compress",
    "brotli_decompress",
    "constants",
    "crc32",
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
    "deflate",
    "deflate_raw",
    "gunzip",
    "gzip",
    "inflate",
    "inflate_raw",
    "unzip",
    "zstd_compress",
    "zstd_decompress",
]
