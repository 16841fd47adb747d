"""What statistics() of streams returns, and how repr shows a buffer beside its mark."""

from dataclasses import dataclass

__all__ = ["DuplexStatistics", "ReadableStatistics", "WritableStatistics", "bar"]


@dataclass(frozen=True)
class ReadableStatistics:
    """How a readable side stands. Lengths: bytes, characters once it has an encoding, or objects."""

    state: str  # SUPPLYING, ENDED (the end was pushed), END_EMITTED
    length: int  # buffered
    high_water_mark: int
    object_mode: bool
    flowing: bool | None
    pipes: int  # destinations


@dataclass(frozen=True)
class WritableStatistics:
    """How a writable side stands. Lengths: bytes or objects."""

    state: str  # OPEN, ENDING, FINALIZING, PREFINISHED, FINISHED
    length: int  # waiting, or being written
    high_water_mark: int
    object_mode: bool
    need_drain: bool
    corked: int


@dataclass(frozen=True)
class DuplexStatistics:
    """How both sides of a duplex stand."""

    readable: ReadableStatistics
    writable: WritableStatistics


def bar(length: int, mark: int) -> str:
    """A buffer beside its mark: 12_288/65_536."""
    return f"{length:_}/{mark:_}"
