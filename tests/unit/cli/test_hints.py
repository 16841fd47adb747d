"""What a user is told who has taken the wrong way in."""

import subprocess
from pathlib import Path

import pytest

from tests.integration.support import treadle_command


def run_file(folder: Path, source: str) -> subprocess.CompletedProcess[str]:
    file = folder / "program.py"
    file.write_text(source)
    return subprocess.run([*treadle_command(), "run", file], capture_output=True, text=True, timeout=30, check=False)


SECOND_LOOPS = {
    "run": "asyncio.run(main())",
    "runner": "with asyncio.Runner() as runner: runner.run(main())",
    "loop": "loop = asyncio.new_event_loop()\ntry: loop.run_until_complete(main())\nfinally: loop.close()",
    "same loop": "asyncio.get_running_loop().run_until_complete(main())",
    "anyio": "import anyio; anyio.run(main)",
}


@pytest.mark.slow
@pytest.mark.parametrize("program", SECOND_LOOPS.values(), ids=SECOND_LOOPS)
def test_a_second_loop_in_a_file_is_answered_by_a_hint(program: str, tmp_path: Path) -> None:
    done = run_file(tmp_path, f"import asyncio\nasync def main(): pass\n{program}\n")
    assert done.returncode == 1
    assert done.stderr.count("use treadle.run(main) instead of") == 1
    assert "never awaited" not in done.stderr


FRAMELESS = {
    "arguments": ("timers.set_timeout(lambda: 0, 1, 1, 2)", "in the callback <lambda> ({file}:2) of set_timeout"),
    "class": ("timers.set_immediate(int, 'x')", "in the callback int of set_immediate"),
    "method": ("timers.set_timeout({}.pop, 1, 'x')", "in the callback dict.pop of set_timeout"),
    "tick": ("process.next_tick(int, 'x')", "in the callback int of next_tick"),
    "microtask": ("queue_microtask(iter([]).__next__)", "in the callback list_iterator.__next__ of queue_microtask"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("program", "note"), FRAMELESS.values(), ids=FRAMELESS)
def test_a_failure_without_a_line_of_the_users_names_the_callback(program: str, note: str, tmp_path: Path) -> None:
    done = run_file(tmp_path, f"from treadle import process, queue_microtask, timers\n{program}\n")
    assert done.returncode == 1
    first, *notes = done.stderr.splitlines()
    assert first.partition(":")[0] in {"TypeError", "ValueError", "KeyError", "StopIteration"}
    assert notes == [note.format(file=tmp_path / "program.py")]


@pytest.mark.slow
def test_a_traceback_begins_at_the_users_first_frame_and_keeps_what_is_behind(tmp_path: Path) -> None:
    source = "from treadle import timers\ndef late(): timers.set_timeout(None, 1)\ntimers.set_timeout(late, 1)\n"
    done = run_file(tmp_path, source)
    frames = [line for line in done.stderr.splitlines() if line.startswith("  File ")]
    assert frames[0] == f'  File "{tmp_path / "program.py"}", line 2, in late'
    assert "treadle" in frames[1]
    assert "in the callback" not in done.stderr


@pytest.mark.slow
def test_a_file_in_the_place_of_a_command() -> None:
    done = subprocess.run([*treadle_command(), "file.py", "-x"], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "treadle run file.py -x" in done.stderr
