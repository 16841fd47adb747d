"""High-water marks: how much a stream buffers before it says so.

Not here: what a full buffer does (_native.readable, _native.writable).
"""

import sys
from typing import Final, cast

from treadle._base.errors import TreadleError

__all__ = ["get_default_high_water_mark", "mark_of", "set_default_high_water_mark"]

MARK_MAX: Final = sys.maxsize  # what the core counts with

_defaults: Final = {
    False: 64 * 1024,  # bytes; Node since 22. One read of a socket or a file
    True: 16,  # objects; Node
}


def get_default_high_water_mark(object_mode: bool = False) -> int:
    """The mark of streams that are made without one: bytes, or objects."""
    return _defaults[object_mode]


def set_default_high_water_mark(object_mode: bool, value: int) -> None:
    """Set the mark of streams that will be made without one. Raises TreadleError: ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE."""
    if not isinstance(value, int):
        raise TreadleError("ERR_INVALID_ARG_TYPE", name="value", expected="an int", received=type(value).__name__)
    if not 0 <= value <= MARK_MAX:
        raise TreadleError("ERR_OUT_OF_RANGE", name="value", expected=f"from 0 to {MARK_MAX}", received=value)
    _defaults[bool(object_mode)] = value


def mark_of(given: int | None, object_mode: bool, name: str = "high_water_mark") -> int:
    """The mark of a new stream. Raises TreadleError: ERR_INVALID_ARG_VALUE."""
    if given is None:
        return _defaults[object_mode]
    if not isinstance(cast(object, given), int) or not 0 <= given <= MARK_MAX:
        raise TreadleError("ERR_INVALID_ARG_VALUE", name=name, expected=f"an int from 0 to {MARK_MAX}", received=given)
    return given
