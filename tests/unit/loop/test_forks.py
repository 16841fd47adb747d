"""A forked child that runs the EventLoop it inherited: its signals are its own. Not here: the poller (tests/unit/native)."""

import asyncio
import os
import signal

import pytest

from tests.unit.native.support import in_child
from treadle.loop.event_loop import EventLoop


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_signal_of_the_child_does_not_reach_the_parent() -> None:
    loop = EventLoop()
    log: list[str] = []
    loop.add_signal_handler(signal.SIGUSR1, log.append, "signal")

    async def kill_and_wait(pid: int) -> None:
        os.kill(pid, signal.SIGUSR1)
        while not log:
            await asyncio.sleep(0)

    def child() -> bool:
        loop.run_until_complete(kill_and_wait(os.getpid()))
        return log == ["signal"]

    loop.run_until_complete(asyncio.sleep(0))
    assert in_child(child) == 0
    loop.run_until_complete(asyncio.sleep(0.01))
    assert log == []
    loop.run_until_complete(kill_and_wait(os.getpid()))
    assert log == ["signal"]
    loop.close()
