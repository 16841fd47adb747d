"""Which library compresses at which level, and which decompresses.

Invariant: these tables are the only place that says so; a library that is not there, or not in this interpreter, or cannot be
read for want of a descriptor, is passed over. Not here: what they are told (_deflate.py, _inflate.py).

Speed and ratio of each row: docs/reference/zlib.md#levels, measured by `bench/run.py compression --only levels`.
"""

import zlib
from functools import cache
from types import ModuleType
from typing import Any, Final, NamedTuple

from treadle._base.extras import import_or_lack
from treadle.zlib.constants import Z_DEFAULT_COMPRESSION

__all__ = ["DECOMPRESSING", "ISAL", "ISAL_MEM_LEVEL_MAX", "LEVELS", "Row", "checksum_engine", "compressing", "decompressing"]

ISAL: Final = "isal.isal_zlib"  # Intel's igzip: 5 to 8 times zlib's speed, and a few percent more bytes
ZLIB_NG: Final = "zlib_ng.zlib_ng"  # zlib's own algorithms, made anew: its ratio, at 1.3 to 2 times its speed
ZLIB: Final = "zlib"  # is always there

LEVEL_OF_DEFAULT: Final = 6  # zlib.h
ISAL_MEM_LEVEL_MAX: Final = 6  # 277 KiB a stream, as zlib's 263 at its default of 8; more makes 0.03 % fewer bytes of text


class Row(NamedTuple):
    """A library, and the level that it is told."""

    library: str
    level: int


# By the level that is asked for, the first that is there: no level makes more bytes than the one before it. isal's level 2 is the
# fastest that is within 5 % of zlib's level 6 on text; its level 3 makes up to 5 % fewer bytes in 1.5 times the time. From 6 on
# zlib-ng makes as many bytes as zlib at the level above; at its level 1 a third more than zlib.
LEVELS: Final[dict[int, tuple[Row, ...]]] = {
    0: (Row(ZLIB_NG, 0), Row(ZLIB, 0)),
    1: (Row(ISAL, 1), Row(ZLIB_NG, 2), Row(ZLIB, 1)),
    2: (Row(ISAL, 2), Row(ZLIB_NG, 2), Row(ZLIB, 2)),
    3: (Row(ISAL, 2), Row(ZLIB_NG, 3), Row(ZLIB, 3)),
    4: (Row(ISAL, 2), Row(ZLIB_NG, 4), Row(ZLIB, 4)),
    5: (Row(ISAL, 2), Row(ZLIB_NG, 5), Row(ZLIB, 5)),
    6: (Row(ISAL, 2), Row(ZLIB_NG, 6), Row(ZLIB, 6)),
    7: (Row(ZLIB_NG, 6), Row(ZLIB, 7)),
    8: (Row(ZLIB_NG, 7), Row(ZLIB, 8)),
    9: (Row(ZLIB_NG, 8), Row(ZLIB, 9)),
}

# isal is a fifth faster still, but knows fewer mistakes by name, and overruns the length that it is told.
DECOMPRESSING: Final = (ZLIB_NG, ZLIB)


@cache
def _module(library: str) -> ModuleType | None:
    # Raises OSError where there is no descriptor to read it with: it is looked for again.
    try:
        return import_or_lack(library)
    except ImportError:  # also where it cannot be imported into an interpreter of its own
        return None


def _found(library: str) -> ModuleType | None:
    try:
        return _module(library)
    except OSError:  # another one serves for now
        return None


def compressing(level: int, *, is_plain: bool) -> tuple[Any, int]:
    """The module for a level, and its own number for it. is_plain: window and strategy are the usual ones, and there is no
    dictionary; isal serves nothing else."""
    for row in LEVELS[LEVEL_OF_DEFAULT if level == Z_DEFAULT_COMPRESSION else level]:
        module = _found(row.library)
        if module is not None and (is_plain or row.library != ISAL):
            return module, row.level
    return zlib, level


def decompressing() -> Any:
    """The module that decompresses."""
    return next(module for library in DECOMPRESSING if (module := _found(library)) is not None)


def checksum_engine() -> Any:
    """The module whose crc32 is taken."""
    return decompressing()
