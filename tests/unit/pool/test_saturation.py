"""A pool that makes jobs wait says so, and with what it is busy. What waits in one lane holds up nobody in the other."""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path

import pytest

import treadle
from treadle import fs, pool

DEADLINE_S = 20.0


@pytest.fixture(autouse=True)
def _four_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREADLE_THREADPOOL_SIZE", "4")


def test_who_waits_and_for_whom(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """Nothing completes and nothing is asked for after the first turn: the log tells all the same."""
    gate = threading.Event()
    (tmp_path / "file").write_bytes(b"content")

    async def main() -> None:
        held = [pool.run("crypto.hold", gate.wait, DEADLINE_S) for _ in range(4)]
        while pool.statistics().active < 4:
            await asyncio.sleep(0)
        held += [pool.run("crypto.hold", gate.wait, DEADLINE_S) for _ in range(6)]
        read = fs.read_file(tmp_path / "file")
        while not caplog.records:
            await asyncio.sleep(0.01)
        now = pool.statistics()
        assert (now.busy_with, now.queued, now.oldest_queued, now.oldest_active) == (
            {"crypto.hold": 4}, 7, "crypto.hold", "crypto.hold",
        )  # fmt: skip
        assert now.kinds["fs.read_file"].queued == 1
        assert now.saturations == 1
        assert await asyncio.to_thread(lambda: "the user's calls flow") == "the user's calls flow"
        gate.set()
        assert await read == b"content"
        await asyncio.gather(*held)
        assert pool.statistics().queued == 0

    with caplog.at_level(logging.WARNING, "treadle.pool"):
        treadle.run(main)
    [record] = caplog.records
    text = record.getMessage()
    assert "4 of its 4 threads are busy: crypto.hold 4. Waiting: crypto.hold 6, fs.read_file 1." in text
    assert "TREADLE_THREADPOOL_SIZE" in text


def test_the_same_reason_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        for episode in range(2):
            gate = threading.Event()
            held = [pool.run("hold", gate.wait, DEADLINE_S) for _ in range(5)]
            while pool.statistics().saturations == episode:
                await asyncio.sleep(0.01)
            gate.set()
            await asyncio.gather(*held)
            while pool.statistics().active:  # a thread notices that the queue is empty
                await asyncio.sleep(0)

    with caplog.at_level(logging.WARNING, "treadle.pool"):
        treadle.run(main)
    assert len(caplog.records) == 1


def test_the_users_lane_has_statistics_too() -> None:
    gate = threading.Event()

    def held_up() -> None:
        assert gate.wait(DEADLINE_S)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        size = pool.statistics().user.size
        assert size == 0, "no executor yet"
        calls = [loop.run_in_executor(None, held_up) for _ in range(40)]
        while pool.statistics().user.active < pool.statistics().user.size:
            await asyncio.sleep(0)
        now = pool.statistics().user
        assert now.size == now.active == 40 - now.queued
        assert now.oldest is not None and "held_up" in now.oldest
        assert now.oldest_ns > 0
        gate.set()
        await asyncio.gather(*calls)
        now = pool.statistics().user
        assert (now.active, now.queued, now.completed, now.wait.count, now.run.count) == (0, 0, 40, 40, 40)
        assert now.oldest is None

    treadle.run(main)
