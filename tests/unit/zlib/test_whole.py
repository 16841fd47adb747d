"""A whole body in one call: with a callback, or to be awaited. What Node does with the same input: test_node_facts.py."""

from __future__ import annotations

import array
import asyncio
import binascii
from typing import Any

import pytest

import treadle
from tests.unit.zlib.support import MIB, gunzipped, gzipped, noise, text
from treadle import TreadleError, pool, zlib
from treadle._native.pool import Pool
from treadle.loop import get_loop
from treadle.zlib import _codec, _deflate, _whole


async def test_a_callback_is_told_in_the_poll_phase() -> None:
    loop: Any = get_loop()
    told = loop.create_future()
    log: list[str] = []

    def tell(error: Any, result: Any) -> None:
        log.append("result")
        loop.next_tick(lambda: log.append("tick"))
        loop.set_immediate(lambda: told.set_result((error, result)))

    assert zlib.gzip(b"abc", callback=tell) is None
    log.append("begun")
    error, result = await told
    assert log == ["begun", "result", "tick"]
    assert error is None
    assert gunzipped(result) == b"abc"


async def test_a_callback_is_told_of_an_error() -> None:
    told = get_loop().create_future()
    zlib.gunzip(b"no gzip", callback=lambda error, result: told.set_result((error, result)))
    error, result = await told
    assert (error.code, result) == ("Z_DATA_ERROR", None)
    assert error.data["reason"] == "incorrect header check"


@pytest.mark.parametrize(
    "data",
    [
        "grüße",
        bytearray("grüße".encode()),
        memoryview("grüße".encode()),
        memoryview("".join(letter + "-" for letter in "gruesse").encode())[::2],
        array.array("H", [1, 2, 3]),
    ],
    ids=["str", "bytearray", "memoryview", "strides", "array"],
)
async def test_kinds_of_input(data: Any) -> None:
    plain = data.encode() if isinstance(data, str) else bytes(data)
    assert gunzipped(await zlib.gzip(data)) == plain


async def test_what_is_no_input_is_refused_at_once() -> None:
    for data in (None, 7, ["abc"]):
        with pytest.raises(TypeError) as info:
            zlib.gzip(data)  # type: ignore[call-overload]
        assert info.value.code == "ERR_INVALID_ARG_TYPE"  # type: ignore[attr-defined]
    with pytest.raises(TypeError) as info:
        zlib.gzip(b"abc", callback=7)  # type: ignore[call-overload]
    assert info.value.code == "ERR_INVALID_ARG_TYPE"  # type: ignore[attr-defined]


def test_a_loop_is_needed() -> None:
    with pytest.raises(TreadleError) as info:
        zlib.gzip(b"abc")
    assert info.value.code == "ERR_NO_LOOP"


def test_a_call_holds_the_program() -> None:
    log: list[Any] = []
    treadle.run(lambda: zlib.gzip(text(4 * MIB), callback=lambda error, result: log.append(gunzipped(result))))
    assert log == [text(4 * MIB)]


async def test_a_long_one_is_several_jobs_so_that_others_go_between() -> None:
    loop: Any = get_loop()
    loop.pool = Pool(loop, 1)
    log: list[str] = []
    large, small = loop.create_future(), loop.create_future()
    zlib.gzip(noise(4 * MIB), level=1, callback=lambda *_: (log.append("large"), large.set_result(None)))
    zlib.gzip(b"abc", callback=lambda *_: (log.append("small"), small.set_result(None)))
    await asyncio.gather(large, small)
    assert log == ["small", "large"]
    assert pool.statistics().kinds["zlib.gzip"].run.count >= 5


@pytest.mark.parametrize("is_long", [False, True], ids=["waiting", "between two jobs"])
async def test_cancelled(is_long: bool) -> None:
    loop: Any = get_loop()
    loop.pool = Pool(loop, 1)
    if is_long:
        future = zlib.gzip(noise(8 * MIB))
        while not pool.statistics().kinds["zlib.gzip"].run.count:
            await asyncio.sleep(0)
    else:
        blocker = zlib.gzip(noise(MIB))
        future = zlib.gzip(b"abc")
    future.cancel()
    with pytest.raises(asyncio.CancelledError):
        await future
    if not is_long:
        await blocker
    ended = pool.statistics().kinds["zlib.gzip"].run.count
    assert ended < (8 if is_long else 3)


