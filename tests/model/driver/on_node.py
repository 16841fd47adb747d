"""Random programs on real Node, under the frozen clock: a process for each. Only Node's operations, and no I/O: its requests end
by real time."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

from tests.model.driver.interpreter import Program

SCRIPT = Path(__file__).with_name("node.js")
DEADLINE_S = 20.0
NS_PER_MS = 1_000_000
LINE = re.compile(r"turn \d+ at (?P<us>\d+) us: (?!end)(?P<text>.*)")


def run(node: str, clock: Path, program: Program) -> list[str]:
    """The log of a program."""
    environment = {**os.environ, "LD_PRELOAD": str(clock)}
    command = [node, str(SCRIPT), json.dumps(program)]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DEADLINE_S, check=True)
    log: list[str] = json.loads(finished.stdout)
    return log


def as_in_node(log: list[str], program: Program) -> list[str]:
    """A log of interpreter.py, as Node would write it: no turns, and the time counts from the start's last whole ms."""
    start_us = program["start_ns"] // NS_PER_MS * 1000
    return [f"at {int(found['us']) - start_us} us: {found['text']}" for line in log if (found := LINE.match(line))]
