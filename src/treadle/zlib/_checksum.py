"""crc32, which is computed at once. Source: https://nodejs.org/api/zlib.html#zlibcrc32data-value"""

from treadle._base.errors import TreadleError
from treadle.streams._text import encode
from treadle.zlib._engines import checksum_engine
from treadle.zlib._settings import require_integer

__all__ = ["crc32"]

UINT32_MAX = 2**32 - 1


def crc32(data: str | bytes | bytearray | memoryview, value: int = 0) -> int:
    """The CRC-32 of the data, behind that of what came before it. A str is taken as UTF-8.

    It is computed here and now, at some GB/s: what is long is better read as a stream. Raises TreadleError: ERR_INVALID_ARG_TYPE,
    ERR_OUT_OF_RANGE.
    """
    require_integer(value, "value", 0, UINT32_MAX)
    try:
        checksum: int = checksum_engine().crc32(encode(data, "utf8") if isinstance(data, str) else data, value)
    except TypeError:
        received = type(data).__name__
        raise TreadleError("ERR_INVALID_ARG_TYPE", name="data", expected="bytes or str", received=received) from None
    return checksum
