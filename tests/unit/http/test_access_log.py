"""The access log beneath its lines: who wakes the thread that writes, and what a file that does not take all does to a line.

Programs of their own where a process is forked, limited or ended.
"""

from __future__ import annotations

import asyncio
import os
import re
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.http.support import DEADLINE_S, bounded, until
from treadle import http
from treadle._native.http1_access_log import AccessLines

REQUEST = b"GET /%b HTTP/1.1\r\nHost: h\r\nUser-Agent: a\r\nReferer: r\r\n\r\n"
LINE = re.compile(r'\S+ - - \[[^]]+\] "GET /\S* HTTP/1.1" 200 2')
PROGRAM = """
import asyncio, faulthandler, os, resource, signal, sys, time
faulthandler.dump_traceback_later(25, exit=True)    # one that hangs says where
import treadle
from treadle import http


async def ask(log, *names, handler=lambda req, res: res.end(b"ok")):
    "One exchange for each, on a server of its own."
    server = http.create_server(handler, access_log=log).listen(0)
    reader, writer = await asyncio.open_connection(*server.address())
    for name in names:
        writer.write(b"GET /%b HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n" % name.encode())
        await reader.readuntil(b"ok")
    writer.close()
    server.close()
    await server.wait_closed()


async def until(condition):
    while not condition():
        await asyncio.sleep(0.001)

"""


