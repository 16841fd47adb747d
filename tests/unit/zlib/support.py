"""What the tests of zlib stand on: data of several kinds, and the standard library's zlib as what both sides must agree with.

Invariant: data is made from a seed, so that a failure can be repeated. Not here: the loop of a test (conftest.py).
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterable
from typing import Any, Final

GZIP: Final = 31  # zlib's number for a gzip header
MIB: Final = 1 << 20


def text(length: int, seed: int = 1) -> bytes:
    """Words that repeat."""
    chance = random.Random(seed)
    words = [chance.randbytes(chance.randint(2, 9)).hex() for _ in range(500)]
    return " ".join(chance.choices(words, k=length // 4)).encode()[:length]


def noise(length: int, seed: int = 1) -> bytes:
    """What no format makes shorter."""
    return random.Random(seed).randbytes(length)


def pieces(data: bytes, seed: int, largest: int) -> list[bytes]:
    """The data, cut at random."""
    chance, cut, at = random.Random(seed), [], 0
    while at < len(data):
        length = chance.choice((1, chance.randint(1, largest), largest))
        cut.append(data[at : at + length])
        at += length
    return cut


def gzipped(data: bytes) -> bytes:
    return zlib.compress(data, 6, GZIP)


def gunzipped(data: bytes) -> bytes:
    """Of one member, whole: anything else fails."""
    reader = zlib.decompressobj(GZIP)
    plain = reader.decompress(data)
    assert reader.eof
    assert reader.unused_data == b""
    return plain


async def through(stream: Any, chunks: Iterable[bytes]) -> bytes:
    """What a stream makes of the chunks, each of which waits until there is room."""

    async def write() -> None:
        for chunk in chunks:
            stream.write(chunk)
            await stream.ready()
        stream.end()

    from treadle.loop import get_loop

    task = get_loop().create_task(write())
    made = b"".join([chunk async for chunk in stream])
    await task
    return made
