"""A child that dies, or that never ends, costs one test; the others are run by the next one."""

import sys
from pathlib import Path

import pytest

from tests.suites import children
from tests.suites.children import Command
from tests.suites.outcomes import Outcomes

PROGRAM = """
import os, sys, time
from reporting import Report, is_wanted
report = Report()
for test in ("first", "bad", "last"):
    if is_wanted(test):
        report.started(test)
        if test == "bad":
            %s
        report.ended(test, "passed")
report.all_ended()
"""


def run(tmp_path: Path, misfortune: str, *only: str) -> Outcomes:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM % misfortune)
    return children.run(Command([sys.executable, str(program)], tmp_path), "asyncio:SelectorEventLoop", tmp_path / "log", only)


@pytest.mark.slow
def test_the_next_child_goes_on_behind_a_crash(tmp_path: Path) -> None:
    outcomes = run(tmp_path, "os._exit(3)")
    assert {test: outcome.result for test, outcome in outcomes.items()} == {"first": "passed", "bad": "crash", "last": "passed"}
    assert outcomes["bad"].text == "exit status 3"


@pytest.mark.slow
def test_a_hang_ends_with_all_that_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "STALL_S", 5.0)
    pid_file = tmp_path / "pid"
    misfortune = (
        "import subprocess; child = subprocess.Popen(['sleep', '600'], start_new_session=True); "
        f"open({str(pid_file)!r}, 'w').write(str(child.pid)); child.wait()"
    )
    outcomes = run(tmp_path, misfortune)
    assert {test: outcome.result for test, outcome in outcomes.items()} == {"first": "passed", "bad": "hang", "last": "passed"}
    command_line = Path(f"/proc/{pid_file.read_text()}/cmdline")
    assert not command_line.exists() or command_line.read_bytes() == b""  # gone, or a zombie of whoever adopted it


@pytest.mark.slow
def test_only_what_is_asked_for(tmp_path: Path) -> None:
    assert list(run(tmp_path, "os._exit(3)", "last")) == ["last"]
