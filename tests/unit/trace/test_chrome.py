"""The JSON trace against the event format's required fields, and against what a viewer needs to draw it."""

import asyncio
import json
from collections import defaultdict
from typing import Any

import pytest

from treadle import fs, timers
from treadle.loop import program
from treadle.trace import Recorder, TracedEventLoop
from treadle.trace.chrome import trace_events

REQUIRED = {"name": str, "ph": str, "ts": (int, float), "pid": int, "tid": int}
OF_PHASE = {
    "X": {"cat": str, "dur": (int, float), "args": dict},
    "M": {"args": dict},
    "s": {"cat": str, "id": int},
    "f": {"cat": str, "id": int, "bp": str},
}


def program_of_all_kinds() -> None:
    async def task() -> None:
        await asyncio.sleep(0)
        await timers.promises.sleep(2)
        await fs.read_file(__file__)

    def when_read(error: object, data: object) -> None:
        timers.set_timeout(int, 1)
        timers.set_immediate(int)

    fs.read_file(__file__, when_read)
    asyncio.get_running_loop().create_task(task())


@pytest.fixture(scope="module")
def trace() -> dict[str, Any]:
    recorder = Recorder()
    program.run_script(program_of_all_kinds, TracedEventLoop(recorder))
    written = json.dumps(trace_events(recorder.records, program="all.py", pid=1))
    found: dict[str, Any] = json.loads(written)
    return found


def test_every_event_has_its_fields(trace: dict[str, Any]) -> None:
    assert trace["displayTimeUnit"] in ("ms", "ns")
    assert {event["ph"] for event in trace["traceEvents"]} == set(OF_PHASE)
    for event in trace["traceEvents"]:
        for field, kind in (REQUIRED | OF_PHASE[event["ph"]]).items():
            assert isinstance(event[field], kind), event
        assert event["ts"] >= 0


def test_slices_nest(trace: dict[str, Any]) -> None:
    """A viewer stacks the slices of one thread: each ends before the one around it does."""
    slices = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    open_until: list[float] = []
    for event in sorted(slices, key=lambda event: event["ts"]):  # stable: a parent was written before its children
        end = event["ts"] + event["dur"]
        while open_until and open_until[-1] <= event["ts"] + 0.0005:
            open_until.pop()
        assert not open_until or end <= open_until[-1] + 0.0005, event
        open_until.append(end)
    assert max(len(event["name"]) for event in slices) > 0


def test_arrows_lead_from_a_slice_to_a_slice(trace: dict[str, Any]) -> None:
    slices = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    arrows: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for event in trace["traceEvents"]:
        if event["ph"] in "sf":
            arrows[event["id"]].append(event)
    assert arrows
    for begin, end in arrows.values():
        assert (begin["ph"], end["ph"], end["bp"]) == ("s", "f", "e")
        assert (begin["name"], begin["cat"]) == (end["name"], end["cat"])
        assert begin["ts"] <= end["ts"]
        for edge in (begin, end):
            assert any(event["ts"] <= edge["ts"] <= event["ts"] + event["dur"] for event in slices)


def test_a_callback_says_why_and_from_where(trace: dict[str, Any]) -> None:
    timeout = next(event for event in trace["traceEvents"] if event["name"] == "timeout: int")
    assert timeout["args"]["phase"] == "timers"
    assert timeout["args"]["scheduled by"] == "set_timeout of 1 ms"
    assert timeout["args"]["scheduled at"].startswith(f"{__file__}:")
    assert "first timers phase" in timeout["args"]["why"]