async def test_a_full_queue_is_an_error_at_once() -> None:
    loop: Any = get_loop()
    loop.pool = Pool(loop, 1, queue_max=1)
    futures, data = [], noise(MIB)
    with pytest.raises(TreadleError) as info:
        for _ in range(50):  # one is at work, one waits
            futures.append(zlib.gzip(data, level=9))
    assert info.value.code == "ERR_POOL_SATURATED"
    assert [gunzipped(packed) for packed in await asyncio.gather(*futures)] == [data] * len(futures)


async def test_a_full_queue_between_two_jobs_is_the_error_of_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    future = zlib.gzip(noise(2 * MIB))

    def refuse(*_: Any, **__: Any) -> None:
        raise TreadleError("ERR_POOL_SATURATED", limit=1)

    monkeypatch.setattr(pool, "run", refuse)
    with pytest.raises(TreadleError) as info:
        await future
    assert info.value.code == "ERR_POOL_SATURATED"


async def test_the_output_is_bounded_whatever_is_asked_for() -> None:
    bomb = gzipped(bytes(8 * MIB))
    with pytest.raises(TreadleError) as info:
        await zlib.gunzip(bomb, max_output_length=MIB)
    assert info.value.code == "ERR_BUFFER_TOO_LARGE"
    assert info.value.data["limit"] == MIB
    assert pool.statistics().kinds["zlib.gunzip"].run.count <= 2  # of 8 that it would take


async def test_the_window_of_zstd_is_bounded_where_that_is_asked_for() -> None:
    """The input's header chooses it: 16 MiB here."""
    header, block, end = b"\x28\xb5\x2f\xfd\x00\x70", b"\x02\x00\x10a", b"\x01\x00\x00"
    assert await zlib.zstd_decompress(header + block + end) == b"a" * 128 * 1024
    with pytest.raises(TreadleError) as info:
        await zlib.zstd_decompress(header + block + end, params={zlib.constants.ZSTD_d_windowLogMax: 23})
    assert info.value.code == "Z_DATA_ERROR"


@pytest.mark.parametrize("make", [zlib.create_brotli_compress, zlib.create_brotli_decompress, zlib.create_zstd_compress])
@pytest.mark.parametrize("params", [5, "x", b"x", [1], 1.5])
async def test_params_are_a_mapping(make: Any, params: Any) -> None:
    with pytest.raises(TreadleError) as info:
        make(params=params)
    assert info.value.code == "ERR_INVALID_ARG_TYPE"


@pytest.mark.parametrize("dictionary", [b"x", b"\x37\xa4\x30\xec, trained, and cut"])
async def test_a_dictionary_that_is_none(dictionary: bytes) -> None:
    for make in (zlib.create_zstd_compress, zlib.create_zstd_decompress):
        with pytest.raises(TreadleError) as info:
            make(dictionary=dictionary)
        assert info.value.code == "ERR_INVALID_ARG_VALUE"


async def test_half_a_character_is_replaced_as_in_streams() -> None:
    replaced = "a\ufffdb".encode()
    assert gunzipped(await zlib.gzip("a\ud800b")) == replaced
    assert zlib.crc32("a\ud800b") == zlib.crc32(replaced)


@pytest.mark.parametrize("length", [0, 1, 300, 65_536, 65_537])
@pytest.mark.parametrize("level", range(-1, 10))
async def test_what_is_one_portion_is_one_call_and_no_longer_than_as_a_stream(length: int, level: int) -> None:
    data = text(length)
    for pack, unpack, form in (
        (zlib.gzip, zlib.gunzip, _deflate.Form.GZIP),
        (zlib.deflate, zlib.inflate, _deflate.Form.ZLIB),
        (zlib.deflate_raw, zlib.inflate_raw, _deflate.Form.RAW),
    ):
        packed = await pack(data, level=level)
        assert await unpack(packed) == data
        codec = _deflate.Deflating(form, level, 15, 8, 0, None)
        parts = [codec.work(data[n : n + 60_000], 0, 0).output for n in range(0, length, 60_000)]
        in_parts = b"".join([*parts, codec.work(b"", 4, 0).output])
        assert await unpack(in_parts) == data
        assert len(packed) <= len(in_parts) * 1.01 + 20


