"""What a user is told who has taken the wrong way in."""

import subprocess
from pathlib import Path

import pytest

from tests.integration.support import treadle_command

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
    file = tmp_path / "program.py"
    file.write_text(f"import asyncio\nasync def main(): pass\n{program}\n")
    done = subprocess.run([*treadle_command(), "run", file], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert done.stderr.count("use treadle.run(main) instead of") == 1
    assert "never awaited" not in done.stderr


@pytest.mark.slow
def test_a_file_in_the_place_of_a_command() -> None:
    done = subprocess.run([*treadle_command(), "file.py", "-x"], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "treadle run file.py -x" in done.stderr
