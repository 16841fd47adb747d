"""Compressing and decompressing, off the loop: gzip, deflate, brotli, zstd, as Transforms and whole. Source: Node, "zlib".

    await pipeline(source, zlib.create_gzip(), response)        a stream: bounded by its marks, whatever it decompresses to
    small = await zlib.gzip(body)                               a whole body

Not here: which library does it (_engines.py), the threads (treadle.pool).
"""

from treadle.zlib import _classes, _whole, constants
from treadle.zlib._checksum import crc32
from treadle.zlib._classes import *  # noqa: F403  # they say what is public
from treadle.zlib._whole import *  # noqa: F403

__all__ = ["constants", "crc32"]
__all__ += _classes.__all__
__all__ += _whole.__all__