async def test_many_at_once() -> None:
    bodies = [text(200_000, seed) for seed in range(20)]
    packed = await asyncio.gather(*(zlib.gzip(body, level=seed % 10) for seed, body in enumerate(bodies)))
    assert [gunzipped(body) for body in packed] == bodies
    assert await asyncio.gather(*map(zlib.gunzip, packed)) == bodies


async def test_input_is_taken_to_its_last_byte_and_dropped_when_through() -> None:
    data = bytearray(text(300_000))
    assert gunzipped(await zlib.gzip(data)) == data
    data.clear()  # BufferError if somebody still looks at it


async def test_what_takes_long_lets_others_go_between(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the time that it takes, too: a MiB may be 2 s of work."""
    monkeypatch.setattr(_whole, "JOB_NS", 0)
    data = text(300_000)
    assert gunzipped(await zlib.gzip(data)) == data
    assert pool.statistics().kinds["zlib.gzip"].run.count == 5  # portions of 64 KiB


@pytest.mark.parametrize(
    "empty",
    [gzipped(b""), b"\x28\xb5\x2f\xfd\x00\x58\x01\x00\x00", b"\x50\x2a\x4d\x18\x00\x00\x00\x00"],
    ids=["gzip", "zstd", "skippable"],
)
async def test_members_of_nothing_are_bounded_as_well(monkeypatch: pytest.MonkeyPatch, empty: bytes) -> None:
    """A portion of them makes no byte, and takes a fiftieth of a second and more."""
    monkeypatch.setattr(_whole, "JOB_NS", 0)
    is_gzip = empty.startswith(b"\x1f\x8b")
    unpack, kind = (zlib.gunzip, "zlib.gunzip") if is_gzip else (zlib.zstd_decompress, "zlib.zstd_decompress")
    end = gzipped(b"abc") if is_gzip else await zlib.zstd_compress(b"abc")
    assert await unpack(empty * 1000 + end) == b"abc"
    assert pool.statistics().kinds[kind].run.count == 1 + 1000 // _codec.MEMBERS_MAX


def test_crc32() -> None:
    assert zlib.crc32("hello") == 907060870
    assert zlib.crc32(b"lo", zlib.crc32(b"hel")) == 907060870
    assert zlib.crc32(b"") == 0
    assert zlib.crc32(array.array("B", b"lo"), 2**32 - 1) == binascii.crc32(b"lo", 2**32 - 1)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((None,), "ERR_INVALID_ARG_TYPE"),
        ((5,), "ERR_INVALID_ARG_TYPE"),
        ((b"", "1"), "ERR_INVALID_ARG_TYPE"),
        ((b"", True), "ERR_INVALID_ARG_TYPE"),
        ((b"", -1), "ERR_OUT_OF_RANGE"),
        ((b"", 2**32), "ERR_OUT_OF_RANGE"),
    ],
)
def test_what_crc32_does_not_take(arguments: Any, code: str) -> None:
    with pytest.raises(TreadleError) as info:
        zlib.crc32(*arguments)
    assert info.value.code == code


@pytest.mark.parametrize(
    ("make", "options", "said"),
    [
        (zlib.gzip, {"lvl": 9}, "gzip() got an unexpected keyword argument 'lvl': it takes "),
        (zlib.zstd_compress, {"level": 3}, "zstd_compress() got an unexpected keyword argument 'level': say params={"),
        (zlib.brotli_compress, {"quality": 3}, "brotli_compress() got an unexpected keyword argument 'quality': say params={"),
        (zlib.create_zstd_compress, {"level": 3}, "ZstdCompress() got an unexpected keyword argument 'level': say params={"),
        (zlib.create_brotli_compress, {"quality": 3}, "zlib.constants.BROTLI_PARAM_QUALITY"),
    ],
)
def test_an_option_that_there_is_not(make: Any, options: dict[str, int], said: str) -> None:
    def main() -> None:
        with pytest.raises(TypeError) as info:
            make(*([] if make.__name__.startswith("create_") else ["text"]), **options)
        assert said in str(info.value)

    treadle.run(main)
