"""Streams: what a job gets, how much they hold, how they end. What Node does with the same calls: test_node_facts.py."""

from __future__ import annotations

import asyncio
import threading
import zlib as reference
from typing import Any

import pytest

from tests.unit.streams.release import left_by
from tests.unit.streams.support import Sink, settle, source_of, turns
from tests.unit.zlib.support import GZIP, MIB, gunzipped, gzipped, noise, pieces, text, through
from treadle import TreadleError, pool, zlib
from treadle._native.pool import Pool
from treadle.loop import get_loop
from treadle.streams import Readable, pipeline
from treadle.zlib._deflate import Deflating
from treadle.zlib._inflate import Inflating


def jobs(kind: str) -> int:
    kinds = pool.statistics().kinds
    return kinds[kind].run.count if kind in kinds else 0


# ---- what a job gets


async def test_a_body_of_one_piece_is_one_job() -> None:
    stream = zlib.create_gzip()
    stream.end(b"abc")
    assert gunzipped(b"".join([chunk async for chunk in stream])) == b"abc"
    assert jobs("zlib.gzip") == 1


async def test_small_writes_go_together() -> None:
    stream = zlib.create_gzip()
    told: list[Any] = []
    for _ in range(1000):
        stream.write(b"0123456789", None, told.append)
    stream.end()
    assert gunzipped(b"".join([chunk async for chunk in stream])) == b"0123456789" * 1000
    assert told == [None] * 1000
    assert jobs("zlib.gzip") == 2


async def test_a_large_write_is_divided() -> None:
    data = noise(MIB)
    assert gunzipped(await through(zlib.create_gzip(), [data])) == data
    assert 16 <= jobs("zlib.gzip") <= 18


@pytest.mark.parametrize("seed", range(4))
async def test_cut_at_random(seed: int) -> None:
    data = text(300_000, seed) + noise(70_000, seed) + bytes(100_000)
    packed = await through(zlib.create_gzip(), pieces(data, seed, 90_000))
    assert gunzipped(packed) == data
    assert await through(zlib.create_gunzip(), pieces(packed, seed, 3_000)) == data


@pytest.mark.parametrize("seed", range(4))
async def test_members_cut_at_random(seed: int) -> None:
    plain = [text(length, seed) for length in (0, 1, 100_000, 0, 70_000)]
    packed = b"".join(map(gzipped, plain)) + bytes(700)
    assert await through(zlib.create_gunzip(), pieces(packed, seed, 400)) == b"".join(plain)
    assert await through(zlib.create_unzip(), pieces(packed, seed, 400)) == b"".join(plain)


async def test_many_streams_share_the_pool() -> None:
    bodies = [text(200_000, seed) for seed in range(20)]
    packed = await asyncio.gather(*(through(zlib.create_gzip(level=seed % 10), [body]) for seed, body in enumerate(bodies)))
    assert [gunzipped(body) for body in packed] == bodies


async def test_text_is_written_and_read() -> None:
    stream = zlib.create_gunzip(encoding="utf8")
    stream.write(gzipped("grüße".encode())[:20])
    stream.end(gzipped("grüße".encode())[20:])
    assert "".join([part async for part in stream]) == "grüße"


async def test_the_work_is_done_by_other_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[int] = set()
    for codec in (Deflating, Inflating):
        work = codec.work

        def seen(*arguments: Any, work: Any = work) -> Any:
            threads.add(threading.get_ident())
            return work(*arguments)

        monkeypatch.setattr(codec, "work", seen)
    data = text(200_000)
    assert await through(zlib.create_gunzip(), [await through(zlib.create_gzip(), [data])]) == data
    assert await zlib.inflate(await zlib.deflate(data)) == data
    assert threads
    assert threading.get_ident() not in threads


