"""However a child ends, or what started it: it is reaped, once, nothing of it is left, and who waits is told. What is left behind
by a test, a process or a descriptor, fails it (tests/conftest.py)."""

from __future__ import annotations

import asyncio
import errno
import io
import math
import os
import random
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import treadle
from tests.integration.support import eventually
from tests.unit.child_process.support import is_running, state_of
from tests.unit.net.support import run, until, within
from treadle import child_process, events
from treadle.child_process import ChildProcess, Exit, exec, exec_file, spawn
from treadle.loop import children

pytestmark = pytest.mark.slow  # each starts programs

FAMILY = 'sleep 600 & echo "$!"; wait'  # tells the number of its child


@pytest.fixture(params=["descriptor", "thread"])
def watched(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the end of a child is noticed."""
    if request.param == "thread":
        monkeypatch.setattr(children, "can_watch", lambda: False)
    elif not children.can_watch():
        pytest.skip("the kernel has no descriptors of processes")
    return str(request.param)


@pytest.fixture
def grandchildren() -> Iterator[list[int]]:
    """Their numbers: they have ended afterwards."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


async def first_line(child: ChildProcess) -> bytes:
    assert child.stdout is not None
    [line] = await within(events.once(child.stdout, "data"))
    return bytes(line)


async def family(grandchildren: list[int], **options: Any) -> tuple[ChildProcess, int]:
    child = spawn("sh", ["-c", FAMILY], **options)
    grandchildren.append(int(await first_line(child)))
    return child, grandchildren[-1]


def has_ended(pid: int) -> Callable[[], bool]:
    return lambda: not is_running(pid)


# ---- its end


def test_codes_and_signals(watched: str) -> None:
    async def main() -> list[Exit]:
        started = [spawn("sh", ["-c", script]) for script in ("exit 0", "exit 7", "kill -TERM $$")]
        return [await child.wait_closed() for child in started]

    assert run(main) == [(0, None), (7, None), (None, "SIGTERM")]


def test_many_at_once(watched: str) -> None:
    async def main() -> list[Exit]:
        return list(await asyncio.gather(*(spawn("sh", ["-c", f"exit {n}"]).wait_closed() for n in range(100))))

    assert run(main) == [(n, None) for n in range(100)]


def test_one_that_has_ended_before_it_is_watched(watched: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def watch_late(self: Any, loop: Any, child: Any) -> None:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        watch(self, loop, child)

    watch = children.Children.watch
    monkeypatch.setattr(children.Children, "watch", watch_late)
    assert run(lambda: spawn("sh", ["-c", "exit 7"]).wait_closed()) == (7, None)


def test_one_that_somebody_else_has_reaped(watched: str) -> None:
    async def main() -> Exit:
        child = spawn("sh", ["-c", "exit 7"])
        assert child.pid is not None
        os.waitpid(child.pid, 0)
        return await child.wait_exit()

    assert run(main) == (255, None)


def test_one_that_the_kernel_reaps_by_itself(watched: str) -> None:
    """Where SIGCHLD is ignored nobody can know its code."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert run(lambda: spawn("sh", ["-c", "exit 7"]).wait_closed()) == (255, None)
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_no_thread_waits_for_it() -> None:
    if not children.can_watch():
        pytest.skip("the kernel has no descriptors of processes")
    before = set(os.listdir("/proc/self/task"))  # some may be about to end: a loop does not wait for the threads of its pool

    async def main() -> None:
        child = spawn("sleep", ["600"])
        assert set(os.listdir("/proc/self/task")) <= before
        child.kill("SIGKILL")
        assert await child.wait_exit() == (None, "SIGKILL")

    run(main)


def test_nothing_is_sent_to_a_number_that_is_free_again() -> None:
    async def main() -> None:
        child = spawn("true")
        await child.wait_exit()
        assert child.kill() is False
        assert child.kill("SIGKILL") is False
        assert child.killed is False

    run(main)


def test_one_that_does_not_heed_the_first_signal(watched: str) -> None:
    async def main() -> Exit:
        child = spawn("sh", ["-c", 'trap "" TERM; echo ready; exec sleep 600'], force_kill_after=20)
        await first_line(child)
        child.kill()
        return await child.wait_closed()

    assert run(main) == (None, "SIGKILL")


def test_a_listener_that_fails(watched: str) -> None:
    """Where the program goes on, 'close' comes all the same."""
    uncaught: list[BaseException] = []

    async def main() -> Exit:
        child = spawn("sh", ["-c", "exit 7"], kill_group=True)
        child.on("exit", lambda *_: 1 / 0)
        return await child.wait_closed()

    treadle.process.on("uncaught_exception", uncaught.append)
    try:
        assert run(main) == (7, None)
    finally:
        treadle.process.off("uncaught_exception", uncaught.append)
    assert [type(error) for error in uncaught] == [ZeroDivisionError]
    uncaught.clear()


# ---- the group


@pytest.mark.parametrize("how", ["kill", "timeout", "abort", "detached"])
def test_a_group_ends_with_its_leader(how: str, grandchildren: list[int]) -> None:
    async def main() -> None:
        controller = treadle.AbortController()
        options = {"timeout": {"timeout": 300}, "abort": {"signal": controller.signal}, "detached": {"detached": True}}
        child, grandchild = await family(grandchildren, kill_group=True, **options.get(how, {}))
        child.on("error", lambda _: None)  # ABORT_ERR
        if how == "abort":
            controller.abort()
        elif how != "timeout":
            child.kill()
        await within(events.once(child, "close"))
        assert child.signal_code == "SIGTERM"
        await until(has_ended(grandchild), "the grandchild has ended")

    run(main)


def test_without_a_group_the_grandchild_goes_on(grandchildren: list[int]) -> None:
    async def main() -> None:
        child, grandchild = await family(grandchildren)
        child.kill()
        assert await child.wait_exit() == (None, "SIGTERM")
        assert is_running(grandchild)
        os.kill(grandchild, signal.SIGKILL)
        await child.wait_closed()

    run(main)


def test_a_group_whose_leader_has_ended_is_reached(grandchildren: list[int]) -> None:
    """Its number stays the leader's until the pipes are closed: the leader is reaped then."""

    async def main() -> None:
        child = spawn("sh", ["-c", 'sleep 600 & echo "$!"'], kill_group=True)
        grandchildren.append(int(await first_line(child)))
        assert await child.wait_exit() == (0, None)
        assert child.pid is not None
        assert state_of(child.pid) == "Z"
        assert child.kill() is True
        assert await child.wait_closed() == (0, None)
        assert state_of(child.pid) is None
        assert child.kill() is False
        await until(has_ended(grandchildren[0]), "the grandchild has ended")

    run(main)


def test_a_group_whose_leader_has_ended_times_out(grandchildren: list[int]) -> None:
    async def main() -> None:
        child = spawn("sh", ["-c", 'sleep 600 & echo "$!"'], kill_group=True, timeout=300)
        grandchildren.append(int(await first_line(child)))
        assert await child.wait_closed() == (0, None)
        await until(has_ended(grandchildren[0]), "the grandchild has ended")

    run(main)


def test_the_end_of_the_program_behind_a_leader(grandchildren: list[int]) -> None:
    async def main() -> None:
        child = spawn("sh", ["-c", 'sleep 600 & echo "$!"'], kill_group=True)
        grandchildren.append(int(await first_line(child)))
        await child.wait_exit()
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.unref()
        child.stderr.unref()

    run(main)
    eventually(has_ended(grandchildren[0]), "the grandchild has ended")


# ---- the end of the program


@pytest.mark.parametrize("options", [{}, {"kill_group": True}, {"stdio": "ignore"}])
def test_a_child_that_is_left_does_not_outlive_the_program(watched: str, options: dict[str, Any]) -> None:
    pids: list[int] = []

    async def main() -> None:
        child = spawn("sh", ["-c", 'trap "" TERM; exec sleep 600'], **options).unref()
        assert child.pid is not None
        pids.append(child.pid)
        for stream in child.stdio:
            if stream is not None:
                stream.unref()

    run(main)
    assert state_of(pids[0]) is None


def test_a_detached_child_goes_on_and_is_reaped_by_the_next(watched: str) -> None:
    pids: list[int] = []

    async def main() -> None:
        child = spawn("sleep", ["600"], stdio="ignore", detached=True).unref()
        assert child.pid is not None
        pids.append(child.pid)

    run(main)
    assert is_running(pids[0])
    os.kill(pids[0], signal.SIGKILL)
    os.waitid(os.P_PID, pids[0], os.WEXITED | os.WNOWAIT)
    assert run(lambda: spawn("true").wait_closed()) == (0, None)
    assert state_of(pids[0]) is None


def test_a_loop_that_is_closed_amid_everything(watched: str) -> None:
    pids: list[int] = []

    async def main() -> None:
        running = spawn("cat")
        ended = spawn("true")
        assert running.pid is not None
        assert ended.pid is not None
        pids.extend((running.pid, ended.pid))
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)

    loop = treadle.new_event_loop()
    loop.run_until_complete(main())
    loop.close()
    assert [state_of(pid) for pid in pids] == [None, None]


def test_kill_behind_the_end_of_the_loop() -> None:
    started: list[ChildProcess] = []

    async def main() -> None:
        started.append(spawn("sleep", ["600"], stdio="ignore").unref())

    run(main)
    assert started.pop().kill() is False


@pytest.mark.parametrize("detached", [False, True])
def test_the_end_of_the_loop_leaves_nothing_with_a_signal(detached: bool) -> None:
    controller = events.AbortController()
    pids: list[int] = []

    async def main() -> None:
        child = spawn("sleep", ["600"], stdio="ignore", signal=controller.signal, detached=detached).unref()
        assert child.pid is not None
        pids.append(child.pid)
        assert len(controller.signal._listeners) == 1

    run(main)
    assert len(controller.signal._listeners) == 0
    controller.abort()
    assert is_running(pids[0]) is detached
    if detached:
        os.kill(pids[0], signal.SIGKILL)
        os.waitid(os.P_PID, pids[0], os.WEXITED | os.WNOWAIT)
        assert run(lambda: spawn("true").wait_closed()) == (0, None)  # which reaps it


def test_process_exit_ends_them() -> None:
    pids: list[int] = []

    async def main() -> None:
        child = spawn("sleep", ["600"])
        assert child.pid is not None
        pids.append(child.pid)
        treadle.process.exit(3)

    with pytest.raises(SystemExit):
        run(main)
    assert state_of(pids[0]) is None


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")  # of the pool of other tests
def test_a_forked_child_has_none_of_them(tmp_path: Path) -> None:
    """It goes on with the loop: who waits there hears that the child has ended, which goes on in the parent."""

    async def main() -> None:
        child = spawn("cat", kill_group=True)
        forked = os.fork()
        if forked == 0:
            outcome = await child.wait_closed()
            (tmp_path / "told").write_text(f"{outcome.code} {child.kill()}")
            os._exit(0)
        await until(lambda: os.waitpid(forked, os.WNOHANG)[0], "the forked child has ended")
        assert child.stdin is not None
        child.stdin.end("still there")
        assert await first_line(child) == b"still there"
        assert await child.wait_closed() == (0, None)

    run(main)
    assert (tmp_path / "told").read_text() == "255 False"


# ---- what cannot be started


def test_what_is_missing_is_named() -> None:
    async def main() -> None:
        for command, options, missing in (
            ("treadle-has-no-such-program", {}, "treadle-has-no-such-program"),
            ("true", {"cwd": "/treadle/has/none"}, "/treadle/has/none"),
            ("/bin/true/x", {"shell": False}, "/bin/true/x"),
        ):
            with pytest.raises(OSError) as caught:
                await spawn(command, **options).wait_exit()
            assert caught.value.filename == missing

    run(main)


def test_no_descriptor_is_left(watched: str) -> None:
    """Wherever in starting it they end: it is told, and what was opened is closed."""
    outcomes: set[str] = set()

    async def main() -> None:
        await spawn("true").wait_closed()
        lowest = os.dup(0)
        os.close(lowest)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        for room in range(24):
            count = len(os.listdir("/proc/self/fd"))
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + room, hard))
            try:
                child = spawn("true")
                outcome = await child.wait_closed()
            except OSError as error:
                outcomes.add(os.strerror(error.errno or 0))
            else:
                outcomes.add(str(outcome.code))
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            await until(lambda count=count: len(os.listdir("/proc/self/fd")) == count, "all are closed")

    run(main)
    assert outcomes == {"0", "Too many open files"}


