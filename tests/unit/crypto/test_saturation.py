"""A pool that is full of derivations: it is named, native jobs behind them wait and say why where no thread is left, callables of
the user flow, and the loop goes on."""

import asyncio
import logging

import pytest

import treadle
from treadle import crypto, dns, pool
from treadle.loop.current import get_loop

KEYS = 1000
ITERATIONS = 3000  # a ms or so: a thousand of them keep four threads busy for longer than the 100 ms that are called saturation
SIZE = 4

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("cpus", [SIZE, SIZE - 1])
def test_a_thousand_derivations(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, cpus: int) -> None:
    """On a machine with a CPU for each thread, and on one with less, where what does not compute has a thread all the same."""
    monkeypatch.setenv("TREADLE_THREADPOOL_SIZE", str(SIZE))
    monkeypatch.setattr("treadle.pool._loop_pool.available_cpus", lambda: cpus)
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        ticks += 1

    async def main() -> None:
        interval = get_loop().set_interval(tick, 1)
        keys = [crypto.pbkdf2("secret", f"salt {number}", ITERATIONS, 32, "sha512") for number in range(KEYS)]
        behind = dns.lookup("localhost", 4)
        while pool.statistics().saturations == 0:
            await asyncio.sleep(0.005)
        assert not all(key.done() for key in keys)
        now = pool.statistics()
        assert now.busy_with == {"crypto.pbkdf2": cpus}
        assert now.oldest_queued == "crypto.pbkdf2"
        if cpus == SIZE:
            assert now.kinds["dns.lookup"].queued == 1
            assert not behind.done()
        else:
            assert await behind == ("127.0.0.1", 4)
            assert not keys[-1].done()
        assert await asyncio.to_thread(lambda: "the user's") == "the user's"
        assert not keys[-1].done()  # and yet they have not waited
        assert len(set(await asyncio.gather(*keys))) == KEYS
        assert await behind == ("127.0.0.1", 4)
        interval.close()
        after = pool.statistics()
        assert (after.queued, after.active) == (0, 0)
        assert after.kinds["crypto.pbkdf2"].run.count == KEYS
        assert after.kinds["dns.lookup"].wait.count == 1

    with caplog.at_level(logging.WARNING, "treadle.pool"):
        treadle.run(main)
    assert ticks > 10
    [record] = caplog.records
    busy = "4 of its 4 threads are busy" if cpus == SIZE else "Of jobs such as this one 3 run at once, one for each CPU"
    assert f"{busy}: crypto.pbkdf2 {cpus}." in record.getMessage()
