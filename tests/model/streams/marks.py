"""High-water marks: how much a side holds before it says that it is enough."""

from __future__ import annotations

from typing import Any

from tests.model.streams.errors import StreamError

BYTES_DEFAULT = 64 * 1024  # Node, since 22
OBJECTS_DEFAULT = 16
BYTES_MAX = 1 << 30  # that read(size) raises a mark to


def mark_of(given: Any, *, is_object: bool) -> int:
    if given is None:
        return OBJECTS_DEFAULT if is_object else BYTES_DEFAULT
    if not isinstance(given, int) or given < 0:
        raise StreamError("ERR_INVALID_ARG_VALUE")
    return given


def raised_to(size: int) -> int:
    """The next power of two."""
    if size > BYTES_MAX:
        raise StreamError("ERR_OUT_OF_RANGE")
    return 1 << (size - 1).bit_length()
