"""A process that runs programs, one a line, under a clock that stands still; a program that crashes or hangs it takes nothing
else along."""

from __future__ import annotations

import json
import os
import select
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
DEADLINE_S = 20.0  # for a program that takes ms; two busy cores are slow at times


class Worker:
    """Runs programs one after another, all in one process until one of them ends it."""

    def __init__(self, command: list[str], clock: Path) -> None:
        self._command = command
        self._clock = clock
        self._process: subprocess.Popen[str] | None = None

    def run(self, program: dict[str, Any]) -> list[str]:
        """The log of a program. A crash or a hang is a log of one line."""
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(program) + "\n")
        process.stdin.flush()
        if not select.select([process.stdout], [], [], DEADLINE_S)[0]:
            self.close()
            return [f"no answer within {DEADLINE_S} s"]
        line = process.stdout.readline()
        if not line:
            self.close()
            return [f"the process ended with status {process.returncode}"]
        log: list[str] = json.loads(line)
        return log

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def __enter__(self) -> Worker:
        self._started()  # now, where it is its user's: not in the first test, which would leave it behind
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
                env={**os.environ, "LD_PRELOAD": f"{os.environ.get('LD_PRELOAD', '')} {self._clock}"},  # a sanitizer comes first
            )
        return self._process
