"""Comparing secrets without telling by the time it takes where they differ. Source: Node, crypto.timingSafeEqual."""

import hmac

from treadle._base.errors import TreadleError
from treadle.crypto._inputs import view_of

__all__ = ["timing_safe_equal"]


def timing_safe_equal(a: bytes | bytearray | memoryview, b: bytes | bytearray | memoryview) -> bool:
    """Whether both hold the same bytes; the time depends on their length alone.

    Raises TreadleError: ERR_INVALID_ARG_TYPE, also for str; ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH where the lengths differ.
    """
    one, other = _bytes_only(a, "a"), _bytes_only(b, "b")
    if len(one) != len(other):
        raise TreadleError("ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH", lengths=(len(one), len(other)))
    return hmac.compare_digest(one, other)


def _bytes_only(value: object, name: str) -> bytes | bytearray | memoryview:
    if isinstance(value, str):
        expected = "bytes, bytearray or memoryview"
        hint = "Encode both: text.encode()"
        raise TreadleError("ERR_INVALID_ARG_TYPE", name=name, expected=expected, received="str", hint=hint)
    return view_of(value, name)
