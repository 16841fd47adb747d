"""What a job calls: one stream of bytes of one format, in one direction.

Invariants: one job at a time works with a codec; it knows neither streams nor loops; what it makes of one portion comes in pieces
that are bounded.

Not here: the formats (_deflate.py, _inflate.py, _brotli.py, _zstd.py); who hands out portions (_stream.py, _whole.py).
"""

from typing import ClassVar, NamedTuple, Protocol

__all__ = ["MEMBERS_MAX", "PORTION_MAX", "Codec", "Flushes", "Piece"]

PORTION_MAX = 64 * 1024  # bytes of input for one job: 0.2 ms of isal's, 8 ms of the slowest level of zlib-ng
MEMBERS_MAX = 64  # that are begun for one piece: each costs 5 to 20 us, and a portion may hold 8,000 that are empty


class Piece(NamedTuple):
    """What one call of work() made."""

    output: bytes
    taken: int  # bytes of input that were used up
    has_more: bool  # the same portion makes more: work(b"", the same flush, room) goes on


class Flushes(NamedTuple):
    """The kinds of flush of a format, by Node's numbers."""

    none: int
    default: int  # of flush() without a kind
    finish: int
    last: int  # they are 0 to this


class Codec(Protocol):
    """Compresses or decompresses."""

    flushes: ClassVar[Flushes]
    is_over: bool  # set by work(): the format has come to its end, and what follows it is not for us

    def work(self, data: bytes | memoryview, flush: int, room: int) -> Piece:
        """Take a portion, PORTION_MAX bytes at most, and make a piece of it: `room` bytes at most of one that decompresses,
        and of MEMBERS_MAX members at most.

        Raises TreadleError: Z_DATA_ERROR and the like. Runs on a thread of the pool.
        """
