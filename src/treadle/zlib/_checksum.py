"""crc32, which is computed at once. Source: https://nodejs.org/api/zlib.html#zlibcrc32data-value"""

from treadle.zlib._engines import checksum_engine

__all__ = ["crc32"]


def crc32(data: str | bytes | bytearray | memoryview, value: int = 0) -> int:
    """The CRC-32 of the data, behind that of what came before it. A str is taken as UTF-8.

    It is computed here and now, at some GB/s: what is long is better read as a stream.
    """
    checksum: int = checksum_engine().crc32(data.encode() if isinstance(data, str) else data, value)
    return checksum
