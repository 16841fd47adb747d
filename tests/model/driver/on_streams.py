"""Random programs of streams: on a module with the names of treadle.streams, and on real Node."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.model.driver.worker import ROOT, Worker

SCRIPT = ROOT / "tests" / "conformance" / "streams" / "run_node.js"


def on_module(name: str, clock: Path) -> Worker:
    return Worker([sys.executable, "-m", "tests.model.driver.stream_worker", name], clock)


def on_node(node: str, clock: Path) -> Worker:
    return Worker([node, str(SCRIPT), "--lines"], clock)
