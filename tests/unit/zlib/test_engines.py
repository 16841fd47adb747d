"""Each library that may serve: the same bytes come back, whichever is installed. What is not installed is passed over."""

from __future__ import annotations

import errno
import os
import sys
import zlib as reference
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.zlib.support import gunzipped, gzipped, noise, pieces, text, through
from treadle import TreadleError, zlib
from treadle.zlib import _brotli, _engines, _zstd

LIBRARIES = (_engines.ISAL, _engines.ZLIB_NG, _engines.ZLIB)
BITS = {"gzip": 31, "deflate": 15, "deflate_raw": -15}
OPPOSITE = {"gzip": "gunzip", "deflate": "inflate", "deflate_raw": "inflate_raw"}


@pytest.fixture(params=range(3), ids=["all", "without isal", "the standard library alone"])
def missing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, ...]]:
    names = LIBRARIES[: request.param]
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)  # an import of it fails
    _engines._module.cache_clear()
    yield names
    _engines._module.cache_clear()


@pytest.mark.parametrize("name", BITS)
async def test_every_level_in_every_form(name: str, missing: tuple[str, ...]) -> None:
    data = text(150_000) + noise(20_000) + bytes(30_000)
    lengths = []
    for level in range(10):
        packed = await getattr(zlib, name)(data, level=level)
        assert reference.decompress(packed, BITS[name]) == data
        assert await getattr(zlib, OPPOSITE[name])(packed) == data
        lengths.append(len(packed))
    assert len(await getattr(zlib, name)(data)) == lengths[6]
    assert lengths[0] > len(data)
    assert lengths[9] < lengths[1]


@pytest.mark.parametrize("seed", range(3))
async def test_flushed_at_random(seed: int, missing: tuple[str, ...]) -> None:
    data = text(100_000, seed)
    stream: Any = zlib.create_gzip(level=1 + 4 * seed)
    chunks = pieces(data, seed, 20_000)
    for number, chunk in enumerate(chunks):
        stream.write(chunk)
        stream.flush((number * 7 + seed) % 4)
    stream.end()
    assert gunzipped(b"".join([chunk async for chunk in stream])) == data


@pytest.mark.parametrize("options", [{"strategy": 2}, {"strategy": 3}, {"window_bits": 9}, {"window_bits": 8}, {"mem_level": 1}])
async def test_options_that_isal_does_not_have(options: dict[str, int], missing: tuple[str, ...]) -> None:
    data = text(100_000)
    for name, bits in BITS.items():
        assert reference.decompress(await getattr(zlib, name)(data, **options), bits) == data


async def test_a_dictionary_serves_every_engine(missing: tuple[str, ...]) -> None:
    words, data = text(2_000), text(2_000)[500:1500]
    for name in ("deflate", "deflate_raw"):
        packed = await getattr(zlib, name)(data, dictionary=bytearray(words))
        assert len(packed) < 60
        assert await getattr(zlib, OPPOSITE[name])(packed, dictionary=memoryview(words)) == data


async def test_errors_have_the_same_codes(missing: tuple[str, ...]) -> None:
    packed = gzipped(text(10_000))
    damaged = bytearray(packed)
    damaged[-5] ^= 1
    for data, code in ((packed[:-3], "Z_BUF_ERROR"), (bytes(damaged), "Z_DATA_ERROR"), (b"no gzip", "Z_DATA_ERROR")):
        with pytest.raises(TreadleError) as info:
            await zlib.gunzip(data)
        assert info.value.code == code


def test_the_table_names_every_level_and_ends_with_what_is_always_there() -> None:
    assert list(_engines.LEVELS) == list(range(10))
    assert all(rows[-1].library == _engines.ZLIB for rows in _engines.LEVELS.values())


async def test_one_that_cannot_be_read_for_want_of_a_descriptor_is_looked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    _engines._module.cache_clear()
    data = text(10_000)
    with monkeypatch.context() as patch:

        def fail(library: str) -> Any:
            if library != _engines.ZLIB:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), library)
            return reference

        patch.setattr(_engines, "import_or_lack", fail)
        assert _engines.compressing(6, is_plain=True) == (reference, 6)
        assert await zlib.gunzip(await zlib.gzip(data)) == data
    assert _engines.compressing(6, is_plain=True)[0].__name__ == _engines.ISAL


# ---- extras


@pytest.mark.parametrize(
    ("modules", "library", "calls", "extra"),
    [
        (["brotli"], _brotli._library, (zlib.create_brotli_compress, zlib.create_brotli_decompress), "brotli"),
        (
            ["compression.zstd", "backports.zstd"],
            _zstd._library,
            (zlib.create_zstd_compress, zlib.create_zstd_decompress),
            "zstd",
        ),
    ],
    ids=["brotli", "zstd"],
)
async def test_an_extra_that_is_not_installed_is_named(
    modules: list[str], library: Any, calls: tuple[Any, ...], extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)
    library.cache_clear()
    try:
        for call in calls:
            with pytest.raises(ImportError) as info:
                call()
            assert info.value.code == "ERR_EXTRA_NOT_INSTALLED"  # type: ignore[attr-defined]
            assert info.value.data["extra"] == extra  # type: ignore[attr-defined]
            assert f"treadle[{extra}]" in info.value.hint  # type: ignore[attr-defined]
    finally:
        library.cache_clear()


async def test_brotli_of_several_pieces_is_bounded() -> None:
    data = text(200_000) + bytes(3_000_000)
    packed = await zlib.brotli_compress(data, params={zlib.constants.BROTLI_PARAM_QUALITY: 5})
    assert await zlib.brotli_decompress(packed) == data
    stream = zlib.create_brotli_decompress()
    lengths: list[int] = []
    stream.on("data", lambda chunk: lengths.append(len(chunk)))
    assert await through(stream, pieces(packed, 1, 500)) == data
    assert max(lengths) <= 64 * 1024


async def test_zstd_of_several_pieces_is_bounded() -> None:
    data = text(200_000) + bytes(3_000_000)
    packed = await zlib.zstd_compress(data, params={zlib.constants.ZSTD_c_compressionLevel: 5}, pledged_src_size=len(data))
    assert await zlib.zstd_decompress(packed) == data
    stream = zlib.create_zstd_decompress()
    lengths: list[int] = []
    stream.on("data", lambda chunk: lengths.append(len(chunk)))
    assert await through(stream, pieces(packed * 2, 1, 500)) == data * 2
    assert max(lengths) <= 64 * 1024


@pytest.mark.parametrize("tail", [b"", b"garbage", b"\x28", b"\x28\xb5\x2f\xfe", b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc"])
@pytest.mark.parametrize("length", [1, 3, 1000])
async def test_what_follows_a_zstd_frame(tail: bytes, length: int) -> None:
    packed = await zlib.zstd_compress(b"abc") + tail
    stream = zlib.create_zstd_decompress()
    assert await through(stream, [packed[at : at + length] for at in range(0, len(packed), length)]) == b"abc"


async def test_a_zstd_dictionary() -> None:
    words, data = text(2_000), text(2_000)[500:1500]
    packed = await zlib.zstd_compress(data, dictionary=words)
    assert len(packed) < 60
    assert await zlib.zstd_decompress(packed, dictionary=words) == data
    with pytest.raises(TreadleError) as info:
        await zlib.zstd_decompress(packed)
    assert info.value.code == "Z_DATA_ERROR"


async def test_a_promise_that_is_not_kept_is_an_error_of_zstd() -> None:
    with pytest.raises(TreadleError) as info:
        await zlib.zstd_compress(text(100_000), pledged_src_size=7)
    assert info.value.code == "Z_STREAM_ERROR"
