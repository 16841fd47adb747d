"""monitor_event_loop_delay: what it records, and that it disturbs nobody."""

import gc
import time
import weakref

import pytest

import treadle
from treadle import timers
from treadle._base.errors import TreadleError
from treadle.loop import get_loop
from treadle.perf import IntervalHistogram, monitor_event_loop_delay

NS_PER_MS = 1_000_000


def test_a_blocked_loop_shows() -> None:
    async def main() -> IntervalHistogram:
        histogram = monitor_event_loop_delay(1)
        with histogram:
            while histogram.count < 3:
                await timers.promises.sleep(1)
            time.sleep(0.03)
            count = histogram.count
            while histogram.count == count:
                await timers.promises.sleep(1)
        return histogram

    histogram = treadle.run(main)
    assert histogram.max >= 30 * NS_PER_MS
    assert histogram.percentile(100) == histogram.max
    assert histogram.count >= 4
    assert histogram.min >= 0


def test_it_does_not_hold_the_program() -> None:
    histogram = monitor_event_loop_delay()
    assert treadle.run(histogram.enable) is True


def test_enable_and_disable_say_whether_they_did_anything() -> None:
    def main() -> None:
        histogram = monitor_event_loop_delay()
        assert histogram.disable() is False
        assert histogram.enable() is True
        assert histogram.enable() is False
        assert histogram.disable() is True
        assert histogram.disable() is False

    treadle.run(main)


def test_the_end_of_its_loop_disables_it() -> None:
    histogram = monitor_event_loop_delay(1)

    async def main() -> None:
        count = histogram.count
        assert histogram.enable() is True
        while histogram.count == count:
            await timers.promises.sleep(1)

    for _ in range(2):
        treadle.run(main)
    assert histogram.disable() is False


def test_disabled_it_leaves_no_timer_and_keeps_its_values() -> None:
    def main() -> IntervalHistogram:
        histogram = monitor_event_loop_delay(1)
        lists = loop_lists()
        histogram.enable()
        assert loop_lists() == lists + 1
        histogram.record(5)
        histogram.disable()
        assert loop_lists() == lists
        return histogram

    def loop_lists() -> int:
        from treadle.loop import get_loop

        return get_loop().statistics()["timer_lists"]

    assert treadle.run(main).count == 1


def test_reset_forgets() -> None:
    histogram = monitor_event_loop_delay()
    histogram.record(5)
    histogram.reset()
    assert histogram.count == 0


@pytest.mark.parametrize(("resolution", "code"), [(0, "ERR_OUT_OF_RANGE"), (1.5, "ERR_INVALID_ARG_TYPE")])
def test_a_wrong_resolution_is_told_at_once(resolution: object, code: str) -> None:
    with pytest.raises(treadle.TreadleError) as caught:
        monitor_event_loop_delay(resolution)  # type: ignore[arg-type]
    assert caught.value.code == code


@pytest.mark.parametrize("percentile", [0, 101, float("nan")])
def test_a_wrong_percentile_is_out_of_range(percentile: float) -> None:
    with pytest.raises(treadle.TreadleError) as caught:
        monitor_event_loop_delay().percentile(percentile)
    assert caught.value.code == "ERR_OUT_OF_RANGE"


def test_without_a_loop_it_cannot_be_enabled() -> None:
    with pytest.raises(treadle.TreadleError) as caught:
        monitor_event_loop_delay().enable()
    assert caught.value.code == "ERR_NO_LOOP"


def test_it_lets_go_of_a_loop_that_has_ended() -> None:
    histogram = monitor_event_loop_delay()

    def main() -> weakref.ref[treadle.EventLoop]:
        histogram.enable()
        return weakref.ref(get_loop())

    is_alive = treadle.run(main)
    with pytest.raises(TreadleError) as raised:
        histogram.enable()
    assert raised.value.code == "ERR_NO_LOOP"
    del raised  # its traceback
    gc.collect()
    assert is_alive() is None
