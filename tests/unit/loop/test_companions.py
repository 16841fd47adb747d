"""What packages above the loop keep for it is told when the program ends, when the loop is closed, and in a forked child."""

import asyncio
import os

import pytest

import treadle
from treadle.loop.current import get_loop
from treadle.loop.event_loop import EventLoop


class Companion:
    """Writes down what it is told."""

    def __init__(self, log: list[str], fails: bool = False) -> None:
        self.log = log
        self.fails = fails

    def drop_waiting(self) -> None:
        self.log.append("drop_waiting")

    def forked(self) -> None:
        self.log.append("forked")

    def abandon(self) -> None:
        self.log.append("abandon")
        if self.fails:
            raise ValueError("from abandon")


def test_the_end_of_a_program_and_of_its_loop() -> None:
    log: list[str] = []

    async def clean_up() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            log.append("clean up")

    async def main() -> None:
        get_loop().companions["test"] = Companion(log)
        asyncio.create_task(clean_up())
        await asyncio.sleep(0)

    treadle.run(main)
    assert log == ["drop_waiting", "clean up", "abandon"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_one_that_fails_keeps_nothing_from_being_closed() -> None:
    log: list[str] = []
    loop = EventLoop()
    loop.companions.update(first=Companion(log, fails=True), second=Companion(log))
    loop.close()
    loop.close()
    assert log == ["abandon", "abandon"]
    assert loop.is_closed()
    assert loop.companions == {}


def test_a_forked_child_that_goes_on() -> None:
    log: list[str] = []

    async def main() -> int:
        get_loop().companions["test"] = Companion(log)
        pid = os.fork()
        if pid == 0:
            try:
                await asyncio.sleep(0)
            finally:
                os._exit(0 if log == ["forked"] else 1)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    assert treadle.run(main) == 0
    assert log == ["drop_waiting", "abandon"]
