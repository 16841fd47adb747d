"""Which Python is measured: $PYTHON if set, else the newest CPython of SUPPORTED that really starts.

A name on PATH proves nothing (a version manager's shim may refuse to run), so each candidate is started once.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SUPPORTED = ((3, 11), (3, 14))  # what treadle is tested on and written for
QUOTED_FROM = (3, 12)  # figures are quoted from here on: eager tasks

PROBE = """
import ensurepip, os, sys, sysconfig, venv
headers = os.path.join(sysconfig.get_path("include"), "Python.h")
gil = not sysconfig.get_config_var("Py_GIL_DISABLED")
ok = sys.implementation.name == "cpython" and gil and os.path.exists(headers)
print(int(ok), sys.version_info[0], sys.version_info[1], sys.version_info[2], os.path.realpath(sys.executable))
"""


class NoInterpreterError(Exception):
    """No usable Python; the text says what to install."""


@dataclass(frozen=True, order=True)
class Interpreter:
    """One CPython that starts, has headers, and can make a venv."""

    version: tuple[int, int, int]
    path: str

    @property
    def is_quotable(self) -> bool:
        """Whether figures from this version may be quoted."""
        return self.version[:2] >= QUOTED_FROM


def pick() -> Interpreter:
    """The interpreter to measure. Raises NoInterpreterError."""
    asked = os.environ.get("PYTHON")
    if asked:
        found = probe(asked)
        if found is None:
            raise NoInterpreterError(f"PYTHON={asked} does not start, or lacks headers (python3-dev) or venv")
        return found
    usable = [i for i in map(probe, candidates()) if i and SUPPORTED[0] <= i.version[:2] <= SUPPORTED[1]]
    if not usable:
        raise NoInterpreterError("no CPython 3.12 or newer with headers and venv: apt install python3-dev python3-venv")
    return max(usable)


def candidates() -> Iterator[str]:
    """Names and paths worth starting: PATH, the running one, pyenv's versions."""
    for minor in range(SUPPORTED[1][1], SUPPORTED[0][1] - 1, -1):
        yield f"python3.{minor}"
    yield "python3"
    yield sys.executable
    versions = Path(os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv"))) / "versions"
    yield from (str(path) for path in sorted(versions.glob("3.*/bin/python3")))


def probe(command: str) -> Interpreter | None:
    """Start `command` once; None when it is nothing we can use."""
    try:
        out = subprocess.run([command, "-c", PROBE], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    ok, major, minor, micro, path = out.strip().split(maxsplit=4)
    return Interpreter((int(major), int(minor), int(micro)), path) if ok == "1" else None
