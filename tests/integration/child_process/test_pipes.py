"""What goes through the pipes of a child: all of it, no more than the marks in memory, by the kernel alone where nobody looks."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import treadle
from tests.integration.support import Program
from tests.unit.child_process.support import state_of
from tests.unit.net.support import run, until, within
from treadle import events, net, streams
from treadle.child_process import ChildProcess, spawn

pytestmark = pytest.mark.slow  # each starts programs

KIB = 1024
MIB = 1024 * KIB
SIZE = 5 * MIB + 3  # more than any pipe holds


def content(size: int) -> bytes:
    return random.Random(size).randbytes(size)


async def all_of(stream: net.Socket | None) -> bytes:
    assert stream is not None
    return b"".join([chunk async for chunk in stream])


def moved(stream: net.Socket | None, way: str) -> bool:
    return stream is not None and way in stream.statistics().moves


def test_it_goes_in_and_comes_out() -> None:
    async def main() -> None:
        child = spawn("cat")
        assert child.stdin is not None
        child.stdin.end(content(SIZE))
        assert await within(all_of(child.stdout)) == content(SIZE)

    run(main)


def test_many_small_writes_arrive_in_order() -> None:
    async def main() -> None:
        child = spawn("cat")
        assert child.stdin is not None
        for n in range(20_000):
            child.stdin.write(f"{n}\n")
        child.stdin.end()
        assert await within(all_of(child.stdout)) == b"".join(b"%d\n" % n for n in range(20_000))

    run(main)


def test_a_pipeline_through_a_child() -> None:
    async def main() -> None:
        child = spawn("tr", ["a-z", "A-Z"])
        received: list[bytes] = []
        sink = streams.Writable(write=lambda chunk, encoding, callback: (received.append(bytes(chunk)), callback())[0])
        into = asyncio.ensure_future(streams.pipeline(streams.Readable.from_([b"ab", b"cd"]), child.stdin))
        await within(streams.pipeline(child.stdout, sink))
        await within(into)
        assert b"".join(received) == b"ABCD"

    run(main)


def test_nobody_reads() -> None:
    """The child waits, not our memory: a mark here, the rest in the kernel."""

    async def main() -> None:
        child = spawn("yes")
        assert child.stdout is not None
        assert child.pid is not None
        await until(lambda: child.stdout is not None and child.stdout.readable_length >= 63 * KIB, "the buffer is full")
        await until(lambda: state_of(child.pid or 0) == "S", "the child waits")
        assert child.stdout.readable_length <= 64 * KIB
        assert child.stdout.statistics().is_reading is False
        child.kill()
        await child.wait_closed()

    run(main)


def test_nobody_reads_what_is_written() -> None:
    async def main() -> None:
        child = spawn("sleep", ["600"])
        stdin = child.stdin
        assert stdin is not None
        while stdin.write(b"x" * 16 * KIB):
            pass
        assert stdin.writable_need_drain
        assert stdin.writable_length <= 96 * KIB
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(stdin.ready(), 0.02)
        stdin.on("error", lambda _: None)
        child.kill()
        await child.wait_closed()

    run(main)


def test_who_reads_late_finds_all_of_it() -> None:
    """Where it has ended meanwhile. In Node that has flowed away."""

    async def main() -> None:
        child = spawn("sh", ["-c", "head -c 100000 /dev/zero; echo error >&2"])
        assert await child.wait_closed() == (0, None)
        descriptors = [stream.fileno() for stream in child.stdio if stream is not None]
        assert descriptors == [-1, -1, -1]
        assert await all_of(child.stdout) == bytes(100_000)
        assert await all_of(child.stderr) == b"error\n"

    run(main)


def test_who_never_reads_holds_nothing() -> None:
    async def main() -> None:
        child = spawn("echo", ["hi"])
        assert await child.wait_closed() == (0, None)
        assert child.stdout is not None
        assert child.stdout.readable_length == 3

    run(main)


def test_a_grandchild_writes_on_and_nobody_reads() -> None:
    """It flows away, as in Node, or 'close' would never come."""

    async def main() -> None:
        child = spawn("sh", ["-c", "(sleep 0.1; head -c 1000000 /dev/zero) & exit 0"])
        assert await child.wait_closed() == (0, None)

    run(main)


def test_its_reader_has_gone() -> None:
    """As in a shell: SIGPIPE ends it. In Node, where its output is a socket, it is told ECONNRESET."""

    async def main() -> None:
        child = spawn("yes")
        assert child.stdout is not None
        await within(events.once(child.stdout, "data"))
        child.stdout.destroy()
        assert await child.wait_closed() == (None, "SIGPIPE")

    run(main)


def test_standard_streams_can_be_opened_again() -> None:
    """Which a socket does not let anybody do."""

    async def main() -> None:
        child = spawn("sh", ["-c", "cat /dev/stdin > /dev/stdout; echo error > /dev/stderr"])
        assert child.stdin is not None
        child.stdin.end("through")
        assert await asyncio.gather(all_of(child.stdout), all_of(child.stderr)) == [b"through", b"error\n"]

    run(main)


def test_it_has_the_descriptors_it_was_given_and_no_other() -> None:
    async def main() -> None:
        mine = os.open("/dev/null", os.O_RDONLY)
        try:
            os.set_inheritable(mine, True)
            child = spawn("sh", ["-c", "echo /proc/self/fd/*"], stdio=["ignore", "pipe", "ignore", "ignore", "pipe"])
            listed = {os.path.basename(name) for name in (await all_of(child.stdout)).split()}
        finally:
            os.close(mine)
        assert listed >= {b"0", b"1", b"2", b"4"}
        assert str(mine).encode() not in listed
        assert len(listed) <= 5, "one more: the directory that is listed"

    run(main)


def test_files_that_nobody_else_holds(tmp_path: Path) -> None:
    """Of an iterator: they are open until the child has its copies."""
    for name in "ab":
        (tmp_path / name).write_text(name)

    def given() -> Iterator[Any]:
        yield open(tmp_path / "a", "rb")  # noqa: SIM115  # whoever lets go of it closes it
        yield from ("pipe", "inherit")
        yield open(tmp_path / "b", "rb")  # noqa: SIM115  # likewise

    async def main() -> bytes:
        return await all_of(spawn("sh", ["-c", "cat; cat <&3"], stdio=given()).stdout)  # type: ignore[arg-type]

    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        assert run(main) == b"ab"


def test_numbers_that_stand_in_each_others_place() -> None:
    """Each is a copy of ours, whatever their order."""

    async def main() -> None:
        files = [os.memfd_create(f"file{n}") for n in range(6)]
        for n, fd in enumerate(files):
            os.write(fd, b"%d" % n)
        try:
            low = sorted(files)
            order = [low[-1], "pipe", "inherit", *reversed(low[:-1])]
            script = "for n in 0 3 4 5 6 7; do cat /proc/self/fd/$n; done"
            child = spawn("sh", ["-c", script], stdio=order)
            numbers = {fd: n for n, fd in enumerate(files)}
            expected = "".join(str(numbers[fd]) for fd in (order[0], *order[3:]))  # type: ignore[index]
            assert (await all_of(child.stdout)).decode() == expected
        finally:
            for fd in files:
                os.close(fd)

    run(main)


def test_a_program_that_expects_to_wait_does() -> None:
    """A socket of ours does not block; as the input of a child it does."""

    async def main() -> None:
        left, right = socket.socketpair()
        with right:
            mine = net.Socket(sock=left)
            child = spawn("cat", stdio=[mine, "pipe", "pipe"])
            assert child.stdin is None
            await asyncio.sleep(0.02)
            right.sendall(b"late")
            right.shutdown(socket.SHUT_WR)
            assert await all_of(child.stdout) == b"late"
            mine.destroy()
            await child.wait_closed()

    run(main)


def test_what_was_printed_before_comes_before(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("from treadle.child_process import spawn\nprint('first')\nspawn('echo', ['second'], stdio='inherit')\n")
    with Program("run", program, env={"PYTHONUNBUFFERED": ""}) as run_:
        assert run_.wait() == 0
        assert run_.stdout.text == "first\nsecond"


# ---- by the kernel alone


async def connection() -> tuple[net.Socket, net.Socket]:
    server = net.create_server()
    accepted = events.once(server, "connection")
    server.listen()
    address = server.address()
    assert isinstance(address, net.Address)
    client = net.connect(address.port)
    await client.wait_connected()
    [other] = await within(accepted)
    server.close()
    return client, other


def test_output_to_a_socket() -> None:
    async def main() -> None:
        client, other = await connection()
        child = spawn("cat")
        assert child.stdin is not None
        whole = asyncio.ensure_future(streams.pipeline(child.stdout, other))
        await until(lambda: moved(child.stdout, "in"), "the kernel moves it")
        child.stdin.end(content(SIZE))
        assert await within(all_of(client)) == content(SIZE)
        await within(whole)
        assert await child.wait_closed() == (0, None)

    run(main)


def test_a_socket_to_input() -> None:
    async def main() -> None:
        client, other = await connection()
        child = spawn("cat")
        whole = asyncio.ensure_future(streams.pipeline(other, child.stdin))
        await until(lambda: moved(child.stdin, "out"), "the kernel moves it")
        client.end(content(SIZE))
        assert await within(all_of(child.stdout)) == content(SIZE)
        await within(whole)
        client.destroy()

    run(main)


def test_a_file_to_input(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content(SIZE))

    async def main() -> None:
        child = spawn("cat")
        with open(tmp_path / "file", "rb") as file:
            whole = asyncio.ensure_future(streams.pipeline(streams.Readable.from_(file), child.stdin))
            assert await within(all_of(child.stdout)) == content(SIZE)
            await within(whole)

    run(main)


def test_from_child_to_child() -> None:
    async def main() -> None:
        first, second = spawn("cat"), spawn("cat")
        assert first.stdin is not None
        whole = asyncio.ensure_future(streams.pipeline(first.stdout, second.stdin))
        first.stdin.end(content(SIZE))
        assert await within(all_of(second.stdout)) == content(SIZE)
        await within(whole)

    run(main)


def test_a_child_that_ends_amid_it() -> None:
    """Who pipes into it is told, and nothing hangs."""

    async def main() -> None:
        client, other = await connection()
        child = spawn("head", ["-c", "10"])
        whole = asyncio.ensure_future(streams.pipeline(other, child.stdin))
        client.on("error", lambda _: None)
        client.end(content(SIZE))
        assert await within(all_of(child.stdout)) == content(SIZE)[:10]
        with pytest.raises((BrokenPipeError, treadle.TreadleError)) as caught:
            await within(whole)
        assert getattr(caught.value, "code", None) in (None, "ERR_STREAM_PREMATURE_CLOSE")
        client.destroy()
        await child.wait_closed()

    run(main)


# ---- who it is


def test_a_group_and_a_session_of_its_own() -> None:
    def asked(child: ChildProcess) -> Any:
        return all_of(child.stdout)

    async def main() -> None:
        script = "cut -d' ' -f5,6 /proc/$$/stat"
        plain, leads, detached = (
            spawn("sh", ["-c", script], **options) for options in ({}, {"kill_group": True}, {"detached": True})
        )
        ours = f"{os.getpgid(0)} {os.getsid(0)}\n".encode()
        assert await asked(plain) == ours
        assert await asked(leads) == f"{leads.pid} {os.getsid(0)}\n".encode()
        assert await asked(detached) == f"{detached.pid} {detached.pid}\n".encode()

    run(main)


def test_signals_are_as_a_program_expects_them() -> None:
    """Nothing is blocked or ignored that Python, or treadle, has changed."""

    async def main() -> None:
        child = spawn(sys.executable, ["-c", "import signal; print(signal.pthread_sigmask(signal.SIG_BLOCK, []))"])
        assert await all_of(child.stdout) == b"set()\n"
        child = spawn("grep", ["SigIgn", "/proc/self/status"])
        ignored = int((await all_of(child.stdout)).split()[1], 16)
        assert not ignored & (1 << (13 - 1) | 1 << (25 - 1)), "SIGPIPE, SIGXFSZ"

    run(main)
