"""A pool that makes jobs wait says so, and with what it is busy. What waits in one lane holds up nobody in the other."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import treadle
from treadle import fs, pool

DEADLINE_S = 20.0


@pytest.fixture(autouse=True)
def _four_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    has_threads(monkeypatch, 4, cpus=4)


def has_threads(monkeypatch: pytest.MonkeyPatch, size: int, cpus: int) -> None:
    """Of the pools that are made from now on."""
    monkeypatch.setenv("TREADLE_THREADPOOL_SIZE", str(size))
    monkeypatch.setattr("treadle.pool._loop_pool.available_cpus", lambda: cpus)


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
        while pool.statistics().saturations < 2:  # of what computes, and of files
            await asyncio.sleep(0.01)
        now = pool.statistics()
        assert (now.busy_with, now.queued, now.oldest_queued, now.oldest_active) == (
            {"crypto.hold": 4}, 7, "crypto.hold", "crypto.hold",
        )  # fmt: skip
        assert now.kinds["fs.read_file"].queued == 1
        assert now.saturations == 2
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


def test_what_computes_has_a_thread_for_each_cpu(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    has_threads(monkeypatch, 4, cpus=3)
    gate = threading.Event()

    async def main() -> None:
        held = [pool.run("crypto.hold", gate.wait, DEADLINE_S) for _ in range(5)]
        while not caplog.records:
            await asyncio.sleep(0.01)
        await fs.write_file(tmp_path / "file", b"what computes is overtaken")
        now = pool.statistics()
        assert (now.threads, now.busy_with, now.queued) == (4, {"crypto.hold": 3}, 2)
        assert (now.oldest_queued, now.saturations) == ("crypto.hold", 1)
        gate.set()
        await asyncio.gather(*held)

    with caplog.at_level(logging.WARNING, "treadle.pool"):
        treadle.run(main)
    [record] = caplog.records
    assert re.search(
        r"a job \(crypto\.hold\) has waited for \d+ ms\. Of jobs such as this one 3 run at once, one for each CPU: "
        r"crypto\.hold 3\. Waiting: crypto\.hold 2\. More threads would make them no faster",
        record.getMessage(),
    )


def test_what_takes_long_holds_up_nothing_short(monkeypatch: pytest.MonkeyPatch) -> None:
    has_threads(monkeypatch, 4, cpus=1)
    gate = threading.Event()

    async def main() -> None:
        held = [pool.run("crypto.hold", gate.wait, DEADLINE_S, is_long=True) for _ in range(3)]
        assert await pool.run("zlib.gzip", str, 1) == "1"
        now = pool.statistics()
        assert (now.busy_with, now.kinds["crypto.hold"].queued) == ({"crypto.hold": 1}, 2)
        gate.set()
        await asyncio.gather(*held)

    treadle.run(main)


def test_one_group_does_not_hide_another(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What computes never catches up; then the disk hangs as well."""
    has_threads(monkeypatch, 3, cpus=1)
    gate = threading.Event()
    fifo = tmp_path / "disk"
    os.mkfifo(fifo)

    async def main() -> None:
        held = [pool.run("crypto.hold", gate.wait, DEADLINE_S) for _ in range(3)]
        while len(caplog.records) < 1:
            await asyncio.sleep(0.01)
        stuck = [fs.read_file(fifo) for _ in range(3)]
        while len(caplog.records) < 2:
            await asyncio.sleep(0.01)
        assert pool.statistics().saturations == 2
        gate.set()
        while any(not read.done() for read in stuck):
            with contextlib.suppress(OSError):  # nobody reads any more
                os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
            await asyncio.sleep(0.001)
        await asyncio.gather(*held, *stuck)

    with caplog.at_level(logging.WARNING, "treadle.pool"):
        treadle.run(main)
    told = [record.getMessage() for record in caplog.records]
    assert "Of jobs such as this one 1 run at once" in told[0]
    assert "3 of its 3 threads are busy: fs.read_file 2, crypto.hold 1" in told[1]


