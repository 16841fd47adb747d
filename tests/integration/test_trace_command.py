"""`treadle trace` from end to end: programs of each kind, its output, its exit code."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.integration.support import DEADLINE_S, ROOT, Program, treadle_command

pytestmark = pytest.mark.slow

ORDER = """
    import time

    from treadle import fs, timers


    def when_read(error, data):
        timers.set_timeout(timeout, 0)
        timers.set_immediate(immediate)


    def timeout():
        print("timeout")


    def immediate():
        print("immediate")
        time.sleep(0.002)


    fs.read_file(__file__, when_read)
"""
SERVER = """
    from treadle import http

    async def handler(req, res):
        res.end("hello")

    server = http.create_server(handler).listen(0)
    print("LISTENING", *server.address(), flush=True)
"""


class Traced(Program):
    """`treadle trace`."""

    @classmethod
    def of(cls, folder: Path, source: str, *flags: str, arguments: tuple[str, ...] = ()) -> Traced:
        file = folder / "program.py"
        file.write_text(textwrap.dedent(source))
        return cls("trace", *flags, file, *arguments)


def test_the_trace_of_a_program_is_the_same_each_time_without_times(tmp_path: Path) -> None:
    with Traced.of(tmp_path, ORDER, "--no-times") as program:
        assert program.wait() == 0
    assert program.stdout.text == "immediate\ntimeout"
    assert program.stderr.text == textwrap.dedent("""\
        before turn 1
            tick        the program itself
                        the program begins
        turn 1
          poll
            event       thread pool: results are there
                        the poll found it ready
              completion  when_read  program.py:7
                          read_file at program.py:21 (before turn 1): a thread of the pool has finished it
          check
            immediate   immediate  program.py:16
                        set_immediate at program.py:9 (turn 1, poll): it waited when the check phase began
        turn 2
          timers
            timeout     timeout  program.py:12
                        set_timeout of 0 ms at program.py:8 (turn 1, poll): 1 ms is the least, {why}""").format(
        why="the first timers phase since it was set"
    )


def test_the_example_says_the_phases(tmp_path: Path) -> None:
    with Program("trace", ROOT / "examples" / "turns.py") as program:
        assert program.wait() == 0
    assert [line.partition(":")[0] for line in program.stdout.lines] == ["tick", "microtask", "immediate", "timeout"]
    assert program.stderr.wait_line(r"completion +when_read +turns\.py:\d+")


def test_times_and_slow_turns(tmp_path: Path) -> None:
    source = """
        import time

        from treadle import timers

        def slow():
            time.sleep(0.05)

        def late():
            pass

        timers.set_timeout(slow, 1)
        timers.set_timeout(late, 10)
    """
    with Traced.of(tmp_path, source, "--slow", "40") as program:
        assert program.wait() == 0
    assert program.stderr.wait_line(r" timeout +slow  program\.py:6  \d+\.\d\d ms  SLOW")
    assert program.stderr.wait_line(r" timeout +late  program\.py:9  ")  # it had to wait
    assert program.stderr.wait_line(r"set_timeout of 10 ms .*: due \d+\.\d\d ms ago")
    assert program.stderr.wait_line(r"turn \d+   at \d+\.\d\d ms, busy 5\d\.\d\d ms")


def test_only_the_first_turns(tmp_path: Path) -> None:
    source = """
        from treadle import timers

        def again():
            timers.set_immediate(again) if len(seen) < 5 else None
            seen.append(1)

        seen = []
        timers.set_immediate(again)
    """
    with Traced.of(tmp_path, source, "--turns", "2") as program:
        assert program.wait() == 0
    assert "turn 2" in program.stderr.text
    assert "turn 3" not in program.stderr.text


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("import treadle\nfrom treadle import process\nprocess.exit_code = 3", 3),
        ("import sys\nsys.exit(4)", 4),
        ("from treadle import timers\ntimers.set_timeout(lambda: 1 / 0, 1)", 1),
        ("import treadle\nasync def main(): raise ValueError\ntreadle.run(main)", 1),
    ],
)
def test_the_exit_code_is_the_programs(tmp_path: Path, source: str, code: int) -> None:
    with Traced.of(tmp_path, source) as program:
        assert program.wait() == code
    assert "before turn 1" in program.stderr.text


def test_a_program_of_asyncios_kind(tmp_path: Path) -> None:
    source = """
        import asyncio, sys

        import treadle

        class Echo(asyncio.Protocol):
            def connection_made(self, transport):
                self.transport = transport

            def data_received(self, data):
                self.transport.write(data)

        async def main():
            server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"ping")
            print(await reader.readexactly(4), sys.argv[1])
            writer.close()
            server.close()

        treadle.run(main)
    """
    with Traced.of(tmp_path, source, arguments=("word",)) as program:
        assert program.wait() == 0
    assert program.stdout.text == "b'ping' word"
    assert program.stderr.wait_line(r"event +listener: connections wait")
    assert program.stderr.wait_line(r"event +connection fd \d+ of Echo, readable")
    assert program.stderr.wait_line(r"task on +main  program.py:17")


def test_a_server_is_traced_until_ctrl_c(tmp_path: Path) -> None:
    with Traced.of(tmp_path, SERVER) as program:
        match = program.stdout.wait_line(r"^LISTENING (\S+) (\d+)$")
        program._address = match[1], int(match[2])
        assert program.get("/hello").body == b"hello"
        program.signal(signal.SIGINT)
        assert program.wait() == 130
    assert program.stderr.wait_line(r"event +HTTP listener: connections wait")
    assert program.stderr.wait_line(r"event +HTTP connection fd \d+, readable")
    assert program.stderr.wait_line(r"request +GET /hello: handler  program.py:4")
    assert "Traceback" not in program.stderr.text


def test_json_goes_to_its_file(tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    with Traced.of(tmp_path, ORDER, "--json", str(file)) as program:
        assert program.wait() == 0
    assert program.stdout.text == "immediate\ntimeout"
    assert "out.json" in program.stderr.text
    names = {event["name"] for event in json.loads(file.read_text())["traceEvents"]}
    assert {"turn 1", "poll", "check", "immediate: immediate", "timeout: timeout", "completion: when_read"} <= names


def test_a_file_that_cannot_be_written_is_told_at_once(tmp_path: Path) -> None:
    with Traced.of(tmp_path, "print('ran')", "--json", str(tmp_path / "no" / "out.json")) as program:
        assert program.wait() == 1
    assert program.stdout.text == ""
    assert "cannot write" in program.stderr.text


@pytest.mark.parametrize(("env", "is_painted"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_are_for_terminals(tmp_path: Path, env: dict[str, str], is_painted: bool) -> None:
    file = tmp_path / "program.py"
    file.write_text("")
    terminal, end = os.openpty()
    try:
        environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | env
        command = [*treadle_command(), "trace", str(file)]
        assert subprocess.run(command, stderr=end, env=environment, timeout=DEADLINE_S, check=False).returncode == 0
        written = os.read(terminal, 65_536)
    finally:
        os.close(terminal)
        os.close(end)
    assert b"before turn 1" in written
    assert (b"\x1b[" in written) is is_painted


def test_what_does_not_fit_is_told(tmp_path: Path) -> None:
    source = """
        from treadle import timers
        from treadle.loop import get_loop

        get_loop().tracer.records_max = 10
        for _ in range(1_000):
            timers.set_immediate(int)
    """
    with Traced.of(tmp_path, source) as program:
        assert program.wait() == 0
    assert program.stderr.wait_line(r"^[\d,]+ earlier callbacks are not shown: the last 10 are kept$")


def test_a_forked_child_prints_no_trace(tmp_path: Path) -> None:
    source = """
        import os, sys

        pid = os.fork()
        if pid == 0:
            sys.exit(3)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """
    with Traced.of(tmp_path, source) as program:
        assert program.wait() == 0
    assert program.stdout.text == "3"
    assert program.stderr.text.count("before turn 1") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_the_program_does_so_behind_the_trace(tmp_path: Path, number: signal.Signals) -> None:
    with Traced.of(tmp_path, SERVER) as program:
        assert program.stdout.wait_line("LISTENING")
        program.signal(number)
        assert program.wait() == -number
    assert "the program itself" in program.stderr.text


def test_who_listens_for_such_a_signal_hears_it(tmp_path: Path) -> None:
    source = """
        from treadle import process, timers

        def stop(name, number):
            timer.close()

        process.on("SIGTERM", stop)
        timer = timers.set_interval(int, 60_000)
        print("READY", flush=True)
    """
    with Traced.of(tmp_path, source, "--no-times") as program:
        assert program.stdout.wait_line("READY")
        program.signal(signal.SIGTERM)
        assert program.wait() == 0
    assert program.stderr.wait_line(r"    tick +SIGTERM: stop  program\.py:4")


def test_json_is_not_written_among_what_the_program_prints(tmp_path: Path) -> None:
    with Traced.of(tmp_path, "print('ran')", "--json", "-") as program:
        assert program.wait() == 2
    assert program.stdout.text == ""
    assert "--json" in program.stderr.text
    assert not (tmp_path / "-").exists()


def test_what_is_missing_is_said_first(tmp_path: Path) -> None:
    source = """
        from treadle.trace import recorder
        recorder.Recorder.__init__.__kwdefaults__["records_max"] = 3
    """
    runner = tmp_path / "few.py"
    runner.write_text(textwrap.dedent(source) + "from treadle.cli import main\nmain()\n")
    program = tmp_path / "program.py"
    program.write_text("from treadle import timers\nfor _ in range(9): timers.set_immediate(int)\n")
    ran = subprocess.run(
        [sys.executable, runner, "trace", program], capture_output=True, text=True, timeout=DEADLINE_S, cwd=tmp_path, check=True
    )
    assert re.match(r"\d+ earlier callbacks are not shown: the last 3 are kept\n", ran.stderr)
