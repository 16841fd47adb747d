"""How a program ends: the output and the code of real processes. The expectations are what Node 20 and 24 print for the
same program, except that an uncaught exception is a Python traceback on stderr."""

import subprocess
import sys
from typing import NamedTuple

import pytest

from tests.integration.support import treadle_command

HEAD = """
import sys, treadle
from treadle import process, timers
def boom(*_): raise ValueError("boom")
def set_code(code): process.exit_code = code
on_exit = lambda: process.on("exit", lambda code: print("exit", code))
"""
BUSY = """
import asyncio
async def job():
    try:
        process.kill(process.pid, "SIGINT")
        while True:
            await asyncio.sleep(0)
    except asyncio.CancelledError:
        print("saved")
        raise
on_exit()
"""


class Case(NamedTuple):
    program: str
    output: list[str]
    code: int
    error: str = ""


CASES = {
    "nothing": Case("on_exit()", ["exit 0"], 0),
    "exit_code": Case("on_exit(); process.exit_code = 3", ["exit 3"], 3),
    "exit_code_before_exit": Case(
        'process.on("beforeExit", lambda code: print("before", code)); on_exit(); process.exit_code = 3',
        ["before 3", "exit 3"],
        3,
    ),
    "exit": Case("on_exit(); process.exit(5)", ["exit 5"], 5),
    "exit_without_code": Case("on_exit(); process.exit_code = 4; process.exit()", ["exit 4"], 4),
    "exit_beats_exit_code": Case("on_exit(); process.exit_code = 4; process.exit(0)", ["exit 0"], 0),
    "exit_in_a_timer": Case("on_exit(); timers.set_timeout(process.exit, 1, 6); print('main')", ["main", "exit 6"], 6),
    "exit_drops_what_waits": Case(
        "on_exit(); timers.set_timeout(print, 1, 'never'); process.next_tick(print, 'never'); process.exit()",
        ["exit 0"],
        0,
    ),
    "exit_has_no_before_exit": Case("on_exit(); process.on('before_exit', print); process.exit()", ["exit 0"], 0),
    "a_listener_sets_the_code": Case("process.on('exit', lambda _: set_code(9)); process.exit(5)", [], 9),
    "a_listener_sets_the_code_at_the_natural_end": Case("process.on('exit', lambda _: set_code(9))", [], 9),
    "a_listener_exits": Case("process.on('exit', lambda _: process.exit(9)); on_exit(); process.exit(5)", [], 9),
    "a_listener_exits_at_the_natural_end": Case("process.on('exit', lambda _: process.exit(9)); on_exit()", [], 9),
    "a_listener_raises": Case("process.on('exit', boom); on_exit()", [], 1, "ValueError: boom"),
    "a_listener_of_exit_raises": Case("process.on('exit', boom); process.exit(4)", [], 4, "ValueError: boom"),
    "a_listener_raises_with_a_code": Case("process.exit_code = 3; process.on('exit', boom)", [], 3, "ValueError: boom"),
    "a_listener_raises_and_that_is_handled": Case(
        "process.on('uncaughtException', print); process.on('exit', boom); on_exit()", ["boom"], 0
    ),
    "uncaught": Case("on_exit(); boom()", ["exit 1"], 1, "ValueError: boom"),
    "main_is_cancelled": Case(
        """
import asyncio
async def main():
    asyncio.current_task().cancel()
    await asyncio.sleep(60)
on_exit(); treadle.run(main)
""",
        ["exit 1"],
        1,
        "CancelledError",
    ),
    "main_fails_by_a_base_exception": Case(
        """
class Unusual(BaseException): pass
async def main(): raise Unusual
on_exit(); treadle.run(main)
""",
        ["exit 1"],
        1,
        "Unusual",
    ),
    "uncaught_beats_exit_code": Case("on_exit(); process.exit_code = 3; boom()", ["exit 1"], 1, "ValueError: boom"),
    "uncaught_in_a_timer": Case("on_exit(); timers.set_timeout(boom, 1)", ["exit 1"], 1, "ValueError: boom"),
    "uncaught_then_a_listener_sets_the_code": Case(
        "process.on('exit', lambda _: set_code(12)); boom()", [], 12, "ValueError: boom"
    ),
    "uncaught_and_handled": Case(
        "on_exit(); process.on('uncaughtException', print); timers.set_timeout(print, 1, 'timer'); boom()",
        ["boom", "timer", "exit 0"],
        0,
    ),
    "the_handler_exits": Case("on_exit(); process.on('uncaughtException', lambda _: process.exit(2)); boom()", ["exit 2"], 2),
    "before_exit_raises": Case("on_exit(); process.on('before_exit', boom)", ["exit 1"], 1, "ValueError: boom"),
    # killed by a signal, but as the interpreter ends
    "interrupted": Case(
        """
import atexit, threading
on_exit()
threading.Thread(target=lambda: (threading.main_thread().join(), print("thread"))).start()
atexit.register(print, "atexit")
timers.set_timeout(print, 60_000, "never")
process.kill(process.pid, "SIGINT")
""",
        ["thread", "atexit"],
        -2,
    ),
    "interrupted_while_busy": Case(BUSY + "treadle.run(job())", ["saved"], -2),
    "a_busy_task_is_interrupted": Case(BUSY + "asyncio.get_running_loop().create_task(job())", ["saved"], -2),
    # caught, it ends the program nevertheless
    "a_caught_exit": Case(
        """
on_exit(); timers.set_timeout(print, 1, "never"); timers.set_immediate(print, "never")
try: process.exit(5)
except SystemExit: print("caught")
""",
        ["exit 5", "caught"],
        5,
    ),
    "a_caught_exit_in_a_task": Case(
        """
import asyncio, contextlib
async def main():
    with contextlib.suppress(SystemExit): process.exit(5)
    process.exit_code = 6
    try: await asyncio.sleep(60)
    finally: print("cancelled")
on_exit(); process.on("uncaughtException", print); treadle.run(main)
""",
        ["exit 5", "cancelled"],
        5,
    ),
    "an_exit_caught_by_a_listener": Case(
        """
def leave(_):
    try: process.exit(9)
    except SystemExit: print("caught")
process.on("exit", leave); on_exit(); process.exit(5)
""",
        ["caught", "exit 5"],
        9,
    ),
    "another_thread_may_not_exit": Case(
        """
import asyncio
def leave():
    try: process.exit(5)
    except treadle.TreadleError as error: print(error.code)
async def main():
    await asyncio.to_thread(leave)
    print("main goes on")
on_exit(); treadle.run(main)
""",
        ["ERR_INVALID_STATE", "main goes on", "exit 0"],
        0,
    ),
    "another_thread_hands_it_over": Case(
        """
import threading
from treadle.loop import get_loop
process.on("exit", lambda _: print(threading.current_thread() is threading.main_thread()))
timers.set_timeout(print, 60_000, "never")
threading.Thread(target=get_loop().call_soon_threadsafe, args=(process.exit, 5)).start()
""",
        ["True"],
        5,
    ),
    # Python's own way out
    "sys_exit": Case("on_exit(); sys.exit(7)", ["exit 7"], 7),
    "sys_exit_in_a_timer": Case("on_exit(); timers.set_timeout(sys.exit, 1, 7)", ["exit 7"], 7),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_how_a_file_ends(name: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    case = CASES[name]
    file = tmp_path / "program.py"
    file.write_text(HEAD + case.program)
    done = subprocess.run([*treadle_command(), "run", file], capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout.splitlines(), done.returncode) == (case.output, case.code), done.stderr
    if case.error:
        assert case.error in done.stderr
    else:
        assert done.stderr == ""


def test_programs_of_one_process_each_have_an_exit() -> None:
    program = """
for n in range(2):
    treadle.run(lambda: print("main", n))
    for code in (5, None):
        try:
            treadle.run(lambda: process.exit(code))
        except SystemExit as ended:
            print("ended", ended.code)
    try:
        treadle.run(boom)
    except ValueError:
        print("failed")
"""
    done = subprocess.run(
        [sys.executable, "-c", HEAD + "on_exit()" + program], capture_output=True, text=True, timeout=30, check=False
    )
    one_round = ["exit 0", "exit 5", "ended 5", "exit 0", "ended 0", "exit 1", "failed"]
    assert done.stdout.splitlines() == ["main 0", *one_round, "main 1", *one_round], done.stderr


def test_process_may_be_imported_while_the_program_runs() -> None:
    program = """
import treadle
def main():
    from treadle import process, timers
    process.on("uncaught_exception", lambda error: print("handled", error))
    process.on("exit", lambda code: print("exit", code))
    timers.set_timeout(int, 1, "x")
treadle.run(main)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["handled", "exit"], done.stderr
