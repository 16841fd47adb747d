"""Runs tests in child processes that say what becomes of them (inside/reporting.py); goes on behind one that hangs or crashes.

Invariant: whatever a child started is ended with it, by its own id: its session, and processes that carry its mark in their
environment. Not here: what the outcomes mean (outcomes.py), which commands there are (catalogue.py).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.suites.outcomes import Outcome, Outcomes

INSIDE = Path(__file__).resolve().parent / "inside"
STALL_S = 60.0  # without a test ending: the slowest of them take 20 s on an idle machine
LEAVE_S = 5.0  # to end once all tests have
POLL_S = 0.05
CHILDREN_MAX = 40  # of one command: a suite that crashes more often than that is not worth more


@dataclass(frozen=True)
class Command:
    """A program that runs tests and reports them."""

    arguments: Sequence[str]
    directory: Path
    environment: dict[str, str] = field(default_factory=dict)


def run(command: Command, loop: str, log: Path, only: Sequence[str] = ()) -> Outcomes:
    """Run all tests of a command, or some of them, on a loop."""
    outcomes: Outcomes = {}
    for _ in range(CHILDREN_MAX):
        child = _Child(command, loop, log, only, list(outcomes))
        try:
            child.follow()
        finally:
            child.end()
        outcomes.update(child.outcomes)
        if child.has_ended_all:
            return outcomes
        culprit = child.running or f"<{' '.join(command.arguments[-2:])}>"
        outcomes[culprit] = Outcome(child.fate, f"exit status {child.process.returncode}", made_loop=True)
        if child.running is None:  # it cannot even start, or end
            return outcomes
    return outcomes


class _Child:
    def __init__(self, command: Command, loop: str, log: Path, only: Sequence[str], done: Sequence[str]) -> None:
        self.outcomes: Outcomes = {}
        self.running: str | None = None
        self.has_ended_all = False
        self.fate = "crash"
        self._directory = tempfile.TemporaryDirectory(prefix="suites-")
        report, choice = (Path(self._directory.name) / name for name in ("report", "choice"))
        choice.write_text(json.dumps({"done": list(done), "only": list(only)}))
        self._mark = f"SUITES_REPORT={report}"
        self._report = open(report, "w+")  # noqa: SIM115  # closed by end()
        self._rest = ""
        ours = {"SUITES_LOOP": loop, "SUITES_REPORT": str(report), "SUITES_CHOICE": str(choice), "PYTHONPATH": str(INSIDE)}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHON"))}
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                command.arguments,
                cwd=command.directory,
                env={**inherited, **command.environment, **ours},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def follow(self) -> None:
        """Read what it reports until it has ended, or has not reported anything for too long."""
        last_s = time.monotonic()
        while True:
            has_exited = self.process.poll() is not None
            if self._read():
                last_s = time.monotonic()
            elif has_exited:
                return
            silent_s = time.monotonic() - last_s
            if silent_s > (LEAVE_S if self.has_ended_all else STALL_S):
                self.fate = "hang"
                return
            time.sleep(POLL_S)

    def _read(self) -> bool:
        *lines, self._rest = (self._rest + self._report.read()).split("\n")
        for line in lines:
            self._take(json.loads(line))
        return bool(lines)

    def _take(self, said: dict[str, object]) -> None:
        if "start" in said:
            self.running = str(said["start"])
        elif "test" in said:
            test = str(said["test"])
            self.outcomes[test] = Outcome(str(said["outcome"]), str(said["text"]), made_loop=bool(said["made_loop"]))
            if test == self.running:
                self.running = None
        else:
            self.has_ended_all = True

    def end(self) -> None:
        """End it and all that it started."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        _end_marked(self._mark)
        self._report.close()
        self._directory.cleanup()


def _end_marked(mark: str) -> None:
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit():
            try:
                if mark.encode() in (directory / "environ").read_bytes().split(b"\0"):
                    os.kill(int(directory.name), signal.SIGKILL)
            except OSError:  # another user's, or gone
                continue
