"""Immediates that leave the loop no rest: a flood where they are quick, as those that wait for something are; pieces of work, of
20 us and more, are none. Under the frozen clock: on a busy machine nothing is quick. Not in the model, which names nobody."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.model.driver.on_native import DEADLINE_S, ROOT

PROGRAM = """
import asyncio, json, logging, sys
import treadle
from tests.model.driver.native_worker import frozen

class Records(logging.Handler):
    def emit(self, record):
        said.append([record.args[0], str(record.args[2])])

said = []
logging.getLogger().addHandler(Records())
kind, count, each_ns = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

def asks_again():
    global count
    frozen.frozen_clock_spin(each_ns)
    count -= 1
    if count:
        loop.set_immediate(asks_again)

async def yields():
    for _ in range(count):
        frozen.frozen_clock_spin(each_ns)
        await asyncio.sleep(0)

loop = treadle.new_event_loop()
frozen.frozen_clock_start(1_000_000_000)
if kind == "immediates":
    asks_again()
    loop.run_while_alive()
else:
    loop.run_until_complete(yields())
frozen.frozen_clock_end()
print(json.dumps({"said": said, "statistics": dict(loop.statistics())}))
loop.close()
"""

QUICK_NS, PIECE_NS = 5_000, 20_000


def outcome(clock: Path, kind: str, count: int, each_ns: int) -> dict[str, Any]:
    program = subprocess.run(
        [sys.executable, "-c", PROGRAM, kind, str(count), str(each_ns)],
        cwd=ROOT,
        env={**os.environ, "LD_PRELOAD": str(clock)},
        stdout=subprocess.PIPE,
        check=True,
        timeout=DEADLINE_S,
    )
    found: dict[str, Any] = json.loads(program.stdout)
    return found


@pytest.mark.slow
def test_endless_immediates_are_named_once(clock: Path) -> None:
    found = outcome(clock, "immediates", 100_000, QUICK_NS)
    ((what, who),) = found["said"]
    assert what == "immediates"
    assert "asks_again" in who
    statistics = found["statistics"]
    assert statistics["floods"] == 1
    assert statistics["flood_max_ns"] > 100_000_000
    assert statistics["flood_culprit"] == who
    assert statistics["guard_turns"] == 0  # a busy wait: timers and I/O go on


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["immediates", "yields"])
def test_work_in_pieces_is_no_flood(clock: Path, kind: str) -> None:
    """The cure for a long computation, with set_immediate or with asyncio.sleep(0)."""
    found = outcome(clock, kind, 50_000, PIECE_NS)
    assert found["said"] == []
    assert found["statistics"]["floods"] == 0
