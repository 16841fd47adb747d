"""A child that is forked inside a running loop: it is in no loop, as with asyncio's own, and may run one of its own.
Children that go on with the loop they inherit: tests/unit/loop/test_forks.py and tests/unit/native/test_poller.py."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

import treadle
from tests.unit.native.support import in_child

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def fork_in(loop: asyncio.AbstractEventLoop, act: Callable[[], bool]) -> int:
    async def main() -> int:
        return in_child(act)

    return loop.run_until_complete(main())


def test_it_is_in_no_loop(loop) -> None:
    def act() -> bool:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio._get_running_loop() is None
        return False

    assert fork_in(loop, act) == 0


def test_it_may_run_a_loop_of_its_own(loop) -> None:
    async def work() -> int:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"from the child")
        writer.close()
        await writer.wait_closed()
        return await loop_of_child().run_in_executor(None, lambda: 7)

    def loop_of_child() -> Any:
        return asyncio.get_running_loop()

    def act() -> bool:
        with asyncio.Runner(loop_factory=treadle.new_event_loop) as runner:
            return runner.run(work()) == 7

    received: asyncio.Future[bytes] = loop.create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.set_result(await reader.read())
        writer.close()

    async def main() -> bytes:
        assert in_child(act) == 0
        return await received

    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0))
    assert loop.run_until_complete(asyncio.wait_for(main(), 15)) == b"from the child"
    server.close()
    loop.run_until_complete(server.wait_closed())


def test_a_program_in_it_is_its_own() -> None:
    def act() -> bool:
        return treadle.run(lambda: 7) == 7

    async def main() -> int:
        return in_child(act)

    assert treadle.run(main) == 0


def test_its_signals_are_not_its_parents(loop) -> None:
    heard: list[int] = []

    def act() -> bool:
        os.kill(os.getpid(), signal.SIGUSR1)
        return not heard  # asyncio's way: the handler is a callback of the parent's loop

    async def main() -> int:
        loop.add_signal_handler(signal.SIGUSR1, heard.append, os.getpid())
        status = in_child(act)
        await asyncio.sleep(0.01)
        return status

    assert loop.run_until_complete(main()) == 0
    assert heard == []
    os.kill(os.getpid(), signal.SIGUSR1)
    loop.run_until_complete(asyncio.sleep(0.01))
    assert heard == [os.getpid()]
    loop.remove_signal_handler(signal.SIGUSR1)