def test_groups_that_are_noticed_in_one_look_are_each_told(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the loop itself was held up meanwhile."""
    has_threads(monkeypatch, 4, cpus=1)
    gate = threading.Event()

    async def main() -> None:
        held = [pool.run(f"hold.{'long' if is_long else 'short'}", gate.wait, DEADLINE_S, is_long=is_long)
                for is_long in (False, True) for _ in range(2)]  # fmt: skip
        while pool.statistics().active < 2:
            time.sleep(0.001)
        while pool.statistics().oldest_queued_ns < 200_000_000:  # ORDER: the loop does not run, and so looks once
            time.sleep(0.01)
        while pool.statistics().saturations < 2:
            await asyncio.sleep(0.001)
        gate.set()
        await asyncio.gather(*held)

    with caplog.at_level(logging.WARNING, "treadle.pool"):
        treadle.run(main)
    told = sorted(record.getMessage().partition("): ")[0] for record in caplog.records)
    waiting = [re.search(r"a job \(([^)]*)\)", text) for text in told]
    assert [match[1] for match in waiting if match] == ["hold.long", "hold.short"]


def test_the_next_episode_counts_though_nobody_has_idled(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_threads(monkeypatch, 2, cpus=1)
    gate = threading.Event()

    async def main() -> None:
        held = pool.run("crypto.hold", gate.wait, DEADLINE_S)
        for episode in range(2):
            waiting = pool.run("zlib.gzip", str)
            while pool.statistics().saturations == episode:
                await asyncio.sleep(0.01)
            waiting.cancel()
        gate.set()
        await held

    with caplog.at_level(logging.WARNING, "treadle.pool"):
        treadle.run(main)
    assert len(caplog.records) == 1, "the culprit is the same"


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


def test_the_culprits_are_named_also_where_the_loop_hears_of_it_late(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        gate = threading.Event()
        held = [pool.run("hold", gate.wait, DEADLINE_S) for _ in range(4)]
        while pool.statistics().active < 4:
            await asyncio.sleep(0)
        held.append(pool.run("hold", gate.wait, DEADLINE_S))
        while pool.statistics().oldest_queued_ns < 100_000_000:  # and the loop does not turn
            pass
        gate.set()
        while pool.statistics().active or pool.statistics().queued:
            pass
        await asyncio.gather(*held)

    with caplog.at_level(logging.WARNING, "treadle.pool"):
        treadle.run(main)
    [record] = caplog.records
    assert "a job (hold) has waited for" in record.getMessage()
    assert "4 of its 4 threads are busy: hold 4. Waiting: hold 1." in record.getMessage()


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


def test_the_users_lane_says_so_too(caplog: pytest.LogCaptureFixture) -> None:
    gates = [threading.Event(), threading.Event()]

    def held_up(gate: threading.Event) -> None:
        assert gate.wait(DEADLINE_S)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(2))
        for episode, gate in enumerate(gates):
            calls = [asyncio.to_thread(held_up, gate) for _ in range(2)]
            held = asyncio.gather(*calls, asyncio.to_thread(str), asyncio.to_thread(held_up, gate))
            while pool.statistics().user.saturations == episode:
                await asyncio.sleep(0.01)
            assert (pool.statistics().user.active, pool.statistics().user.queued) == (2, 2)
            gate.set()
            await held
            while loop._executor_calls._is_looking:  # type: ignore[attr-defined]  # until it sees that none waits
                await asyncio.sleep(0.01)
        assert pool.statistics().user.saturations == 2
        assert pool.statistics().saturations == 0

    with caplog.at_level(logging.WARNING, "treadle.pool"):
        treadle.run(main)
    [record] = caplog.records
    assert re.search(
        r"a call \(str\) has waited for \d+ ms\. All of its 2 threads are busy: \S+held_up \(\S+:\d+\) 2\. "
        r"Waiting: str 1, \S+held_up \(\S+:\d+\) 1\. More threads: loop\.set_default_executor",
        record.getMessage(),
    )


def test_a_call_that_was_cancelled_has_its_thread_until_it_is_through() -> None:
    gate = threading.Event()

    def held_up() -> None:
        assert gate.wait(DEADLINE_S)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await asyncio.to_thread(held_up)
        now = pool.statistics().user
        assert (now.active, now.queued, now.completed) == (1, 0, 0)
        assert now.oldest is not None and "held_up" in now.oldest, "and not what asyncio runs it by"
        gate.set()
        while pool.statistics().user.active:
            await asyncio.sleep(0)
        now = pool.statistics().user
        assert (now.completed, now.run.count, now.oldest) == (1, 1, None)

    treadle.run(main)
