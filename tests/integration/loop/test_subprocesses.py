"""Child processes and pipes: asyncio's own transports over the core's readers and writers."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from typing import Any

import pytest

from tests.integration.loop.support import BIG, Recorder, test_of_both, turns

pytestmark = pytest.mark.slow  # each starts an interpreter or a shell

CAT = "import shutil, sys; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)"


@test_of_both
async def test_what_goes_in_comes_out(loop) -> None:
    """More than the pipes hold, in both directions at once."""
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", CAT, stdin=PIPE, stdout=PIPE)
    output, errors = await child.communicate(BIG)
    assert output == BIG
    assert errors is None
    assert child.returncode == 0


@test_of_both
async def test_both_outputs_and_the_code_of_a_shell(loop) -> None:
    child = await asyncio.create_subprocess_shell("echo out; echo err >&2; exit 3", stdout=PIPE, stderr=PIPE)
    assert await child.communicate() == (b"out\n", b"err\n")
    assert await child.wait() == 3


@test_of_both
async def test_a_conversation(loop) -> None:
    child = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    for n in range(5):
        child.stdin.write(b"line %d\n" % n)
        await child.stdin.drain()
        assert await child.stdout.readline() == b"line %d\n" % n
    child.stdin.close()
    assert await child.wait() == 0


@pytest.mark.parametrize(("how", "number"), [("terminate", signal.SIGTERM), ("kill", signal.SIGKILL)])
@test_of_both
async def test_a_child_that_is_ended(loop, how, number) -> None:
    child = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
    getattr(child, how)()
    assert await child.wait() == -number
    assert child.stdin is not None
    child.stdin.close()


@test_of_both
async def test_a_program_that_is_not_there(loop, tmp_path) -> None:
    with pytest.raises(FileNotFoundError):
        await asyncio.create_subprocess_exec(str(tmp_path / "nothing"))


@test_of_both
async def test_several_at_once(loop) -> None:
    async def child(n: int) -> int:
        return await (await asyncio.create_subprocess_shell(f"exit {n}")).wait()

    assert await asyncio.gather(*(child(n) for n in range(8))) == list(range(8))


@test_of_both
async def test_pipes_of_ones_own(loop) -> None:
    reader, writer = os.pipe()
    reading, received = await loop.connect_read_pipe(Recorder, os.fdopen(reader, "rb", 0))
    writing, sent = await loop.connect_write_pipe(Recorder, os.fdopen(writer, "wb", 0))
    reading.pause_reading()
    writing.write(BIG)
    assert writing.get_write_buffer_size() > 0
    reading.resume_reading()
    assert await received.until_data(len(BIG)) == BIG
    writing.close()
    await received.until_lost()
    await sent.until_lost()
    await turns()
    assert received.trace == ["made", "eof", ("lost", None)]
    assert sent.losses == [None]


@test_of_both
async def test_the_protocol_of_a_child(loop) -> None:
    events: list[Any] = []
    done: asyncio.Future[None] = loop.create_future()

    class Child(asyncio.SubprocessProtocol):
        def pipe_data_received(self, fd: int, data: bytes) -> None:
            events.append((fd, data))

        def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
            events.append((fd, exc))

        def process_exited(self) -> None:
            events.append("exited")

        def connection_lost(self, exc: Exception | None) -> None:
            done.set_result(None)

    transport, _ = await loop.subprocess_shell(Child, "echo out", stdin=None, stderr=None)
    assert transport.get_pid() > 0
    await done
    assert transport.get_returncode() == 0
    assert sorted(map(str, events)) == sorted(map(str, [(1, b"out\n"), (1, None), "exited"]))
    transport.close()
