"""Child processes as treadle watches them: by a descriptor each, with no thread; and as asyncio does where there are none.
What a child's pipes carry is asked in tests/integration/loop/test_subprocesses.py."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Iterator

import pytest

import treadle
from tests.integration.loop.support import run
from treadle.loop import children, event_loop

pytestmark = pytest.mark.slow  # each starts programs


@pytest.fixture
def loop() -> Iterator[treadle.EventLoop]:
    loop = treadle.new_event_loop()
    yield loop
    loop.run_while_alive()  # a child that is gone and still held it would hang here
    loop.close()


@pytest.fixture(params=["descriptor", "asyncio"])
def watched(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "asyncio":
        monkeypatch.setattr(event_loop, "can_watch", lambda: False)


def test_descriptors_are_used_where_the_kernel_has_them() -> None:
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        pytest.skip("not here")
    assert children.can_watch()


def test_no_thread_waits_for_a_child(loop: treadle.EventLoop) -> None:
    if not children.can_watch():
        pytest.skip("the kernel has no descriptors of processes")

    async def main() -> None:
        child = await asyncio.create_subprocess_exec("sleep", "600")
        assert threading.active_count() == before
        child.kill()
        assert await child.wait() == -signal.SIGKILL

    before = threading.active_count()
    run(loop, main())


def test_codes_and_signals(loop: treadle.EventLoop, watched: None) -> None:
    async def main() -> list[int]:
        started = [await asyncio.create_subprocess_shell(script) for script in ("exit 0", "exit 7", "kill -TERM $$")]
        return [await child.wait() for child in started]

    assert run(loop, main()) == [0, 7, -signal.SIGTERM]


def test_one_that_somebody_else_has_reaped(loop: treadle.EventLoop, caplog: pytest.LogCaptureFixture) -> None:
    if not children.can_watch():
        pytest.skip("the kernel has no descriptors of processes")

    async def main() -> int:
        child = await asyncio.create_subprocess_shell("exit 7")
        os.waitpid(child.pid, 0)
        return await child.wait()

    assert run(loop, main()) == 255
    assert [record.getMessage() for record in caplog.records if "already read" in record.getMessage()]


@pytest.mark.parametrize("reap", ["send_signal", "poll"])
def test_one_that_popen_has_reaped(loop: treadle.EventLoop, caplog: pytest.LogCaptureFixture, reap: str) -> None:
    """As it does before it sends a signal: the code is the child's."""
    if not children.can_watch():
        pytest.skip("the kernel has no descriptors of processes")

    async def main() -> int:
        child = await asyncio.create_subprocess_shell("exit 7")
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and the loop has not been told
        if reap == "send_signal":
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(signal.SIGTERM)
        else:
            child._transport.get_extra_info("subprocess").poll()  # type: ignore[attr-defined]
        return await child.wait()

    assert run(loop, main()) == 7
    assert not caplog.records


def test_one_that_the_kernel_reaps_by_itself(loop: treadle.EventLoop) -> None:
    """Where SIGCHLD is ignored nobody can know its code."""

    async def main() -> int:
        child = await asyncio.create_subprocess_shell("exit 7")
        return await child.wait()

    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert run(loop, main()) == 255
    finally:
        signal.signal(signal.SIGCHLD, before)


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGKILL])
def test_a_child_that_is_left_does_not_outlive_the_loop(signal_number: int) -> None:
    """However hard it is to end."""
    loop = treadle.new_event_loop()
    pid = 0

    async def main() -> None:
        nonlocal pid
        child = await asyncio.create_subprocess_shell("trap '' TERM; echo ready; exec sleep 600", stdout=asyncio.subprocess.PIPE)
        assert child.stdout is not None
        assert await child.stdout.readline() == b"ready\n"
        pid = child.pid
        if signal_number == signal.SIGTERM:
            child.terminate()  # which it does not heed

    run(loop, main())
    loop.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_starting_one_that_is_cancelled(loop: treadle.EventLoop, watched: None) -> None:
    """It is killed, and waited for."""

    async def main() -> None:
        starting = asyncio.ensure_future(
            loop.subprocess_exec(asyncio.SubprocessProtocol, "sleep", "600", stdin=asyncio.subprocess.PIPE)
        )
        loop.call_soon(starting.cancel)  # behind its first step, which starts the child and waits for its pipes
        with pytest.raises(asyncio.CancelledError):
            await starting

    run(loop, main())
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_waiting_for_one_that_is_cancelled_leaves_it(loop: treadle.EventLoop, watched: None) -> None:
    async def main() -> int:
        child = await asyncio.create_subprocess_exec("sleep", "600")
        waiting = asyncio.ensure_future(child.wait())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert child.returncode is None
        child.kill()
        return await child.wait()

    assert run(loop, main()) == -signal.SIGKILL
