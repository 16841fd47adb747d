"""What was measured, by figure, peer and round. A ratio is taken within a round, then their median: slow minutes slow both."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from .results import FOREIGN_TOLERANCE_PCT
from .table import number


class Figures:
    """Values, smaller is better; which of them exist depends on the peers that could run."""

    def __init__(self) -> None:
        self._values: defaultdict[tuple[str, str], dict[int, float]] = defaultdict(dict)
        self._foreign_pct: list[tuple[float, str]] = []

    def add(self, figure: str, peer: str, round_index: int, value: float) -> None:
        """Record one value."""
        self._values[figure, peer][round_index] = value

    def note_foreign(self, peer: str, share_pct: float) -> None:
        """Other processes took so much of the CPU while the peer was measured."""
        self._foreign_pct.append((share_pct, peer))

    def disturbed(self) -> list[tuple[float, str]]:
        """The runs with other processes on their CPU, (share in %, peer), the worst first."""
        return sorted((one for one in self._foreign_pct if one[0] > FOREIGN_TOLERANCE_PCT), reverse=True)

    def of(self, figure: str, peer: str) -> list[float]:
        """The values of all rounds, possibly none."""
        return list(self._values.get((figure, peer), {}).values())

    def median(self, figure: str, peer: str) -> float:
        """Over the rounds; nan without a value."""
        values = self.of(figure, peer)
        return statistics.median(values) if values else math.nan

    def spread_pct(self, figure: str, peer: str) -> float:
        """Highest minus lowest, relative to the median; nan without a value."""
        values = self.of(figure, peer)
        if not values:
            return math.nan
        spread, median = max(values) - min(values), statistics.median(values)
        return 100 * spread / median if median else math.inf if spread else 0.0

    def cell(self, figure: str, peer: str) -> str:
        """Median and spread as a table shows them; empty without a value."""
        return f"{number(self.median(figure, peer))} ±{self.spread_pct(figure, peer):.0f}" if self.of(figure, peer) else ""

    def ratio(self, ours: tuple[str, str], theirs: Sequence[tuple[str, str]]) -> float:
        """Ours to the best of theirs, each a (figure, peer); nan where a round in which all were measured is missing."""
        rounds = self._values.get(ours, {})
        rivals = [self._values.get(one, {}) for one in theirs]
        common = [index for index in rounds if all(index in rival for rival in rivals)]
        if not common:
            return math.nan
        return statistics.median(rounds[index] / min(rival[index] for rival in rivals) for index in common)

    def as_json(self) -> dict[str, dict[str, list[float]]]:
        """Every value, by figure and peer."""
        found: dict[str, dict[str, list[float]]] = {}
        for figure, peer in self._values:
            found.setdefault(figure, {})[peer] = self.of(figure, peer)
        return found


@dataclass(frozen=True)
class Goal:
    """A bound on treadle's figure relative to the best of some peers' in the same round."""

    figure: str
    peers: tuple[str, ...]
    bound: float
    ours: str = "treadle"
    their_figure: str = ""  # when the peers are measured by another figure

    def ratio(self, figures: Figures) -> float:
        """What was measured; nan when a side is missing."""
        return figures.ratio((self.figure, self.ours), [(self.their_figure or self.figure, peer) for peer in self.peers])

    def is_met(self, figures: Figures) -> bool:
        """Whether it was measured, and the bound kept."""
        return self.ratio(figures) <= self.bound

    def row(self, figures: Figures) -> tuple[str, ...]:
        """What is compared with what, the bound, the ratio, the verdict."""
        theirs = " or ".join(self.peers) + (f" ({self.their_figure})" if self.their_figure else "")
        ratio = self.ratio(figures)
        if math.isnan(ratio):
            return (self.figure, self.ours, theirs, f"{self.bound:.2f}", "-", "not measured")
        return (self.figure, self.ours, theirs, f"{self.bound:.2f}", f"{ratio:.3f}", "met" if self.is_met(figures) else "NOT MET")


GOAL_COLUMNS = ("figure", "ours", "to the best of", "at most", "measured", "goal")