def program(text: str, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run it behind PROGRAM, whose functions it has. It must end with 0."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + text, *map(str, arguments)],
        capture_output=True, text=True, timeout=DEADLINE_S, **options,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


def paths_of(text: str) -> list[str]:
    """Of its lines, each of which must be whole."""
    lines = text.splitlines()
    assert text.endswith("\n") or not text
    assert all(LINE.fullmatch(line) for line in lines), lines
    return [line.split()[6] for line in lines]


async def exchange(server: http.Server, *names: bytes) -> None:
    """One for each, in this order; until their lines are written."""
    reader, writer = await asyncio.open_connection(*server.address())
    for name in names:
        writer.write(REQUEST % name)
        await reader.readuntil(b"ok")
    writer.close()


async def closed(server: http.Server) -> None:
    server.close()
    await server.wait_closed()


# ---- who is woken


def test_a_line_rings_though_all_were_taken_while_it_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that writes may run wherever a line in the making calls Python. It takes what waits, and sleeps."""
    rings: list[int] = []
    taken: list[bytes] = []
    lines = AccessLines("json", 1 << 20, lambda: rings.append(1))

    def scheme(self: http.IncomingMessage) -> str:
        taken.append(lines.take())
        return "http"

    async def main() -> None:
        server = http.create_server(lambda req, res: res.end("ok"), access_log=SimpleNamespace(lines=lines))  # type: ignore[arg-type]
        server.listen(0)
        await exchange(server, b"1")
        await until(lambda: lines.lines == 1)
        assert len(rings) == 1
        monkeypatch.setattr(http.IncomingMessage, "scheme", property(scheme))
        await exchange(server, b"2")
        await until(lambda: lines.lines == 2)
        assert len(rings) == 1 + len(taken)  # nothing was taken, or the second line rings as well
        await closed(server)

    bounded(main)


def test_each_line_behind_a_take_rings_once_and_so_does_a_quarter() -> None:
    sizes: list[int] = []
    lines = AccessLines("common", 4_000, lambda: sizes.append(lines.waiting_bytes))

    async def main() -> None:
        server = http.create_server(lambda req, res: res.end("ok"), access_log=SimpleNamespace(lines=lines))  # type: ignore[arg-type]
        server.listen(0)
        await exchange(server, *[b"x" * 100] * 10)
        await until(lambda: lines.lines == 10)
        first, quarter = sizes
        assert 0 < first < 1_000 <= quarter < 1_000 + 2 * first
        lines.take()
        await exchange(server, *[b"x" * 100] * 100)
        await until(lambda: lines.lines + lines.dropped == 110)
        assert len(sizes) == 4
        assert lines.dropped > 0
        assert lines.waiting_bytes <= 4_000
        before = lines.lines
        assert lines.shut().count(b"\n") == before - 10
        await exchange(server, b"late")
        await until(lambda: lines.lines + lines.dropped == 111)
        assert (lines.lines, lines.waiting_bytes, len(sizes)) == (before, 0, 4)
        await closed(server)

    bounded(main)


def test_a_ring_that_fails_fails_no_request_and_is_repeated() -> None:
    rings: list[int] = []

    def ring() -> None:
        rings.append(1)
        if len(rings) == 1:
            raise RuntimeError("marker-ring")

    lines = AccessLines("common", 1 << 20, ring)

    async def main() -> None:
        server = http.create_server(lambda req, res: res.end("ok"), access_log=SimpleNamespace(lines=lines))  # type: ignore[arg-type]
        server.listen(0)
        await exchange(server, b"1", b"2", b"3")
        await until(lambda: lines.lines == 3)
        assert len(rings) == 2
        await closed(server)

    bounded(main)


# ---- what a handler does to the fields


@pytest.mark.parametrize("format", ["combined", "json"])
def test_fields_that_a_handler_has_changed_are_not_believed(tmp_path: Path, format: str) -> None:
    """Nothing of them is shown, and nothing fails."""
    done = program(
        """
def handler(req, res):
    req.raw_headers[:] = [
        ("Host", "x" * 50), (b"Referer", "http://r"), (b"User-Agent", 5), None, "ab", (), (b"Host",), [b"Host", b"list"],
        (bytearray(b"Host"), b"y"), (b"host", memoryview(b"z")),
    ]
    res.end(b"ok")

async def main():
    log = http.access_log(sys.argv[1], sys.argv[2])
    await ask(log, "a", "b", handler=handler)
    log.close()
    assert log.statistics() == http.AccessLogStatistics(2, 0, 0)

treadle.run(main())
""",
        tmp_path / "log", format,
    )  # fmt: skip
    assert done.stderr == ""
    for line in (tmp_path / "log").read_text().splitlines():
        assert '"referer": "-", "user_agent": "-"' in line if format == "json" else line.endswith('"-" "-"')


# ---- forks


def test_a_child_of_a_fork_writes_its_own_lines_and_no_others(tmp_path: Path) -> None:
    """As of a server that is forked off: a log that was opened before."""
    log = tmp_path / "log"
    program(
        """
log = http.access_log(sys.argv[1])
treadle.run(ask(log, "parent"))
child = os.fork()                           # the parent's line may wait still
if child == 0:
    try:
        assert log.statistics() == http.AccessLogStatistics(0, 0, 0), log
        treadle.run(ask(log, "child-1", "child-2"))
        log.close()
        assert log.statistics() == http.AccessLogStatistics(2, 0, 0), log
        os._exit(0)
    finally:
        os._exit(1)
assert os.waitpid(child, 0)[1] == 0
treadle.run(ask(log, "parent-2"))
log.close()
assert log.statistics() == http.AccessLogStatistics(2, 0, 0), log
""",
        log,
    )
    assert sorted(paths_of(log.read_text())) == ["/child-1", "/child-2", "/parent", "/parent-2"]


def test_a_child_of_a_fork_may_close_and_reopen(tmp_path: Path) -> None:
    log = tmp_path / "log"
    program(
        """
log = http.access_log(sys.argv[1])
for step in range(3):
    child = os.fork()
    if child == 0:
        try:
            if step == 0:
                log.close()
            elif step == 1:
                log.reopen()
                treadle.run(ask(log, "child"))
                log.close()
            else:
                log.close()
                treadle.run(ask(log, "late"))
                assert log.statistics() == http.AccessLogStatistics(0, 0, 1), log
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
log.close()
child = os.fork()
if child == 0:
    try:
        log.close()
        assert "closed" in repr(log)
        os._exit(0)
    finally:
        os._exit(1)
assert os.waitpid(child, 0)[1] == 0
""",
        log,
    )
    assert paths_of(log.read_text()) == ["/child"]


# ---- files that do not take all


def test_a_line_of_which_a_full_disk_took_a_half_is_completed_once_there_is_room(tmp_path: Path) -> None:
    log = tmp_path / "log"
    done = program(
        """
import logging
logging.basicConfig()
limits = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (250, limits[1]))     # as a disk that is full behind so many bytes
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
size = lambda: os.stat(sys.argv[1]).st_size

async def main():
    log = http.access_log(sys.argv[1])
    await ask(log, *map(str, range(10)))
    await until(lambda: size() == 250)
    await ask(log, *map(str, range(10, 20)))
    assert size() == 250
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    await ask(log, "last")
    await until(lambda: log.statistics().waiting_bytes == 0)
    log.close()
    assert log.statistics() == http.AccessLogStatistics(21, 0, 0), log

