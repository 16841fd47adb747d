"""examples/follow.py: what is added is shown, also of the log that comes in the place of the one that was rotated."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.support import Program

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "follow.py"


def test_a_log_is_followed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("there already\n")
    with Program.run(EXAMPLE, str(log)) as program:
        program.stdout.wait_line("there already")
        with log.open("a") as file:
            for number in range(20):
                file.write(f"line {number}\n")
                file.flush()
                program.stdout.wait_line(f"line {number}")
        log.rename(tmp_path / "log.1")
        log.write_text("new log\n")
        program.stdout.wait_line("new log")
        assert program.stdout.text.splitlines() == ["there already", *[f"line {number}" for number in range(20)], "new log"]
        assert program.is_alive
