"""What engines raise, as errors with a code. Source: zlib.h, return codes; Node, lib/zlib: their names are its codes.

Not here: the texts (treadle._base.error_table).
"""

import re
from typing import Final

from treadle._base.errors import TreadleError

__all__ = ["corrupt", "of_engine", "truncated"]

_NUMBERED: Final = re.compile(r"Error (-?\d+)[^:]*(?:: (.*))?")  # what zlib's modules raise: "Error -3 while ...: reason"
_CODES: Final = {2: "Z_NEED_DICT", -2: "Z_STREAM_ERROR", -3: "Z_DATA_ERROR", -5: "Z_BUF_ERROR"}


def of_engine(error: Exception) -> TreadleError:
    """What an engine of zlib's interface raised."""
    match = _NUMBERED.match(str(error))
    number, reason = (int(match[1]), match[2]) if match else (-3, str(error))
    if "setting zdict" in str(error):  # COMPAT(node): both a missing and a wrong one have this code
        return TreadleError("Z_NEED_DICT", reason="bad dictionary")
    if number == 2:
        return TreadleError("Z_NEED_DICT", reason="missing dictionary")
    return TreadleError(_CODES.get(number, "Z_DATA_ERROR"), reason=reason or "unknown")


def corrupt(reason: str) -> TreadleError:
    """The input is not of the format, or was damaged."""
    return TreadleError("Z_DATA_ERROR", reason=reason)


def truncated() -> TreadleError:
    """The input ended too early."""
    return TreadleError("Z_BUF_ERROR", reason="unexpected end of file")
