"""An error at every hook of every stage of a pipeline: it and no other is reported, every stage is destroyed once, every
descriptor is closed. Issue: point 5 of the streams."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.streams.line import COUNT, DATA, MARKS, MODES, Fault, Line
from tests.unit.streams.support import Boom
from treadle.streams import pipeline

FAULTS = [
    *(Fault(f"{name}.{hook}") for name in ("source", "transform", "sink") for hook in ("construct", "destroy")),
    *(Fault("source.read", nth) for nth in (1, COUNT // 2 + 1, COUNT, COUNT + 1)),
    *(Fault("transform.transform", nth) for nth in (1, COUNT // 2 + 1, COUNT)),
    Fault("transform.flush"),
    Fault("transform.final"),
    Fault("relay.begin"),
    *(Fault("relay.chunk", nth) for nth in (1, COUNT // 2 + 1, COUNT, COUNT + 1)),
    Fault("relay.end"),
    Fault("relay.close"),
    *(Fault("sink.write", nth) for nth in (1, COUNT // 2 + 1, COUNT, COUNT + 1)),
    Fault("sink.final"),
]


@pytest.mark.parametrize("mark", MARKS.values(), ids=MARKS)
@pytest.mark.parametrize("mode", MODES)
async def test_without_an_error_all_is_written(mode: str, mark: int, tmp_path: Path) -> None:
    line = Line(tmp_path, mode, mark)
    assert await pipeline(*line.stages) is None
    await line.check_end()
    assert line.written == DATA.upper() + b"END"
    assert [event for _, event, _ in line.emitted] == ["close"] * 3


@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.parametrize("mark", MARKS.values(), ids=MARKS)
@pytest.mark.parametrize("mode", MODES)
async def test_an_error(mode: str, mark: int, fault: Fault, tmp_path: Path) -> None:
    line = Line(tmp_path, mode, mark, fault, only=fault.place)
    with pytest.raises(Boom) as caught:
        await pipeline(*line.stages)
    assert caught.value is line.boom
    # As in Node: the stream that a generator iterates hears that it is left. Who awaits the pipeline does not.
    await line.check_end(*(["ABORT_ERR"] if fault.place.startswith(("relay.", "sink.")) else []))
    assert (DATA.upper() + b"END").startswith(line.written if (tmp_path / "out").exists() else b"")
