"""Flags, modes, owners, times, sizes: as users write them, and as the system takes them. Whatever is wrong is raised at once.

Source: Node, fs.open "File system flags", fs.utimes. Not here: paths (_starting.py).
"""

import datetime
import math
import os
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from treadle._base.arguments import require_callable
from treadle._base.errors import TreadleError

__all__ = [
    "Data",
    "Time",
    "bytes_of",
    "flags_of",
    "id_of",
    "in_range",
    "length_of",
    "mode_of",
    "position_of",
    "require_callback",
    "text_maker",
    "time_ns_of",
]

Data = str | bytes | bytearray | memoryview
Time = int | float | datetime.datetime

INT64_MAX: Final = 2**63 - 1
ID_MAX: Final = 2**32 - 1  # of users and groups; -1 leaves one as it is
TIME_S_MAX: Final = 9_223_372_036  # in seconds, the year 2262: what fits 64 bits of ns

_UTF8: Final = ("utf8", "utf-8")
_CREATE: Final = os.O_CREAT | os.O_WRONLY
_CREATE_BOTH: Final = os.O_CREAT | os.O_RDWR
FLAGS: Final = {
    "r": os.O_RDONLY,
    "rs": os.O_RDONLY | os.O_SYNC,
    "r+": os.O_RDWR,
    "rs+": os.O_RDWR | os.O_SYNC,
    "w": _CREATE | os.O_TRUNC,
    "wx": _CREATE | os.O_TRUNC | os.O_EXCL,
    "w+": _CREATE_BOTH | os.O_TRUNC,
    "wx+": _CREATE_BOTH | os.O_TRUNC | os.O_EXCL,
    "a": _CREATE | os.O_APPEND,
    "ax": _CREATE | os.O_APPEND | os.O_EXCL,
    "as": _CREATE | os.O_APPEND | os.O_SYNC,
    "a+": _CREATE_BOTH | os.O_APPEND,
    "ax+": _CREATE_BOTH | os.O_APPEND | os.O_EXCL,
    "as+": _CREATE_BOTH | os.O_APPEND | os.O_SYNC,
}  # the letter behind the first may stand before it, too: Node


def require_callback(callback: object) -> None:
    """Raise ERR_INVALID_ARG_TYPE unless it can be called. In Node options may stand in its place."""
    if callable(callback):  # PERF: bench/pool; to ask whether it is a Mapping takes a sixth of a read
        return
    if isinstance(callback, str | Mapping):
        hint = f"Options are given by their names, as encoding={callback!r}" if isinstance(callback, str) else None
        raise TreadleError(
            "ERR_INVALID_ARG_TYPE", name="callback", expected="callable", received=type(callback).__name__,
            hint=hint or 'Options are given by their names, as encoding="utf8"',
        )  # fmt: skip
    require_callable(callback, "callback")


def flags_of(flags: str | int, name: str = "flags") -> int:
    """What open(2) takes. Raises TreadleError: ERR_INVALID_ARG_VALUE, ERR_INVALID_ARG_TYPE."""
    if isinstance(flags, str):
        known = FLAGS.get(flags)
        if known is None and flags[:1] in ("s", "x"):
            known = FLAGS.get(flags[1:2] + flags[:1] + flags[2:])
        if known is None:
            hint = "Files are bytes here, always: leave the b out" if "b" in flags else None
            expected = f"one of {', '.join(FLAGS)}"
            raise TreadleError("ERR_INVALID_ARG_VALUE", name=name, expected=expected, received=flags, hint=hint)
        return known
    return in_range(flags, name, 0, 2**31 - 1)


def mode_of(mode: int | str, name: str = "mode") -> int:
    """Permissions: a number, or octal digits. Raises TreadleError: ERR_INVALID_ARG_VALUE, ERR_INVALID_ARG_TYPE,
    ERR_OUT_OF_RANGE."""
    if isinstance(mode, str):
        if re.fullmatch("[0-7]{1,10}", mode) is None:
            raise TreadleError("ERR_INVALID_ARG_VALUE", name=name, expected="a number or octal digits", received=mode)
        mode = int(mode, 8)
    return in_range(mode, name, 0, ID_MAX)


def id_of(number: int, name: str) -> int:
    """A user or group; -1: it stays."""
    return in_range(number, name, -1, ID_MAX) & ID_MAX


def position_of(position: int | None) -> int:
    """Where in a file; None: where it stands."""
    return -1 if position is None else in_range(position, "position", -1, INT64_MAX)


def length_of(length: int) -> int:
    """What a file is cut to. COMPAT(node): less than nothing is nothing."""
    return max(in_range(length, "length", -INT64_MAX, INT64_MAX), 0)


def in_range(value: object, name: str, least: int, most: int) -> int:
    """An int between both, inclusive. Raises TreadleError: ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TreadleError("ERR_INVALID_ARG_TYPE", name=name, expected="an int", received=type(value).__name__)
    if not least <= value <= most:
        raise TreadleError("ERR_OUT_OF_RANGE", name=name, expected=f"from {least} to {most}", received=value)
    return value


def time_ns_of(time: Time, name: str) -> int:
    """Seconds since 1970, or a datetime, in ns. Raises TreadleError: ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE."""
    seconds: object = time
    if isinstance(time, datetime.datetime):
        try:
            seconds = time.timestamp()
        except (OverflowError, ValueError):  # the year 1, of a datetime that knows no time zone
            seconds = math.inf
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TreadleError("ERR_INVALID_ARG_TYPE", name=name, expected="seconds or a datetime", received=type(time).__name__)
    if not abs(seconds) <= TIME_S_MAX:  # nor is it a NaN
        raise TreadleError("ERR_OUT_OF_RANGE", name=name, expected=f"at most {TIME_S_MAX} s from 1970", received=time)
    return seconds * 1_000_000_000 if isinstance(seconds, int) else round(seconds * 1e6) * 1000  # a float is good for us


def bytes_of(data: Data, encoding: str | None = None) -> Any:
    """What is written: text in that encoding (utf8), else memory as it is. Raises TreadleError: ERR_UNKNOWN_ENCODING,
    ERR_INVALID_ARG_TYPE."""
    if isinstance(data, str):
        if encoding is None or encoding in _UTF8:
            try:
                return data.encode()
            except UnicodeEncodeError:
                encoding = "utf8"  # a lone surrogate, which has its own way
        from treadle.streams._text import encode  # as late, since all of streams comes with it

        return encode(data, encoding)
    buffer: object = data
    try:
        memoryview(buffer)  # type: ignore[arg-type]
    except TypeError:
        raise TreadleError(
            "ERR_INVALID_ARG_TYPE", name="data", expected="str or bytes-like", received=type(data).__name__
        ) from None
    return data


def text_maker(encoding: str | None) -> Callable[[bytes], str] | None:
    """What turns bytes into text of that encoding; None where they stay bytes. Raises TreadleError: ERR_UNKNOWN_ENCODING."""
    if encoding is None:
        return None
    if encoding in _UTF8:
        return _text_of_utf8
    from treadle.streams._text import decode, known_encoding

    name = known_encoding(encoding)
    return lambda data: decode(data, name)


def _text_of_utf8(data: bytes) -> str:
    return data.decode("utf-8", "replace")
