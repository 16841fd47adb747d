"""`treadle run file.py` as `node file.js`: what keeps a program alive, what ends it, and with which code."""

from __future__ import annotations

import signal
import textwrap
from pathlib import Path

import pytest

from tests.integration.support import Program, eventually

pytestmark = pytest.mark.slow


def write(folder: Path, source: str, name: str = "program.py") -> Path:
    file = folder / name
    file.write_text(textwrap.dedent(source))
    return file


SERVER = """
    from treadle import http

    def handler(req, res):
        if req.url == "/fail":
            raise RuntimeError("marker-handler")
        res.end("hello")

    server = http.create_server(handler).listen(0)
    print("LISTENING", *server.address(), flush=True)
"""


def test_a_server_at_module_level_serves(tmp_path: Path) -> None:
    with Program.run(write(tmp_path, SERVER)) as program:
        assert program.get().body == b"hello"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, -signal.SIGTERM)])
def test_signals_end_it_without_a_traceback(tmp_path: Path, number: int, code: int) -> None:
    with Program.run(write(tmp_path, SERVER)) as program:
        assert program.get().body == b"hello"
        with program.client() as idle:
            assert idle.request().status == 200
            program.signal(number)
            assert program.wait() == code
        assert "Traceback" not in program.stderr.text


def test_sigint_in_a_busy_server(tmp_path: Path) -> None:
    with Program.run("routes.py") as program, program.client() as client:
        client.send(b"GET /delay/60000 HTTP/1.1\r\nHost: a\r\n\r\n")
        eventually(lambda: b"begin" in program.get("/facts").body, "the handler waits")
        program.signal(signal.SIGINT)
        assert program.wait() == -signal.SIGINT
        assert "Traceback" not in program.stderr.text


def test_a_program_without_handles_ends(tmp_path: Path) -> None:
    with Program.run(write(tmp_path, "import treadle\nprint('done')\n")) as program:
        assert program.wait() == 0
        assert (program.stdout.text, program.stderr.text) == ("done", "")


def test_timers_hold_the_program_until_they_are_done(tmp_path: Path) -> None:
    source = """
        from treadle import timers
        timers.set_timeout(lambda: print("second"), 20)
        timers.set_timeout(print, 5, "first")
        print("main")
    """
    with Program.run(write(tmp_path, source)) as program:
        assert program.wait() == 0
        assert program.stdout.text.split() == ["main", "first", "second"]


def test_an_unreferenced_server_does_not_hold_the_program(tmp_path: Path) -> None:
    source = """
        from treadle import http
        server = http.create_server().listen(0)
        server.unref()
        print("main")
    """
    with Program.run(write(tmp_path, source)) as program:
        assert program.wait() == 0


def test_a_closed_server_does_not_hold_the_program(tmp_path: Path) -> None:
    source = """
        from treadle import http
        server = http.create_server().listen(0)
        server.close(lambda: print("closed"))
    """
    with Program.run(write(tmp_path, source)) as program:
        assert program.wait() == 0
        assert program.stdout.text == "closed"


def test_an_uncaught_exception_in_a_timer_ends_it_with_1(tmp_path: Path) -> None:
    source = """
        from treadle import http, timers

        def fail_in_timer():
            raise RuntimeError("marker-timer")

        timers.set_timeout(fail_in_timer, 10)
        timers.set_timeout(lambda: print("never"), 500)
        http.create_server().listen(0)
    """
    with Program.run(write(tmp_path, source)) as program:
        assert program.wait() == 1
        assert "RuntimeError: marker-timer" in program.stderr.text
        assert "in fail_in_timer" in program.stderr.text
        assert "never" not in program.stdout.text


def test_an_exception_of_the_module_ends_it_with_1(tmp_path: Path) -> None:
    source = """
        from treadle import http
        http.create_server().listen(0)
        raise ValueError("marker-module")
    """
    with Program.run(write(tmp_path, source)) as program:
        assert program.wait() == 1
        assert "ValueError: marker-module" in program.stderr.text
        assert "program.py" in program.stderr.text
        assert "runpy" not in program.stderr.text, "the traceback begins in the program"


def test_a_syntax_error_is_shown_as_python_shows_it(tmp_path: Path) -> None:
    with Program.run(write(tmp_path, "def f(:\n")) as program:
        assert program.wait() == 1
        assert "SyntaxError" in program.stderr.text


def test_a_failing_handler_does_not_end_it(tmp_path: Path) -> None:
    with Program.run(write(tmp_path, SERVER)) as program:
        assert program.get("/fail").status == 500
        program.stderr.wait_line("RuntimeError: marker-handler")
        assert program.get().body == b"hello"
        assert program.is_alive


def test_process_exit_has_its_code(tmp_path: Path) -> None:
    source = """
        from treadle import http, process, timers
        http.create_server().listen(0)
        timers.set_timeout(lambda: process.exit(7), 5)
    """
    with Program.run(write(tmp_path, source)) as program:
        assert program.wait() == 7
        assert "Traceback" not in program.stderr.text


def test_sys_exit_of_a_main_has_what_it_returns(tmp_path: Path) -> None:
    source = """
        import asyncio, sys, treadle

        async def main():
            await asyncio.sleep(0.01)
            print("main is done")
            return 6

        sys.exit(treadle.run(main()))
    """
    with Program.run(write(tmp_path, source)) as program:
        assert program.wait() == 6
        assert program.stdout.text.strip() == "main is done"


def test_sys_exit_at_module_level_has_its_code(tmp_path: Path) -> None:
    with Program.run(write(tmp_path, "import sys\nsys.exit(5)\n")) as program:
        assert program.wait() == 5
        assert "Traceback" not in program.stderr.text


def test_it_runs_as_main_with_its_arguments_and_its_folder(tmp_path: Path) -> None:
    write(tmp_path, "WORD = 'neighbour'\n", "neighbour_module.py")
    source = """
        import sys
        from neighbour_module import WORD
        if __name__ == "__main__":
            print(WORD, __file__ == sys.argv[0], sys.argv[1:])
            print(sys.modules["__main__"].WORD)
    """
    file = write(tmp_path, source)
    with Program.run(file, "one", "--two", "-v") as program:
        assert program.wait() == 0, program.stderr.text
        assert program.stdout.text.splitlines() == ["neighbour True ['one', '--two', '-v']", "neighbour"]


def test_a_missing_file_is_one_clear_line(tmp_path: Path) -> None:
    with Program.run(tmp_path / "absent.py") as program:
        assert program.wait() != 0
        assert "absent.py" in program.stderr.text
        assert "Traceback" not in program.stderr.text