def test_that_no_descriptor_is_left_is_not_that_there_are_none_of_processes() -> None:
    """What is found out then holds for as long as the process."""
    if not children.can_watch():
        pytest.skip("the kernel has no descriptors of processes")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    children.can_watch.cache_clear()
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        found = children.can_watch()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        children.can_watch.cache_clear()
    assert found


def test_output_that_cannot_be_flushed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is raised, and what was opened for the child is closed."""

    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def main() -> None:
        await spawn("true").wait_closed()
        before = sorted(os.listdir("/proc/self/fd"))
        with monkeypatch.context() as patched, pytest.raises(OSError) as caught:
            patched.setattr(sys, "stdout", Full())
            spawn("true", stdio=["pipe", 1, "pipe"])
        assert caught.value.errno == errno.ENOSPC
        assert sorted(os.listdir("/proc/self/fd")) == before

    run(main)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"timeout": math.inf}, "ERR_OUT_OF_RANGE"),
        ({"timeout": 2**31}, "ERR_OUT_OF_RANGE"),  # of which a timer makes 1 ms
        ({"timeout": math.nan}, "ERR_OUT_OF_RANGE"),
        ({"force_kill_after": math.inf}, "ERR_OUT_OF_RANGE"),
        ({"force_kill_after": -1}, "ERR_OUT_OF_RANGE"),
        ({"kill_signal": signal.NSIG}, "ERR_UNKNOWN_SIGNAL"),
        ({"kill_signal": -1}, "ERR_UNKNOWN_SIGNAL"),
        ({"kill_signal": 2**40}, "ERR_UNKNOWN_SIGNAL"),
        ({"kill_signal": ["SIGTERM"]}, "ERR_UNKNOWN_SIGNAL"),
    ],
)
def test_what_would_go_wrong_later_is_refused_at_once(options: dict[str, Any], code: str) -> None:
    async def main() -> None:
        with pytest.raises(treadle.TreadleError) as caught:
            spawn("true", **options)
        assert caught.value.code == code

    run(main)


@pytest.mark.parametrize(
    ("make", "name", "said"),
    [
        (lambda: spawn("sleep", ["-v", 1]), "args[1]", "str(1)"),  # type: ignore[list-item]
        (lambda: spawn("sleep", ["a", "b\0"]), "args[1]", "NUL"),
        (lambda: spawn("env", env={"A": 1}), "env['A']", "str(1)"),
        (lambda: spawn("env", env={"A": "\0"}), "env['A']", "NUL"),
        (lambda: spawn("env", env={"A=B": "c"}), "a name of env", "without ="),
        (lambda: spawn("sleep", cwd=["a"]), "cwd", "path"),  # type: ignore[arg-type]
    ],
)
def test_the_text_that_is_none_is_named(make: Callable[[], object], name: str, said: str) -> None:
    async def main() -> None:
        with pytest.raises(treadle.TreadleError) as caught:
            make()
        assert caught.value.data["name"] == name
        assert said in str(caught.value)

    run(main)


@pytest.mark.parametrize("number", [-1, 1_000_000, 2**31, 2**70])
def test_descriptors_that_are_none(number: int) -> None:
    async def main() -> None:
        with pytest.raises(OSError) as caught:
            spawn("true", stdio=["pipe", number])
        assert caught.value.errno == errno.EBADF

    run(main)


@pytest.mark.parametrize("number", [-1, signal.NSIG, 2**32, 2**70])
def test_signals_that_are_none(number: int) -> None:
    async def main() -> None:
        async with spawn("cat") as child:
            with pytest.raises(treadle.TreadleError) as caught:
                child.kill(number)
            assert caught.value.code == "ERR_UNKNOWN_SIGNAL"
            assert not child.killed

    run(main)


def test_a_block_of_one_that_was_not_started() -> None:
    async def main() -> None:
        async with spawn("treadle-has-no-such-program"):
            pytest.fail("it runs")

    with pytest.raises(FileNotFoundError):
        run(main)


# ---- cancelled


@pytest.mark.parametrize("wait", ["wait_exit", "wait_closed"])
def test_a_wait_that_is_cancelled_leaves_it(watched: str, wait: str) -> None:
    async def main() -> Exit:
        child = spawn("sleep", ["600"])
        waiting = asyncio.ensure_future(getattr(child, wait)())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert child.listener_count("exit") == child.listener_count("close") == child.listener_count("error") == 0
        assert child.exit_code is None
        child.kill()
        return await child.wait_closed()

    assert run(main) == (None, "SIGTERM")


def test_a_block_that_is_cancelled_ends_it(watched: str) -> None:
    pids: list[int] = []

    async def hold() -> None:
        async with spawn("sh", ["-c", "echo ready; exec sleep 600"]) as child:
            assert child.pid is not None
            await first_line(child)
            pids.append(child.pid)
            await asyncio.sleep(600)

    async def main() -> None:
        holding = asyncio.ensure_future(hold())
        await until(lambda: pids, "it runs")
        holding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await within(holding)
        assert state_of(pids[0]) is None

    run(main)


def test_a_block_that_is_cancelled_again_as_it_ends(watched: str) -> None:
    """The second cancellation does not wait for a child that heeds no SIGTERM."""
    children_: list[ChildProcess] = []

    async def hold() -> None:
        async with spawn("sh", ["-c", 'trap "" TERM; echo ready; exec sleep 600']) as child:
            await first_line(child)
            children_.append(child)
            await asyncio.sleep(600)

    async def main() -> None:
        holding = asyncio.ensure_future(hold())
        await until(lambda: children_, "it runs")
        holding.cancel()
        await asyncio.sleep(0.02)
        assert not holding.done()
        holding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await within(holding)
        assert await children_[0].wait_exit() == (None, "SIGKILL")

    run(main)
    children_.clear()


def test_a_block_that_is_left_ends_its_input_and_waits() -> None:
    async def main() -> Exit:
        async with spawn("sh", ["-c", "cat; head -c 1000000 /dev/zero; exit 5"]) as child:
            assert child.stdin is not None
            child.stdin.write("x" * 100_000)
        return Exit(child.exit_code, child.signal_code)

    assert run(main) == (5, None)


def test_a_block_of_one_that_does_not_read_its_input() -> None:
    async def main() -> Exit:
        async with spawn("true") as child:
            assert child.stdin is not None
            child.stdin.write("x" * 1_000_000)
        return Exit(child.exit_code, child.signal_code)

    assert run(main) == (0, None)


def test_a_block_that_fails_raises_that(grandchildren: list[int]) -> None:
    async def main() -> None:
        async with spawn("sh", ["-c", FAMILY]) as child:
            grandchildren.append(int(await first_line(child)))
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        run(main)


@pytest.mark.parametrize("turns", range(6))
def test_exec_that_is_cancelled(watched: str, turns: int, grandchildren: list[int]) -> None:
    """At whatever moment: its family is gone with it."""

    async def main() -> None:
        future = exec(FAMILY, kill_group=True)
        assert future.child.pid is not None
        for _ in range(turns):
            await asyncio.sleep(0.002)
        future.cancel()
        with pytest.raises(asyncio.CancelledError):
            await future
        await future.child.wait_closed()
        assert future.child.signal_code == "SIGTERM"

    run(main)


def test_exec_that_is_cancelled_with_its_task(watched: str) -> None:
    pids: list[int] = []

    async def hold() -> None:
        future = exec_file("sleep", ["600"])
        assert future.child.pid is not None
        pids.append(future.child.pid)
        await future

    async def main() -> None:
        holding = asyncio.ensure_future(hold())
        await asyncio.sleep(0)
        holding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await within(holding)

    run(main)  # the child holds the program until it has ended
    assert state_of(pids[0]) is None


def test_exec_that_is_asked_for_too_much(watched: str, grandchildren: list[int]) -> None:
    async def main() -> None:
        with pytest.raises(treadle.TreadleError) as caught:
            await exec("yes", max_buffer=100_000, kill_group=True)
        assert caught.value.code == "ERR_CHILD_PROCESS_STDIO_MAXBUFFER"
        assert len(caught.value.data["stdout"]) == 100_000  # type: ignore[arg-type]

    run(main)


def test_exec_says_what_failed() -> None:
    async def main() -> None:
        with pytest.raises(treadle.TreadleError) as caught:
            await exec("echo out; echo nonsense >&2; exit 3")
        assert caught.value.code == "ERR_CHILD_PROCESS_FAILED"
        assert {name: caught.value.data[name] for name in ("exit_code", "signal_code", "killed", "stdout", "stderr")} == {
            "exit_code": 3, "signal_code": None, "killed": False, "stdout": "out\n", "stderr": "nonsense\n",
        }  # fmt: skip
        assert "nonsense" in caught.value.hint
        with pytest.raises(TimeoutError) as late:
            await exec("exec sleep 600", timeout=30)
        assert late.value.code == "ERR_TIMED_OUT"  # type: ignore[attr-defined]
        assert "'/bin/sh -c exec sleep 600'" in str(late.value), "which of many it was"
        assert await exec_file("cat", input=b"in" * 100_000) == ("in" * 100_000, "")
        assert await exec_file("true", input="x" * 1_000_000) == ("", ""), "it has not read its input: its own affair"

    run(main)


def test_exec_in_a_shell_takes_no_list() -> None:
    async def main() -> None:
        with pytest.raises(treadle.TreadleError) as caught:
            child_process.spawn("echo", ["$(reboot)"], shell=True)
        assert caught.value.code == "ERR_INVALID_ARG_VALUE"

    run(main)


# ---- all of it at once


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_done_to_them(watched: str, seed: int) -> None:
    """Sixty children: each is killed, left, cancelled, or loses its pipes, at a moment of chance; all are closed in the end."""
    chance = random.Random(seed)
    scripts = (
        "exit 3",
        "cat",
        "exec sleep 600",
        "echo out; echo err >&2",
        "yes",
        "kill -KILL $$",
        'trap "" TERM; exec sleep 600',
    )

    async def treat(script: str) -> str:
        options = {"kill_group": chance.random() < 0.5, "force_kill_after": 10.0}
        deeds = [chance.choice(("kill", "SIGKILL", "output", "input", "end", "turn", "read")) for _ in range(chance.randrange(6))]
        child = spawn("sh", ["-c", script], timeout=chance.choice((0, 20)), **options)  # type: ignore[arg-type]
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.on("error", lambda _: None)
        for deed in [*deeds, "output", "kill"]:
            if deed == "turn":
                await asyncio.sleep(chance.random() * 0.01)
            elif deed == "read":
                child.stdout.read()
            elif deed == "output":
                child.stdout.destroy()
            elif deed == "input":
                child.stdin.write(b"x" * 100_000)
            elif deed == "end":
                child.stdin.end()
            else:
                child.kill("SIGTERM" if deed == "kill" else deed)
        outcome = await child.wait_closed()
        assert child.pid is not None
        assert state_of(child.pid) is None
        return outcome.signal or str(outcome.code)

    async def cancelled(script: str) -> str:
        running = asyncio.ensure_future(exec(script, kill_group=True, force_kill_after=10, max_buffer=1000))
        await asyncio.sleep(chance.random() * 0.02)
        running.cancel()
        try:
            await running
        except (asyncio.CancelledError, treadle.TreadleError):
            return "cancelled"
        return "done"

    async def main() -> None:
        work = [chance.choice((treat, treat, cancelled))(chance.choice(scripts)) for _ in range(60)]
        assert len(await asyncio.gather(*work)) == 60

    run(main)  # which ends when the last child has
