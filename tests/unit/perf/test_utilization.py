"""event_loop_utilization: what it says of a loop, and the difference of two answers."""

import time
from typing import Any

import pytest

import treadle
from treadle import perf, timers
from treadle.perf import EventLoopUtilization, event_loop_utilization


def work(duration_ms: float) -> None:
    end_s = time.monotonic() + duration_ms / 1e3
    while time.monotonic() < end_s:
        pass


def test_idle_and_active_are_the_time_since_the_loop_ran() -> None:
    async def main() -> None:
        begin_ms = perf.now()
        first = event_loop_utilization()
        work(5)
        await timers.promises.sleep(5)
        since = event_loop_utilization(first)
        end_ms = perf.now()
        assert since.active >= 5
        assert since.idle > 0
        assert since.idle + since.active <= end_ms - begin_ms
        assert since.utilization == since.active / (since.idle + since.active)

    treadle.run(main)


def test_two_answers_have_a_difference_without_a_loop() -> None:
    later, sooner = EventLoopUtilization(30.0, 12.0, 0.28), EventLoopUtilization(20.0, 2.0, 0.1)
    assert event_loop_utilization(later, sooner) == EventLoopUtilization(10.0, 10.0, 0.5)


def test_no_time_is_no_utilization() -> None:
    same = EventLoopUtilization(1.0, 1.0, 0.5)
    assert event_loop_utilization(same, same) == EventLoopUtilization(0.0, 0.0, 0.0)


def test_it_needs_a_loop() -> None:
    with pytest.raises(treadle.TreadleError) as caught:
        event_loop_utilization()
    assert caught.value.code == "ERR_NO_LOOP"


def test_now_counts_from_the_time_origin() -> None:
    before = time.time_ns() / 1e6
    first = perf.now()
    assert 0 < first <= perf.now()
    assert perf.time_origin <= before


@pytest.mark.parametrize("args", [("x",), (None, 5), (EventLoopUtilization(1.0, 1.0, 0.5), "x")])
def test_what_is_no_answer_is_refused(args: tuple[Any, ...]) -> None:
    with pytest.raises(treadle.TreadleError) as caught:
        event_loop_utilization(*args)
    assert caught.value.code == "ERR_INVALID_ARG_TYPE"
