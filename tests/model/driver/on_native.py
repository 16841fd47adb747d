"""The native loop in a process of its own, and the clock that stands still there."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.model.driver.worker import Worker

SOURCE = Path(__file__).with_name("frozen_clock.c")


def build_clock(folder: Path) -> Path:
    """Compile the frozen clock, with the compiler that made the core."""
    library = folder / "frozen_clock.so"
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    subprocess.run([*compiler, "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
    return library


class NativeLoop(Worker):
    """See native_worker.py."""

    def __init__(self, clock: Path) -> None:
        super().__init__([sys.executable, "-m", "tests.model.driver.native_worker"], clock)
