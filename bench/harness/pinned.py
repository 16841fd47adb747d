"""A program that measures itself: run once to its end, pinned to a CPU or not, and what it prints, a line of JSON a figure."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import cpu
from .server import FOREIGN_ENV


@dataclass(frozen=True)
class Printed:
    """What came of it: lines may be there although it ended badly."""

    lines: list[dict[str, Any]]
    foreign_pct: float  # of the CPU, taken by others meanwhile
    problem: str  # '' when it ended well


def environ() -> Mapping[str, str]:
    """The caller's, without what would change a measurement; hashes the same in every run."""
    return {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN_ENV)} | {"PYTHONHASHSEED": "0"}


def run(argv: list[str], cpu_index: int | None, timeout_s: float) -> Printed:
    """Start the program and wait for its end; after timeout_s it is killed. cpu_index None: it has every CPU, and what others
    take of them is not known."""
    busy_s, own_s, begun = _busy_s(cpu_index), _children_s(), time.monotonic()
    try:
        done = subprocess.run(
            argv,
            env=environ(),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            preexec_fn=None if cpu_index is None else lambda: os.sched_setaffinity(0, {cpu_index}),
        )
    except subprocess.TimeoutExpired:
        return Printed([], 0.0, f"no end after {timeout_s:.0f} s")
    others_s = 0.0 if cpu_index is None else _busy_s(cpu_index) - busy_s - (_children_s() - own_s)
    return Printed(
        [json.loads(line) for line in done.stdout.splitlines()],
        100 * others_s / (time.monotonic() - begun),
        f"ended with status {done.returncode}: {done.stderr.strip()[-400:]}" if done.returncode else "",
    )


def _busy_s(cpu_index: int | None) -> float:
    return 0.0 if cpu_index is None else cpu.machine_busy_s(cpu_index)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
