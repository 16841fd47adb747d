"""The histogram against the exact figures of what was recorded."""

import math
import random
import statistics

import pytest

from treadle._native.histogram import Histogram

HOUR_NS = 3_600_000_000_000


def filled(values: list[int]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


def exact(values: list[int], percentile: float) -> int:
    """The nearest rank."""
    return sorted(values)[max(0, math.ceil(percentile / 100 * len(values)) - 1)]


def test_an_empty_one_says_what_nodes_says() -> None:
    empty = Histogram()
    assert (empty.count, empty.exceeds, empty.min, empty.max) == (0, 0, 2**63 - 1, 0)
    assert math.isnan(empty.mean)
    assert math.isnan(empty.stddev)
    assert empty.percentile(50) == 0
    assert empty.percentiles == {100.0: 0}


@pytest.mark.parametrize("seed", range(10))
def test_percentiles_are_at_most_one_in_64_too_high(seed: int) -> None:
    chance = random.Random(seed)
    values = [int(math.exp(chance.uniform(0, math.log(HOUR_NS)))) for _ in range(chance.choice((1, 2, 100, 3_000)))]
    histogram = filled(values)
    for percentile in (0.001, 1, 25, 50, 75, 90, 99, 99.9, 100):
        truth = exact(values, percentile)
        assert truth <= histogram.percentile(percentile) <= max(truth + truth / 64, truth)
    assert (histogram.count, histogram.min, histogram.max) == (len(values), min(values), max(values))
    assert histogram.mean == pytest.approx(statistics.fmean(values))
    assert histogram.stddev == pytest.approx(statistics.pstdev(values), abs=histogram.mean * 1e-6)


@pytest.mark.parametrize("value", [0, 1, 63, 64, 127, 128, 129, 255, 256, 2**41 - 1, 2**41, HOUR_NS])
def test_a_single_value_is_exact(value: int) -> None:
    histogram = filled([value])
    assert histogram.percentile(0.1) == histogram.percentile(100) == histogram.min == histogram.max == value
    assert histogram.stddev == 0


def test_what_is_too_long_is_only_counted() -> None:
    histogram = filled([5, HOUR_NS + 1, 2**62])
    assert (histogram.count, histogram.exceeds, histogram.max) == (1, 2, 5)


def test_what_is_below_zero_counts_as_zero() -> None:
    assert filled([-5]).min == 0


def test_reset_forgets_everything() -> None:
    histogram = filled([1, 1_000, HOUR_NS + 1])
    histogram.reset()
    assert repr(histogram) == repr(Histogram())
    assert histogram.exceeds == 0
    histogram.record(7)
    assert (histogram.min, histogram.max, histogram.percentile(50)) == (7, 7, 7)


def test_percentiles_halve_the_distance_to_100() -> None:
    histogram = filled(list(range(1, 101)))
    assert list(histogram.percentiles) == [0.0, 50.0, 75.0, 87.5, 93.75, 96.875, 98.4375, 100.0]
    assert histogram.percentiles[50.0] == 50
    assert (histogram.percentiles[0.0], histogram.percentiles[100.0]) == (1, 100)


@pytest.mark.parametrize("percentile", [0, -1, 100.1, float("nan")])
def test_a_percentile_out_of_range_is_refused(percentile: float) -> None:
    with pytest.raises(ValueError):
        Histogram().percentile(percentile)
