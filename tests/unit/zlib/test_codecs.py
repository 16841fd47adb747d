"""Codecs by themselves, with portions, flushes and rooms drawn from a seed: what comes back is what went in, and what was damaged
on its way is told so. The standard library's zlib is the judge."""

from __future__ import annotations

import random
import zlib as reference
from typing import Any

import pytest

from tests.unit.zlib.support import noise, text
from treadle import TreadleError
from treadle.zlib._deflate import Deflating, Form
from treadle.zlib._inflate import Inflating

SEEDS = range(150)
SOURCES = (text(200_000), noise(100_000), bytes(100_000))
DICTIONARY = text(1_000)
CODES = ("Z_DATA_ERROR", "Z_BUF_ERROR", "Z_NEED_DICT")


def packed(chance: random.Random, form: Form, dictionary: bytes | None) -> tuple[bytes, bytes]:
    """What went in, and what came out."""
    level, window, memory = chance.choice((0, 1, 2, 6, 7)), chance.choice((15, 15, 9, 12)), chance.randint(1, 9)
    codec = Deflating(form, level, window, memory, chance.choice((0, 0, 1, 2, 3, 4)), dictionary)
    plain = made = b""
    for _ in range(chance.randint(0, 8)):
        source = chance.choice(SOURCES)
        at = chance.randrange(len(source))
        portion = source[at : at + chance.choice((0, 1, 10, 1000, 65536))]
        piece = codec.work(portion, chance.choice((0, 0, 1, 2, 3, 5)), 65536)
        assert piece.taken == len(portion)
        plain, made = plain + portion, made + piece.output
    return plain, made + codec.work(b"", 4, 65536).output


def unpacked(chance: random.Random, codec: Inflating, data: bytes) -> tuple[bytes, int]:
    """What it makes of the data, cut anew, and how much of that it has taken."""
    room, plain, at, taken = chance.choice((64, 1000, 65536)), [], 0, 0
    while True:
        portion = data[at : at + chance.choice((1, 7, 500, 65536))]
        at += len(portion)
        flush = 4 if at >= len(data) else 0
        piece = codec.work(portion, flush, room)
        while True:
            assert len(piece.output) <= room
            plain.append(piece.output)
            taken += piece.taken
            if not piece.has_more:
                break
            piece = codec.work(b"", flush, room)
        if flush or codec.is_over:
            return b"".join(plain), taken


@pytest.mark.parametrize("seed", SEEDS)
def test_back_and_forth(seed: int) -> None:
    chance = random.Random(seed)
    form = chance.choice((Form.GZIP, Form.ZLIB, Form.RAW))
    dictionary = DICTIONARY if form is not Form.GZIP and chance.random() < 0.3 else None
    plain, data = packed(chance, form, dictionary)
    options: dict[str, Any] = {"zdict": dictionary} if dictionary else {}
    assert reference.decompressobj(form.bits(15), **options).decompress(data) == plain
    if form is Form.GZIP and chance.random() < 0.3:
        plain, data = plain * 2, data * 2
    read_as = Form.GZIP_OR_ZLIB if form is not Form.RAW and chance.random() < 0.3 else form
    assert unpacked(chance, Inflating(read_as, 15, dictionary), data) == (plain, len(data))


@pytest.mark.parametrize("seed", SEEDS)
def test_damaged(seed: int) -> None:
    chance = random.Random(seed)
    form = chance.choice((Form.GZIP, Form.ZLIB))
    plain, data = packed(chance, form, None)
    damaged = bytearray(data)
    damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    code, found = "", plain
    try:
        found, _ = unpacked(chance, Inflating(form, 15, None), bytes(damaged))
    except TreadleError as error:
        code = error.code
    assert code in ("", *CODES)
    assert found == plain  # else it was a bit of the header that says nothing of the data