async def test_what_a_job_fails_with_the_stream_fails_with(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(Deflating, "work", fail)
    log: list[Any] = []
    written, ended = zlib.create_gzip(), zlib.create_gzip()
    for name, stream in (("written", written), ("ended", ended)):
        stream.on("error", lambda error, name=name: log.append((name, type(error))))
    written.write(b"abc", None, lambda error: log.append(("told", type(error))))
    await settle()
    ended.end()
    await settle()
    assert log == [("told", MemoryError), ("written", MemoryError), ("ended", MemoryError)]
    assert written.closed
    assert ended.closed


# ---- flushing


@pytest.mark.parametrize("level", range(-1, 10))
async def test_what_was_flushed_can_be_read_at_once(level: int) -> None:
    stream = zlib.create_gzip(level=level)
    parts: list[bytes] = []
    stream.on("data", parts.append)
    written = b""
    for number, kind in enumerate((1, 2, 3, 5, 2, 2)):
        chunk = text(5_000 * number, number)
        written += chunk
        told = get_loop().create_future()
        stream.write(chunk)
        stream.flush(kind, told.set_result)
        await told
        if kind != zlib.constants.Z_BLOCK:
            assert reference.decompressobj(GZIP).decompress(b"".join(parts)) == written
    stream.end()
    while not stream.closed:
        await turns()
    assert gunzipped(b"".join(parts)) == written


async def test_a_kind_of_flush_that_there_is_not() -> None:
    stream = zlib.create_gzip()
    for kind in (6, -1):
        with pytest.raises(ValueError) as info:
            stream.flush(kind)
        assert info.value.code == "ERR_OUT_OF_RANGE"  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        stream.flush("all")  # type: ignore[arg-type]
    stream.destroy()


# ---- how much they hold


@pytest.mark.parametrize("chunk_size", [1000, 16 * 1024, 64 * 1024])
async def test_a_bomb_holds_its_marks(chunk_size: int) -> None:
    stream = zlib.create_gunzip(chunk_size=chunk_size, high_water_mark=64 * 1024)
    stream.end(gzipped(bytes(8 * MIB)))
    most = total = 0
    while not stream.readable_ended:
        await settle()  # nothing is under way: it waits for us
        most = max(most, stream.readable_length)
        total += len(stream.read() or b"")
    assert total == 8 * MIB
    assert most < 64 * 1024 + chunk_size


async def test_nothing_is_done_for_who_does_not_read() -> None:
    stream = zlib.create_gunzip()
    stream.end(gzipped(bytes(8 * MIB)))
    await settle()
    before = jobs("zlib.gunzip")
    await turns(20)
    assert jobs("zlib.gunzip") == before <= 3
    stream.destroy()


async def test_compressing_waits_for_who_reads() -> None:
    stream = zlib.create_gzip()
    data = noise(2 * MIB)
    stream.write(data)
    await settle()
    assert stream.readable_length < 3 * 64 * 1024
    stream.end()
    assert gunzipped(b"".join([chunk async for chunk in stream])) == data


async def test_a_stream_may_be_bounded_as_a_whole() -> None:
    stream = zlib.create_gunzip(max_output_length=MIB)
    stream.end(gzipped(bytes(8 * MIB)))
    total = 0
    with pytest.raises(TreadleError) as info:
        async for chunk in stream:
            total += len(chunk)
    assert info.value.code == "ERR_BUFFER_TOO_LARGE"
    assert total <= MIB


async def test_no_mark_at_all() -> None:
    data = text(300_000)
    assert await through(zlib.create_gunzip(high_water_mark=0), [gzipped(data)]) == data


# ---- ending


async def test_destroyed_in_the_midst_of_a_job() -> None:
    loop: Any = get_loop()
    loop.pool = Pool(loop, 1)
    stream = zlib.create_gzip(level=9)
    log: list[str] = []
    for event in ("data", "finish", "end", "error", "close"):
        stream.on(event, lambda *_, event=event: log.append(event))
    stream.write(noise(64 * 1024))
    stream.write(noise(64 * 1024))
    await turns()
    stream.destroy()
    await settle()
    assert log == ["close"]
    assert jobs("zlib.gzip") <= 1


async def test_destroyed_by_who_reads() -> None:
    stream = zlib.create_gunzip()
    parts: list[int] = []
    stream.on("data", lambda chunk: (parts.append(len(chunk)), stream.destroy()))
    stream.end(gzipped(bytes(MIB)))
    await settle()
    assert len(parts) == 1
    assert stream.closed


async def test_a_pipeline_that_is_cancelled_leaves_nothing() -> None:
    stream = zlib.create_gzip()
    whole = pipeline(source_of([noise(100_000)] * 100), stream, Sink())
    await turns(3)
    whole.cancel()
    with pytest.raises(asyncio.CancelledError):
        await whole
    await settle()
    assert stream.destroyed


async def test_a_full_queue_fails_the_stream() -> None:
    loop: Any = get_loop()
    loop.pool = Pool(loop, 1, queue_max=1)
    streams = [zlib.create_gzip() for _ in range(4)]
    codes: list[str] = []
    for stream in streams:
        stream.on("error", lambda error: codes.append(error.code))
        stream.resume()
        stream.write(noise(60_000))
        stream.end()
    await settle()
    assert codes
    assert set(codes) == {"ERR_POOL_SATURATED"}
    assert all(stream.closed for stream in streams)


async def test_reset_waits_for_nothing() -> None:
    stream = zlib.create_gzip()
    stream.write(b"abc")
    with pytest.raises(RuntimeError) as info:
        stream.reset()
    assert info.value.code == "ERR_INVALID_STATE"  # type: ignore[attr-defined]
    stream.destroy()


async def test_freed_by_counting() -> None:
    async def compresses() -> None:
        await pipeline(Readable.from_([b"abc"] * 10), zlib.create_gzip(), zlib.create_gunzip(), Sink(is_open=True))

    async def is_destroyed() -> None:
        stream = zlib.create_gunzip()
        stream.write(gzipped(bytes(MIB)))
        await turns(3)
        stream.destroy()
        await settle()

    async def fails() -> None:
        stream = zlib.create_gunzip()
        stream.on("error", lambda error: None)
        stream.end(b"no gzip")
        await settle()

    for case in (compresses, is_destroyed, fails):
        assert (await left_by(case)).by_counting == [], case.__name__