treadle.run(main())
""",
        log,
    )
    assert paths_of(log.read_text()) == [*(f"/{index}" for index in range(20)), "/last"]
    assert done.stderr.count("cannot be written: File too large") == 1


def test_what_a_full_disk_never_takes_is_counted_and_told_and_the_next_program_ends_the_half_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    text = """
import logging
logging.basicConfig()
if sys.argv[2] == "full":
    resource.setrlimit(resource.RLIMIT_FSIZE, (250, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

async def main():
    log = http.access_log(sys.argv[1])
    await ask(log, *map(str, range(10)))
    log.close()
    print(log.statistics().lines, log.statistics().dropped, log.statistics().waiting_bytes)

treadle.run(main())
"""
    done = program(text, log, "full")
    lines, dropped, waiting = map(int, done.stdout.split())
    assert (lines, lines + dropped, waiting) == (log.read_text().count("\n"), 10, 0)
    assert f"{dropped} lines" in done.stderr
    assert not log.read_text().endswith("\n")
    program(text, log, "roomy")
    whole = [line for line in log.read_text().splitlines() if LINE.fullmatch(line)]
    assert len(whole) == lines + 10
    assert log.read_text().count("\n") == lines + 11


def test_a_half_line_is_not_continued_in_another_file(tmp_path: Path) -> None:
    log, old = tmp_path / "log", tmp_path / "old"
    program(
        """
limits = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (250, limits[1]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

async def main():
    log = http.access_log(sys.argv[1])
    await ask(log, *map(str, range(10)))
    await until(lambda: os.stat(sys.argv[1]).st_size == 250)
    os.rename(sys.argv[1], sys.argv[2])
    log.reopen()
    await until(lambda: os.path.exists(sys.argv[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    log.close()
    assert log.statistics() == http.AccessLogStatistics(10, 0, 0), log

treadle.run(main())
""",
        log, old,
    )  # fmt: skip
    whole = old.read_text().count("\n")
    assert 0 < whole < 10
    assert paths_of(log.read_text()) == [f"/{index}" for index in range(whole, 10)]


# ---- pipes


class Pipe:
    """A pipe with a name, and its reading end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        self.reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.seen = b""

    def drain(self) -> int:
        """Read what is there: how much, so far."""
        while select.select([self.reader], [], [], 0)[0] and (data := os.read(self.reader, 1 << 20)):
            self.seen += data
        return len(self.seen)


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Pipe]:
    one = Pipe(tmp_path / "pipe")
    yield one
    os.close(one.reader)


def test_a_pipe_is_written_to_in_whole_lines_of_pipe_buf_at_most(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is larger would be mixed with what other processes write to it."""
    written: list[bytes] = []
    real = os.write

    def write(fd: int, data: Any) -> int:
        if threading.current_thread().name == "treadle access log":
            written.append(bytes(data))
        return real(fd, data)

    monkeypatch.setattr(os, "write", write)

    async def main() -> None:
        log = http.access_log(pipe.path)
        server = http.create_server(lambda req, res: res.end("ok"), access_log=log).listen(0)
        await exchange(server, *[b"x" * (index % 300) for index in range(1_000)], b"y" * 7_000, b"z")
        await until(lambda: pipe.drain() and pipe.seen.count(b"\n") == 1_002)
        await closed(server)
        log.close()

    bounded(main)
    assert len(paths_of(pipe.seen.decode())) == 1_002
    assert max(map(len, written)) <= select.PIPE_BUF
    parted = [data for data in written if not data.endswith(b"\n")]
    assert 1 <= len(parted) <= 2  # of the line that is longer than that
    assert all(b"yyyy" in data for data in parted)
    assert len(written) < 200


def test_a_pipe_that_nobody_reads_is_told_of_while_it_stands_and_ends_in_time(
    pipe: Pipe, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        log = http.access_log(pipe.path)
        server = http.create_server(lambda req, res: res.end("ok"), access_log=log).listen(0)
        reader, writer = await asyncio.open_connection(*server.address())
        sent = 0
        while not log.statistics().dropped:
            writer.write(REQUEST % (b"x" * 7_000) * 50)
            for _ in range(50):
                await reader.readuntil(b"ok")
            sent += 50
        await until(lambda: "were dropped" in caplog.text)  # though the pipe takes nothing
        writer.close()
        await closed(server)
        log.close(0.2)
        now = log.statistics()
        assert now.waiting_bytes == 0
        assert now.lines + now.dropped == sent
        pipe.drain()
        assert pipe.seen.count(b"\n") == now.lines

    bounded(main)
    assert "takes nothing" in caplog.text
    assert caplog.text.count("were dropped") <= 2  # at once, and at the end: not with each line


def test_a_reader_that_comes_back_gets_whole_lines(pipe: Pipe) -> None:
    async def main() -> None:
        log = http.access_log(pipe.path)
        server = http.create_server(lambda req, res: res.end("ok"), access_log=log).listen(0)
        await exchange(server, b"1")
        await until(pipe.drain)
        os.close(pipe.reader)
        await exchange(server, b"2", b"3")
        await until(lambda: log.statistics().waiting_bytes)
        pipe.reader = os.open(pipe.path, os.O_RDONLY | os.O_NONBLOCK)
        await until(lambda: pipe.drain() and pipe.seen.count(b"\n") == 3)
        await closed(server)
        log.close()

    bounded(main)
    assert paths_of(pipe.seen.decode()) == ["/1", "/2", "/3"]


def test_a_pipe_without_a_reader_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="nobody reads"):
        http.access_log(tmp_path / "pipe")


# ---- rotation, and the end


def test_a_copy_that_is_truncated_goes_on_from_its_start(tmp_path: Path) -> None:
    """logrotate's copytruncate: no hole where the old lines were."""
    path = tmp_path / "log"

    async def main() -> None:
        log = http.access_log(path)
        server = http.create_server(lambda req, res: res.end("ok"), access_log=log).listen(0)
        await exchange(server, b"1", b"2")
        await until(lambda: path.read_bytes().count(b"\n") == 2)
        os.truncate(path, 0)
        await exchange(server, b"3")
        await until(lambda: path.read_bytes().count(b"\n"))
        await closed(server)
        log.close()

    bounded(main)
    assert paths_of(path.read_text()) == ["/3"]


def test_a_directory_that_is_gone_leaves_the_log_in_its_old_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()

    async def main() -> None:
        log = http.access_log(folder / "log")
        server = http.create_server(lambda req, res: res.end("ok"), access_log=log).listen(0)
        await exchange(server, b"1")
        folder.rename(tmp_path / "moved")
        log.reopen()
        await until(lambda: "stays in its old file" in caplog.text)
        await exchange(server, b"2")
        folder.mkdir()
        log.reopen()
        await until((folder / "log").exists)
        await exchange(server, b"3")
        await closed(server)
        log.close()

    bounded(main)
    assert paths_of((tmp_path / "moved" / "log").read_text()) == ["/1", "/2"]
    assert paths_of((folder / "log").read_text()) == ["/3"]


@pytest.mark.parametrize("ending", ["", "raise SystemExit(0)", "log.close()"])
def test_whatever_ends_the_program_the_last_lines_are_written(tmp_path: Path, ending: str) -> None:
    program(f"log = http.access_log(sys.argv[1])\ntreadle.run(ask(log, 'a', 'b'))\n{ending}\n", tmp_path / "log")
    assert paths_of((tmp_path / "log").read_text()) == ["/a", "/b"]


def test_it_may_be_reopened_and_closed_by_a_signal_handler_amid_its_own_work(tmp_path: Path) -> None:
    """Which runs between any two bytecodes of the main thread, those that ring included."""
    done = program(
        """
log = http.access_log(sys.argv[1])
signal.signal(signal.SIGALRM, lambda *_: log.reopen())
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)

async def main():
    for index in range(40):
        await ask(log, *map(str, range(25)))
        log.reopen()

treadle.run(main())
signal.setitimer(signal.ITIMER_REAL, 0)
log.close()
assert log.statistics() == http.AccessLogStatistics(1000, 0, 0), log
""",
        tmp_path / "log",
    )
    assert done.stderr == ""
    assert len(paths_of((tmp_path / "log").read_text())) == 1_000


def test_servers_of_two_threads_share_one(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = http.access_log(path)
    failures: list[BaseException] = []

    def serve(name: bytes) -> Callable[[], None]:
        async def main() -> None:
            server = http.create_server(lambda req, res: res.end("ok"), access_log=log).listen(0)
            await exchange(server, *[name * 40] * 300)
            await closed(server)

        def run() -> None:
            try:
                bounded(main)
            except BaseException as error:
                failures.append(error)

        return run

    threads = [threading.Thread(target=serve(name)) for name in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    assert not failures
    assert sorted(set(paths_of(path.read_text()))) == ["/" + name * 40 for name in "abc"]
    assert path.read_text().count("\n") == 900
