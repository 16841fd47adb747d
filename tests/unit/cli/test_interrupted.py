"""Ctrl-C while a command starts: it ends the process by SIGINT, and nothing is said."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import signal, sys
def interrupt(*_): signal.raise_signal(signal.SIGINT)
import {module} as module
module.{name} = interrupt
from treadle.__main__ import main
main()
"""
IMPORTS = """
import signal, sys
class Interrupts:
    def find_spec(self, name, *_):
        if name == "click": signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Interrupts())
from treadle.__main__ import main
main()
"""
PROGRAMS = {
    "flags": PROGRAM.format(module="treadle.cli.logs", name="set_up"),
    "loop": PROGRAM.format(module="treadle.loop.event_loop", name="Children"),
    "imports": IMPORTS,
}


@pytest.mark.slow
@pytest.mark.parametrize("command", ["run", "trace"])
@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_ctrl_c_while_a_command_starts(program: str, command: str, tmp_path: Path) -> None:
    file = tmp_path / "program.py"
    file.write_text("print('never')")
    arguments = [sys.executable, "-c", program, command, file]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
