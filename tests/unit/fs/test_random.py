"""Random calls on a few files, many at once, a third of them cancelled at a random time. Whatever is not cancelled ends, by a
result or by an OSError; what was reported as written is there; nothing stays open (tests/conftest.py)."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.fs.support import is_idle, run, turns_until
from treadle import fs
from treadle.loop.current import get_loop
from treadle.pool import pool_of

CALLS = 1500
AT_ONCE = 24
BLOCK = 3000


def calls(chance: random.Random, place: Path) -> list[Callable[[], asyncio.Future[Any]]]:
    def path() -> Path:
        return place / "/".join(chance.choice("abc") for _ in range(chance.randint(1, 4)))

    return [
        lambda: fs.write_file(path(), bytearray(chance.randrange(1_200_000)), flag=chance.choice(["w", "a", "wx"])),
        lambda: fs.read_file(path()),
        lambda: fs.read_file(path(), encoding="latin1"),
        lambda: fs.mkdir(path(), recursive=True),
        lambda: fs.rm(path(), recursive=True, force=chance.random() < 0.5),
        lambda: fs.readdir(place, recursive=True, with_file_types=chance.random() < 0.5),  # type: ignore[call-overload, no-any-return]
        lambda: fs.copy_file(path(), path()),
        lambda: fs.rename(path(), path()),
        lambda: fs.symlink(path(), path()),
        lambda: fs.stat(path()),
        lambda: fs.realpath(path()),
        lambda: fs.mkdtemp(f"{path()}-"),
        lambda: fs.open(path(), chance.choice(["r", "w+", "a"])),
        lambda: fs.truncate(path(), chance.randrange(100)),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_random_calls(memory: Path, seed: int) -> None:
    chance = random.Random(seed)
    ended = {"result": 0, "error": 0, "cancelled": 0}
    kinds = calls(chance, memory)

    async def one() -> None:
        future = chance.choice(kinds)()
        if chance.random() < 0.3:
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
            future.cancel()
        try:
            result = await future
        except OSError:
            ended["error"] += 1
        except asyncio.CancelledError:
            ended["cancelled"] += 1
        else:
            ended["result"] += 1
            if isinstance(result, fs.FileHandle):
                reading = result.read(chance.randrange(2_000_000))
                if chance.random() < 0.5:
                    reading.cancel()
                await result.close()
                await asyncio.gather(reading, return_exceptions=True)

    async def worker(count: int) -> None:
        for _ in range(count):
            await one()

    async def main() -> None:
        await asyncio.gather(*[worker(CALLS // AT_ONCE) for _ in range(AT_ONCE)])
        await turns_until(lambda: is_idle() and pool_of(get_loop()).statistics()["requests"] == 0)

    run(main)
    assert sum(ended.values()) == CALLS // AT_ONCE * AT_ONCE
    assert min(ended.values()) > 50


@pytest.mark.parametrize("seed", range(4))
def test_random_writes_and_reads_of_one_file(memory: Path, seed: int) -> None:
    chance = random.Random(seed)
    written: dict[int, bytes] = {}

    async def one(file: fs.FileHandle, number: int) -> None:
        block = bytes([chance.randrange(1, 256)]) * BLOCK
        parts = [block[:1000], block[1000:]]
        if chance.random() < 0.5:
            future = file.write(block, position=number * BLOCK)
        else:
            future = file.writev(parts, number * BLOCK)
        if chance.random() < 0.3:
            await asyncio.sleep(0)
            if future.cancel():
                return
        assert await future == BLOCK
        written[number] = block
        if chance.random() < 0.5:
            into = [bytearray(chance.randrange(BLOCK)) for _ in range(3)]
            reading = file.readv(into, number * BLOCK)
            if chance.random() < 0.3:
                reading.cancel()
                for buffer in into:
                    buffer.clear()
                return
            count = await reading
            assert b"".join(into)[: min(count, BLOCK)] == block[: min(count, BLOCK)]

    async def main() -> None:
        async with await fs.open(memory / "file", "w+") as file:
            await asyncio.gather(*[one(file, number) for number in range(400)])

    run(main)
    content = (memory / "file").read_bytes()
    assert len(written) > 200
    for number, block in written.items():
        assert content[number * BLOCK : (number + 1) * BLOCK] == block
