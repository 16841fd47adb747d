"""A child process holds the program until it has ended, whoever waits for it or nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.support import Program

PROGRAM = """
import asyncio

async def main():
    child = await asyncio.create_subprocess_exec("sh", "-c", "sleep 0.3; echo saved > saved")
    {wait}
    print("told", flush=True)

asyncio.ensure_future(main())
"""


@pytest.mark.parametrize("wait", ["await child.wait()", "await child.communicate()", "pass"])
def test_a_child_holds_the_program(tmp_path: Path, wait: str) -> None:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM.format(wait=wait))
    with Program.run(file, cwd=tmp_path) as program:
        assert program.wait() == 0
        assert program.stdout.text == "told"
        assert (tmp_path / "saved").read_text() == "saved\n"
